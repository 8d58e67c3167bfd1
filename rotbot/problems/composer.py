"""The composer: a random program as a graph of calls, before it has names or text.

A program grows from its target's side of view: each new call starts from the newest value (at times from an earlier
one, so that paths branch and join), until as many steps lead to the newest value as the level asks for.
"""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import prod
from random import Random

from rotbot.problems.families import FAMILIES
from rotbot.problems.levels import Level
from rotbot.problems.op import COMPLEX, INDEX_DTYPE, Context, Draw, Op, Shape, Value
from rotbot.problems.splits import HELD_OUT_OPS
from rotbot.shapes.arguments import DEFAULT_DTYPE

_READS_X = re.compile(r"\$[x0-9]")
MAX_TRIES = 400
ANY_RANK = 5
"""An :attr:`Op.ranks` that ends here has no bound of its own."""

PREFER_FLOAT = 0.85
"""How often the path goes on from a floating-point output where a call has others too."""

PREFERENCES = {"methods": ("$x.",), "functions": ("torch.", "F.")}
"""How the preferred spellings of a call begin, where a program's author prefers one kind."""


@dataclass(frozen=True, slots=True)
class Call:
    """An op applied to values (``inputs[0]`` is ``$x``, none where the spelling reads none) that makes new ones, in one
    of its spellings. ``fields`` name the outputs of a named tuple."""

    op: Op
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    spelling: str
    steps: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A graph of calls. ``values`` are numbered; ``args`` lists those that are arguments; ``target`` is the one asked
    for; ``live`` are the indices of the calls it depends on."""

    values: tuple[Value, ...]
    args: tuple[int, ...]
    calls: tuple[Call, ...]
    target: int
    live: frozenset[int]

    def used_args(self) -> tuple[int, ...]:
        """The arguments that some call reads."""
        read = {i for call in self.calls for i in call.inputs}
        return tuple(i for i in self.args if i in read)


def compose_program(rng: Random, level: Level, prefer: str = "") -> Program:
    """A random program of ``level``, with the spellings that ``prefer`` (a key of :data:`PREFERENCES`) names, where an
    op has one."""
    depth = rng.randint(*level.depth)
    for _ in range(MAX_TRIES):
        draft = _Draft(rng, level, depth, PREFERENCES.get(prefer, ()))
        if draft.grow():
            return draft.finish()
    raise AssertionError(f"no program of level {level.number} in {MAX_TRIES} tries: its bounds exclude every op")


@dataclass(frozen=True, slots=True)
class _Menu:
    """The ops that take a dtype with their cumulated weights, and those of them that join branches."""

    ops: list[Op]
    weights: list[float]
    joining: list[Op]


@cache
def _menu(families: tuple[str, ...], names: tuple[str, ...], held_out: bool, dtype: str | None) -> _Menu:
    """The ops of a level that take a value of ``dtype``, or a new argument (None)."""
    ops = [
        op
        for family in families or FAMILIES
        for op in FAMILIES[family]
        if (dtype in op.dtypes if dtype else op.dtypes[0] not in COMPLEX)
        and (not names or op.name in names)
        and (held_out or op.name not in HELD_OUT_OPS)
    ]
    return _Menu(ops, list(accumulate(op.weight for op in ops)), [op for op in ops if op.joins])


def _most(op: Op, level: Level) -> int:
    """The highest rank that ``op`` is used at: an op without a bound of its own takes what the level has."""
    return op.ranks[1] if op.ranks[1] < ANY_RANK else max(ANY_RANK, level.max_rank)


class _Draft:
    """A program under construction."""

    def __init__(self, rng: Random, level: Level, depth: int, preferred: tuple[str, ...]) -> None:
        self.rng, self.level, self.depth, self.preferred = rng, level, depth, preferred
        self.values: list[Value] = []
        self.args: list[int] = []
        self.calls: list[Call] = []
        self.live: dict[int, frozenset[int]] = {}
        """The calls that each result depends on, the one that makes it among them."""
        self.read: set[int] = set()
        """The values that some call reads."""
        self.newest = 0

    def grow(self) -> bool:
        """Add calls until the newest value depends on exactly ``depth`` steps; False at a dead end."""
        failures = 0
        while (left := self.depth - self._steps_to(self.newest)) > 0 or not self.calls:
            if self._add_call(left):
                if self._steps_to(self.newest) > self.depth:
                    return False
            else:
                failures += 1
            if failures > 60 or len(self.calls) > 2 * self.depth + 2:
                return False
        return self.newest not in self.args

    def finish(self) -> Program:
        """The program, without the calls that its target does not need (seldom they stay, or one more follows)."""
        target = self.newest
        live = self.live[target]
        if len(live) < len(self.calls) and self.rng.random() >= self.level.dead:
            self.calls = [call for i, call in enumerate(self.calls) if i in live]
            live = frozenset(range(len(self.calls)))
        elif self.rng.random() < self.level.dead:
            self._add_call(1)
        return Program(tuple(self.values), tuple(self.args), tuple(self.calls), target, live)

    def _steps_to(self, value: int) -> int:
        return sum([self.calls[i].steps for i in self.live.get(value, ())])

    def _add_call(self, left: int) -> bool:
        """One more call with at most ``left`` steps, from an op drawn by weight; False if the op does not apply."""
        level, loose = self.level, self._loose()
        start = self._start(may_branch=left > 1 and not loose)
        menu = _menu(level.families, level.ops, level.held_out, None if start is None else self.values[start].dtype)
        if not menu.ops:
            return False
        if loose and menu.joining and self.rng.random() < 0.5:
            op = self.rng.choice(menu.joining)
        else:
            op = menu.ops[bisect(menu.weights, self.rng.random() * menu.weights[-1], 0, len(menu.ops) - 1)]
        if start is None:
            start = self._first_arg(op)
        if start is None:
            return False
        value = self.values[start]
        if not op.ranks[0] <= len(value.shape) <= _most(op, level):
            return False
        new_args = self.level.max_args - len(self.args)
        pool = tuple([(i, v) for i, v in enumerate(self.values) if i != start])
        context = Context(
            self.rng, self.level, value.shape, value.contiguous, left, pool, new_args, loose, value.dtype, value.bound
        )
        draw = op.sample(context)
        shapes = () if draw is None else (*draw.outputs, *[o.shape for o in context.operands])
        if draw is None or draw.steps > left or not all(map(self._within, shapes)):
            if not self.calls:
                self.values, self.args = [], []
            return False
        others = [self._new_arg(o.shape, o.dtype) if o.value is None else o.value for o in context.operands]
        self._record(op, draw, [start, *others])
        return True

    def _record(self, op: Op, draw: Draw, inputs: list[int]) -> None:
        spellings = [s for s in draw.spellings if s.startswith(self.preferred)] if self.preferred else []
        spelling = self.rng.choice(spellings or draw.spellings)
        if "$x" not in spelling and not _READS_X.search(spelling):
            inputs = inputs[1:]
        contiguous = draw.fresh or (draw.keeps and all(self.values[i].contiguous for i in inputs))
        outputs = tuple(range(len(self.values), len(self.values) + len(draw.outputs)))
        dtypes = draw.dtypes or (self.values[inputs[0]].dtype if inputs else DEFAULT_DTYPE,) * len(outputs)
        bound = max([draw.bound, *[self.values[i].bound for i in inputs]])
        self.values += [
            Value(shape, dtype, contiguous, bound if dtype == INDEX_DTYPE else 1)
            for shape, dtype in zip(draw.outputs, dtypes, strict=True)
        ]
        self.live |= dict.fromkeys(outputs, frozenset([len(self.calls)]).union(*[self.live.get(i, ()) for i in inputs]))
        self.read.update(inputs)
        self.calls.append(Call(op, tuple(inputs), outputs, spelling, draw.steps, draw.fields))
        floats = [value for value in outputs if self.values[value].dtype == DEFAULT_DTYPE]
        self.newest = self.rng.choice(floats if floats and self.rng.random() < PREFER_FLOAT else outputs)

    def _loose(self) -> frozenset[int]:
        """The results, other than the newest, that no call reads."""
        return frozenset([i for i in self.live if i not in self.read and i != self.newest])

    def _start(self, may_branch: bool) -> int | None:
        """The value a call starts from: the newest or an earlier one. None at first: a new argument."""
        if not self.values:
            return None
        earlier = [i for i in range(len(self.values)) if i != self.newest]
        if may_branch and earlier and self.rng.random() < self.level.branch:
            return self.rng.choice(earlier)
        return self.newest

    def _first_arg(self, op: Op) -> int | None:
        """A new argument that ``op`` takes; None if there is none within the level."""
        least, most = op.ranks[0], min(_most(op, self.level), max(self.level.ranks))
        if least > most:
            return None
        rank = self.rng.choice(self.level.ranks)
        shape = self._shape(rank if least <= rank <= most else self.rng.randint(least, most))
        shape = op.argument(shape) if op.argument else shape
        return self._new_arg(shape, op.dtypes[0]) if self._within(shape) else None

    def _new_arg(self, shape: Shape, dtype: str = DEFAULT_DTYPE) -> int:
        self.values.append(Value(shape, dtype))
        self.args.append(len(self.values) - 1)
        return self.args[-1]

    def _shape(self, rank: int) -> Shape:
        """An argument's shape: sizes people write, the first of three or more a small batch."""
        sizes = self.level.sizes
        small = [s for s in sizes if s <= 16] or list(sizes)
        while True:
            shape = tuple(self.rng.choice(small if rank > 2 and i == 0 else sizes) for i in range(rank))
            if prod(shape) <= self.level.max_numel // 4:
                return shape

    def _within(self, shape: Shape) -> bool:
        level = self.level
        return (
            len(shape) <= level.max_rank and max(shape, default=1) <= level.max_size and prod(shape) <= level.max_numel
        )
