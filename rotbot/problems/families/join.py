"""Joining: several tensors become one."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Shape

FAMILY = "join"


def _differs_at(x: Shape, y: Shape, dim: int) -> bool:
    """Whether ``x`` and ``y`` agree everywhere but, perhaps, in ``dim``."""
    return len(x) == len(y) and x[:dim] == y[:dim] and x[dim + 1 :] == y[dim + 1 :]


def _other(c: Context, dim: int) -> Shape | None:
    """A partner to join along ``dim``."""
    return c.partner(lambda y: _differs_at(c.x, y, dim), lambda: c.x if c.coin(0.35) else c.replaced(dim, c.size(48)))


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
    ]
    if dim == 0:
        spellings.append(f"torch.cat([{names}])")
    return Draw((c.replaced(dim, total),), tuple(spellings), fresh=True)


def _stack(c: Context) -> Draw | None:
    if c.partner(lambda y: y == c.x, lambda: c.x) is None:
        return None
    third = c.partner(lambda y: y == c.x, lambda: c.x) if c.coin(0.2) else None
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


def _hstack(c: Context) -> Draw | None:
    dim = min(1, c.rank - 1)
    other = _other(c, dim)
    if other is None:
        return None
    return Draw(
        (c.replaced(dim, c.x[dim] + other[dim]),), ("torch.hstack([$x, $y])", "torch.hstack(($x, $y))"), fresh=True
    )


def _vstack(c: Context) -> Draw | None:
    other = _other(c, 0)
    if other is None:
        return None
    return Draw((c.replaced(0, c.x[0] + other[0]),), ("torch.vstack([$x, $y])", "torch.vstack(($x, $y))"), fresh=True)


OPS = (
    Op("cat", FAMILY, _cat, weight=2.4, joins=True),
    Op("stack", FAMILY, _stack, ranks=(1, 4), weight=2.2, joins=True),
    Op("hstack", FAMILY, _hstack, ranks=(1, 4), weight=0.8, joins=True),
    Op("vstack", FAMILY, _vstack, ranks=(2, 4), weight=0.8, joins=True),
)
