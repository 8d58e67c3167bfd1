"""What each part of the loss is worth: a model's gradient without it, beside the gradient with it.

Prints the table of docs/grpo-loss.md: ``pytest -s tests/rl/test_omissions.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from transformers import Qwen3ForCausalLM

from rotbot.rl.advantages import gate_after_first_false, outcome_advantages, process_advantages
from rotbot.rl.config import LossConfig
from rotbot.rl.loss import policy_loss, step_normalizer
from tests.rl.trl_grpo import LENGTH, Batch, gradients, make_batch, plain_logprobs, save_model

REPORT = Path(__file__).parents[2] / "docs/grpo-loss.md"
REWARDS = torch.tensor([[1.0, 0.2, 0.0], [0.3, 0.3, 0.9]], dtype=torch.float64)
STEPS = [[(0, 3), (3, 6), (6, 9)], [(0, 2), (2, 4)], [(0, 1)], [(0, 3), (3, 5), (5, 7)], [(0, 2)], [(0, 2), (2, 5)]]
STEP_REWARDS = [[1.0, 0.0, 0.0], [1.0, 0.0], [0.0], [1.0, 0.0, 0.0], [1.0], [1.0, 1.0]]
FIRST_FALSE = [3, 2, 0, 3, None, None]


@dataclass(frozen=True)
class Setting:
    """Everything a loss is computed from; an omission changes some of it."""

    batch: Batch
    advantages: torch.Tensor
    config: LossConfig
    micro_batches: int = 1
    own_normalizer: bool = False


def setting(**config) -> Setting:
    return Setting(make_batch(), outcome_advantages(REWARDS).view(6, 1).expand(6, LENGTH), LossConfig(**config))


def process(s: Setting) -> Setting:
    return replace(s, advantages=process_advantages(STEP_REWARDS, STEPS, 3, LENGTH))


def without_ratio(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, batch=replace(s.batch, old=policy))


def without_eos(s: Setting, policy: torch.Tensor) -> Setting:
    last = s.batch.mask & ~s.batch.mask.roll(-1, 1).index_fill(1, torch.tensor([LENGTH - 1]), False)
    return replace(s, batch=replace(s.batch, mask=s.batch.mask & ~last))


def in_three(s: Setting) -> Setting:
    return replace(s, micro_batches=3)


def per_micro_batch(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, own_normalizer=True)


def with_kind(kind: str) -> Callable[[Setting, torch.Tensor], Setting]:
    return lambda s, policy: replace(s, config=replace(s.config, kind=kind, max_length=LENGTH))


def without_std(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, advantages=outcome_advantages(REWARDS, scale_by_std=False).view(6, 1).expand(6, LENGTH))


def without_cap(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, config=replace(s.config, truncate_is=None))


def without_clip(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, config=replace(s.config, clip_low=1.0, clip_high=1e9))


def backward_kl(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, config=replace(s.config, kl="k3"))


def outcome_alone(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, advantages=setting().advantages)


def gated(s: Setting) -> Setting:
    return replace(s, advantages=gate_after_first_false(s.advantages, FIRST_FALSE))


def without_gate(s: Setting, policy: torch.Tensor) -> Setting:
    return replace(s, advantages=setting().advantages)


CASES = {
    "off-policy data without the importance ratio": (setting(), without_ratio),
    "no clipping of the ratio": (setting(), without_clip),
    "a mask of `token != pad` where pad is EOS": (setting(), without_eos),
    "each of 3 micro-batches divided by its own tokens (dapo)": (in_three(setting(kind="dapo")), per_micro_batch),
    "a mean of completions instead of tokens (grpo for dapo)": (setting(kind="dapo", clip_high=0.2), with_kind("grpo")),
    "a constant length instead of each one's own (dr_grpo for grpo)": (setting(), with_kind("dr_grpo")),
    "no division by the group's standard deviation": (setting(), without_std),
    "no correction of the sampler's log-probabilities": (setting(truncate_is=2.0), without_cap),
    "published k3 instead of k3 times the ratio (beta 0.1)": (setting(beta=0.1, kl="k3_weighted"), backward_kl),
    "outcome instead of process supervision": (process(setting()), outcome_alone),
    "credit after the first false step": (gated(setting()), without_gate),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Qwen3ForCausalLM.from_pretrained(save_model(tmp_path_factory.mktemp("qwen3")), dtype=torch.float64)


def gradient(model: Qwen3ForCausalLM, s: Setting) -> torch.Tensor:
    whole = step_normalizer(s.config, 6, int(s.batch.mask.sum()))
    size = 6 // s.micro_batches
    for start in range(0, 6, size):
        rows = slice(start, start + size)
        part = s.batch.rows(rows)
        own = step_normalizer(s.config, size, int(part.mask.sum())) * s.micro_batches
        policy_loss(
            plain_logprobs(model, part), part.old, s.advantages[rows], part.mask, s.config,
            reference_logprobs=part.reference if s.config.beta else None, sampler_logprobs=part.sampler,
            normalizer=own if s.own_normalizer else whole,
        ).loss.backward()  # fmt: skip
    return gradients(model)


def test_every_part_changes_the_gradient(model):
    policy = plain_logprobs(model, make_batch()).detach()
    report = REPORT.read_text(encoding="utf-8").splitlines()
    print("\n| left out or replaced | change of the gradient | cosine |\n|---|---:|---:|")
    for name, (full, omit) in CASES.items():
        right, wrong = gradient(model, full), gradient(model, omit(full, policy))
        change = ((wrong - right).norm() / right.norm()).item()
        cosine = torch.nn.functional.cosine_similarity(wrong, right, 0).item()
        row = f"| {name} | {100 * change:.0f}% | {cosine:.2f} |"
        print(row)
        assert row in report
