"""A model's completion beside the truth, step by step.

Steps are aligned by their number. A step is true if its operation, input shapes, output shapes and (where torch rejects
it) reason are exactly the truth's; symbolic dimensions are compared as expressions (``T - 1 + 2`` is ``T + 1``). The
work a step may show is judged apart from that (``work_items`` and ``work_correct``): it makes no step true or false.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from rotbot.rewards.reading import Expected, Reading, expect, read
from rotbot.rewards.work import Work, check_work
from rotbot.shapes.symbols_text import same_dim
from rotbot.shapes.text import as_shapes, render_final, render_step
from rotbot.shapes.trace import Shape, ShapeTrace, Step

_SHOWN = 120


@dataclass(frozen=True, slots=True)
class StepPair:
    """Step ``index`` as the model claims it and as it is; None where that side has no such step."""

    index: int
    claimed: Step | None
    true: Step | None

    @property
    def match(self) -> bool:
        """Whether both sides have the step and say the same."""
        return self.claimed is not None and self.true is not None and _same_step(self.claimed, self.true)


@dataclass(frozen=True)
class Comparison:
    """What a completion got right.

    ``parsed``: every line is in its place (:mod:`rotbot.rewards.reading`) and there is a final line. ``final_correct``:
    the final line is the truth's. ``steps_correct``: the length of the longest true prefix. ``spans``: the characters
    of each claimed step. ``faithful``: parsed, as many steps as the truth has, all of them true, and the final line
    correct. ``lucky``: the final line is correct without that. ``divergence``: the first step that is not the truth's
    (missing or surplus ones too), None if there is none.
    """

    claimed: ShapeTrace
    truth: ShapeTrace
    pairs: tuple[StepPair, ...]
    parsed: bool
    final_correct: bool
    steps_correct: int
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def steps_total(self) -> int:
        """The number of steps of the truth."""
        return len(self.truth.steps)

    @property
    def steps_claimed(self) -> int:
        """The number of steps that the model wrote in the grammar."""
        return len(self.claimed.steps)

    @cached_property
    def work(self) -> Work:
        """Every work item the model wrote, with its verdict. Made when it is asked for."""
        return check_work(self.claimed, self.truth)

    @property
    def work_items(self) -> int:
        """How many work items the model wrote."""
        return len(self.work.items)

    @property
    def work_correct(self) -> int:
        """How many of them are right. True equations are cheap to write: a reward should ask that none be wrong."""
        return self.work.correct

    @property
    def divergence(self) -> int | None:
        """The index of the first pair that does not match."""
        return self.steps_correct if self.steps_correct < len(self.pairs) else None

    @property
    def faithful(self) -> bool:
        """Every step true, none missing or surplus, the final line correct, nothing else written."""
        return self.parsed and self.final_correct and self.divergence is None

    @property
    def lucky(self) -> bool:
        """The final line is correct, the way to it is not."""
        return self.final_correct and not self.faithful


def compare(truth: ShapeTrace, completion: str) -> Comparison:
    """Hold ``completion``, any text, against ``truth``. Never raises on what a model wrote; linear time."""
    return compare_expected(expect(truth), completion)


def compare_expected(expected: Expected, completion: str) -> Comparison:
    """:func:`compare` for many completions of one truth."""
    judged = judge(expected, completion)
    claimed = judged.reading.claimed
    pairs = [StepPair(index, *pair) for index, pair in enumerate(zip_longest(claimed.steps, expected.truth.steps))]
    return Comparison(
        claimed=claimed,
        truth=expected.truth,
        pairs=tuple(pairs),
        parsed=judged.parsed,
        final_correct=judged.final_correct,
        steps_correct=judged.steps_correct,
        spans=judged.reading.spans,
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reading, which of its steps are true, and the verdicts of a :class:`Comparison`."""

    reading: Reading
    true: tuple[bool, ...]
    parsed: bool
    final_correct: bool
    steps_correct: int


def judge(expected: Expected, completion: str) -> Judgement:
    """What :func:`compare` finds, without the pairs that show it."""
    reading = read(completion, expected)
    claimed, truth = reading.claimed, expected.truth
    true = tuple([_same_step(*pair) for pair in zip(claimed.steps, expected.steps, strict=False)])
    true += (False,) * (len(claimed.steps) - len(true))
    answered = claimed.final is not None or claimed.error is not None
    return Judgement(
        reading,
        true,
        answered and not claimed.malformed,
        answered and (claimed.final is truth.final is not None or _same_ending(_ending(claimed), _ending(truth))),
        true.index(False) if False in true else len(true),
    )


def _same_step(claimed: Step, true: Step) -> bool:
    return claimed is true or (
        (claimed.op, claimed.reason) == (true.op, true.reason)
        and _same_shapes(claimed.inputs, true.inputs)
        and _same_shapes(claimed.outputs, true.outputs)
    )


def _same_shapes(claimed: tuple[Shape, ...], true: tuple[Shape, ...]) -> bool:
    """Equal, symbolic dimensions by their canonical form."""
    if claimed == true:
        return True
    if len(claimed) != len(true) or any(len(a) != len(b) for a, b in zip(claimed, true, strict=True)):
        return False
    return all(
        same_dim(a, b) for one, other in zip(claimed, true, strict=True) for a, b in zip(one, other, strict=True)
    )


def _ending(trace: ShapeTrace) -> tuple[Shape, ...] | int | None:
    """The final shapes, or the step at which the program is rejected."""
    if trace.error is not None:
        return trace.error.step
    return None if trace.final is None else as_shapes(trace.final)


def _same_ending(claimed: tuple[Shape, ...] | int | None, true: tuple[Shape, ...] | int | None) -> bool:
    if isinstance(claimed, tuple) and isinstance(true, tuple):
        return _same_shapes(claimed, true)
    return claimed == true


def explain(comparison: Comparison, cut: bool = False) -> str:
    """The verdict in a sentence: all right, lucky, or where the model leaves the truth and how.

    Of a completion that was ``cut`` off, what is not there is no fault.
    """
    if cut and not comparison.faithful and comparison.steps_correct >= len(comparison.claimed.steps):
        return f"all right as far as it goes, {comparison.steps_correct} of {comparison.steps_total} steps"
    if comparison.faithful:
        count = comparison.steps_total
        return f"all {count} steps and the final shape are right" if count != 1 else "the step and its shape are right"
    where = _divergence(comparison)
    if comparison.lucky:
        return f"lucky: the final shape is right, but {where}"
    return where


def _divergence(comparison: Comparison) -> str:
    index, claimed, truth = comparison.divergence, comparison.claimed, comparison.truth
    if index is None:
        if claimed.malformed:
            return f"a line is not in the format: {_short(claimed.malformed[0][1])}"
        if claimed.final is None and claimed.error is None:
            return "all steps are right, but there is no final line"
        return (
            f"all steps are right, but the end is {_short(render_final(claimed))!s}, not {_short(render_final(truth))}"
        )
    pair = comparison.pairs[index]
    if pair.claimed is None:
        assert pair.true is not None, "a pair has at least one side"
        at = f"step {index} is missing: {_short(render_step(index, pair.true))}"
        return f"{at} (unreadable: {_short(claimed.malformed[0][1])})" if claimed.malformed else at
    if pair.true is None:
        return f"step {index} is one too many: the truth has {comparison.steps_total}"
    return f"step {index} is wrong: {_difference(pair.claimed, pair.true)}"


def _difference(claimed: Step, true: Step) -> str:
    """The first field that differs, in the order in which a step is written."""
    if claimed.op != true.op:
        return f"the operation is {_short(true.op)}, the model wrote {_short(claimed.op)}"
    if not _same_shapes(claimed.inputs, true.inputs):
        return f"{_short(true.op)} reads {_shapes(true.inputs)}, the model wrote {_shapes(claimed.inputs)}"
    if true.reason is not None:
        wrote = f"the model wrote {_shapes(claimed.outputs)}" if claimed.reason is None else "for another reason"
        return f"torch rejects {_short(true.op)} ({_short(true.reason)}), {wrote}"
    if claimed.reason is not None:
        return f"{_short(true.op)} gives {_shapes(true.outputs)}, the model wrote that torch rejects it"
    return f"{_short(true.op)} gives {_shapes(true.outputs)}, the model wrote {_shapes(claimed.outputs)}"


def _shapes(shapes: tuple[Shape, ...]) -> str:
    return _short(", ".join(["[" + ", ".join(map(str, shape)) + "]" for shape in shapes]) or "no tensor")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
