"""Wrong programs: a right one with one mistake that people make, rejected by torch at a known step.

A mistake changes the graph (a transpose or another call is left out, two operands are swapped) or the text (a number is
off by one, a dimension is another, a size comes from the wrong place, an argument has another shape). Most mutations of
a program are still valid programs; only those stay that the tracer *and* eager torch reject, at the same line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from rotbot.errors import SnippetError
from rotbot.problem import Problem
from rotbot.problems.composer import Call, Program
from rotbot.problems.levels import Level
from rotbot.problems.verify import Disagreement, eager_error_line
from rotbot.problems.writer import Written, write
from rotbot.shapes.arguments import ArgLike, ArgSpec
from rotbot.shapes.trace import ShapeTrace

MAX_TRIES = 6
"""Mutations tried before another program is taken."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_SIZE = re.compile(r"\$([0-9])")
_SHAPING = ("permute", "reshape", "expand")
"""Families whose calls people forget: without them the next call does not fit."""

Mutation = Callable[[Random, Program, Written, Level], "Written | None"]


def _without(program: Program, index: int) -> Program:
    """The program without call ``index``: what read its result reads its input."""
    gone = program.calls[index]
    old, new = gone.outputs[0], gone.inputs[0]
    calls = tuple(
        replace(call, inputs=tuple(new if value == old else value for value in call.inputs))
        for i, call in enumerate(program.calls)
        if i != index
    )
    live = frozenset(i - (i > index) for i in program.live if i != index)
    return replace(program, calls=calls, live=live)


def _has_sizes(program: Program, gone: Call) -> bool:
    """Whether ``gone``'s input has every dimension whose size the readers of its result write (``x.size(3)``)."""
    rank = len(program.values[gone.inputs[0]].shape)
    readers = [call for call in program.calls if call.inputs and call.inputs[0] == gone.outputs[0]]
    return all(int(dim) < rank for call in readers for dim in _SIZE.findall(call.spelling))


def forgotten_call(rng: Random, program: Program, written: Written, level: Level) -> Written | None:
    """Leave out a call that only shapes: a missing transpose, a missing flatten, a missing ``unsqueeze``."""
    found = [
        i
        for i, call in enumerate(program.calls)
        if call.op.family in _SHAPING and len(call.inputs) == 1 and call.outputs != (program.target,)
        if _has_sizes(program, call)
    ]
    return write(_without(program, rng.choice(found)), rng, level, written.style) if found else None


def swapped_operands(rng: Random, program: Program, written: Written, level: Level) -> Written | None:
    """``a @ b`` for ``b @ a``."""
    found = [i for i, call in enumerate(program.calls) if len(call.inputs) == 2 and call.op.family == "products"]
    if not found:
        return None
    chosen = rng.choice(found)
    call: Call = program.calls[chosen]
    swapped = replace(call, inputs=call.inputs[::-1])
    calls = (*program.calls[:chosen], swapped, *program.calls[chosen + 1 :])
    return write(replace(program, calls=calls), rng, level, written.style)


def wrong_number(rng: Random, program: Program, written: Written, level: Level) -> Written | None:
    """A number of the code is off by one, doubled or halved, or is another one of the program."""
    problem = written.problem
    places = list(_NUMBER.finditer(problem.code))
    if not places:
        return None
    place = rng.choice(places)
    old = int(place[0])
    others = [int(other[0]) for other in places if int(other[0]) != old]
    choices = [old + 1, old + 1, *([old - 1] if old > 1 else []), *([2 * old, old // 2] if old > 3 else [])]
    new = rng.choice([*choices, *([rng.choice(others)] if others else [])])
    if new == 0 and problem.code[: place.start()].endswith("-"):
        return None
    code = f"{problem.code[: place.start()]}{new}{problem.code[place.end() :]}"
    return replace(written, problem=Problem(code, problem.args, problem.target))


def wrong_argument(rng: Random, program: Program, written: Written, level: Level) -> Written | None:
    """An argument comes with another shape: a dimension is off by one, two are swapped, one is missing."""
    problem = written.problem
    if not problem.specs:
        return None
    name, spec = rng.choice(problem.specs)
    shape = [size for size in spec.shape if isinstance(size, int)]
    if not shape:
        return None
    dim, other = rng.randrange(len(shape)), rng.randrange(len(shape))
    kind = rng.randrange(3)
    if kind == 0:
        shape[dim] += rng.choice((1, -1)) if shape[dim] > 1 else 1
    elif kind == 1 and shape[dim] != shape[other]:
        shape[dim], shape[other] = shape[other], shape[dim]
    elif len(shape) > 1:
        del shape[dim]
    changed: dict[str, ArgLike] = dict(problem.specs)
    changed[name] = ArgSpec(tuple(shape), spec.dtype)
    return replace(written, problem=Problem(problem.code, changed, problem.target))


MUTATIONS: tuple[Mutation, ...] = (
    forgotten_call, forgotten_call, swapped_operands, wrong_number, wrong_number, wrong_argument,
)  # fmt: skip
"""Repeated ones are drawn as often."""


def make_wrong(rng: Random, program: Program, written: Written, level: Level) -> tuple[Written, ShapeTrace] | None:
    """``program`` with a mistake that torch rejects, and its trace; None if none of the tries is rejected.

    Raises :class:`~rotbot.problems.verify.Disagreement` if the tracer and eager torch differ on whether or where.
    """
    for _ in range(MAX_TRIES):
        wrong = rng.choice(MUTATIONS)(rng, program, written, level)
        if wrong is None or wrong.problem == written.problem:
            continue
        problem = wrong.problem
        try:
            truth = problem.truth()
        except SnippetError:  # a size of a million, a shape that depends on values: not what this is about
            continue
        if truth.error is None:
            continue
        line = eager_error_line(problem)
        if line != truth.error.line:
            if eager_error_line(problem, zero_integers=True) == truth.error.line:
                continue  # it is a value that is wrong there (a class, an index), not a shape
            where = "accepts it" if line is None else f"rejects line {line}"
            raise Disagreement(problem, f"the tracer rejects line {truth.error.line}, eager torch {where}")
        return wrong, truth
    return None
