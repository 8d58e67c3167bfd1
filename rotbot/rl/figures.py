"""The figures of a step: what the completions were worth, what the update did, what each role was busy with."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rotbot.rl.episodes import ScoredGroup
from rotbot.rl.learner import StepFigures

Figures = dict[str, float]


def group_figures(groups: Sequence[ScoredGroup], version: int) -> Figures:
    """Means over all completions that were drawn for a step, those of groups without signal included.

    ``version`` is the policy's that learns from them: ``policy_age`` counts the updates since they were drawn.
    """
    scores = [score for scored in groups for score in scored.scores]
    completions = [completion for scored in groups for completion in scored.group.completions]
    ages = [version - scored.group.version for scored in groups]

    def share(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return {
        "reward": share([score.total for score in scores]),
        "parsed": share([score.parsed for score in scores]),
        "final": share([score.final_correct for score in scores]),
        "steps": share([score.rubric.steps_part(score) for score in scores]),
        "faithful": share([score.faithful for score in scores]),
        "lucky": share([score.lucky for score in scores]),
        "length": share([len(completion.tokens) for completion in completions]),
        "truncated": share([completion.finish_reason == "length" for completion in completions]),
        "zero_variance": share([not scored.has_signal for scored in groups]),
        "policy_age": share(ages),
        "policy_age_max": max(ages),
        "groups": len(groups),
        "episodes": len(completions),
    }


def update_figures(figures: StepFigures) -> Figures:
    """The figures of an update."""
    loss = figures.loss
    return {
        "loss": loss.loss.item(),
        "kl": loss.kl,
        "clip_fraction": loss.clip_fraction,
        "ratio_mean": loss.ratio_mean,
        "ratio_min": loss.ratio_min,
        "ratio_max": loss.ratio_max,
        "truncated_fraction": loss.truncated_fraction,
        "entropy": figures.entropy,
        "grad_norm": figures.grad_norm,
        "mismatch": figures.mismatch,
    }


@dataclass(slots=True)
class Clock:
    """How long each role was busy since the last :meth:`lap`."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def busy(self, role: str) -> Generator[None]:
        """The time of this block is the role's."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(role, time.perf_counter() - began)

    def add(self, role: str, seconds: float) -> None:
        """Time measured elsewhere."""
        self.seconds[role] = self.seconds.get(role, 0.0) + seconds

    def lap(self, drawn: int, trained: int) -> Figures:
        """Seconds since the last lap, the idle share of each role, and tokens ``drawn`` and ``trained`` on a second of
        the role's own."""
        now = time.perf_counter()
        whole = now - self.started
        figures = {"seconds": whole}
        figures |= {f"idle_{role}": max(0.0, 1 - seconds / whole) for role, seconds in self.seconds.items()}
        for role, tokens in (("generator", drawn), ("trainer", trained)):
            if self.seconds.get(role):
                figures[f"tokens_per_second_{role}"] = tokens / self.seconds[role]
        self.started, self.seconds = now, {}
        return figures
