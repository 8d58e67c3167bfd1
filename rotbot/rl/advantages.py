"""From rewards to advantages: of whole completions, of steps, of single tokens, and what a false step forfeits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from rotbot.errors import InputError

EPSILON = 1e-4
"""Added to a group's standard deviation, as TRL does."""

Span = tuple[int, int]
"""The tokens (or characters) of a step: from the first to before the second."""


def outcome_advantages(rewards_GS: Tensor, scale_by_std: bool = True) -> Tensor:
    """Each reward minus the mean of its group, divided by the group's standard deviation (n - 1) plus 1e-4.

    DeepSeekMath's outcome supervision (2402.03300, 4.1.2); without ``scale_by_std`` that of Dr. GRPO (2503.20783).
    ``[G, S] -> [G, S]``; a group of equal rewards gets zeros. Raises :class:`~rotbot.errors.InputError` for other
    shapes and for groups of one.
    """
    _check_groups(rewards_GS)
    centred_GS = rewards_GS - rewards_GS.mean(1, keepdim=True)
    if scale_by_std:
        centred_GS = centred_GS / (rewards_GS.std(1, keepdim=True) + EPSILON)
    return centred_GS * has_signal(rewards_GS)[:, None]


def _check_groups(rewards_GS: Tensor) -> None:
    if rewards_GS.dim() != 2 or rewards_GS.shape[1] < 2:
        raise InputError(f"rewards: expected [groups, samples] with 2 samples or more, got {list(rewards_GS.shape)}")


def has_signal(rewards_GS: Tensor) -> Tensor:
    """Which groups have rewards that differ, ``[G, S] -> [G]`` (bool). DAPO drops the others (2503.14476, 3.2)."""
    return rewards_GS.amax(1) > rewards_GS.amin(1)


def process_advantages(
    step_rewards: Sequence[Sequence[float]],
    step_spans: Sequence[Sequence[Span]],
    samples: int,
    length: int,
    scale_by_std: bool = True,
) -> Tensor:
    """DeepSeekMath's process supervision (2402.03300, 4.1.3): ``[B, length]``, float64.

    ``step_rewards`` has the rewards of the steps of each of the B completions, ``step_spans`` their tokens; each run of
    ``samples`` completions is a group. Rewards are normalized over all steps of all completions of their group; a
    token's advantage is the sum of the normalized rewards of the steps that end at it or later. So what comes after the
    last step has none: give the final line as a step of its own, rewarded by the outcome. A group whose rewards are all
    equal gets zeros.

    Raises :class:`~rotbot.errors.InputError` where the numbers of completions, rewards and spans do not agree, or
    spans are not in order within ``length``.
    """
    if samples < 1 or len(step_rewards) != len(step_spans) or len(step_rewards) % samples:
        raise InputError(
            f"process advantages: expected rewards and spans of groups of {samples}, got {len(step_rewards)} rewards "
            f"and {len(step_spans)} spans"
        )
    rows: list[Tensor] = []
    for start in range(0, len(step_rewards), samples):
        group = step_rewards[start : start + samples]
        normalized = _normalized(group, scale_by_std)
        rows += [
            _to_come(rewards, spans, length)
            for rewards, spans in zip(normalized, step_spans[start : start + samples], strict=True)
        ]
    return torch.stack(rows) if rows else torch.zeros(0, length, dtype=torch.float64)


def _normalized(group: Sequence[Sequence[float]], scale_by_std: bool) -> list[Tensor]:
    sizes = [len(rewards) for rewards in group]
    flat = torch.tensor([reward for rewards in group for reward in rewards], dtype=torch.float64)
    if flat.numel() < 2 or flat.amax() == flat.amin():
        return list(torch.zeros_like(flat).split(sizes))
    centred = flat - flat.mean()
    return list((centred / (flat.std() + EPSILON) if scale_by_std else centred).split(sizes))


def _to_come(rewards: Tensor, spans: Sequence[Span], length: int) -> Tensor:
    """For each of ``length`` tokens the sum of the rewards of the steps that end at it or later."""
    check_spans(spans, length)
    if len(spans) != len(rewards):
        raise InputError(f"process advantages: expected a span for each of {len(rewards)} rewards, got {len(spans)}")
    at_end = torch.zeros(length, dtype=torch.float64)
    for reward, (_, end) in zip(rewards, spans, strict=True):
        at_end[end - 1] += reward
    return at_end.flip(0).cumsum(0).flip(0)


def tree_advantages(rewards_GS: Tensor, tokens: Sequence[Sequence[int]], scale_by_std: bool = True) -> Tensor:
    """What each token changed: ``[G, S]`` rewards and the tokens of the G*S completions ``-> [G*S, T]``, float64.

    The completions of a group are a tree of their common beginnings. A node's value is the mean reward of the
    completions that pass through it, a Monte Carlo estimate (as in VinePPO, 2410.01679, without further draws), and a
    token's advantage is the value after it minus the value before it, divided by the group's standard deviation (n - 1)
    plus 1e-4 with ``scale_by_std``. So tokens on which all agree that share a beginning have none, nor has what comes
    after a completion has left all others: neither can be told from chance. At every node the advantages sum to zero.

    Raises :class:`~rotbot.errors.InputError` for other shapes of rewards, and unless there are tokens for each.
    """
    _check_groups(rewards_GS)
    groups, samples = rewards_GS.shape
    if len(tokens) != groups * samples:
        raise InputError(f"tree advantages: expected tokens of {groups * samples} completions, got {len(tokens)}")
    advantages_BT = torch.zeros(len(tokens), max(map(len, tokens), default=0), dtype=torch.float64)
    for group, rewards in enumerate(rewards_GS.double()):
        first = group * samples
        scale = 1 / (rewards.std().item() + EPSILON) if scale_by_std else 1.0
        worth = dict(enumerate(rewards.tolist(), first))
        nodes = [(list(worth), 0)] if max(worth.values()) > min(worth.values()) else []
        while nodes:
            members, at = nodes.pop()
            branches: dict[int, list[int]] = defaultdict(list)
            for member in members:
                if at < len(tokens[member]):
                    branches[tokens[member][at]].append(member)
            value = fmean(worth[member] for member in members)
            for branch in branches.values():
                if len(branch) < len(members):
                    advantages_BT[branch, at] = scale * (fmean(worth[member] for member in branch) - value)
                if len(branch) > 1:
                    nodes.append((branch, at + 1))
    return advantages_BT


def check_spans(spans: Sequence[Span], length: int) -> None:
    """Raises :class:`~rotbot.errors.InputError` unless the spans are not empty, in order, and end within ``length``."""
    at = 0
    for span in spans:
        if not at <= span[0] < span[1] <= length:
            raise InputError(f"step spans: expected them in order within {length} tokens, got {list(spans)}")
        at = span[1]


def gate_after_first_false(advantages_BT: Tensor, first_false: Sequence[int | None]) -> Tensor:
    """No positive advantage from the first token of the first false step on; ``[B, T] -> [B, T]``.

    ``first_false`` is that token's index for each completion, None where all steps are true. What follows a false step
    cannot be credited to its own truth; it may still be blamed. Raises :class:`~rotbot.errors.InputError` unless there
    is one entry a completion.
    """
    if len(first_false) != len(advantages_BT):
        raise InputError(
            f"first_false: expected {len(advantages_BT)} entries, one a completion, got {len(first_false)}"
        )
    length = advantages_BT.shape[1]
    starts_B = torch.tensor([length if at is None else at for at in first_false], device=advantages_BT.device)
    gated_BT = torch.arange(length, device=advantages_BT.device) >= starts_B[:, None]
    return torch.where(gated_BT, advantages_BT.clamp(max=0), advantages_BT)
