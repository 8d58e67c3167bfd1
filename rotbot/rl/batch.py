"""From scored groups to what the loss is computed on: tokens, log-probabilities and an advantage for each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rotbot.rewards.score import Score
from rotbot.rl.advantages import (
    Span,
    gate_after_first_false,
    outcome_advantages,
    process_advantages,
    tree_advantages,
)
from rotbot.rl.episodes import ScoredGroup
from rotbot.rl.loss import completion_mask
from rotbot.rl.spans import TokenTexts, token_spans
from rotbot.sft.data import Samples


@dataclass(frozen=True)
class Batch:
    """The completions of an optimizer step. ``samples`` has prompts and completions end to end, for packing; the other
    tensors are ``[B, T]``, completions padded on the right. All of them, the end tokens too, are trained on."""

    samples: Samples
    advantages_BT: Tensor
    sampler_BT: Tensor
    mask_BT: Tensor

    @property
    def tokens(self) -> int:
        """Completion tokens in all."""
        return self.samples.completion_tokens


def make_batch(
    groups: Sequence[ScoredGroup], texts: TokenTexts, advantages: str, gate: bool, scale_by_std: bool
) -> Batch:
    """The batch of groups of one size. ``advantages``, ``gate`` are as in :class:`~rotbot.rl.settings.GrpoConfig`."""
    completions = [completion for scored in groups for completion in scored.group.completions]
    scores = [score for scored in groups for score in scored.scores]
    lengths = [len(completion.tokens) for completion in completions]
    mask_BT = completion_mask(lengths, max(lengths))
    spans = [
        token_spans(texts.ends(completion.tokens), score.spans)
        for completion, score in zip(completions, scores, strict=True)
    ]
    size = len(groups[0].scores)
    if advantages == "process":
        made_BT = _process(scores, spans, size, mask_BT.shape[1], scale_by_std)
    else:
        rewards_GS = torch.tensor([scored.rewards for scored in groups], dtype=torch.float64)
        if advantages == "tree":
            made_BT = tree_advantages(rewards_GS, [completion.tokens for completion in completions], scale_by_std)
        else:
            made_BT = outcome_advantages(rewards_GS, scale_by_std).view(-1, 1).expand(mask_BT.shape)
    if gate:
        made_BT = gate_after_first_false(
            made_BT, [_false_from(score, at) for score, at in zip(scores, spans, strict=True)]
        )
    sampler_BT = torch.zeros(mask_BT.shape)
    sampler_BT[mask_BT] = torch.tensor([logprob for completion in completions for logprob in completion.logprobs])
    pairs = [(scored.group.task.prompt_ids, one.tokens) for scored in groups for one in scored.group.completions]
    return Batch(samples_of(pairs), made_BT.float(), sampler_BT, mask_BT)


def samples_of(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Samples:
    """Prompts and their completions as tokens, end to end."""
    rows = [np.array([*prompt, *completion], dtype=np.int32) for prompt, completion in pairs]
    offsets = np.cumsum([0, *[len(row) for row in rows]])
    return Samples(np.concatenate(rows), offsets, np.array([len(p) for p, _ in pairs], dtype=np.int32), 0)


def _process(
    scores: Sequence[Score], spans: Sequence[Sequence[Span]], size: int, length: int, scale_by_std: bool
) -> Tensor:
    """Process supervision, the final line a step of its own that is worth the whole completion's reward."""
    rewards: list[list[float]] = []
    places: list[list[Span]] = []
    for score, at in zip(scores, spans, strict=True):
        worth = [*score.rubric.step_rewards(score), score.total]
        kept = [(reward, span) for reward, span in zip(worth, at, strict=True) if span[0] < span[1]]
        rewards.append([reward for reward, _ in kept])
        places.append([span for _, span in kept])
    return process_advantages(rewards, places, size, length, scale_by_std)


def _false_from(score: Score, spans: Sequence[Span]) -> int | None:
    """The first token of what is not true: a step, or the final line (a wrong one, or one that comes too early)."""
    if score.faithful:
        return None
    return spans[len(score.claimed) if score.first_false is None else score.first_false][0]
