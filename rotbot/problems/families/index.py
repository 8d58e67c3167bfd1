"""Indexing: new axes, picks and slices in brackets, and the calls that do the same."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from rotbot.problems.op import ANY, INDEX_DTYPE, NUMBERS, REAL, Context, Draw, Op, Shape, both
from rotbot.shapes.arguments import DEFAULT_DTYPE

FAMILY = "index"


@dataclass(frozen=True, slots=True)
class _Item:
    """What stands between two commas in brackets: its text, the sizes it leaves, and how many dimensions it reads."""

    text: str
    sizes: tuple[int, ...]
    reads: int = 1


NEW_AXIS = _Item("None", (1,), reads=0)


def _whole(size: int) -> _Item:
    return _Item(":", (size,))


def _picked(c: Context, size: int) -> _Item:
    return _Item(str(c.rng.choice((0, 0, -1, c.rng.randrange(size)))), ())


def _sliced(c: Context, size: int) -> _Item:
    """A slice that keeps some but not all of ``size`` > 1 elements."""
    kind = c.rng.randrange(5)
    near = c.rng.randrange(1, min(size, 12))
    if kind == 0:
        return _Item(f":{near}", (near,))
    if kind == 1:
        return _Item(f"{near}:", (size - near,))
    if kind == 2:
        return _Item(f":-{near}", (size - near,)) if c.coin(0.5) else _Item(f"-{near}:", (near,))
    if kind == 3:
        step = c.rng.choice((2, 2, 2, 3, 4))
        start = c.rng.choice((0, 0, 1))
        return _Item(f"{start or ''}::{step}", (len(range(start, size, step)),))
    start = c.rng.randrange(size)
    stop = c.rng.randrange(start + 1, size + 1) if start else c.rng.randrange(1, size)
    step = c.rng.choice((1, 1, 1, 2, 3)) if stop - start > 3 else 1
    text = f"{start}:{stop}" if step == 1 else f"{start}:{stop}:{step}"
    return _Item(text, (len(range(start, stop, step)),))


def _brackets(c: Context, items: list[_Item], keeps: bool = False) -> Draw:
    """The call for ``items``, one for each dimension plus new axes. Trailing ``:`` are dropped at times, leading ones
    become ``...`` at times."""
    shape = tuple(size for item in items for size in item.sizes)
    steps = sum(item.text != ":" for item in items)
    texts = [item.text for item in items]
    full = ", ".join(texts)
    short = list(texts)
    while len(short) > 1 and short[-1] == ":":
        short.pop()
    spellings = [", ".join(short), ", ".join(short), full]
    leading = 0
    while leading < len(texts) - 1 and texts[leading] == ":":
        leading += 1
    if leading > 0:
        spellings.append(", ".join(["...", *texts[leading:]]))
    return Draw((shape,), tuple(f"$x[{text}]" for text in spellings), steps=steps, keeps=keeps)


def _new_axis(c: Context) -> Draw | None:
    items = [_whole(size) for size in c.x]
    items.insert(c.rng.randrange(c.rank + 1), NEW_AXIS)
    if c.steps_left > 1 and c.rank < c.level.max_rank - 1 and c.coin(0.15):
        items.insert(c.rng.randrange(c.rank + 2), NEW_AXIS)
    return _brackets(c, items, keeps=True)


def _pick(c: Context) -> Draw | None:
    dims = {c.dim()}
    if c.rank > 2 and c.steps_left > 1 and c.coin(0.2):
        dims.add(c.dim())
    return _brackets(c, [_picked(c, size) if i in dims else _whole(size) for i, size in enumerate(c.x)])


def _slice(c: Context) -> Draw | None:
    wide = [i for i, size in enumerate(c.x) if size > 1]
    if not wide:
        return None
    dims = c.rng.sample(wide, 2 if len(wide) > 1 and c.steps_left > 1 and c.coin(0.2) else 1)
    return _brackets(c, [_sliced(c, size) if i in dims else _whole(size) for i, size in enumerate(c.x)])


def _mixed(c: Context) -> Draw | None:
    """A pick or a new axis beside a slice: two or three steps in one pair of brackets."""
    if c.steps_left < 2:
        return None
    items = [_whole(size) for size in c.x]
    changed = c.rng.sample(range(c.rank), 2) if c.rank > 1 else [0]
    if c.x[changed[0]] == 1:
        return None
    items[changed[0]] = _sliced(c, c.x[changed[0]])
    if len(changed) > 1 and c.coin(0.7):
        items[changed[1]] = _picked(c, c.x[changed[1]])
    else:
        items.insert(c.rng.randrange(c.rank + 1), NEW_AXIS)
    return _brackets(c, items)


def _select(c: Context) -> Draw | None:
    dim = c.wide()
    spelled, index = c.spell(dim), c.rng.choice((0, -1, c.rng.randrange(c.x[dim])))
    return Draw(
        (c.replaced(dim),),
        (
            f"$x.select({spelled}, {index})",
            f"torch.select($x, {spelled}, {index})",
            f"$x.select(dim={spelled}, index={index})",
        ),
        keeps=False,
    )


def _narrow(c: Context) -> Draw | None:
    dim = c.wide()
    start = c.rng.choice((0, c.rng.randrange(c.x[dim])))
    length = c.rng.randrange(1, c.x[dim] - start + 1)
    if length == c.x[dim]:
        return None
    spelled = c.spell(dim)
    return Draw(
        (c.replaced(dim, length),),
        (f"$x.narrow({spelled}, {start}, {length})", f"torch.narrow($x, {spelled}, {start}, {length})"),
        keeps=False,
    )


def _index(c: Context, dim: int) -> Shape | None:
    """A partner with indices into ``dim``: one or two dimensions of them."""
    return c.partner(
        lambda y: 1 <= len(y) <= 2,
        lambda: (c.size(32),) if c.coin(0.7) else (c.size(8), c.size(32)),
        INDEX_DTYPE,
        c.x[dim],
    )


def _index_select(c: Context) -> Draw | None:
    dim = c.wide()
    index = c.partner(lambda y: len(y) == 1, lambda: (c.size(32),), INDEX_DTYPE, c.x[dim])
    if index is None:
        return None
    spelled = c.spell(dim)
    return Draw(
        (c.replaced(dim, index[0]),),
        (
            f"$x.index_select({spelled}, $y)",
            f"torch.index_select($x, {spelled}, $y)",
            f"torch.index_select($x, dim={spelled}, index=$y)",
        ),
    )


def _index_tensor(c: Context) -> Draw | None:
    if c.dtype == INDEX_DTYPE:
        table = c.partner(
            lambda y: 1 <= len(y) <= 3 and y[0] >= c.bound, lambda: (max(c.bound, c.size()), c.size()), DEFAULT_DTYPE
        )
        if table is None:
            return None
        return Draw(((*c.x, *table[1:]),), ("$y[$x]",), keeps=False, dtypes=(DEFAULT_DTYPE,))
    dim = min(c.rng.choice((0, 0, 1)), c.rank - 1)
    index = _index(c, dim)
    if index is None:
        return None
    return Draw((c.replaced(dim, *index),), ("$x[$y]",) if dim == 0 else ("$x[:, $y]",), keeps=False)


def _index_pair(c: Context) -> Draw | None:
    """Two lists of indices are read side by side: one element for each pair."""
    length = c.rng.choice((2, 3, 4))
    rows, columns = ([c.rng.randrange(min(size, 10)) for _ in range(length)] for size in c.x[:2])
    if c.coin(0.5):
        return Draw(((length, *c.x[1:]),), (f"$x[{rows}]",), keeps=False)
    return Draw(((length, *c.x[2:]),), (f"$x[{rows}, {columns}]",), keeps=False)


def _take(c: Context) -> Draw | None:
    index = c.partner(lambda y: 1 <= len(y) <= 2, lambda: (c.size(32),), INDEX_DTYPE, prod(c.x))
    return None if index is None else Draw((index,), both("take", "$y"), keeps=False)


OPS = (
    Op("new_axis", FAMILY, _new_axis, ranks=(1, 4), weight=1.1, dtypes=REAL),
    Op("pick", FAMILY, _pick, ranks=(2, 5), dtypes=REAL),
    Op("slice", FAMILY, _slice, weight=1.3, dtypes=ANY),
    Op("mixed_index", FAMILY, _mixed, ranks=(1, 4), weight=0.9, dtypes=REAL),
    Op("select", FAMILY, _select, ranks=(2, 5), weight=0.7, dtypes=REAL),
    Op("narrow", FAMILY, _narrow, ranks=(1, 5), weight=0.7, dtypes=REAL),
    Op("index_select", FAMILY, _index_select, ranks=(1, 4), weight=0.8, dtypes=REAL),
    Op("index_tensor", FAMILY, _index_tensor, ranks=(1, 4), weight=0.9, dtypes=NUMBERS),
    Op("index_list", FAMILY, _index_pair, ranks=(2, 4), weight=0.5),
    Op("take", FAMILY, _take, ranks=(1, 3), weight=0.3),
)
