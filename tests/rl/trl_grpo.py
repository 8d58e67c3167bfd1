"""The loss of TRL's own ``GRPOTrainer`` on given tokens, in float64, for a tiny random Qwen3."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log
from pathlib import Path
from unittest.mock import patch

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from rotbot.models import resolve
from rotbot.rl.loss import completion_mask

VOCABULARY = 1024
PROMPT, LENGTH = 3, 9


@dataclass(frozen=True)
class Batch:
    """Six completions (two groups of three) and what is known of their tokens, ``[6, 9]``."""

    prompt_ids: Tensor
    completion_ids: Tensor
    mask: Tensor
    old: Tensor
    reference: Tensor
    sampler: Tensor

    def rows(self, chosen: slice) -> Batch:
        return Batch(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def make_batch(seed: int = 0) -> Batch:
    """Ragged lengths, old, sampler's and reference's log-probabilities well away from the policy's."""
    g = torch.Generator().manual_seed(seed)
    mask = completion_mask((9, 4, 1, 7, 2, 5), LENGTH)
    ids = torch.randint(0, VOCABULARY, (6, PROMPT + LENGTH), generator=g)
    near = -log(VOCABULARY) + 0.3 * torch.randn(6, LENGTH, generator=g, dtype=torch.float64)
    jitter = [0.2 * torch.randn(6, LENGTH, generator=g, dtype=torch.float64) for _ in range(2)]
    return Batch(ids[:, :PROMPT], ids[:, PROMPT:], mask, near, near + jitter[0], near + jitter[1])


def save_model(folder: Path) -> Path:
    """A random float64 Qwen3 of two layers on disk, where TRL finds it again for its reference model."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, tie_word_embeddings=True, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    Qwen3ForCausalLM(config).double().save_pretrained(folder)
    return folder


def make_trainer(folder: Path, rewards: Sequence[float] = (0.0,) * 6, **options: object) -> GRPOTrainer:
    """TRL's trainer on that model. What it generates gets ``rewards``; ``options`` are those of its ``GRPOConfig``."""
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float64)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(os.fspath(resolve("embedded")))
    arguments = GRPOConfig(
        output_dir=os.fspath(folder / "out"), use_cpu=True, bf16=False, report_to=[], num_generations=3,
        per_device_train_batch_size=6, temperature=1.0, **({"max_completion_length": LENGTH} | options),
    )  # fmt: skip
    rows = Dataset.from_dict({"prompt": ["a", "b"]})
    trainer = GRPOTrainer(
        model=model, reward_funcs=lambda **_: list(rewards), args=arguments,
        train_dataset=rows, processing_class=tokenizer,
    )  # fmt: skip
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps
    return trainer


@contextmanager
def in_float64(trainer: GRPOTrainer) -> Iterator[None]:
    """The trainer with log-probabilities in float64: its fused head returns float32 whatever the model's dtype."""

    def logprobs(model, ids, attention, kept, **_):
        picked = _picked(model, ids, attention, kept)
        return picked, torch.zeros_like(picked), None

    with patch.object(trainer, "_get_per_token_logps_and_entropies", logprobs):
        yield


def trl_loss(trainer: GRPOTrainer, batch: Batch, advantages: Tensor, step_tokens: int, cap: float | None) -> Tensor:
    """The trainer's loss of ``batch``, a part of a step of ``step_tokens`` tokens. ``cap`` switches on its correction
    for the sampler (only the engine it belongs to is missing)."""
    inputs = {
        "prompt_ids": batch.prompt_ids, "prompt_mask": torch.ones_like(batch.prompt_ids),
        "completion_ids": batch.completion_ids, "completion_mask": batch.mask.long(), "advantages": advantages,
        "old_per_token_logps": batch.old, "ref_per_token_logps": batch.reference,
        "num_items_in_batch": torch.tensor(float(step_tokens)),
    }  # fmt: skip
    trainer.use_vllm = cap is not None
    if cap is not None:
        inputs["importance_sampling_ratio"] = ((batch.old - batch.sampler) * batch.mask).exp().clamp(max=cap)
    return trainer.compute_loss(trainer.model, inputs)


def plain_logprobs(model: Qwen3ForCausalLM, batch: Batch) -> Tensor:
    """Log-probabilities of the completions' tokens by the plain way: logits, softmax, pick. Float64."""
    ids = torch.cat([batch.prompt_ids, batch.completion_ids], 1)
    return _picked(model, ids, torch.cat([torch.ones_like(batch.prompt_ids), batch.mask.long()], 1), LENGTH)


def _picked(model: Qwen3ForCausalLM, ids: Tensor, attention: Tensor, kept: int) -> Tensor:
    logits = model(input_ids=ids, attention_mask=attention).logits[:, -kept - 1 : -1]
    return logits.log_softmax(-1).gather(2, ids[:, -kept:, None])[..., 0]


def gradients(model: Qwen3ForCausalLM) -> Tensor:
    """All gradients as one vector, and the model's reset."""
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    model.zero_grad()
    return flat
