"""What a score is worth: weights of its parts, and how the rewards of single steps make one.

The parts, each from 0 to 1. They are made so that nothing is earned by writing more, less or other than the truth.

- ``format``: every line is in its place.
- ``final``: the final line is right, whatever the way to it.
- ``steps``: the steps, combined as :attr:`Rubric.combine` says; 0 where the format is not kept.
- ``faithful``: every step and the final line are right.
- ``work``: the share of the truth's steps that are in the true prefix and show no wrong calculation.
- ``length``: taken off: the share of steps too many or missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotbot.errors import ConfigError, InputError

if TYPE_CHECKING:
    from rotbot.rewards.score import Score

COMBINATIONS = ("prefix", "minimum", "product", "sum")


@dataclass(frozen=True, slots=True)
class Rubric:
    """Weights of the parts of a total.

    A step is worth 1 if it is true, ``local`` if it is only locally valid, else 0. ``combine`` makes one number of all:

    - ``prefix``: the mean over the true prefix; from the first step that is not true on, nothing counts;
    - ``minimum``, ``product``: of all steps, 0 where one is missing or surplus (the same unless ``local`` is set);
    - ``sum``: the naive sum over the number of the truth's steps, for comparison: with ``local`` set, padding pays.

    Raises :class:`~rotbot.errors.ConfigError` for values that do not fit.
    """

    format: float = 0.0
    final: float = 0.0
    steps: float = 0.0
    faithful: float = 0.0
    work: float = 0.0
    length: float = 0.0
    combine: str = "prefix"
    local: float = 0.0

    def __post_init__(self) -> None:
        for name in ("format", "final", "steps", "faithful", "work", "length", "local"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"rubric.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.local > 1:
            raise ConfigError(f"rubric.local: expected at most 1, what a true step is worth, got {self.local}")
        if not any((self.format, self.final, self.steps, self.faithful, self.work)):
            raise ConfigError("rubric: expected a weight above 0 for a part that can be earned, got none")
        if self.combine not in COMBINATIONS:
            raise ConfigError(f"rubric.combine: expected one of {', '.join(COMBINATIONS)}, got {self.combine}")

    def total(self, score: Score) -> float:
        """The weighted sum of the parts of ``score``, at least 0."""
        earned = self.format * score.parsed + self.final * score.final_correct + self.faithful * score.faithful
        if self.steps:
            earned += self.steps * self.steps_part(score)
        if self.work and score.parsed:
            earned += self.work * (score.clean_steps / score.steps_total if score.steps_total else score.faithful)
        if self.length:
            most = max(score.steps_claimed, score.steps_total)
            earned -= self.length * (abs(score.steps_claimed - score.steps_total) / most if most else 0)
        return max(earned, 0.0)

    def steps_part(self, score: Score) -> float:
        """The part ``steps``: from 0 to 1 (the naive sum may go above)."""
        if not score.parsed:
            return 0.0
        most = max(score.steps_claimed, score.steps_total)
        if not most:
            return 1.0
        rewards = self.step_rewards(score)
        if self.combine == "prefix":
            return sum(rewards) / most
        if self.combine == "sum":
            return sum(rewards) / max(score.steps_total, 1)
        return rewards[-1] if score.steps_claimed == score.steps_total else 0.0

    def step_rewards(self, score: Score) -> list[float]:
        """A reward for each claimed step, combined with those before it: for process supervision.

        ``prefix`` is 1 up to the first step that is not true and 0 from there on; ``minimum`` and ``product`` run over
        the steps so far; ``sum`` leaves each step its own. All are 0 where the format is not kept.
        """
        if not score.parsed:
            return [0.0] * score.steps_claimed
        if self.combine == "prefix":
            return [1.0] * score.steps_correct + [0.0] * (score.steps_claimed - score.steps_correct)
        rewards: list[float] = []
        running = 1.0
        for valid, true in zip(score.locally_valid if self.local else score.true, score.true, strict=True):
            own = 1.0 if true else self.local * valid
            running = (
                own if self.combine == "sum" else running * own if self.combine == "product" else min(running, own)
            )
            rewards.append(running)
        return rewards


RUBRICS = {
    "faithful": Rubric(steps=0.5, faithful=0.5),
    "final-only": Rubric(final=1.0),
}
"""``faithful`` is the default; ``final-only`` is what the first version of this idea trained on."""


def rubric_named(name: str) -> Rubric:
    """A preset. Raises :class:`~rotbot.errors.InputError` for another name."""
    if name not in RUBRICS:
        raise InputError(f"rubric: expected one of {', '.join(RUBRICS)}, got {name!r:.80}")
    return RUBRICS[name]
