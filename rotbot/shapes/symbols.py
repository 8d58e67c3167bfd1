"""Expressions for symbolic dimensions: sums of products of names and floored quotients, in one spelling each.

An :class:`Expr` is kept in a normal form, so that ``==`` compares functions, not texts. Equal expressions are equal
functions of the names. The converse holds for polynomials, for one quotient of a polynomial that is linear in every
name (``(B*T + 3)//8``), and for sums and products of quotients of different names; an expression with several
quotients of *one* name can be the same function as another and look different (``T//4 + (T + 2)//4`` is ``T//2``).

The rules: numerator and divisor of a quotient share no factor, its coefficients are less than the divisor (the rest
is moved out), a quotient of a quotient is one quotient, and of the two ways to write a half (``T//2 = T - (T + 1)//2``)
one is kept. How it is *written* is the business of :mod:`rotbot.shapes.symbols_text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import gcd

MAX_TERMS = 48
MAX_DEGREE = 8
MAX_NUMBER = 2**62
MAX_NESTING = 3
_MAX_RESIDUES = 4096


class TooLarge(ValueError):
    """An expression with more terms or larger numbers than a dimension ever has."""


@dataclass(frozen=True)
class Quotient:
    """``numerator // divisor`` in normal form. Made by ``Expr // int`` alone."""

    numerator: Expr
    divisor: int

    @cached_property
    def key(self) -> str:
        """What quotients are sorted by."""
        return f"{self.numerator.key}//{self.divisor}"

    @cached_property
    def depth(self) -> int:
        """How many quotients are nested in one another."""
        return 1 + max([q.depth for q in self.numerator.quotients()], default=0)


Factor = str | Quotient
Product = tuple[Factor, ...]
"""Factors in order; the empty product is 1."""


def _factor_key(factor: Factor) -> tuple[int, str]:
    return (0, factor) if isinstance(factor, str) else (1, factor.key)


def _term_key(term: tuple[Product, int]) -> tuple[int, list[tuple[int, str]]]:
    return -len(term[0]), [_factor_key(factor) for factor in term[0]]


@dataclass(frozen=True)
class Expr:
    """A sum of integer multiples of products, highest degree first. Supports ``+ - *`` and ``// int``.

    Arithmetic raises :class:`TooLarge` beyond :data:`MAX_TERMS`, :data:`MAX_DEGREE` or :data:`MAX_NUMBER`, and
    :class:`ZeroDivisionError` for a divisor below 1.
    """

    terms: tuple[tuple[Product, int], ...]

    @staticmethod
    def number(value: int) -> Expr:
        """The constant ``value``."""
        return _made({(): value})

    @staticmethod
    def name(name: str) -> Expr:
        """The dimension called ``name``."""
        return Expr((((name,), 1),))

    @cached_property
    def key(self) -> str:
        """The terms as text, for sorting."""
        return "+".join([f"{c}*" + "*".join([_factor_key(f)[1] for f in p]) for p, c in self.terms])

    @cached_property
    def constant(self) -> int:
        """The term without names."""
        return self.terms[-1][1] if self.terms and not self.terms[-1][0] else 0

    def as_int(self) -> int | None:
        """The value if it does not depend on any name, else None."""
        return self.constant if not self.names else None

    @cached_property
    def names(self) -> frozenset[str]:
        """The names it depends on."""
        own = [f for p, _ in self.terms for f in p if isinstance(f, str)]
        return frozenset(own).union(*[q.numerator.names for q in self.quotients()])

    def quotients(self) -> list[Quotient]:
        """The quotients among its factors, each once, in order."""
        return list(dict.fromkeys([f for p, _ in self.terms for f in p if isinstance(f, Quotient)]))

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Its value where each name has the given value. Raises :class:`KeyError` for a name without one."""
        total = 0
        for factors, value in self.terms:
            for factor in factors:
                if isinstance(factor, str):
                    value *= values[factor]
                else:
                    value *= factor.numerator.evaluate(values) // factor.divisor
            total += value
        return total

    def __str__(self) -> str:
        from rotbot.shapes.symbols_text import render

        return render(self)

    def __add__(self, other: Expr | int) -> Expr:
        total = dict(self.terms)
        for factors, count in _expr(other).terms:
            total[factors] = total.get(factors, 0) + count
        return _made(total)

    def __neg__(self) -> Expr:
        return self * -1

    def __sub__(self, other: Expr | int) -> Expr:
        return self + _expr(other) * -1

    def __mul__(self, other: Expr | int) -> Expr:
        right = _expr(other).terms
        if len(self.terms) * len(right) > MAX_TERMS**2:
            raise TooLarge("too many terms")
        total: dict[Product, int] = {}
        for left_factors, left in self.terms:
            for factors, count in right:
                joint = tuple(sorted(left_factors + factors, key=_factor_key)) if factors else left_factors
                total[joint] = total.get(joint, 0) + left * count
        return _made(total)

    def __floordiv__(self, divisor: int) -> Expr:
        if divisor < 1:
            raise ZeroDivisionError("the divisor of a dimension must be a positive number")
        flat = _flattened(self, divisor)
        if flat is not None:
            return flat
        whole, rest, least = _reduced(self, divisor)
        if least < divisor or not rest.names:
            return whole + (rest // least if rest.names else 0)
        negative, other, _ = _reduced(-rest + (divisor - 1), divisor)
        if _orientation(other) < _orientation(rest):  # floor(x/d) == -floor((-x + d - 1)/d)
            return whole - negative - _atom(other, divisor)
        return whole + _atom(rest, divisor)


def _expr(value: Expr | int) -> Expr:
    return value if isinstance(value, Expr) else Expr.number(value)


def _made(terms: Mapping[Product, int]) -> Expr:
    kept = [(factors, count) for factors, count in terms.items() if count]
    if len(kept) > MAX_TERMS:
        raise TooLarge("too many terms")
    for factors, count in kept:
        if len(factors) > MAX_DEGREE or abs(count) > MAX_NUMBER:
            raise TooLarge("too large a product")
    return Expr(tuple(sorted(kept, key=_term_key)))


def _atom(numerator: Expr, divisor: int) -> Expr:
    if divisor > MAX_NUMBER:
        raise TooLarge("too large a divisor")
    quotient = Quotient(numerator, divisor)
    if quotient.depth > MAX_NESTING:
        raise TooLarge("quotients nested too deeply")
    return Expr((((quotient,), 1),))


def _reduced(numerator: Expr, divisor: int) -> tuple[Expr, Expr, int]:
    """``whole, rest, d`` with ``numerator // divisor == whole + rest // d``, every coefficient of ``rest`` in 0..d-1,
    without a common factor, and with the least constant that gives the same function."""
    whole = _made({factors: count // divisor for factors, count in numerator.terms})
    rest = {factors: count % divisor for factors, count in numerator.terms}
    common = gcd(divisor, *[count for factors, count in rest.items() if factors])
    divisor //= common
    rest = {factors: count // common for factors, count in rest.items()}
    if divisor == 1:
        return whole + _made(rest), Expr(()), 1
    least = _least_constant(_made(rest), divisor)
    rest[()] = least % divisor
    return whole + least // divisor, _made(rest), divisor


def _least_constant(numerator: Expr, divisor: int) -> int:
    """The least c for which ``(numerator - its constant + c) // divisor`` is the same function.

    Where each factor occurs at most once in every product, the numerator takes on every remainder, and no other
    constant does. Otherwise (``T*T + T`` is always even) the remainders are counted out.
    """
    constant = numerator.constant
    if all(len(set(factors)) == len(factors) for factors, _ in numerator.terms):
        return constant
    factors = list(dict.fromkeys([factor for product_, _ in numerator.terms for factor in product_]))
    if divisor ** len(factors) > _MAX_RESIDUES:
        raise TooLarge("too large a divisor of powers")
    remainders: set[int] = set()
    for values in product(range(divisor), repeat=len(factors)):
        place = dict(zip(factors, values, strict=True))
        total = 0
        for product_, count in numerator.terms:
            for factor in product_:
                count *= place[factor]
            total += count if product_ else 0
        remainders.add(total % divisor)
    while -constant % divisor not in remainders:
        constant -= 1
    return constant


def _flattened(numerator: Expr, divisor: int) -> Expr | None:
    """``(a//e + x) // d`` as ``(a + e*x) // (e*d)``, with a minus before ``a//e`` too; None where it is not that."""
    quotients = numerator.quotients()
    if len(quotients) != 1:
        return None
    (inner,) = quotients
    holders = [(factors, count) for factors, count in numerator.terms if inner in factors]
    if len(holders) != 1 or holders[0][0] != (inner,) or abs(holders[0][1]) != 1:
        return None
    others = Expr(tuple([term for term in numerator.terms if term[0] != (inner,)])) * inner.divisor
    if holders[0][1] == 1:
        return (inner.numerator + others) // (divisor * inner.divisor)
    return (-inner.numerator + (inner.divisor - 1) + others) // (divisor * inner.divisor)


def _orientation(numerator: Expr) -> tuple[list[int], int]:
    return [count for factors, count in numerator.terms if factors], numerator.constant
