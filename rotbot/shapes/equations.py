"""Arithmetic on paper: how an equation is written, digit by digit where numbers are long, and whether one holds.

One spelling for each calculation, made so that each ``=`` is one small step:

- An equation is a chain, ``48*12 = 480 + 96 = 576``: every side has the same value, the last one is the result.
- A product is written directly if a factor is 0 or a power of ten, or if one has a single digit that is not 0 and the
  other at most two: ``48*2 = 96``, ``48*20 = 960``. Else one factor is split into its digits with their places, the
  partial products are written and then summed: ``48*12 = 480 + 96 = 576``. Split is the only factor with more than one
  digit that is not 0, else the one with fewer, else the second.
- Products of many factors go from the left, one equation for each; factors of 1 are left out: ``2*3 = 6, 6*8 = 48``.
- A quotient (always ``//``) is written directly if it has one digit that is not 0, if the divisor is a power of ten, or
  if a number below 100 is divided by one below 10. Else it is a long division, the dividend split so that every part
  but the last gives one digit: ``576//12 = 480//12 + 96//12 = 40 + 8 = 48``.
- Sums of more than two terms shrink from the left: ``6 + 10 + 4 = 16 + 4 = 20``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

MAX_CHARS = 300
"""An equation longer than this is not read."""

_MAX_DIGITS = 19
_MAX_DEPTH = 8
_DIGITS = frozenset("0123456789")


# --- writing ---------------------------------------------------------------------------------------------------------


def chain(*sides: str) -> str:
    """The sides with `` = `` between them."""
    return " = ".join(sides)


def places(number: int) -> list[int]:
    """A number's digits with their places, zeros left out: 384 → 300, 80, 4."""
    digits = str(number)
    return [int(d) * 10 ** (len(digits) - 1 - i) for i, d in enumerate(digits) if d != "0"]


def sum_sides(terms: Sequence[int]) -> list[str]:
    """Every side of a sum of at least two terms, negative ones subtracted: ``['6 + 10 - 4', '16 - 4', '12']``."""
    sides: list[str] = []
    rest = list(terms)
    while len(rest) > 1:
        sides.append(str(rest[0]) + "".join([f" - {-term}" if term < 0 else f" + {term}" for term in rest[1:]]))
        rest[:2] = [rest[0] + rest[1]]
    return [*sides, str(rest[0])]


def product_sides(a: int, b: int) -> list[str]:
    """What follows ``a*b``: the result, partial products before it where the numbers are long."""
    left, right = places(a), places(b)
    short = min(len(left), len(right)) <= 1
    if a * b == 0 or (short and len(left) + len(right) <= 3) or _power_of_ten(a) or _power_of_ten(b):
        return [str(a * b)]
    split_left = len(right) == 1 or (len(left) > 1 and len(left) < len(right))
    return sum_sides([part * b for part in left] if split_left else [a * part for part in right])


def quotient_sides(a: int, b: int) -> list[str]:
    """What follows ``a//b``: the result, a long division before it where the numbers are long."""
    digits = places(a // b) if a >= 0 < b else []
    if len(digits) <= 1 or (a < 100 and b < 10) or _power_of_ten(b):
        return [str(a // b)]
    parts = [digit * b for digit in digits[:-1]]
    parts.append(a - sum(parts))
    return [" + ".join([f"{part}//{b}" for part in parts]), *sum_sides(digits)]


def _power_of_ten(number: int) -> bool:
    return number > 0 and str(number).strip("0") == "1"


class Paper:
    """The equations of one step in the order in which they are calculated, none twice. Calls return their result."""

    def __init__(self) -> None:
        self.items: list[str] = []

    def write(self, *sides: str) -> None:
        """Add an equation unless it is there already."""
        item = chain(*sides)
        if item not in self.items:
            self.items.append(item)

    def product(self, factors: Sequence[int]) -> int:
        """The product of any number of factors."""
        left = [factor for factor in factors if factor != 1]
        while len(left) > 1:
            a, b = left[:2]
            self.write(f"{a}*{b}", *product_sides(a, b))
            left[:2] = [a * b]
        return left[0] if left else 1

    def quotient(self, a: int, b: int) -> int:
        """``a//b``; nothing is written where ``b`` is 1."""
        if b != 1:
            self.write(f"{a}//{b}", *quotient_sides(a, b))
        return a // b

    def total(self, *terms: int) -> int:
        """A sum, negative terms subtracted, zeros after the first left out; nothing is written where one is left."""
        left = [terms[0], *[term for term in terms[1:] if term]]
        if len(left) > 1:
            self.write(*sum_sides(left))
        return sum(left)

    def shifted_quotient(self, a: int, shift: int, b: int) -> int:
        """``(a + shift)//b``, the numerator first: ``(9 + 2)//3 = 11//3 = 3``."""
        if b == 1:
            return self.total(a, shift)
        if shift == 0:
            return self.quotient(a, b)
        numerator = f"({a} - {-shift})" if shift < 0 else f"({a} + {shift})"
        self.write(f"{numerator}//{b}", f"{a + shift}//{b}", *quotient_sides(a + shift, b))
        return (a + shift) // b

    def ceiling(self, a: int, b: int) -> int:
        """``a`` divided by ``b`` and rounded up: plain where it comes out even, else ``(a + b - 1)//b``."""
        return self.quotient(a, b) if a % b == 0 else self.shifted_quotient(a, b - 1, b)


# --- checking --------------------------------------------------------------------------------------------------------


def holds(text: str) -> bool | None:
    """Whether an equation, any text, is true; None if it is not one.

    At least two sides between ``=``, each of whole numbers, ``+ - * // ( )`` and spaces, with an operator somewhere:
    ``8 = 8`` says nothing. ``//`` rounds down, a division by zero is false. Never raises; never evaluates code; linear.
    """
    return None if len(text) > MAX_CHARS or "=" not in text else _holds(text)


@lru_cache(maxsize=1 << 14)
def _holds(text: str) -> bool | None:
    sides = [_tokens(side) for side in text.split("=")]
    values: list[int] = []
    calculated, undefined = False, False
    for tokens in sides:
        if tokens is None:
            return None
        reader = _Reader(tokens)
        value = reader.side()
        if value is None:
            return None
        values.append(value)
        calculated = calculated or reader.operators > 0
        undefined = undefined or reader.undefined
    if not calculated:
        return None
    return not undefined and all(value == values[0] for value in values)


def _tokens(text: str) -> list[int | str] | None:
    """Numbers and operators of one side, None where there is anything else (``²``, ``1_0``, ``007``, ``**``)."""
    tokens: list[int | str] = []
    i = 0
    while i < len(text):
        c = text[i]
        start = i
        i += 1
        if c in _DIGITS:
            while i < len(text) and text[i] in _DIGITS:
                i += 1
            if i - start > _MAX_DIGITS or (c == "0" and i - start > 1):
                return None
            tokens.append(int(text[start:i]))
        elif c == "/" and text[i : i + 1] == "/":
            i += 1
            tokens.append("//")
        elif c in "+-*()":
            tokens.append(c)
        elif c != " ":
            return None
    return tokens


class _Reader:
    """Python's grammar and precedence over tokens. ``undefined`` is set by a division by zero."""

    def __init__(self, tokens: list[int | str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.operators = 0
        self.undefined = False

    def side(self) -> int | None:
        """The value of all tokens together, None if they are no expression."""
        value = self._sum()
        return value if self.at == len(self.tokens) else None

    def _next(self, *wanted: str) -> str | None:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if not isinstance(token, str) or token not in wanted:
            return None
        self.at += 1
        return token

    def _sum(self) -> int | None:
        value = self._term()
        while value is not None and (sign := self._next("+", "-")):
            self.operators += 1
            term = self._term()
            value = None if term is None else value + term if sign == "+" else value - term
        return value

    def _term(self) -> int | None:
        value = self._factor()
        while value is not None and (operator := self._next("*", "//")):
            self.operators += 1
            factor = self._factor()
            if factor is None:
                return None
            if operator == "*":
                value *= factor
            elif factor == 0:
                self.undefined, value = True, 0
            else:
                value //= factor
        return value

    def _factor(self) -> int | None:
        negative = self._next("-") is not None
        if self._next("("):
            self.depth += 1
            value = self._sum() if self.depth <= _MAX_DEPTH else None
            self.depth -= 1
            if value is None or not self._next(")"):
                return None
        else:
            token = self.tokens[self.at] if self.at < len(self.tokens) else None
            if not isinstance(token, int):
                return None
            self.at += 1
            value = token
        return -value if negative else value
