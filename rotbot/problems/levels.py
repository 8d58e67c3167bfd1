"""Levels of difficulty: the knobs of the composer, and the table of levels 0 to 9."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rotbot.errors import InputError

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64)
"""The sizes of argument dimensions: what people write, small and round."""


@dataclass(frozen=True, slots=True)
class Level:
    """How hard a problem is.

    ``depth`` is the least and the greatest number of steps in the trace of the target. ``max_rank`` and ``max_size``
    bound every tensor of the program, ``max_numel`` its number of elements (it keeps the eager check cheap).
    ``max_args`` bounds the arguments. ``styles`` are the shares of programs in each style of
    :func:`~rotbot.problems.writer.write`, the rest being plain statements; ``nesting`` is the chance that a program
    in a nested style inlines a value into its only use.
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
    styles: tuple[tuple[str, float], ...] = (("nested", 0.25), ("reassigned", 0.12))
    nesting: float = 0.6
    branch: float = 0.25
    dead: float = 0.04
    comments: float = 0.0
    ranks: tuple[int, ...] = (1, 2, 2, 2, 3, 3, 3, 4, 4)
    families: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    held_out: bool = False


STYLES = (("nested", 0.22), ("reassigned", 0.1), ("methods", 0.1), ("functions", 0.08), ("compact", 0.07))
"""The styles of training; ``function`` is kept for the benchmark."""

LEVELS: tuple[Level, ...] = (
    *[Level(number=k, depth=(k + 1, k + 1), styles=STYLES, comments=0.03) for k in range(6)],
    Level(6, (7, 8), max_args=4, branch=0.3, styles=STYLES, comments=0.03),
    Level(7, (9, 12), max_args=4, branch=0.3, dead=0.08, styles=STYLES, comments=0.03),
    Level(8, (13, 16), max_args=5, branch=0.3, dead=0.1, max_numel=2**17, styles=STYLES, comments=0.03),
    Level(9, (17, 24), max_args=6, branch=0.3, dead=0.12, max_numel=2**18, styles=STYLES, comments=0.03),
)
"""Levels 0 to 5 have 1 to 6 steps, the mixture of training; 8 and 9 are longer than anything trained on."""

LARGE = (96, 128, 192, 256, 384, 512, 768, 1000, 1024, 1280, 1536, 2048, 3072, 4096)
OUTSIDE: dict[str, tuple[Level, ...]] = {
    "ood_depth": LEVELS[8:],
    "ood_rank": tuple(replace(level, ranks=(5, 6, 6, 7), max_rank=8, sizes=SIZES[:10]) for level in LEVELS[:6]),
    "ood_size": tuple(
        replace(level, sizes=(*SIZES, *LARGE, *LARGE), max_size=4096, max_numel=2**22, ranks=(1, 2, 2, 3))
        for level in LEVELS[:6]
    ),
    "ood_pair": LEVELS[:6],
    "ood_op": tuple(replace(level, held_out=True) for level in LEVELS[:6]),
}
"""Where the benchmark's problems from outside the bounds of training are drawn."""


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
