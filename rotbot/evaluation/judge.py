"""What the benchmark asks, and the verdict on what a model answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rotbot.evaluation.prompts import PLAIN, Variant, answer_part, final_of
from rotbot.problem import Problem
from rotbot.problems.graphs import op_name
from rotbot.rewards.compare import Comparison, compare
from rotbot.shapes.text import as_completion, as_shapes
from rotbot.shapes.trace import ShapeTrace

_SHAPE = re.compile(r"\[[^\[\]]*\]")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Case:
    """A problem of a ``split`` with its truth."""

    split: str
    problem: Problem
    truth: ShapeTrace

    @cached_property
    def ops(self) -> tuple[str, ...]:
        """The operation of every step, by its torch name."""
        return tuple([op_name(step.op) for step in self.truth.steps])

    @property
    def depth(self) -> int:
        """The number of steps."""
        return len(self.truth.steps)

    @cached_property
    def rank(self) -> int:
        """The highest rank of any tensor."""
        shapes = [spec.shape for _, spec in self.problem.specs]
        shapes += [shape for step in self.truth.steps for shape in (*step.inputs, *step.outputs)]
        return max([len(shape) for shape in shapes], default=0)


@dataclass(frozen=True)
class Verdict:
    """One answer held against the truth. ``final``: the target's shape (or the failing step) is right; for the plain
    prompt that is the comparison's, for the others what :func:`~rotbot.evaluation.prompts.final_of` reads."""

    comparison: Comparison
    final: bool

    @property
    def faithful(self) -> bool:
        """Every step true, none missing or surplus, the final line right, nothing else written."""
        return self.comparison.faithful

    @property
    def lucky(self) -> bool:
        """The final shape is right, the way to it is not."""
        return self.final and not self.faithful

    @property
    def parsed(self) -> bool:
        """All of it is in the format."""
        return self.comparison.parsed

    @property
    def steps(self) -> float:
        """The share of the truth's steps in the longest true prefix."""
        total = self.comparison.steps_total
        return self.comparison.steps_correct / total if total else float(self.final)

    @property
    def error_step(self) -> bool:
        """A wrong program is rejected at the right step."""
        claimed, true = self.comparison.claimed.error, self.comparison.truth.error
        return claimed is not None and true is not None and claimed.step == true.step

    @property
    def error_kind(self) -> bool:
        """A wrong program is rejected at the right step, for the right kind of reason."""
        claimed, true = self.comparison.claimed.error, self.comparison.truth.error
        if claimed is None or true is None or claimed.step != true.step:
            return False
        return reason_kind(claimed.reason) == reason_kind(true.reason)


@dataclass(frozen=True)
class Judged:
    """A case with the verdicts on every sample of the model, one or more."""

    case: Case
    verdicts: tuple[Verdict, ...]


def reason_kind(reason: str) -> str:
    """What kind of reason it is: its words, whatever the numbers, shapes and plurals in it.

    ``inner dimensions 10 and 9 differ`` → ``inner dimension N and N differ``.
    """
    words = _NUMBER.sub("N", _SHAPE.sub("S", reason)).split()
    return " ".join([word.rstrip("s,") for word in words])


def judge(case: Case, completions: Sequence[str], variant: Variant = PLAIN) -> Judged:
    """Hold a model's answers to a case against its truth. Never raises on what a model wrote."""
    return Judged(case, tuple([_verdict(case, text, variant) for text in completions]))


def _verdict(case: Case, text: str, variant: Variant) -> Verdict:
    """A general model's answer is a trace after its thoughts: its last line is read as what follows them."""
    if variant == PLAIN:
        comparison = compare(case.truth, text)
        return Verdict(comparison, comparison.final_correct)
    answer = answer_part(text)
    return Verdict(compare(case.truth, as_completion(answer.strip())), final_of(answer, case.truth))


def claimed_final(verdict: Verdict) -> object:
    """What an answer says in the end, to be compared with another's: shapes, or the failing step; None if nothing."""
    claimed = verdict.comparison.claimed
    if claimed.error is not None:
        return claimed.error.step
    return None if claimed.final is None else as_shapes(claimed.final)
