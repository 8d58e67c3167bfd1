"""Our loss against TRL's ``GRPOTrainer``: the same number and the same gradients, for every kind that both have."""

from functools import cache

import pytest
import torch

from rotbot.rl.advantages import outcome_advantages
from rotbot.rl.config import LossConfig
from rotbot.rl.loss import policy_loss, step_normalizer
from tests.rl.trl_grpo import (
    LENGTH,
    gradients,
    in_float64,
    make_batch,
    make_trainer,
    plain_logprobs,
    save_model,
    trl_loss,
)

TRL_OPTIONS = {
    "grpo": {"loss_type": "grpo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "dapo": {"loss_type": "dapo"},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    "cispo": {"loss_type": "cispo"},
}
LOW, HIGH = 0.1, 0.15
CAP, BETA = 1.1, 0.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("qwen3"))


@pytest.fixture(scope="module")
def trainers(folder):
    @cache
    def trainer(kind, kl, accumulate=1):
        # TRL's epsilon_high is CISPO's cap itself, ours the distance of the cap from 1 as in the paper.
        high = 1 + HIGH if kind == "cispo" else HIGH
        return make_trainer(
            folder, epsilon=LOW, epsilon_high=high, beta=BETA if kl else 0.0,
            use_bias_correction_kl=kl == "k3_weighted", gradient_accumulation_steps=accumulate,
            steps_per_generation=accumulate, **TRL_OPTIONS[kind],
        )  # fmt: skip

    return trainer


def our_config(kind, kl=None, cap=None):
    length = LENGTH if kind == "dr_grpo" else None
    return LossConfig(kind, LOW, HIGH, BETA if kl else 0.0, kl or "k3", cap, length)


def advantages_for(per_token):
    g = torch.Generator().manual_seed(7)
    shape = (6, LENGTH) if per_token else (6, 1)
    return torch.randn(shape, generator=g, dtype=torch.float64)


# Left out because TRL means something else there: it has no GSPO-token, so every token's gradient is weighted by the
# mean of what its completion's tokens have (advantages, weights for the sampler), and k3 by the completion's ratio.
CASES = [
    (kind, kl, per_token, cap)
    for kind in TRL_OPTIONS
    for kl in (None, "k3", "k3_weighted")
    for per_token in (False, True)
    for cap in (None, CAP)
    if kind != "gspo" or not (per_token or cap or kl == "k3_weighted")
]


@pytest.mark.parametrize(("kind", "kl", "per_token", "cap"), CASES)
def test_loss_gradients_and_figures_are_trls(trainers, kind, kl, per_token, cap):
    trainer, batch = trainers(kind, kl), make_batch()
    advantages, tokens = advantages_for(per_token), int(batch.mask.sum())

    def theirs():
        loss = trl_loss(trainer, batch, advantages if per_token else advantages[:, 0], tokens, cap)
        loss.backward()
        return loss.detach(), gradients(trainer.model)

    ours = policy_loss(
        plain_logprobs(trainer.model, batch), batch.old, advantages, batch.mask, our_config(kind, kl, cap),
        reference_logprobs=batch.reference if kl else None, sampler_logprobs=batch.sampler,
    )  # fmt: skip
    ours.loss.backward()
    our_gradients = gradients(trainer.model)
    assert our_gradients.dtype == torch.float64
    assert our_gradients.abs().max() > 1e-3
    torch.testing.assert_close((ours.loss.detach(), our_gradients), theirs(), rtol=0, atol=1e-6)
    with in_float64(trainer):
        exact = theirs()
    torch.testing.assert_close((ours.loss.detach(), our_gradients), exact, rtol=0, atol=1e-14)

    logged = trainer._metrics["train"]
    if kind not in ("cispo", "gspo"):
        assert ours.clip_fraction == pytest.approx(logged["clip_ratio/region_mean"][-1], abs=1e-6)
        assert ours.clip_fraction > 0
    if kl:
        assert ours.kl == pytest.approx(logged["kl"][-1], abs=1e-6)
    assert (ours.truncated_fraction > 0) == (cap is not None)


@pytest.mark.parametrize("kind", TRL_OPTIONS)
def test_micro_batches_add_up_to_trls_accumulated_step(trainers, kind):
    trainer, batch = trainers(kind, None, accumulate=2), make_batch()
    advantages, tokens, config = advantages_for(False), int(batch.mask.sum()), our_config(kind)
    halves = [slice(0, 3), slice(3, 6)]
    with in_float64(trainer):
        for half in halves:
            trl_loss(trainer, batch.rows(half), advantages[half, 0], tokens, None).backward()
    their_gradients = gradients(trainer.model)
    whole = step_normalizer(config, 6, tokens)
    for half in halves:
        part = batch.rows(half)
        logprobs = plain_logprobs(trainer.model, part)
        policy_loss(logprobs, part.old, advantages[half], part.mask, config, normalizer=whole).loss.backward()
    torch.testing.assert_close(gradients(trainer.model), their_gradients, rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", ["group", "none"])
def test_outcome_advantages_are_those_trl_gives_what_it_generates(folder, scale):
    rewards = [0.0, 1.0, 0.25, 0.5, 0.5, 0.5]
    trainer = make_trainer(folder, rewards, loss_type="grpo", scale_rewards=scale, max_completion_length=3)
    generated = trainer._generate_and_score_completions([{"prompt": p} for p in "aaabbb"])
    ours = outcome_advantages(torch.tensor(rewards).view(2, 3), scale_by_std=scale == "group").flatten()
    assert generated["completion_ids"].shape[0] == 6
    assert ours.abs().max() > 0.5
    torch.testing.assert_close(ours, generated["advantages"], rtol=0, atol=1e-6)
