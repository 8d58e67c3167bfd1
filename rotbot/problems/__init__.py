"""Synthetic problems: random PyTorch programs that people might have written, each with a verified truth.

``families`` declares the ops, ``composer`` draws a graph of calls, ``writer`` gives it names and text, ``verify`` holds
composer, tracer and eager torch against each other, ``build`` writes datasets. Everything follows from hashes of the
seed and the index, so the same numbers give the same problem on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.problems.compose import compose
from rotbot.problems.families import FAMILIES
from rotbot.problems.levels import LEVELS, Level, get_level, parse_levels

__all__ = ["FAMILIES", "LEVELS", "Level", "compose", "get_level", "ops", "parse_levels", "sample", "stream"]


def ops() -> dict[str, tuple[str, ...]]:
    """The names of all ops by family."""
    return {family: tuple(op.name for op in declared) for family, declared in FAMILIES.items()}


def sample(seed: int, index: int, level: int | Level) -> Problem:
    """Problem ``index`` of ``seed`` at ``level`` (a number or a :class:`Level` of your own), traced and verified.

    Raises :class:`~rotbot.errors.InputError` for an unknown level.
    """
    from rotbot.problems.rows import make_item

    return make_item(seeds.item_seed(seed, index), get_level(level)).problem


def stream(seed: int, levels: Sequence[int | Level] = LEVELS[:6]) -> Iterator[Problem]:
    """Endless right programs of ``seed``: item i is ``sample(seed, i, level)``, its level drawn evenly from ``levels``
    (by default 0 to 5).

    ``rotbot generate --seed`` takes its right programs from the same stream. Raises
    :class:`~rotbot.errors.InputError` for an unknown level.
    """
    known = tuple(get_level(level) for level in levels)
    for index in count():
        yield sample(seed, index, level_of(seed, index, known))


def level_of(seed: int, index: int, levels: Sequence[Level]) -> Level:
    """The level of item ``index``."""
    return levels[seeds.derive("level", seed, index) % len(levels)]
