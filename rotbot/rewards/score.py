"""``rotbot.score``: what a completion got right, as one flat record, and what that is worth.

A :class:`Score` is small and can be sent between processes; the texts and traces it was made from stay in
:mod:`rotbot.rewards.compare`, which says what *true* means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rotbot.rewards.compare import judge
from rotbot.rewards.reading import Expected, expect
from rotbot.rewards.rubric import RUBRICS, Rubric, rubric_named
from rotbot.rewards.validity import is_locally_valid
from rotbot.rewards.work import check_work

if TYPE_CHECKING:
    from rotbot.problem import Problem
    from rotbot.shapes.trace import Step

TRUTHS_KEPT = 8192


@dataclass(frozen=True, slots=True)
class Score:
    """What a completion got right.

    ``parsed``: every line is in its place (:mod:`rotbot.rewards.reading`) and there is a final line. ``final_correct``:
    the final line is the truth's. ``claimed`` are the steps the model wrote, ``true`` says of each whether it is the
    truth's step of that number, ``spans`` are its characters (from the first to before the second).
    ``steps_correct`` is the length of the longest true prefix, ``steps_total`` the number of the truth's steps.
    ``work_items`` counts the calculations shown, ``work_correct`` those that are right, ``clean_steps`` the steps of
    the true prefix whose work has no mistake. ``rubric`` says what all this is worth.
    """

    parsed: bool
    final_correct: bool
    claimed: tuple[Step, ...]
    true: tuple[bool, ...]
    spans: tuple[tuple[int, int], ...]
    steps_correct: int
    steps_total: int
    work_items: int
    work_correct: int
    clean_steps: int
    rubric: Rubric

    @property
    def steps_claimed(self) -> int:
        """The number of steps that the model wrote in the grammar."""
        return len(self.claimed)

    @property
    def locally_valid(self) -> tuple[bool, ...]:
        """For each step, whether its operation gives the outputs it claims on the inputs *it claims*; true ones are.

        The others are run when this is asked for, and kept. See :mod:`rotbot.rewards.validity`.
        """
        return tuple([true or is_locally_valid(step) for true, step in zip(self.true, self.claimed, strict=True)])

    @property
    def first_false(self) -> int | None:
        """The index of the first claimed step that is not true; None if all are."""
        return self.steps_correct if self.steps_correct < len(self.claimed) else None

    @property
    def faithful(self) -> bool:
        """Parsed, every step true, as many as the truth has, the final line correct."""
        return self.parsed and self.final_correct and self.steps_correct == self.steps_total == len(self.claimed)

    @property
    def lucky(self) -> bool:
        """The final line is correct, the way to it is not."""
        return self.final_correct and not self.faithful

    @property
    def total(self) -> float:
        """What the completion is worth under its rubric."""
        return self.rubric.total(self)


def score(problem: Problem, completion: str, rubric: Rubric | str = "faithful") -> Score:
    """Score ``completion``, any text, against the truth of ``problem``: exact, deterministic, linear time.

    Never raises on a completion. The truth is traced in this process and kept: problems must be our own, not foreign
    code (for that, :func:`score_expected`). Raises :class:`~rotbot.errors.InputError` for an unknown rubric and the
    family of :class:`~rotbot.errors.SnippetError` for a problem that cannot be traced.
    """
    return score_expected(_expected_of(problem), completion, rubric)


@lru_cache(maxsize=TRUTHS_KEPT)
def _expected_of(problem: Problem) -> Expected:
    return expect(problem.truth())


def score_expected(expected: Expected, completion: str, rubric: Rubric | str = "faithful") -> Score:
    """:func:`score` against a truth at hand, wherever it was traced: ``expect(truth)``."""
    weights = (RUBRICS.get(rubric) or rubric_named(rubric)) if isinstance(rubric, str) else rubric
    judged = judge(expected, completion)
    claimed = judged.reading.claimed
    items = right = 0
    clean = judged.steps_correct
    if any([step.work for step in claimed.steps]):
        work = check_work(claimed, expected.truth)
        items, right = len(work.items), work.correct
        clean -= len({item.step for item in work.mistakes if item.step < clean})
    return Score(
        judged.parsed, judged.final_correct, claimed.steps, judged.true, judged.reading.spans, judged.steps_correct,
        len(expected.lines), items, right, clean, weights,
    )  # fmt: skip
