"""Which numbers to put in for the names of dimensions: divisible by what the program divides by, and not too large.

All values of the grid are multiples of one *unit*, which is made of the numbers in the program: where it says
``C // 64``, a multiple of 64 makes the quotient exact and the view possible.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import lcm
from random import Random

from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.source import read_again
from rotbot.shapes.symbols_text import parse

_MULTIPLES = (5, 3, 7, 4, 6, 8)
_MOVED = 2
_LARGEST = 9
_ELEMENTS = 2**41
"""What the largest tensor of a program over the names should have at most; the tracer's limit is a few times more."""
_SMALL = 60
"""About the largest value of the second plan: recurrent layers loop over a dimension."""
_MAX_LITERAL = 1024


@dataclass(frozen=True)
class Plan:
    """The assignments of one attempt. ``taken`` are the program's own numbers, which no name should be equal to."""

    unit: int
    taken: frozenset[int]

    def grid(self, names: tuple[str, ...]) -> list[dict[str, int]]:
        """A first assignment, each name moved alone, all moved."""
        base = self._base(names)
        moved = [{**base, name: self.unit * _MOVED} for name in names]
        values = [*base.values(), self.unit * _MULTIPLES[len(names) % len(_MULTIPLES)]]
        return [base, *moved, dict(zip(names, values[1:], strict=True))]

    def pairs(self, names: tuple[str, ...]) -> list[dict[str, int]]:
        """Every two names moved together."""
        moved = self.unit * _MOVED
        return [{**self._base(names), one: moved, other: moved} for one, other in combinations(names, 2)]

    def _base(self, names: tuple[str, ...]) -> dict[str, int]:
        return dict(zip(names, [self.unit * multiple for multiple in _MULTIPLES], strict=False))

    def moduli(self, divisors: tuple[int, int]) -> list[int]:
        """What a name might have to be a multiple of: what it is divided by, and the program's numbers."""
        found = [*divisors, *sorted([lcm(divisors[0], number) for number in self.taken])]
        return [m for m in dict.fromkeys(found) if 1 < m < self.unit and self.unit % m == 0][:8]

    def random(self, rng: Random, moduli: Mapping[str, int], count: int, rejected: bool) -> Iterator[dict[str, int]]:
        """``count`` assignments of multiples of ``moduli``, different for each name.

        Half of those for a program that is ``rejected`` are multiples of all its numbers, which might please torch.
        """
        largest = max(self.unit * _LARGEST, 60)
        for number in range(count):
            values: dict[str, int] = {}
            for name, modulus in moduli.items():
                if rejected and number % 2:
                    modulus = lcm(*[n for n in self.taken if n and n <= _MAX_LITERAL // 8] or [1])
                    modulus = modulus if modulus * 9 <= largest * 8 else self.unit
                while name not in values or values[name] in self.taken or list(values.values()).count(values[name]) > 1:
                    values[name] = modulus * rng.randint(
                        max(self.unit * _MOVED // modulus, 2), max(largest // modulus, 9)
                    )
            yield values


def plans(code: str, specs: Mapping[str, ArgSpec], names: tuple[str, ...]) -> Iterator[Plan]:
    """A plan with large numbers, and one with small ones for programs that the tracer refuses at those.

    Raises what :func:`rotbot.shapes.source.read` raises.
    """
    literals = {
        abs(n.value) for n in ast.walk(read_again(code)) if isinstance(n, ast.Constant) and type(n.value) is int
    }
    dims = {dim for spec in specs.values() for dim in spec.shape if isinstance(dim, int)}
    taken = frozenset(literals | dims)
    rank = max(3, len(names), *[_degree(spec) + 1 for spec in specs.values()])
    large = int(_ELEMENTS ** (1 / rank)) // _LARGEST
    for limit in (large, _SMALL // _LARGEST):
        units = [_unit(literals, most) for most in range(limit, limit // 2, -max(limit // 16, 1))]
        clear = [unit for unit in units if not any(unit * times in taken for times in (*_MULTIPLES, _MOVED))]
        yield Plan((clear or [5 * units[0]])[0], taken)


def _degree(spec: ArgSpec) -> int:
    """How many names are multiplied in an argument's number of elements."""
    exprs = [parse(dim) for dim in spec.shape if isinstance(dim, str)]
    return sum([max([len(factors) for factors, _ in expr.terms], default=0) for expr in exprs if expr is not None])


def _unit(literals: set[int], limit: int) -> int:
    """A number up to ``limit`` that is a multiple of as many literals and products of them as possible."""
    numbers = sorted([n for n in literals if 1 < n <= _MAX_LITERAL])
    unit = 1
    for number in reversed(numbers):
        if lcm(unit, number) <= limit:
            unit = lcm(unit, number)
    for factor in (*numbers, 2, 3, 2, 2, 3, 2, 5, 2, 2, 2, 2, 2):
        if unit * factor <= limit:
            unit *= factor
    return unit
