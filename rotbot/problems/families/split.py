"""Splitting: one tensor becomes several."""

from __future__ import annotations

from rotbot.problems.op import ANY, REAL, Context, Draw, Op, Sampler, Shape, both, tupled

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
    dim = c.wide()
    few = [s for s in range(-(-c.x[dim] // MOST), c.x[dim]) if s < 200]
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
    dim = c.wide()
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
    dim, count = c.wide(), c.rng.choice((2, 2, 2, 3, 4))
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


def _tensor_split(c: Context) -> Draw | None:
    """By a number of pieces of nearly equal size, the larger ones first, or at given places."""
    dim = c.wide()
    size, spelled = c.x[dim], c.spell(dim)
    if size < 3:
        return None
    if c.coin(0.5):
        count = c.rng.choice((2, 3, 4)[: size - 1])
        sizes, text = [size // count + (i < size % count) for i in range(count)], str(count)
    else:
        places = sorted(c.rng.sample(range(1, min(size, 25)), 1 if c.coin(0.4) else 2))
        sizes, text = _between(places, size), tupled(places)
    spellings = [f"torch.tensor_split($x, {text}, dim={spelled})", f"$x.tensor_split({text}, dim={spelled})"]
    if dim == 0:
        spellings.append(f"torch.tensor_split($x, {text})")
    return Draw(_pieces(c, dim, sizes), tuple(spellings), keeps=False)


def _between(places: list[int], size: int) -> list[int]:
    """The sizes of the pieces of ``size`` elements cut at ``places``."""
    return [stop - start for start, stop in zip([0, *places], [*places, size], strict=True)]


def _along(name: str, dim: int) -> Sampler:
    """``torch.hsplit`` and its like: a split along ``dim`` into equal pieces or at given places."""

    def sample(c: Context) -> Draw | None:
        at = min(dim, c.rank - 1)
        size = c.x[at]
        equal = [n for n in (2, 3, 4) if size % n == 0 and n <= size]
        if equal and c.coin(0.7):
            count = c.rng.choice(equal)
            sizes, text = [size // count] * count, str(count)
        elif size > 2:
            places = sorted(c.rng.sample(range(1, min(size, 25)), 1 if c.coin(0.5) else 2))
            sizes, text = _between(places, size), str(places)
        else:
            return None
        return Draw(_pieces(c, at, sizes), both(name, text), keeps=False)

    return sample


OPS = (
    Op("split", FAMILY, _split, ranks=(1, 4), weight=1.2, dtypes=REAL),
    Op("split_sizes", FAMILY, _split_sizes, ranks=(1, 4), dtypes=REAL),
    Op("chunk", FAMILY, _chunk, ranks=(1, 4), weight=1.5, dtypes=ANY),
    Op("unbind", FAMILY, _unbind, ranks=(2, 5), weight=2.5, dtypes=REAL),
    Op("tensor_split", FAMILY, _tensor_split, ranks=(1, 4), weight=0.7, dtypes=REAL),
    Op("hsplit", FAMILY, _along("hsplit", 1), ranks=(1, 4), weight=0.5, dtypes=REAL),
    Op("vsplit", FAMILY, _along("vsplit", 0), ranks=(2, 4), weight=0.5, dtypes=REAL),
    Op("dsplit", FAMILY, _along("dsplit", 2), ranks=(3, 4), weight=0.6, dtypes=REAL),
)
