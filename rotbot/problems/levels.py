"""Levels of difficulty: the knobs of the composer, and the table of levels 0 to 5."""

from __future__ import annotations

from dataclasses import dataclass

from rotbot.errors import InputError

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64)
"""The sizes of argument dimensions: what people write, small and round."""


@dataclass(frozen=True, slots=True)
class Level:
    """How hard a problem is.

    ``depth`` is the least and the greatest number of steps in the trace of the target. ``max_rank`` and ``max_size``
    bound every tensor of the program, ``max_numel`` its number of elements (it keeps the eager check cheap).
    ``max_args`` bounds the arguments. ``nested`` and ``reassigned`` are the shares of programs that nest calls and that
    assign to the same name again; ``nesting`` is the chance that such a program inlines a value into its only use.
    ``branch`` is the chance that a step starts from an earlier value, ``dead`` the chance of statements that the target
    does not depend on. ``families`` names the op families in use; empty means all.
    """

    number: int
    depth: tuple[int, int]
    max_rank: int = 5
    sizes: tuple[int, ...] = SIZES
    max_size: int = 512
    max_numel: int = 2**16
    max_args: int = 3
    nested: float = 0.25
    reassigned: float = 0.12
    nesting: float = 0.6
    branch: float = 0.25
    dead: float = 0.04
    families: tuple[str, ...] = ()


LEVELS: tuple[Level, ...] = tuple(Level(number=k, depth=(k + 1, k + 1)) for k in range(6))
"""Level k has k + 1 steps."""


def get_level(level: int | Level) -> Level:
    """The level by number, or the level itself. Raises :class:`InputError` for a number out of range."""
    if isinstance(level, Level):
        return level
    if not 0 <= level < len(LEVELS):
        raise InputError(f"level: expected 0 to {len(LEVELS) - 1}, got {level}")
    return LEVELS[level]


def parse_levels(text: str) -> tuple[Level, ...]:
    """``'2'`` or ``'0-5'`` → the levels meant, ends included. Raises :class:`InputError` for anything else."""
    low, dash, high = text.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()) or not low.isascii() or not high.isascii():
        raise InputError(f"level: expected a level such as 2 or a range such as 0-5, got {text!r:.40}")
    first, last = int(low), int(high or low)
    if first > last:
        raise InputError(f"level: expected a range that rises, got {text!r:.40}")
    get_level(last)
    return LEVELS[first : last + 1]
