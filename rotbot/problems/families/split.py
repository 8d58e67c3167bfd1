"""Splitting: one tensor becomes several."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Shape

FAMILY = "split"
MOST = 4
"""The most pieces a program unpacks."""


def _pieces(c: Context, dim: int, sizes: list[int]) -> tuple[Shape, ...]:
    return tuple(c.replaced(dim, size) for size in sizes)


def _chunks(size: int, count: int) -> list[int]:
    """torch.chunk: pieces of the size rounded up, the last one smaller (and perhaps fewer pieces than asked for)."""
    each = -(-size // count)
    return [min(each, size - start) for start in range(0, size, each)]


def _split(c: Context) -> Draw | None:
    dim = c.dim()
    few = [s for s in range(1, c.x[dim]) if -(-c.x[dim] // s) <= MOST]
    choices = [s for s in few if c.x[dim] % s == 0 or (s in c.level.sizes and c.coin(0.1))]
    if not choices:
        return None
    each, spelled = c.rng.choice(choices), c.spell(dim)
    sizes = [min(each, c.x[dim] - start) for start in range(0, c.x[dim], each)]
    return Draw(
        _pieces(c, dim, sizes),
        (f"$x.split({each}, dim={spelled})", f"torch.split($x, {each}, dim={spelled})", f"$x.split({each}, {spelled})"),
        keeps=False,
    )


def _split_sizes(c: Context) -> Draw | None:
    dim = c.dim()
    if c.x[dim] < 3:
        return None
    first = c.size(c.x[dim] - 1)
    sizes = [first, c.x[dim] - first]
    if sizes[1] > 2 and c.coin(0.3):
        second = c.size(sizes[1] - 1)
        sizes = [first, second, sizes[1] - second]
    spelled = c.spell(dim)
    return Draw(
        _pieces(c, dim, sizes),
        (f"$x.split({sizes}, dim={spelled})", f"torch.split($x, {sizes}, dim={spelled})"),
        keeps=False,
    )


def _chunk(c: Context) -> Draw | None:
    dim, count = c.dim(), c.rng.choice((2, 2, 2, 3, 4))
    sizes = _chunks(c.x[dim], count)
    if c.x[dim] == 1 or (len(set(sizes)) > 1 and not c.coin(0.3)) or len(sizes) == 1:
        return None
    spelled = c.spell(dim)
    return Draw(
        _pieces(c, dim, sizes),
        (
            f"$x.chunk({count}, dim={spelled})",
            f"torch.chunk($x, {count}, dim={spelled})",
            f"$x.chunk({count}, {spelled})",
        ),
        keeps=False,
    )


def _unbind(c: Context) -> Draw | None:
    dims = [i for i, size in enumerate(c.x) if 2 <= size <= MOST]
    if not dims:
        return None
    dim = c.rng.choice(dims)
    spelled = c.spell(dim)
    spellings = [f"$x.unbind({spelled})", f"torch.unbind($x, dim={spelled})", f"$x.unbind(dim={spelled})"]
    return Draw((c.replaced(dim),) * c.x[dim], tuple(spellings), keeps=False)


OPS = (
    Op("split", FAMILY, _split, ranks=(1, 4), weight=1.2),
    Op("split_sizes", FAMILY, _split_sizes, ranks=(1, 4)),
    Op("chunk", FAMILY, _chunk, ranks=(1, 4), weight=1.5),
    Op("unbind", FAMILY, _unbind, ranks=(2, 5), weight=2.5),
)
