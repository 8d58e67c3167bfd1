"""Products: a sum over a shared dimension, or none shared at all."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Shape, broadcast

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


OPS = (
    Op("matmul", FAMILY, _matmul, ranks=(1, 4), weight=3.0, joins=True),
    Op("self_product", FAMILY, _self_product, ranks=(2, 4), weight=0.5),
    Op("mm", FAMILY, _mm, ranks=(2, 2), weight=1.5, joins=True),
    Op("bmm", FAMILY, _bmm, ranks=(3, 3), weight=1.6, joins=True),
    Op("mv", FAMILY, _mv, ranks=(2, 2), weight=0.9),
    Op("outer", FAMILY, _outer, ranks=(1, 1), weight=1.2, joins=True),
    Op("einsum", FAMILY, _einsum, ranks=(1, 4), weight=1.6, joins=True),
)
