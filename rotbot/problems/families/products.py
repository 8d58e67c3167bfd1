"""Products: a sum over a shared dimension, or none shared at all."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Sampler, Shape, broadcast, easy_product

FAMILY = "products"
MOST = 64
"""The largest new dimension that a fresh operand brings."""


def _times(x: Shape, y: Shape) -> Shape | None:
    """The shape of ``x @ y`` for ranks of at least 1, or None where torch would refuse."""
    left, right = ((1, *x) if len(x) == 1 else x), ((*y, 1) if len(y) == 1 else y)
    batch = broadcast(left[:-2], right[:-2])
    if left[-1] != right[-2] or batch is None:
        return None
    rows = () if len(x) == 1 else (left[-2],)
    columns = () if len(y) == 1 else (right[-1],)
    return batch + rows + columns


def _right_operand(c: Context) -> Shape:
    """A fresh ``y`` for ``x @ y``."""
    if c.rank > 1 and c.coin(0.1):
        return (c.x[-1],)
    matrix = (c.x[-1], c.size(MOST))
    if c.rank > 2 and c.coin(0.6):
        return c.x[:-2] + matrix
    return (1, *matrix) if c.rank == 3 and c.coin(0.1) else matrix


def _matmul(c: Context) -> Draw | None:
    if c.rank == 2 and c.coin(0.25):
        y = c.partner(lambda y: len(y) > 1 and _times(y, c.x) is not None, lambda: (c.size(MOST), c.x[0]))
        shape = None if y is None else _times(y, c.x)
        return None if shape is None else Draw((shape,), ("$y @ $x", "torch.matmul($y, $x)"), keeps=False)
    least = 1 if c.last or c.rank > 1 else 2
    y = c.partner(lambda y: len(y) >= least and _times(c.x, y) is not None, lambda: _right_operand(c))
    shape = None if y is None else _times(c.x, y)
    if y is None or shape is None:
        return None
    spellings = ("$x @ $y", "$x @ $y", "torch.matmul($x, $y)", "$x.matmul($y)")
    return Draw((shape,), spellings, keeps=len(y) <= c.rank)


def _self_product(c: Context) -> Draw | None:
    """``x @ x.mT``: similarities of rows, two steps."""
    if c.steps_left < 2:
        return None
    batch, (rows, columns) = c.x[:-2], c.x[-2:]
    if c.coin(0.5):
        return Draw(
            ((*batch, rows, rows),),
            ("$x @ $x.mT", "$x @ $x.transpose(-2, -1)", "torch.matmul($x, $x.transpose(-1, -2))"),
            steps=2,
        )
    return Draw(((*batch, columns, columns),), ("$x.mT @ $x", "$x.transpose(-2, -1) @ $x"), steps=2, keeps=False)


def _mm(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 2 and y[0] == c.x[1], lambda: (c.x[1], c.size(MOST)))
    return None if y is None else Draw(((c.x[0], y[1]),), ("torch.mm($x, $y)", "$x.mm($y)"))


def _bmm(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 3 and y[0] == c.x[0] and y[1] == c.x[2], lambda: (c.x[0], c.x[2], c.size(MOST)))
    return None if y is None else Draw(((c.x[0], c.x[1], y[2]),), ("torch.bmm($x, $y)", "$x.bmm($y)"))


def _mv(c: Context) -> Draw | None:
    y = c.partner(lambda y: y == (c.x[1],), lambda: (c.x[1],))
    return None if y is None else Draw(((c.x[0],),), ("torch.mv($x, $y)", "$x.mv($y)"), keeps=False)


def _outer(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 1, lambda: (c.size(MOST),))
    return None if y is None else Draw(((c.x[0], y[0]),), ("torch.outer($x, $y)", "$x.outer($y)"), keeps=False)


EQUATIONS = (
    "ij,jk->ik", "ij,kj->ik", "ij,j->i", "i,j->ij", "ij,ij->i", "bij,bjk->bik", "bqd,bkd->bqk", "bij,jk->bik",
    "bnd,bnd->bn", "btc,cd->btd", "nij,nj->ni", "bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "bchw,oc->bohw",
)  # fmt: skip


def _einsum(c: Context) -> Draw | None:
    choices = [e for e in EQUATIONS if e.index(",") == c.rank]
    if not choices:
        return None
    equation = c.rng.choice(choices)
    inputs, output = equation.split("->")
    left, right = inputs.split(",")
    sizes = dict(zip(left, c.x, strict=True))

    def fits(y: Shape) -> bool:
        return len(y) == len(right) and all(sizes.get(k, size) == size for k, size in zip(right, y, strict=True))

    y = c.partner(fits, lambda: tuple(sizes[k] if k in sizes else c.size(MOST) for k in right))
    if y is None:
        return None
    sizes.update(zip(right, y, strict=True))
    shape = tuple(sizes[k] for k in output)
    spaced = equation.replace(",", ", ").replace("->", " -> ")
    return Draw(
        (shape,),
        (
            f"torch.einsum('{equation}', $x, $y)",
            f"torch.einsum('{equation}', $x, $y)",
            f"torch.einsum('{spaced}', $x, $y)",
        ),
        keeps=False,
    )


def _scalar(name: str) -> Sampler:
    """Products of two vectors that are a number."""

    def sample(c: Context) -> Draw | None:
        if not c.last or c.x[0] == 1 or c.partner(lambda y: y == c.x, lambda: c.x) is None:
            return None
        return Draw(((),), (f"torch.{name}($x, $y)", f"$x.{name}($y)"), keeps=False)

    return sample


def _inner(c: Context) -> Draw | None:
    """The last dimensions are summed over, all the others stay."""
    y = c.partner(lambda y: len(y) in (1, 2) and y[-1] == c.x[-1], lambda: (c.size(MOST), c.x[-1]))
    if y is None or (c.rank == 1 and len(y) == 1 and not c.last):
        return None
    return Draw(((*c.x[:-1], *y[:-1]),), ("torch.inner($x, $y)", "$x.inner($y)"), keeps=False)


def _addmm(c: Context) -> Draw | None:
    """``$z + $x @ $y``, the bias as the first argument."""
    y = c.partner(lambda y: len(y) == 2 and y[0] == c.x[1], lambda: (c.x[1], c.size(MOST)))
    if y is None:
        return None
    shape = (c.x[0], y[1])
    z = c.partner(lambda z: z in (shape, shape[1:]), lambda: shape[1:] if c.coin(0.7) else shape)
    return None if z is None else Draw((shape,), ("torch.addmm($z, $x, $y)", "$z.addmm($x, $y)"), keeps=False)


def _addmv(c: Context) -> Draw | None:
    if c.partner(lambda y: y == c.x[1:], lambda: c.x[1:]) is None:
        return None
    if c.partner(lambda z: z == c.x[:1], lambda: c.x[:1]) is None:
        return None
    return Draw((c.x[:1],), ("torch.addmv($z, $x, $y)", "$z.addmv($x, $y)"), keeps=False)


def _baddbmm(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 3 and y[0] == c.x[0] and y[1] == c.x[2], lambda: (c.x[0], c.x[2], c.size(MOST)))
    if y is None:
        return None
    shape = (c.x[0], c.x[1], y[2])
    if c.partner(lambda z: z == shape, lambda: shape) is None:
        return None
    return Draw((shape,), ("torch.baddbmm($z, $x, $y)", "$z.baddbmm($x, $y)"), keeps=False)


def _tensordot(c: Context) -> Draw | None:
    """The last ``count`` dimensions of ``x`` meet the first of ``y``, or one dimension of each does."""
    count = 2 if c.rank > 2 and c.coin(0.35) else 1
    shared = c.x[c.rank - count :]
    y = c.partner(lambda y: len(y) > count and y[:count] == shared, lambda: (*shared, c.size(MOST)))
    if y is None:
        return None
    own, others = list(range(c.rank - count, c.rank)), list(range(count))
    if c.coin(0.3):
        own = [dim - c.rank for dim in own]
    spellings = [f"torch.tensordot($x, $y, dims={count})", f"torch.tensordot($x, $y, dims=({own}, {others}))"]
    return Draw(((*c.x[: c.rank - count], *y[count:]),), tuple(spellings), keeps=False)


def _kron(c: Context) -> Draw | None:
    """``torch.kron`` rejects some tensors that are not contiguous."""
    if not c.contiguous:
        return None
    c.pool = tuple([(i, value) for i, value in c.pool if value.contiguous])
    y = c.partner(
        lambda y: len(y) == c.rank and all(easy_product(pair) for pair in zip(c.x, y, strict=True)),
        lambda: tuple(c.rng.choice((1, 2, 2, 3, 4)) for _ in c.x),
    )
    if y is None:
        return None
    shape = tuple(a * b for a, b in zip(c.x, y, strict=True))
    return Draw((shape,), ("torch.kron($x, $y)", "$x.kron($y)"), keeps=False)


def _cdist(c: Context) -> Draw | None:
    """Distances of all rows of one to all rows of the other."""
    batch = c.x[:-2]
    y = c.partner(
        lambda y: len(y) == c.rank and y[:-2] == batch and y[-1] == c.x[-1], lambda: (*batch, c.size(MOST), c.x[-1])
    )
    if y is None:
        return None
    return Draw(((*c.x[:-1], y[-2]),), ("torch.cdist($x, $y)", "torch.cdist($x, $y, p=1)"), keeps=False)


def _threes(shape: Shape) -> Shape:
    """A shape of vectors in space."""
    return (*shape[:-1], 3)


def _cross(c: Context) -> Draw | None:
    if c.x[-1] != 3 or c.partner(lambda y: y == c.x, lambda: c.x) is None:
        return None
    spellings = ("torch.cross($x, $y, dim=-1)", "torch.linalg.cross($x, $y)", "$x.cross($y, dim=-1)")
    return Draw((c.x,), spellings, keeps=False)


def _rowwise(name: str, *spellings: str) -> Sampler:
    """Products and distances of the rows of one with those of the other: the last dimension goes."""

    def sample(c: Context) -> Draw | None:
        if c.partner(lambda y: y == c.x, lambda: c.x) is None:
            return None
        if c.rank > 2 and name == "cosine_similarity" and c.coin(0.4):
            dim = c.dim()
            return Draw((c.replaced(dim),), (f"F.cosine_similarity($x, $y, dim={c.spell(dim)})",), keeps=False)
        return Draw((c.x[:-1],), spellings, keeps=False)

    return sample


def _multi_dot(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 2 and y[0] == c.x[1], lambda: (c.x[1], c.size(MOST)))
    if y is None:
        return None
    z = c.partner(lambda z: len(z) == 2 and z[0] == y[1], lambda: (y[1], c.size(MOST)))
    return None if z is None else Draw(((c.x[0], z[1]),), ("torch.linalg.multi_dot([$x, $y, $z])",), keeps=False)


def _bilinear(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == c.rank and y[:-1] == c.x[:-1], lambda: (*c.x[:-1], c.size(24)))
    if y is None:
        return None
    pair = (c.x[-1], y[-1])
    z = c.partner(lambda z: len(z) == 3 and z[1:] == pair, lambda: (c.size(24), *pair))
    return None if z is None else Draw(((*c.x[:-1], z[0]),), ("F.bilinear($x, $y, $z)",), keeps=False)


OPS = (
    Op("matmul", FAMILY, _matmul, ranks=(1, 4), weight=2.4, joins=True),
    Op("self_product", FAMILY, _self_product, ranks=(2, 4), weight=0.5),
    Op("mm", FAMILY, _mm, ranks=(2, 2), weight=0.9, joins=True),
    Op("bmm", FAMILY, _bmm, ranks=(3, 3), weight=1.0, joins=True),
    Op("mv", FAMILY, _mv, ranks=(2, 2), weight=0.5),
    Op("outer", FAMILY, _outer, ranks=(1, 1), weight=0.7, joins=True),
    Op("einsum", FAMILY, _einsum, ranks=(1, 4), weight=1.2, joins=True),
    Op("dot", FAMILY, _scalar("dot"), ranks=(1, 1), weight=1.6),
    Op("vdot", FAMILY, _scalar("vdot"), ranks=(1, 1), weight=1.2),
    Op("inner", FAMILY, _inner, ranks=(1, 4), weight=0.4),
    Op("addmm", FAMILY, _addmm, ranks=(2, 2), weight=0.7),
    Op("addmv", FAMILY, _addmv, ranks=(2, 2), weight=0.4),
    Op("baddbmm", FAMILY, _baddbmm, ranks=(3, 3), weight=0.7),
    Op("tensordot", FAMILY, _tensordot, ranks=(2, 4), weight=0.8),
    Op("kron", FAMILY, _kron, ranks=(1, 3), weight=0.5),
    Op("cdist", FAMILY, _cdist, ranks=(2, 4), weight=0.5),
    Op("cross", FAMILY, _cross, ranks=(1, 4), weight=0.6, argument=_threes),
    Op("vecdot", FAMILY, _rowwise("vecdot", "torch.linalg.vecdot($x, $y)"), ranks=(2, 4), weight=0.4),
    Op("cosine_similarity", FAMILY,
       _rowwise("cosine_similarity", "F.cosine_similarity($x, $y, dim=-1)"), ranks=(2, 4), weight=0.4),
    Op("pairwise_distance", FAMILY,
       _rowwise("pairwise_distance", "F.pairwise_distance($x, $y)"), ranks=(2, 3), weight=0.5),
    Op("multi_dot", FAMILY, _multi_dot, ranks=(2, 2), weight=0.4),
    Op("bilinear", FAMILY, _bilinear, ranks=(2, 3), weight=0.4),
)  # fmt: skip
