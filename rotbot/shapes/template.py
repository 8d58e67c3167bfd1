"""The numbers in a trace, and the same trace with other things in their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rotbot.shapes.text import as_shapes
from rotbot.shapes.trace import Dim, Shape, ShapeTrace, Step, StepError

Number = int | float
_NUMBER = re.compile(r"(?<![\w.])(?:(?<![\w)\]])-)?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
"""A number in an operation's text: not the 1 of ``conv1d``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A trace taken apart: traces of the same ``form`` differ in ``numbers`` alone.

    ``form`` has an entry for each step and one for the end. ``steps`` says to which step each number belongs.
    """

    trace: ShapeTrace
    form: tuple[Any, ...]
    numbers: tuple[Number, ...]
    steps: tuple[int, ...]


def read(trace: ShapeTrace) -> Reading:
    """Take a trace of numbers apart."""
    form: list[Any] = []
    numbers: list[Number] = []
    steps: list[int] = []
    for index, step in enumerate(trace.steps):
        reason = None if step.reason is None else _texts(step.reason)
        ranks = tuple([tuple([len(shape) for shape in shapes]) for shapes in (step.inputs, step.outputs)])
        form.append((_texts(step.op), ranks, reason, step.span, step.name))
        numbers += _numbers(step.op)
        numbers += [dim for shape in (*step.inputs, *step.outputs) for dim in shape if not isinstance(dim, str)]
        numbers += _numbers(step.reason or "")
        steps += [index] * (len(numbers) - len(steps))
    if trace.final is None:
        form.append(trace.error)
    else:
        shapes = as_shapes(trace.final)
        form.append(tuple([len(shape) for shape in shapes]))
        numbers += [dim for shape in shapes for dim in shape if not isinstance(dim, str)]
        steps += [len(trace.steps)] * (len(numbers) - len(steps))
    return Reading(trace, tuple(form), tuple(numbers), tuple(steps))


def fill(trace: ShapeTrace, values: Iterator[Dim | str | None]) -> ShapeTrace:
    """``trace`` with its numbers replaced, in the order of :attr:`Reading.numbers`; None leaves one as it is."""
    steps: list[Step] = []
    for step in trace.steps:
        op = _filled(step.op, values)
        inputs, outputs = _filled_shapes(step.inputs, values), _filled_shapes(step.outputs, values)
        reason = None if step.reason is None else _filled(step.reason, values)
        steps.append(Step(op, inputs, outputs, (), reason, step.span, step.name))
    final, error = trace.final, trace.error
    if final is not None:
        shapes = _filled_shapes(as_shapes(final), values)
        final = shapes[0] if len(shapes) == 1 else shapes
    if error is not None:
        error = StepError(error.step, steps[error.step].reason or "", error.line)
    return replace(trace, steps=tuple(steps), final=final, error=error, nodes=(), bindings=())


def _texts(text: str) -> tuple[str, ...]:
    return tuple(_NUMBER.split(text))


def _numbers(text: str) -> list[Number]:
    found = _NUMBER.findall(text)
    return [float(number) if set(number) & {".", "e"} else int(number) for number in found]


def _filled(text: str, values: Iterator[Dim | str | None]) -> str:
    def put(match: re.Match[str]) -> str:
        value = next(values)
        return match[0] if value is None else str(value)

    return _NUMBER.sub(put, text)


def _filled_shapes(shapes: tuple[Shape, ...], values: Iterator[Dim | str | None]) -> tuple[Shape, ...]:
    filled: list[Shape] = []
    for shape in shapes:
        given = [(dim, next(values)) for dim in shape]
        filled.append(tuple([dim if value is None else value for dim, value in given]))
    return tuple(filled)
