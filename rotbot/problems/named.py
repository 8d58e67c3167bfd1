"""Symbolic problems: a program whose sizes are names, ``[B, T, 64]``.

A right program becomes symbolic by naming some sizes of its arguments, each name standing for one size wherever the
arguments have it. Only those stay whose trace holds for (verified) any values of the names; a program that needs its
very sizes (``x.view(4, 8)``) is not one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from random import Random

from rotbot.errors import SnippetError
from rotbot.problem import Problem
from rotbot.problems.substitute import assignments, at_values, trace_at_values
from rotbot.problems.verify import eager_run
from rotbot.shapes.arguments import ArgLike, ArgSpec
from rotbot.shapes.observed import Observed
from rotbot.shapes.program import trace_program
from rotbot.shapes.running import onednn
from rotbot.shapes.source import read_again
from rotbot.shapes.symbolic import trace_specs
from rotbot.shapes.trace import Dim, Shape, ShapeTrace

MAX_TRIES = 3
"""Choices of sizes tried before another program is taken."""

MAX_NUMEL = 2**22
"""Elements of a tensor that are too many for an eager run at the numbers of a check: 16 MiB, so that the memory of a
build does not depend on how many rows it has."""

_LOOPS = re.compile(r"\b(?:LSTM|GRU|RNN)\(")
"""Layers whose meta kernels loop over the sequence in Python: some seconds at the sizes that a symbolic trace is fitted
to."""

FIRST, LAST, BETWEEN = ("B", "N", "batch"), ("C", "D", "K", "dim"), ("T", "S", "L", "H", "W", "M")


def make_symbolic(rng: Random, problem: Problem) -> tuple[Problem, ShapeTrace] | None:
    """``problem`` with names for some of its sizes, and its symbolic trace; None if no choice tried has one.

    Programs with recurrent layers are left out: they would cost as much as all others together.
    """
    if _LOOPS.search(problem.code):
        return None
    for _ in range(MAX_TRIES):
        named = _named(rng, problem)
        if named is None:
            return None
        try:
            truth = trace_specs(named.code, dict(named.specs), named.target, rejected=False)
        except SnippetError:  # it needs its sizes
            continue
        if truth.error is not None or truth.final is None:
            continue
        if any(isinstance(d, str) for step in truth.steps for s in step.outputs for d in s) and _runs(named, truth):
            return named, truth
    return None


def _runs(problem: Problem, truth: ShapeTrace) -> bool:
    """Whether eager torch agrees at every assignment of a check.

    It may not: ``one_hot(experts, 4)`` takes what ``topk`` of 4 scores gives, but not of ``E``; ``x[:51]`` of ``B`` has
    51 rows for large enough ``B`` only.
    """
    return all(_runs_at(problem, truth, values) for values in assignments(truth, problem))


def _runs_at(problem: Problem, truth: ShapeTrace, values: Mapping[str, int]) -> bool:
    claimed, there = trace_at_values(truth, values), at_values(problem, values)
    if any(prod(_numbers(shape)) > MAX_NUMEL for step in claimed.steps for shape in step.outputs):
        return False
    with onednn(enabled=True):  # the sizes of a check are large
        run = eager_run(there)
    if run.error is not None:
        return False
    traced = trace_program(there.code, dict(there.specs), there.target, Observed(run.calls), reading=read_again)
    same = [(s.inputs, s.outputs) for s in traced.steps] == [(s.inputs, s.outputs) for s in claimed.steps]
    return same and run.shapes[there.target] == claimed.final


def _numbers(shape: Shape) -> list[int]:
    return [dim for dim in shape if isinstance(dim, int)]


def _named(rng: Random, problem: Problem) -> Problem | None:
    places = [(size, i, len(spec.shape)) for _, spec in problem.specs for i, size in enumerate(spec.sizes) if size > 1]
    sizes = sorted({size for size, _, _ in places})
    if not sizes:
        return None
    rng.shuffle(sizes)
    names: dict[int, str] = {}
    for size in sizes[: rng.choice((1, 1, 2, 2, 3))]:
        _, dim, rank = rng.choice([place for place in places if place[0] == size])
        pool = FIRST if dim == 0 and rank > 1 else LAST if dim == rank - 1 else BETWEEN
        free = [name for name in (*pool, *BETWEEN) if name not in names.values()]
        names[size] = free[0] if rng.random() < 0.6 else rng.choice(free)
    args: dict[str, ArgLike] = {}
    for name, spec in problem.specs:
        shape: list[Dim] = [names.get(size, size) for size in spec.sizes]
        args[name] = ArgSpec(tuple(shape), spec.dtype)
    return Problem(problem.code, args, problem.target)
