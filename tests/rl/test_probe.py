"""The probe notices one stale tensor: here the copy of the tied embedding that vLLM keeps."""

from __future__ import annotations

import pytest
import torch

from rotbot.inference import open_engine
from rotbot.rl.learner import Learner
from rotbot.rl.probe import WeightsDiffer, ask, check_answer
from tests.rl.runs import make_config


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_equal_weights_pass_and_stale_ones_do_not(half_learnt, rl_dataset, engine):
    learner = Learner(make_config(f"model={half_learnt}", f"dataset={rl_dataset}"))
    with open_engine(half_learnt, engine, context=200) as opened:
        assert check_answer(learner, ask(opened)) < 1e-4
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in learner.model.parameters():
                parameter += 0.02 * parameter.abs().mean() * torch.randn(parameter.shape, generator=generator)
        new = learner.weights()
        opened.update_weights(new)
        assert check_answer(learner, ask(opened)) < 1e-4
        with torch.no_grad():
            learner.model.tok_embeddings.weight *= 1.02
        with pytest.raises(WeightsDiffer, match="expected the sampler's greedy tokens to be the trainer's"):
            check_answer(learner, ask(opened))


def test_adapters_on_bfloat16_weights_pass(half_learnt, rl_dataset):
    """The model cannot be called as it is then: its weights are bfloat16, the adapters float32."""
    settings = ("lora.rank=2", "precision=bfloat16", "optimizer.name=adamw")
    learner = Learner(make_config(f"model={half_learnt}", f"dataset={rl_dataset}", *settings))
    with open_engine(half_learnt, "transformers", context=200) as opened:
        opened.update_weights(learner.weights())
        assert check_answer(learner, ask(opened)) < 0.1
        with torch.no_grad():
            learner.model.layers[0].attn.v_proj.lora_b.weight += 3.0
        with pytest.raises(WeightsDiffer):
            check_answer(learner, ask(opened))
