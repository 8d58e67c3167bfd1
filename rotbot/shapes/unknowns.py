"""The numbers of a trace that depend on the names of dimensions, and the search for their expressions.

A number is an int, or a float made of one: ``8.0``, ``sqrt(C//8)`` and one divided by these, as in scaled attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rotbot.shapes.fitting import Fit, Points, combinations_of, fit, fit_mixed
from rotbot.shapes.symbols import Expr
from rotbot.shapes.symbols_text import render
from rotbot.shapes.template import Number

_MAX_DIVISOR = 4096


@dataclass(frozen=True, slots=True)
class _Form:
    """How a float is made of an integer: the way to it and back, and how it is written."""

    of: Callable[[float], float]
    back: Callable[[int], float]
    text: str


_FORMS = (
    _Form(lambda v: v, float, "{}"),
    _Form(lambda v: v * v, math.sqrt, "sqrt({})"),
    _Form(lambda v: 1 / v, lambda n: 1 / n, "1/{}"),
    _Form(lambda v: 1 / (v * v), lambda n: 1 / math.sqrt(n), "1/sqrt({})"),
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number's values at all points, the integers behind them, and the fit for those if one was found."""

    values: tuple[Number, ...]
    integers: tuple[int, ...] = ()
    form: _Form | None = None
    fit: Fit | None = None

    @staticmethod
    def of(values: tuple[Number, ...], points: Points) -> Unknown:
        """The unknown with these values, fitted over the plain names."""
        names = {name: Expr.name(name) for name in points.names}
        whole = tuple([value for value in values if isinstance(value, int)])
        if len(whole) == len(values):
            return Unknown(values, whole, None, fit(points, whole, names))
        for form in _FORMS:
            numbers = tuple([_integer(form, float(value)) for value in values])
            integers = tuple([number for number in numbers if number is not None])
            if len(integers) == len(values):
                return Unknown(values, integers, form, fit(points, integers, names))
        return Unknown(values)

    def names(self) -> frozenset[str]:
        """The names that it depends on, as far as is known."""
        return frozenset() if self.fit is None else self.fit.expr.names

    def divisor(self) -> int:
        """What it is divided by."""
        return 1 if self.fit is None else self.fit.divisor

    def text(self) -> str:
        """The expression as written in the trace."""
        assert self.fit is not None, "only what is solved has a text"
        text = render(self.fit.expr)
        if self.form is None:
            return text
        needs = self.form.text.startswith("1/{") and not text.isidentifier()
        return self.form.text.format(f"({text})" if needs else text)

    def gives(self, number: Number, assignment: Mapping[str, int]) -> bool:
        """Whether the expression gives ``number`` there."""
        assert self.fit is not None, "only what is solved can be checked"
        value = self.fit.expr.evaluate(assignment)
        if self.form is None:
            return type(number) is int and value == number
        return value > 0 and math.isclose(self.form.back(value), number, rel_tol=1e-9)


def _integer(form: _Form, value: float) -> int | None:
    if not value > 0:
        return None
    number = round(form.of(value))
    return number if number > 0 and math.isclose(form.back(number), value, rel_tol=1e-12) else None


def needed_probe(unknowns: list[Unknown], free: list[str], base: Mapping[str, int]) -> dict[str, int] | None:
    """The assignment that tells most about how fractions are rounded, each ``free`` name moved from ``base`` on its
    own account; None if everything is known, or nothing more can be."""
    probe = dict(base)
    moved: dict[str, int] = {}
    for unknown in unknowns:
        found = unknown.fit
        if found is None or found.low == found.high or not 1 < found.divisor <= _MAX_DIVISOR:
            continue
        counts = {factors[0]: count for factors, count in found.numerator.terms if len(factors) == 1}
        for name, count in counts.items():
            powers = [factors for factors, _ in found.numerator.terms if name in factors]
            if not isinstance(name, str) or name not in free or len(powers) > 1:
                continue
            if math.gcd(count, found.divisor) == 1 and found.high - found.low > moved.get(name, 0):
                middle = (found.low + found.high + 1) // 2
                at = found.numerator.evaluate(base) + middle
                step = -at * pow(count, -1, found.divisor) % found.divisor
                probe[name], moved[name] = base[name] + (step or found.divisor), found.high - found.low
                break
    return probe if moved else None


def solve(unknowns: list[Unknown], points: Points) -> list[Unknown]:
    """The unknowns with fits for those that are no single quotient of names: from the quotients that others are."""
    quotients: dict[str, dict[Expr, int]] = {name: {} for name in points.names}
    for unknown in unknowns:
        if unknown.fit is not None and unknown.fit.divisor > 1 and len(unknown.fit.expr.names) == 1:
            (name,) = unknown.fit.expr.names
            quotients[name][unknown.fit.expr] = unknown.fit.divisor
    return [
        u if u.fit is not None or not u.integers else replace(u, fit=_search(u, points, quotients)) for u in unknowns
    ]


def _search(unknown: Unknown, points: Points, quotients: Mapping[str, Mapping[Expr, int]]) -> Fit | None:
    first = unknown.integers[0]
    moved = [name for i, name in enumerate(points.names) if unknown.integers[1 + i] != first]
    choices = {name: [Expr.name(name), *(quotients[name] if name in moved else ())] for name in points.names}
    for coordinates in combinations_of(choices):
        found = fit(points, unknown.integers, coordinates)
        if found is not None:
            return found
    for name in moved if len(moved) == 1 else points.names if not moved else ():
        for quotient, divisor in quotients[name].items():
            found = fit_mixed(points, unknown.integers, name, quotient, divisor)
            if found is not None:
                return found
    return None
