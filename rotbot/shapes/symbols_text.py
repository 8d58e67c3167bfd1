"""How expressions are written and read: ``2*B*T + C//8 - 1``, ``(T + 1)//2``, ``(H//16)*(W//16) + 1``.

Highest degree first, then by the alphabet, the constant last; parentheses only where they are needed; a quotient alone
takes in what shares its divisor (``(T - 1)//2``, not ``(T + 1)//2 - 1``; but ``C//8 + 1``).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rotbot.shapes.symbols import Expr, Product, Quotient, TooLarge

MAX_CHARS = 200
_MAX_PARENTHESES = 16
_TOKEN = re.compile(r" *([A-Za-z_][A-Za-z0-9_]*|[0-9]+|//|[-+*()])")


# --- reading ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def parse(text: str) -> Expr | None:
    """Read an expression of names, numbers, ``+ - * //`` and parentheses; None for any other text. Never raises."""
    if len(text) > MAX_CHARS:
        return None
    tokens: list[str] = []
    place, end = 0, len(text.rstrip(" "))
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            return None
        tokens.append(found[1])
        place = found.end()
    try:
        reader = _Reader(tokens)
        expr = reader.sum(0)
    except (TooLarge, ZeroDivisionError, _NotAnExpression):
        return None
    return expr if reader.place == len(tokens) else None


class _NotAnExpression(Exception):
    """The text ends early or goes on with what cannot stand there. Internal."""


class _Reader:
    """Recursive descent over the tokens; ``depth`` counts parentheses and signs."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self.place += 1
        return token

    def sum(self, depth: int) -> Expr:
        total = self.product(depth)
        while self.peek() in ("+", "-"):
            sign = self.next()
            part = self.product(depth)
            total = total + part if sign == "+" else total - part
        return total

    def product(self, depth: int) -> Expr:
        if self.peek() == "-":  # as in Python, -T//2 is (-T)//2
            self.next()
            total = -self.factor(depth + 1)
        else:
            total = self.factor(depth)
        while self.peek() in ("*", "//"):
            operator, right = self.next(), self.factor(depth)
            if operator == "*":
                total = total * right
            else:
                divisor = right.as_int()
                if divisor is None:
                    raise _NotAnExpression
                total = total // divisor
        return total

    def factor(self, depth: int) -> Expr:
        token = self.next()
        if depth > _MAX_PARENTHESES:
            raise _NotAnExpression
        if token == "(":
            inner = self.sum(depth + 1)
            if self.next() != ")":
                raise _NotAnExpression
            return inner
        if token.isdigit():
            if len(token) > 18:
                raise _NotAnExpression
            return Expr.number(int(token))
        if token and (token[0].isalpha() or token[0] == "_"):
            return Expr.name(token)
        raise _NotAnExpression


def same_dim(one: int | str, other: int | str) -> bool:
    """Whether two dimensions are the same number, or expressions of the same canonical form. Never raises."""
    if one == other:
        return True
    if isinstance(one, int) or isinstance(other, int):
        return False
    left = parse(one)
    return left is not None and left == parse(other)


def canonical(text: str) -> int | str | None:
    """The one spelling of an expression, an int if it has no names; None if the text is not an expression."""
    expr = parse(text)
    if expr is None:
        return None
    value = expr.as_int()
    return str(expr) if value is None else value


# --- writing ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def render(expr: Expr) -> str:
    """The canonical text. ``parse(render(e)) == e``, and equal expressions have equal texts."""
    quotients = expr.quotients()
    if len(quotients) == 1:
        (quotient,) = quotients
        holders = [(factors, count) for factors, count in expr.terms if quotient in factors]
        if len(holders) == 1 and holders[0][0] == (quotient,) and abs(holders[0][1]) == 1:
            rest = Expr(tuple([term for term in expr.terms if term[0] != (quotient,)]))
            return _quotient_text(rest, quotient, holders[0][1])
    shown = {q: f"({_quotient_text(Expr(()), q, 1)})" for q in quotients}
    for quotient in quotients:
        expr, shown[quotient] = _shortest(expr, quotient)
    return _join([_term(factors, count, shown) for factors, count in expr.terms])


def _quotient_text(rest: Expr, quotient: Quotient, sign: int) -> str:
    """``rest + quotient`` or ``rest - quotient`` as one quotient, and beside it what is a multiple of the divisor."""
    divisor = quotient.divisor
    numerator = quotient.numerator if sign > 0 else -quotient.numerator + (divisor - 1)
    merged = rest * divisor + numerator
    outside = Expr(tuple([(factors, count // divisor) for factors, count in merged.terms if count % divisor == 0]))
    inside = merged - outside * divisor
    if all(count < 0 for factors, count in inside.terms if factors):
        return _beside(outside, -inside + (divisor - 1), divisor, "-")
    return _beside(outside, inside, divisor, "+")


def _beside(outside: Expr, inside: Expr, divisor: int, sign: str) -> str:
    if inside.constant and inside.constant % divisor == 0:  # a sign changed may have left a multiple
        shift = inside.constant // divisor
        inside, outside = inside - shift * divisor, outside + (shift if sign == "+" else -shift)
    text = render(inside) if len(inside.terms) == 1 else f"({render(inside)})"
    parts = [_term(factors, count, {}) for factors, count in outside.terms if factors]
    if sign == "+":
        parts.append(f"{text}//{divisor}")
    else:  # Python reads -T//2 at the beginning as (-T)//2
        parts.append(f"-{text}//{divisor}" if parts else f"-({text}//{divisor})")
    parts += [str(outside.constant)] if outside.constant else []
    return _join(parts)


def _shortest(expr: Expr, quotient: Quotient) -> tuple[Expr, str]:
    """``expr`` with ``quotient`` shifted by a number (and turned round) such that it has the fewest terms.

    ``B*((T + 1)//2) - B`` is shorter as ``B*((T - 1)//2)``. In the result the quotient stands for what the text says.
    """
    divisor, own = quotient.divisor, Expr((((quotient,), 1),))
    over = Expr(tuple([(factors, -(-count // divisor)) for factors, count in quotient.numerator.terms if factors]))
    turned = -quotient.numerator + (divisor - 1) + over * divisor
    best: tuple[int, Expr, str] | None = None
    for numerator, base in ((quotient.numerator, own), (turned, over - own)):
        whole = _substitute(expr, quotient, base)
        for shift in _shifts(whole, quotient):
            replaced = _substitute(whole, quotient, own - shift)
            if best is None or len(replaced.terms) < best[0]:
                text = _quotient_text(Expr.number(shift), Quotient(numerator, divisor), 1)
                best = (len(replaced.terms), replaced, f"({text})")
    assert best is not None
    return best[1], best[2]


def _shifts(expr: Expr, quotient: Quotient) -> list[int]:
    """The numbers s for which ``quotient + s`` might take the place of two terms (``B*q + 3*B``), and 0."""
    counts = dict(expr.terms)
    found = {0}
    for factors, count in expr.terms:
        if factors.count(quotient) == 1:
            beside = counts.get(tuple([factor for factor in factors if factor != quotient]), 0)
            if beside % count == 0:
                found.add(beside // count)
    return sorted(found, key=lambda shift: (abs(shift), shift))


def _substitute(expr: Expr, quotient: Quotient, replacement: Expr) -> Expr:
    """``expr`` with every ``quotient`` replaced."""
    if replacement.terms == (((quotient,), 1),):
        return expr
    total = Expr(())
    for factors, count in expr.terms:
        kept = tuple([factor for factor in factors if factor != quotient])
        term = Expr(((kept, count),))
        for _ in range(len(factors) - len(kept)):
            term = term * replacement
        total = total + term
    return total


def _term(factors: Product, count: int, shown: dict[Quotient, str]) -> str:
    """``-2*B*(T//2)``; ``shown`` has the quotients' texts in parentheses, left out where nothing is multiplied."""
    if not factors:
        return str(count)
    texts = [factor if isinstance(factor, str) else shown[factor] for factor in factors]
    if count == 1 and len(texts) == 1:
        text = texts[0]
        return text[1:-1] if text.startswith("(") else text
    body = "*".join(texts)
    return body if count == 1 else f"-{body}" if count == -1 else f"{count}*{body}"


def _join(parts: list[str]) -> str:
    """``['B', '-3']`` → ``B - 3``."""
    if not parts:
        return "0"
    text = parts[0]
    for part in parts[1:]:
        text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return text
