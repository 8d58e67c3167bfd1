"""Numbers for the names of a symbolic problem: what a check holds against eager execution."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.shapes.arguments import ArgLike, ArgSpec
from rotbot.shapes.symbols_text import parse
from rotbot.shapes.text import as_shapes
from rotbot.shapes.trace import Dim, Shape, ShapeTrace

COUNT = 5
"""Random assignments a symbolic trace is checked at."""

LEAST, CHOICES = 40, 24
"""The least value of a name (a symbolic trace holds for large values), and how many multiples from there are drawn."""

_ASSUMPTION = re.compile(r"(\w+) % (\d+) == 0")


def assignments(trace: ShapeTrace, problem: Problem) -> Iterator[dict[str, int]]:
    """:data:`COUNT` random assignments that fulfil the assumptions of a symbolic trace; the same for the same problem.

    Raises :class:`~rotbot.errors.InputError` for a trace that is not symbolic.
    """
    if trace.promise is None:
        raise InputError("expected a symbolic trace, got one of numbers")
    moduli = {match[1]: int(match[2]) for match in map(_ASSUMPTION.fullmatch, trace.promise.assumptions) if match}
    rng = seeds.stream("assignment", problem.prompt())
    for _ in range(COUNT):
        values: dict[str, int] = {}
        for name in trace.promise.names:
            modulus = moduli.get(name, 1)
            first = -(-LEAST // modulus)
            multiples = [modulus * factor for factor in range(first, first + CHOICES)]
            values[name] = rng.choice([value for value in multiples if value not in values.values()])
        yield values


def at_values(problem: Problem, values: Mapping[str, int]) -> Problem:
    """The problem with numbers for its names."""
    args: dict[str, ArgLike] = {name: ArgSpec(_shape(spec.shape, values), spec.dtype) for name, spec in problem.specs}
    return Problem(problem.code, args, problem.target)


def trace_at_values(trace: ShapeTrace, values: Mapping[str, int]) -> ShapeTrace:
    """The trace with numbers for its names, in all shapes (the texts of operations keep their expressions)."""
    steps = tuple(
        [
            replace(
                step,
                inputs=tuple([_shape(shape, values) for shape in step.inputs]),
                outputs=tuple([_shape(shape, values) for shape in step.outputs]),
            )
            for step in trace.steps
        ]
    )
    if trace.final is None:
        return replace(trace, steps=steps)
    finals = tuple([_shape(shape, values) for shape in as_shapes(trace.final)])
    return replace(trace, steps=steps, final=finals[0] if len(finals) == 1 else finals)


def _shape(shape: Shape, values: Mapping[str, int]) -> Shape:
    return tuple([_size(dim, values) for dim in shape])


def _size(dim: Dim, values: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    expr = parse(dim)
    if expr is None:
        raise InputError(f"expected a size or an expression, got {dim!r:.80}")
    return expr.evaluate(values)
