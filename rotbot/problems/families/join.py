"""Joining: several tensors become one."""

from __future__ import annotations

from math import comb

from rotbot.problems.op import ANY, NUMBERS, REAL, Context, Draw, Op, Sampler, Shape, easy_product

FAMILY = "join"


def _differs_at(x: Shape, y: Shape, dim: int) -> bool:
    """Whether ``x`` and ``y`` agree everywhere but, perhaps, in ``dim``."""
    return len(x) == len(y) and x[:dim] == y[:dim] and x[dim + 1 :] == y[dim + 1 :]


def _other(c: Context, dim: int) -> Shape | None:
    """A partner to join along ``dim``."""
    return c.partner(
        lambda y: _differs_at(c.x, y, dim), lambda: c.x if c.coin(0.35) else c.replaced(dim, c.size(48)), c.dtype
    )


def _cat(c: Context) -> Draw | None:
    dim = c.dim()
    spelled = c.spell(dim)
    other = _other(c, dim)
    if other is None:
        return None
    third = _other(c, dim) if c.coin(0.2) else None
    total = c.x[dim] + other[dim] + (third[dim] if third else 0)
    names = "$x, $y, $z" if third else "$x, $y" if c.coin(0.7) else "$y, $x"
    spellings = [
        f"torch.cat([{names}], dim={spelled})",
        f"torch.cat(({names}), dim={spelled})",
        f"torch.cat([{names}], {spelled})",
        f"torch.concat([{names}], dim={spelled})",
    ]
    if dim == 0:
        spellings.append(f"torch.cat([{names}])")
    return Draw((c.replaced(dim, total),), tuple(spellings), fresh=True)


def _stack(c: Context) -> Draw | None:
    if c.partner(lambda y: y == c.x, lambda: c.x, c.dtype) is None:
        return None
    third = c.partner(lambda y: y == c.x, lambda: c.x, c.dtype) if c.coin(0.2) else None
    dim = c.rng.randrange(c.rank + 1)
    spelled = c.spell(dim, c.rank + 1)
    names = "$x, $y" if third is None else "$x, $y, $z"
    spellings = [
        f"torch.stack([{names}], dim={spelled})",
        f"torch.stack(({names}), dim={spelled})",
        f"torch.stack([{names}], {spelled})",
    ]
    if dim == 0:
        spellings.append(f"torch.stack([{names}])")
    return Draw(((*c.x[:dim], 3 if third is not None else 2, *c.x[dim:]),), tuple(spellings), fresh=True)


def _stacked(name: str, dim: int) -> Sampler:
    """``torch.hstack`` and its like for tensors that have dimension ``dim``: a cat along it."""

    def sample(c: Context) -> Draw | None:
        at = min(dim, c.rank - 1)
        other = _other(c, at)
        if other is None:
            return None
        shape = c.replaced(at, c.x[at] + other[at])
        return Draw((shape,), (f"torch.{name}([$x, $y])", f"torch.{name}(($x, $y))"), fresh=True)

    return sample


def _column_stack(c: Context) -> Draw | None:
    """Vectors become columns; what has more dimensions is joined along dim 1."""
    if c.rank == 1:
        y = c.partner(lambda y: y == c.x or (len(y) == 2 and y[0] == c.x[0]), lambda: c.x, c.dtype)
        columns = None if y is None else 2 if len(y) == 1 else 1 + y[1]
    else:
        y = _other(c, 1)
        columns = None if y is None else c.x[1] + y[1]
    if columns is None:
        return None
    return Draw(
        ((c.x[0], columns, *c.x[2:]),), ("torch.column_stack([$x, $y])", "torch.column_stack(($x, $y))"), fresh=True
    )


def _block_diag(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 2, lambda: (c.size(24), c.size(24)))
    if y is None:
        return None
    return Draw(((c.x[0] + y[0], c.x[1] + y[1]),), ("torch.block_diag($x, $y)",), fresh=True)


def _cartesian_prod(c: Context) -> Draw | None:
    y = c.partner(lambda y: len(y) == 1 and easy_product((c.x[0], y[0])), lambda: (c.size(10),), c.dtype)
    if y is None or not easy_product((c.x[0], y[0])):
        return None
    return Draw(((c.x[0] * y[0], 2),), ("torch.cartesian_prod($x, $y)",), keeps=False)


def _combinations(c: Context) -> Draw | None:
    if not 3 <= c.x[0] <= 16:
        return None
    if c.x[0] <= 6 and c.coin(0.2):
        return Draw(((comb(c.x[0], 3), 3),), ("torch.combinations($x, 3)", "torch.combinations($x, r=3)"), keeps=False)
    return Draw(((comb(c.x[0], 2), 2),), ("torch.combinations($x)", "torch.combinations($x, r=2)"), keeps=False)


OPS = (
    Op("cat", FAMILY, _cat, weight=2.4, joins=True, dtypes=ANY),
    Op("stack", FAMILY, _stack, ranks=(1, 4), weight=2.2, joins=True, dtypes=ANY),
    Op("hstack", FAMILY, _stacked("hstack", 1), ranks=(1, 4), weight=0.7, dtypes=REAL),
    Op("vstack", FAMILY, _stacked("vstack", 0), ranks=(2, 4), weight=0.7, dtypes=REAL),
    Op("dstack", FAMILY, _stacked("dstack", 2), ranks=(3, 4), weight=0.6, dtypes=REAL),
    Op("column_stack", FAMILY, _column_stack, ranks=(1, 3), weight=0.7, dtypes=REAL),
    Op("block_diag", FAMILY, _block_diag, ranks=(2, 2), weight=0.7),
    Op("cartesian_prod", FAMILY, _cartesian_prod, ranks=(1, 1), weight=0.8, dtypes=NUMBERS),
    Op("combinations", FAMILY, _combinations, ranks=(1, 1), weight=1.0, dtypes=NUMBERS),
)
