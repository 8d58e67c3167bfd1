"""The learning rate's course, and how many steps a schedule means."""

from __future__ import annotations

import math

from rotbot.sft.config import ScheduleSection


def lr_factor(step: int, total: int, warmup: float, floor: float) -> float:
    """The peak's share at ``step`` (0-based) of ``total``: linear warmup over ``warmup * total`` steps, then a cosine
    that reaches ``floor`` at the last step."""
    warm = round(warmup * total)
    if step < warm:
        return (step + 1) / warm
    progress = (step - warm) / max(1, total - 1 - warm)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def total_steps(schedule: ScheduleSection, step_tokens: int, packs_per_epoch: int, packs_per_step: int) -> int:
    """How many optimizer steps the schedule means, at least 1. ``tokens`` counts packed tokens, prompts included."""
    if schedule.steps is not None:
        return schedule.steps
    if schedule.tokens is not None:
        return max(1, round(schedule.tokens / step_tokens))
    assert schedule.epochs is not None  # SftConfig has checked that one of the three is given
    return max(1, round(schedule.epochs * packs_per_epoch / packs_per_step))
