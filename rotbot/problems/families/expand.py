"""Expanding and tiling: the same elements, more than once."""

from __future__ import annotations

from rotbot.problems.op import NUMBERS, REAL, Context, Draw, Op, Shape, broadcast, easy_product, listed, tupled

FAMILY = "expand"


def _grown(c: Context) -> tuple[Shape, list[int]] | None:
    """A shape that ``x`` expands to, and the sizes as written, -1 where a size stays as it is."""
    shape = [c.size(48) if size == 1 and c.coin(0.85) else size for size in c.x]
    if tuple(shape) == c.x and c.coin(0.6):
        return None
    lead = [c.size(16)] if tuple(shape) == c.x or c.coin(0.15) else []
    keep = c.coin(0.6)
    written = [-1 if keep and new == old else new for new, old in zip(shape, c.x, strict=True)]
    return (*lead, *shape), lead + written


def _expand(c: Context) -> Draw | None:
    grown = _grown(c)
    if grown is None:
        return None
    shape, written = grown
    return Draw(
        (shape,),
        (f"$x.expand({listed(written)})", f"$x.expand({listed(written)})", f"$x.expand({tupled(written)})"),
        keeps=False,
    )


def _broadcast_to(c: Context) -> Draw | None:
    grown = _grown(c)
    if grown is None:
        return None
    shape, _ = grown
    return Draw(
        (shape,), (f"torch.broadcast_to($x, {tupled(shape)})", f"$x.broadcast_to({tupled(shape)})"), keeps=False
    )


def _expand_as(c: Context) -> Draw | None:
    grown = _grown(c)
    if grown is None:
        return None
    shape, _ = grown
    other = c.partner(lambda y: y != c.x and broadcast(c.x, y) == y, lambda: shape)
    return None if other is None else Draw((other,), ("$x.expand_as($y)",), keeps=False)


def _times(c: Context) -> tuple[Shape, list[int]] | None:
    """A shape that ``x`` tiles to, and how often along each dimension."""
    times = [1] * c.rank
    for dim in c.rng.sample(range(c.rank), 1 if c.rank == 1 or c.coin(0.75) else 2):
        times[dim] = c.rng.choice((2, 2, 3, 4, 5, 8))
    if c.coin(0.15):
        times.insert(0, c.rng.choice((1, 2, 3, 4)))
    padded = (1,) * (len(times) - c.rank) + c.x
    if not all(easy_product((size, n)) for size, n in zip(padded, times, strict=True)):
        return None
    return tuple(size * n for size, n in zip(padded, times, strict=True)), times


def _repeat(c: Context) -> Draw | None:
    drawn = _times(c)
    if drawn is None:
        return None
    shape, times = drawn
    return Draw((shape,), (f"$x.repeat({listed(times)})", f"$x.repeat({listed(times)})", f"$x.repeat({tupled(times)})"))


def _tile(c: Context) -> Draw | None:
    drawn = _times(c)
    if drawn is None:
        return None
    shape, times = drawn
    return Draw((shape,), (f"torch.tile($x, {tupled(times)})", f"$x.tile({tupled(times)})"))


def _repeat_interleave(c: Context) -> Draw | None:
    dim, times = c.dim(), c.rng.choice((2, 2, 3, 4, 8))
    if not easy_product((c.x[dim], times)):
        return None
    spelled = c.spell(dim)
    return Draw(
        (c.replaced(dim, c.x[dim] * times),),
        (
            f"$x.repeat_interleave({times}, dim={spelled})",
            f"torch.repeat_interleave($x, {times}, dim={spelled})",
            f"$x.repeat_interleave({times}, {spelled})",
        ),
    )


def _meshgrid(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 1, lambda: (c.size(32),), c.dtype)
    if y is None:
        return None
    if c.coin(0.7):
        return Draw(((c.x[0], y[0]),) * 2, ("torch.meshgrid($x, $y, indexing='ij')",), keeps=False)
    return Draw(((y[0], c.x[0]),) * 2, ("torch.meshgrid($x, $y, indexing='xy')",), keeps=False)


def _broadcast_tensors(c: Context) -> Draw | None:
    grown = _grown(c)
    if grown is None:
        return None
    other = c.partner(lambda y: y != c.x and broadcast(c.x, y) is not None and len(y) > 0, lambda: grown[0], c.dtype)
    shape = None if other is None else broadcast(c.x, other)
    return None if shape is None else Draw((shape, shape), ("torch.broadcast_tensors($x, $y)",), keeps=False)


OPS = (
    Op("expand", FAMILY, _expand, ranks=(1, 4), weight=2.5, dtypes=REAL),
    Op("broadcast_to", FAMILY, _broadcast_to, ranks=(1, 4), weight=1.2, dtypes=REAL),
    Op("expand_as", FAMILY, _expand_as, ranks=(1, 4), weight=1.8, joins=True, dtypes=REAL),
    Op("repeat", FAMILY, _repeat, ranks=(1, 4), weight=1.2, dtypes=REAL),
    Op("tile", FAMILY, _tile, ranks=(1, 4), weight=0.7, dtypes=REAL),
    Op("repeat_interleave", FAMILY, _repeat_interleave, ranks=(1, 4), weight=0.8, dtypes=REAL),
    Op("meshgrid", FAMILY, _meshgrid, ranks=(1, 1), weight=1.0, dtypes=NUMBERS),
    Op("broadcast_tensors", FAMILY, _broadcast_tensors, ranks=(1, 4), weight=0.5, dtypes=REAL),
)
