"""Reading a completion: its steps, where each stands, and its answer, by the layout and nothing else.

    completion := [ "<think>" ] { step } "</think>" final

one a line, blank lines aside. What stands anywhere else is malformed: a final line before ``</think>`` or a second one
is no answer, a step after it is no step. Lines that are the truth's own, letter by letter, are not parsed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rotbot.shapes.text import MAX_OUTPUTS, THINK_END, parse_final, parse_step, render_final, render_step, split_work
from rotbot.shapes.trace import Shape, ShapeTrace, Step, StepError

THINK_START = "<think>"
_FINAL = "final: "


@dataclass(frozen=True, slots=True)
class Expected:
    """A truth prepared for reading: its steps without work, their lines, and each line up to its inputs and from its
    arrow on."""

    truth: ShapeTrace
    steps: tuple[Step, ...]
    lines: tuple[str, ...]
    ends: tuple[tuple[str, str], ...]
    final: str


def expect(truth: ShapeTrace) -> Expected:
    """Prepare ``truth``: once for any number of completions."""
    steps = tuple([replace(step, work=()) if step.work else step for step in truth.steps])
    lines = tuple([render_step(index, step) for index, step in enumerate(steps)])
    cut = [line.rpartition(" -> ") for line in lines]
    ends = tuple([(head, arrow + tail) for head, arrow, tail in cut])
    return Expected(truth, steps, lines, ends, render_final(truth))


@dataclass(frozen=True, slots=True)
class Reading:
    """``claimed`` is the completion as a trace (no answer: no ``final`` and no ``error``), ``spans`` the characters of
    its steps, from the first to before the second, without the newline."""

    claimed: ShapeTrace
    spans: tuple[tuple[int, int], ...]


def read(text: str, expected: Expected) -> Reading:
    """Read a completion of any text. Never raises; linear time."""
    known = len(expected.lines)
    steps: list[Step] = []
    spans: list[tuple[int, int]] = []
    malformed: list[tuple[int, str]] = []
    answers: list[tuple[int, str]] = []
    at = outputs = start = 0
    thinking = True
    for number, line in enumerate(text.split("\n")):
        end = start + len(line)
        if thinking and line:
            if at < known and line == expected.lines[at]:
                step = expected.steps[at]
            elif line == THINK_END:
                thinking, step = False, None
            else:
                step = _parse(line, at, expected)
                if step is not None and outputs + len(step.outputs) > MAX_OUTPUTS:
                    step = None
                if step is None and not (line.isspace() or (number == 0 and line == THINK_START)):
                    malformed.append((number, line))
            if step is not None:
                at += 1
                outputs += len(step.outputs)
                steps.append(step)
                spans.append((start, end))
        elif line and not line.isspace():
            answers.append((number, line))
        start = end + 1
    final, error = _answer(answers, steps, expected)
    if answers and final is None and error is None:
        malformed += answers
    return Reading(ShapeTrace(tuple(steps), final, error, tuple(malformed)), tuple(spans))


def _parse(line: str, at: int, expected: Expected) -> Step | None:
    """Step number ``at``: the expected one with work of its own, or another; None if the line is no such step."""
    if at < len(expected.ends):
        head, tail = expected.ends[at]
        if line.startswith(head) and line.endswith(tail):
            step = _with_work(line[len(head) : len(line) - len(tail)], expected.steps[at])
            if step is not None:
                return step
    parsed = parse_step(line)
    return parsed[1] if parsed is not None and parsed[0] == at else None


def _with_work(between: str, step: Step) -> Step | None:
    """The step with the work that stands between its inputs and its arrow; None if the line has to be parsed."""
    if between.startswith(" (") and between.endswith(")") and " | " not in between and " -> " not in between:
        work = split_work(between[2:-1])
        return replace(step, work=work) if all(work) else None
    return None


def _answer(
    lines: list[tuple[int, str]], steps: list[Step], expected: Expected
) -> tuple[Shape | tuple[Shape, ...] | None, StepError | None]:
    if len(lines) != 1 or not lines[0][1].startswith(_FINAL):
        return None, None
    if lines[0][1] == expected.final and expected.truth.error is None:
        return expected.truth.final, None
    return parse_final(lines[0][1][len(_FINAL) :], steps)
