"""Symbolic traces: argument dimensions that are names, steps whose dimensions are expressions of them.

The program is traced at several assignments of numbers to the names (:mod:`rotbot.shapes.assignments`); the traces must
be the same but for their numbers. For each number the expression of the names is found that gives it everywhere
(:mod:`rotbot.shapes.fitting`), and then all expressions are held against the traces of random further assignments.

What the result promises: for all values of the names that are large enough and fulfil its assumptions
(``trace.promise.assumptions``, such as ``C % 8 == 0`` where ``C`` is viewed in groups of 8), the program's trace at
these values is the symbolic trace with the values put in. "Large enough" means that nothing is cut short:
``x[:, :100]`` has 100 columns. A program that torch rejects is promised to be rejected at that step for values that
are not by chance equal to one another or to a number in the program (``[B, T]`` and ``[B, 10]`` do not add up, though
they would for T = 10). The promise is *verified* at random assignments, :data:`VERIFIED` of them, and not proven.

:class:`~rotbot.errors.UnsupportedSnippet` is raised where no such trace exists or none is found: the steps depend on
a value (a loop over ``range(T)``, ``if T > S``), torch accepts some values only (and not just multiples of a number),
or a size is no simple expression (``min(T, S)``, ``T % 7``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from rotbot.errors import InputError, LimitExceeded, SnippetError, UnsupportedSnippet
from rotbot.shapes import template
from rotbot.shapes.arguments import MAX_DIM, ArgSpec
from rotbot.shapes.assignments import Plan, plans
from rotbot.shapes.fitting import Points
from rotbot.shapes.program import trace_program
from rotbot.shapes.source import read_again
from rotbot.shapes.symbols import Expr
from rotbot.shapes.symbols_text import MAX_CHARS, parse
from rotbot.shapes.template import Number, Reading
from rotbot.shapes.trace import Dim, Promise, ShapeTrace
from rotbot.shapes.unknowns import Unknown, needed_probe, solve

VERIFIED = 5
"""Random assignments that a symbolic trace is compared with; for a rejected program twice as many."""

MAX_NAMES = 6
_MAX_PROBES = 16


class _CannotTrace(Exception):
    """A concrete trace raised ``error``: smaller numbers may help. Internal."""

    def __init__(self, error: SnippetError) -> None:
        super().__init__(str(error))
        self.error = error


def trace_specs(code: str, specs: Mapping[str, ArgSpec], target: str | None, rejected: bool = True) -> ShapeTrace:
    """Trace in this process, symbolically if a dimension of an argument is an expression; see :func:`rotbot.trace`.

    Without ``rejected`` a symbolic trace is not worked out for a program that torch rejects:
    :class:`~rotbot.errors.UnsupportedSnippet` is raised for the first one.
    """
    dims = [dim for spec in specs.values() for dim in spec.shape if isinstance(dim, str)]
    if not dims:
        return trace_program(code, dict(specs), target)
    exprs = {dim: _expression(dim) for dim in dims}
    names = tuple(dict.fromkeys([name for expr in exprs.values() for name in sorted(expr.names)]))
    if len(names) > MAX_NAMES:
        raise InputError(f"args: expected at most {MAX_NAMES} names of dimensions, got {len(names)}")
    failure: SnippetError | None = None
    for plan in plans(code, specs, names):
        try:
            study = _Study(code, specs, target, names, exprs, plan)
            if not rejected and (error := study.read(plan.grid(names)[0]).trace.error) is not None:
                raise UnsupportedSnippet(f"the program is rejected: {error.reason}", error.line)
            return study.result()
        except _CannotTrace as error:
            failure = error.error
    assert failure is not None, "there is a plan"
    raise failure


def _expression(dim: str) -> Expr:
    expr = parse(dim)
    if expr is None or not expr.names:
        raise InputError(f"args: expected a number or an expression of names as a dimension, got {dim!r:.80}")
    return expr


@dataclass
class _Study:
    """One attempt with one plan: the assignments tried so far, and what was found at them."""

    code: str
    specs: Mapping[str, ArgSpec]
    target: str | None
    names: tuple[str, ...]
    exprs: Mapping[str, Expr]
    plan: Plan
    grid: list[dict[str, int]] = field(default_factory=list)
    probes: list[dict[str, int]] = field(default_factory=list)
    readings: dict[tuple[int, ...], Reading] = field(default_factory=dict)

    def result(self) -> ShapeTrace:
        """The symbolic trace. Raises :class:`UnsupportedSnippet` and :class:`_CannotTrace`."""
        for assignment in self.plan.grid(self.names):
            self.read(assignment)
            self.grid.append(assignment)
            self.check_form(assignment)
        moduli = self.moduli()
        unknowns = self.unknowns()
        for _ in range(_MAX_PROBES):
            probe = needed_probe(unknowns, [name for name in self.names if moduli[name] == 1], self.grid[0])
            if probe is None:
                break
            self.add_probe(probe)
            unknowns = self.unknowns()
        else:
            raise UnsupportedSnippet("a size depends on the value of a dimension in too complicated a way")
        unknowns = self.solved(unknowns)
        verified = self.verify(unknowns, moduli)
        promise = Promise(self.names, tuple([f"{n} % {m} == 0" for n, m in moduli.items() if m > 1]), verified)
        base = self.reading(self.grid[0])
        texts: dict[tuple[Number, ...], Dim | None] = {}
        for unknown in unknowns:
            texts[unknown.values] = text = unknown.text()
            if len(text) > MAX_CHARS:
                self.refuse(unknown, "the expression is too long")
        trace = template.fill(base.trace, iter([texts.get(column) for column in self.columns()]))
        return _with_promise(trace, promise)

    # --- concrete traces ---

    def read(self, assignment: Mapping[str, int]) -> Reading:
        """The trace at an assignment, made once."""
        key = tuple([assignment[name] for name in self.names])
        if key not in self.readings:
            specs: dict[str, ArgSpec] = {}
            for name, spec in self.specs.items():
                shape: list[Dim] = []
                for dim in spec.shape:
                    size = self.exprs[dim].evaluate(assignment) if isinstance(dim, str) else dim
                    if not 0 <= size <= MAX_DIM:
                        raise InputError(
                            f"{name}: expected a positive dimension, got {dim} = {size} at {_at(assignment)}"
                        )
                    shape.append(size)
                specs[name] = ArgSpec(tuple(shape), spec.dtype)
            try:
                trace = trace_program(self.code, specs, self.target, reading=read_again)
            except (LimitExceeded, UnsupportedSnippet) as error:
                raise _CannotTrace(error) from error
            if trace.error is not None and "overflow" in trace.error.reason:
                raise _CannotTrace(LimitExceeded(f"a tensor is too large at {_at(assignment)}", trace.error.line))
            self.readings[key] = template.read(trace)
        return self.readings[key]

    def reading(self, assignment: Mapping[str, int]) -> Reading:
        """The trace at an assignment that was read before."""
        return self.readings[tuple([assignment[name] for name in self.names])]

    def same(self, assignment: Mapping[str, int]) -> bool:
        """Whether the trace there has the form of the first one."""
        return self.read(assignment).form == self.reading(self.grid[0]).form

    def check_form(self, assignment: Mapping[str, int]) -> None:
        """Raise :class:`UnsupportedSnippet` where the trace is another one, naming the first step that differs."""
        if self.same(assignment):
            return
        first, other = self.reading(self.grid[0]), self.read(assignment)
        index = next((i for i, pair in enumerate(zip(first.form, other.form, strict=False)) if pair[0] != pair[1]), 0)
        texts = [f"{_step(r.trace, index)} at {_at(a)}" for r, a in ((first, self.grid[0]), (other, assignment))]
        raise UnsupportedSnippet(
            f"the steps depend on the value of a dimension: step {index} is {texts[0]}, but {texts[1]}"
        )

    def add_probe(self, probe: dict[str, int]) -> None:
        """Trace at one more assignment off the grid."""
        self.check_form(probe)
        if probe in self.probes:
            raise UnsupportedSnippet("a size depends on the value of a dimension in too complicated a way")
        self.probes.append(probe)

    def moduli(self) -> dict[str, int]:
        """What each name must be a multiple of for torch to accept the program, 1 for most; adds the first probe."""
        base, moduli = self.grid[0], dict.fromkeys(self.names, 1)

        def shifted() -> dict[str, int]:
            return {name: base[name] + modulus for name, modulus in moduli.items()}

        if self.reading(base).trace.error is None and not self.same(shifted()):
            alone = [name for name in self.names if not self.same({**base, name: base[name] + 1})]
            unknowns = self.unknowns()
            for name in [*alone, *[name for name in reversed(self.names) if name not in alone]]:
                if name not in alone and self.same(shifted()):
                    break
                moduli[name] = next(
                    (
                        m
                        for m in self.plan.moduli(_divisors(unknowns, name))
                        if self.same({**base, name: base[name] + m})
                    ),
                    self.plan.unit,
                )
        self.add_probe(shifted())
        return moduli

    # --- numbers ---

    def points(self) -> Points:
        """All assignments so far, the grid first."""
        return Points(self.names, (*self.grid, *self.probes), len(self.grid))

    def columns(self) -> list[tuple[Number, ...]]:
        """Each number of the trace at all points."""
        return list(zip(*[self.reading(assignment).numbers for assignment in self.points().assignments], strict=True))

    def unknowns(self) -> list[Unknown]:
        """The different numbers that are not the same everywhere, each with its fit over the names, if it has one."""
        columns = dict.fromkeys([column for column in self.columns() if len(set(column)) > 1])
        points = self.points()
        return [Unknown.of(column, points) for column in columns]

    def solved(self, unknowns: list[Unknown]) -> list[Unknown]:
        """Every unknown with its expression, if need be after more of the grid has been traced."""
        found = solve(unknowns, self.points())
        if any(unknown.fit is None for unknown in found) and len(self.names) > 2:
            for assignment in self.plan.pairs(self.names):
                self.check_form(assignment)
                self.grid.append(assignment)
            found = solve(self.unknowns(), self.points())
        for unknown in found:
            if unknown.fit is None:
                self.refuse(unknown, "no simple expression was found")
        return found

    def verify(self, unknowns: list[Unknown], moduli: Mapping[str, int]) -> int:
        """Hold the expressions against random assignments; the number of them."""
        by_column = {unknown.values: unknown for unknown in unknowns}
        numbers = [(column, by_column.get(column)) for column in self.columns()]
        rejected = self.reading(self.grid[0]).trace.error is not None
        count = 2 * VERIFIED if rejected else VERIFIED
        for assignment in self.plan.random(Random(self.code), moduli, count, rejected):
            self.check_form(assignment)
            for (column, unknown), number in zip(numbers, self.read(assignment).numbers, strict=True):
                if unknown is None and number != column[0]:
                    self.refuse(Unknown(column), f"it is {number} at {_at(assignment)} and {column[0]} elsewhere")
                if unknown is not None and not unknown.gives(number, assignment):
                    self.refuse(unknown, f"{unknown.text()} does not give {number} at {_at(assignment)}")
        return count

    def refuse(self, unknown: Unknown, why: str) -> None:
        """Raise :class:`UnsupportedSnippet` that names the step of a number and shows its values."""
        reading = self.reading(self.grid[0])
        index = reading.steps[self.columns().index(unknown.values)]
        shown = ", ".join(
            [
                f"{value} at {_at(point)}"
                for value, point in zip(unknown.values[:3], self.points().assignments, strict=False)
            ]
        )
        raise UnsupportedSnippet(
            f"step {index}, {_step(reading.trace, index)}: a number depends on the value of a dimension"
            f" in a way that is not supported ({shown}): {why}"
        )


def _divisors(unknowns: list[Unknown], name: str) -> tuple[int, int]:
    """What ``name`` is divided by where it stands alone, and where it is multiplied with others too."""
    dividing = [unknown for unknown in unknowns if name in unknown.names()]
    alone = math.lcm(*[unknown.divisor() for unknown in dividing if len(unknown.names()) == 1])
    return alone, math.lcm(*[unknown.divisor() for unknown in dividing])


def _at(assignment: Mapping[str, int]) -> str:
    return ", ".join([f"{name}={value}" for name, value in assignment.items()])


def _step(trace: ShapeTrace, index: int) -> str:
    """A step in a few words: its operation, or that it is rejected, or that there is none."""
    if index >= len(trace.steps):
        return "the end"
    step = trace.steps[index]
    return f"{step.op:.60}" + ("" if step.reason is None else f", rejected ({step.reason:.80})")


def _with_promise(trace: ShapeTrace, promise: Promise) -> ShapeTrace:
    return ShapeTrace(trace.steps, trace.final, trace.error, target=trace.target, promise=promise)
