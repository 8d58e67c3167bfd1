"""From a number's values at several assignments of the names to the expression that gives them.

The assignments come in a fixed order: the *grid*, whose values are all multiples of one number with many divisors (so
that quotients are exact there), and then *probes* with other remainders. On the grid a number is a polynomial of the
names with rational coefficients, and a few points tell which. The probes tell how its fractions are rounded: as one
quotient, ``(3*T + 1)//2``, or inside of it, ``(H//16)*(W//16)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import lcm

from rotbot.shapes.symbols import Expr, TooLarge

Assignment = Mapping[str, int]
Polynomial = dict[tuple[str, ...], Fraction]
"""Coefficients of products of names; ``()`` is the constant."""

_MAX_POWER = 3
_MAX_COORDINATES = 24


@dataclass(frozen=True, slots=True)
class Fit:
    """``(numerator + c) // divisor`` where the points leave c open between ``low`` and ``high``; ``expr`` takes the
    lowest."""

    expr: Expr
    numerator: Expr
    divisor: int
    low: int
    high: int


@dataclass(frozen=True)
class Points:
    """The assignments: the first, each name alone moved (in the order of ``names``), all moved, further ones of the
    grid up to ``grid``, probes after it."""

    names: tuple[str, ...]
    assignments: tuple[Assignment, ...]
    grid: int


def fit(points: Points, values: tuple[int, ...], coordinates: Mapping[str, Expr]) -> Fit | None:
    """The simplest expression over ``coordinates`` (an expression for each name) that gives ``values`` at all points.

    None where there is none among monomials, sums, and polynomials that are linear in every name.
    """
    at = {name: [expr.evaluate(point) for point in points.assignments] for name, expr in coordinates.items()}
    moved = [name for i, name in enumerate(points.names) if values[1 + i] != values[0]]
    for polynomial in _polynomials(points, values, at, moved):
        if all(_evaluate(polynomial, at, i) == values[i] for i in range(points.grid)):
            found = _rounded(polynomial, points, values, coordinates)
            if found is not None:
                return found
    return None


def fit_mixed(points: Points, values: tuple[int, ...], name: str, quotient: Expr, divisor: int) -> Fit | None:
    """``a*T + b*quotient + c`` for a quotient of ``T`` by ``divisor``: what is left of ``T`` after whole pieces."""
    i = points.names.index(name)
    first, other = points.assignments[0], points.assignments[1 + i]
    slope = Fraction(values[1 + i] - values[0], other[name] - first[name])
    if (slope * divisor).denominator != 1:
        return None
    remainder = int(slope * divisor) % divisor
    for count in (remainder, remainder - divisor, remainder + divisor, remainder - 2 * divisor):
        linear = Expr.name(name) * int(slope - Fraction(count, divisor)) + quotient * count
        expr = linear + (values[0] - linear.evaluate(first))
        if _agrees(expr, points, values):
            return Fit(expr, expr, 1, 0, 0)
    return None


def combinations_of(choices: Mapping[str, list[Expr]]) -> Iterator[dict[str, Expr]]:
    """Every way to choose an expression for each name, the plain names first; not too many."""
    for number, chosen in enumerate(product(*choices.values())):
        if number == _MAX_COORDINATES:
            return
        yield dict(zip(choices, chosen, strict=True))


def _polynomials(
    points: Points, values: tuple[int, ...], at: Mapping[str, list[int]], moved: list[str]
) -> Iterator[Polynomial]:
    if not moved:
        yield {(): Fraction(values[0])}
        return
    places = {name: 1 + points.names.index(name) for name in moved}
    if any(at[name][0] == at[name][place] for name, place in places.items()):
        return
    monomial = _monomial(values, at, places)
    if monomial is not None:
        yield monomial
    affine: Polynomial = {}
    for name, place in places.items():
        affine[name,] = Fraction(values[place] - values[0], at[name][place] - at[name][0])
    affine[()] = values[0] - _evaluate(affine, at, 0)
    yield affine
    if len(moved) <= 3:
        basis = [names for size in range(len(moved) + 1) for names in combinations(moved, size)]
        if len(moved) == 1:
            basis.append((moved[0], moved[0]))
        solved = _solve([[_product(names, at, i) for names in basis] for i in range(points.grid)], values)
        if solved is not None:
            yield dict(zip(basis, solved, strict=True))


def _monomial(values: tuple[int, ...], at: Mapping[str, list[int]], places: Mapping[str, int]) -> Polynomial | None:
    factors: list[str] = []
    if values[0] == 0:
        return None
    for name, place in places.items():
        if at[name][0] == 0:
            return None
        ratio, step = Fraction(values[place], values[0]), Fraction(at[name][place], at[name][0])
        power = next((p for p in range(1, _MAX_POWER + 1) if step**p == ratio), None)
        if power is None:
            return None
        factors += [name] * power
    return {tuple(factors): Fraction(values[0]) / _product(tuple(factors), at, 0)}


def _product(names: tuple[str, ...], at: Mapping[str, list[int]], i: int) -> int:
    total = 1
    for name in names:
        total *= at[name][i]
    return total


def _evaluate(polynomial: Polynomial, at: Mapping[str, list[int]], i: int) -> Fraction:
    return sum((count * _product(names, at, i) for names, count in polynomial.items()), Fraction(0))


def _solve(rows: list[list[int]], values: tuple[int, ...]) -> list[Fraction] | None:
    """The one solution of a linear system by elimination; None where there is none, or more than one."""
    table = [[*map(Fraction, row), Fraction(value)] for row, value in zip(rows, values, strict=False)]
    width = len(rows[0])
    for column in range(width):
        pivot = next((i for i in range(column, len(table)) if table[i][column]), None)
        if pivot is None:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        top = table[column] = [entry / table[column][column] for entry in table[column]]
        for i, row in enumerate(table):
            if i != column and row[column]:
                factor = row[column]
                table[i] = [a - factor * b for a, b in zip(row, top, strict=True)]
    return None if any(row[width] for row in table[width:]) else [table[i][width] for i in range(width)]


def _rounded(
    polynomial: Polynomial, points: Points, values: tuple[int, ...], coordinates: Mapping[str, Expr]
) -> Fit | None:
    """The polynomial as one quotient that is right at all points, probes included; None if there is none."""
    divisor = lcm(*[count.denominator for count in polynomial.values()])
    try:
        numerator = Expr.number(0)
        for names, count in polynomial.items():
            term = Expr.number(int(count * divisor) if names else 0)
            for name in names:
                term = term * coordinates[name]
            numerator = numerator + term
        bounds = [v * divisor - numerator.evaluate(p) for v, p in zip(values, points.assignments, strict=True)]
        low, high = max(bounds), min(bounds) + divisor - 1
        if low > high:
            return None
        return Fit((numerator + low) // divisor, numerator, divisor, low, high)
    except TooLarge:
        return None


def _agrees(expr: Expr, points: Points, values: tuple[int, ...]) -> bool:
    return all(expr.evaluate(point) == value for point, value in zip(points.assignments, values, strict=True))
