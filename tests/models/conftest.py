"""A small tokenizer and small random models; norm scales are random too, as they are in every trained model."""

from __future__ import annotations

import random

import pytest
import torch

from rotbot.models import ModelConfig, build_qwen3, init_weights, train_tokenizer


def write_example(rng: random.Random) -> tuple[str, str]:
    """A prompt and its completion, in the project's format."""
    a, b, c = (rng.randint(1, 64) for _ in range(3))
    v, w = rng.sample("abcdfghkmpqrsuvwxyz", 2)
    prompt = f"Code: '{w} = {v}[None, :]\\n{v} = {w}.expand({a}, -1)'\nArgs: {{'{v}': [{b}], 'i': [{c}]}}\nTarget: {v}"
    completion = (
        f"step 0: add dimension at position 0 | [{b}] -> [1, {b}]\nstep 1: expand({a}, -1) | [1, {b}] -> [{a}, {b}]\n"
        f"step 2: cat(dim=0) | [{a}, {b}], [{c}, {b}] -> [{a + c}, {b}]\n</think>\nfinal: [{a + c}, {b}]"
    )
    return prompt, completion


@pytest.fixture(scope="session")
def tokenizer():
    rng = random.Random(7)
    return train_tokenizer((text for _ in range(400) for text in write_example(rng)), vocab_size=400)


def small_config(tied: bool, vocab_size: int = 400) -> ModelConfig:
    # heads * head_dim (128) is not dim (64), as in Qwen3-0.6B and 4B.
    return ModelConfig(
        vocab_size, dim=64, layers=3, heads=4, kv_heads=2, head_dim=32, ffn_dim=96, rope_base=1e4, tied=tied,
        max_positions=256,
    )  # fmt: skip


def random_model(config: ModelConfig, seed: int = 0):
    model = build_qwen3(config)
    init_weights(model, seed, std=0.1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("scale"):
                parameter.uniform_(0.3, 2.0, generator=generator)
    return model.eval()


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def config(request) -> ModelConfig:
    return small_config(request.param)


@pytest.fixture
def model(config):
    return random_model(config)


@pytest.fixture(scope="session")
def example():
    return write_example


@pytest.fixture(scope="session")
def make_config():
    return small_config


@pytest.fixture(scope="session")
def make_model():
    return random_model
