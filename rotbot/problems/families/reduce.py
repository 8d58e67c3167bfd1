"""Reductions: one value along some dimensions."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Sampler, tupled

FAMILY = "reduce"


def _reduction(name: str, tuples: bool = True) -> Sampler:
    """``x.name(dim, keepdim)`` over one dimension, at times over two, seldom over all (as the last step)."""

    def sample(c: Context) -> Draw | None:
        if c.last and c.coin(0.12) and max(c.x) > 1:
            return Draw(((),), (f"$x.{name}()", f"torch.{name}($x)"))
        dims = {c.dim()}
        if tuples and c.rank > 2 and c.coin(0.2):
            dims.add(c.dim())
        if len(dims) == c.rank and not c.last:
            return None
        if name == "std" and all(c.x[i] == 1 for i in dims):
            return None
        keep = c.coin(0.35)
        shape = tuple(1 if i in dims else size for i, size in enumerate(c.x) if keep or i not in dims)
        spelled = [c.spell(d) for d in sorted(dims)]
        text = str(spelled[0]) if len(spelled) == 1 else tupled(spelled)
        tail = ", keepdim=True" if keep else ""
        return Draw(
            (shape,),
            (f"$x.{name}({text}{tail})", f"$x.{name}(dim={text}{tail})", f"torch.{name}($x, dim={text}{tail})"),
        )

    return sample


def _max(c: Context) -> Draw | None:
    dim = c.dim()
    if c.rank == 1 and not c.last:
        return None
    keep = c.coin(0.35)
    spelled, tail = c.spell(dim), ", keepdim=True" if keep else ""
    name = c.rng.choice(("max", "min"))
    shape = c.replaced(dim, 1) if keep else c.replaced(dim)
    return Draw(
        (shape,),
        (
            f"$x.{name}(dim={spelled}{tail}).values",
            f"$x.{name}({spelled}{tail})[0]",
            f"torch.{name}($x, dim={spelled}{tail})[0]",
        ),
    )


def _topk(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.dim()
    k = c.rng.choice([k for k in (1, 2, 3, 4, 5, 8, 10) if k <= c.x[dim]])
    spelled = c.spell(dim)
    spellings = [
        f"$x.topk({k}, dim={spelled}).values",
        f"torch.topk($x, {k}, dim={spelled})[0]",
        f"$x.topk({k}, {spelled})[0]",
    ]
    if dim == c.rank - 1:
        spellings += [f"$x.topk({k}).values", f"torch.topk($x, {k})[0]"]
    return Draw((c.replaced(dim, k),), tuple(spellings), keeps=False)


OPS = (
    Op("sum", FAMILY, _reduction("sum"), weight=1.2),
    Op("mean", FAMILY, _reduction("mean"), weight=1.2),
    Op("std", FAMILY, _reduction("std"), weight=0.6),
    Op("amax", FAMILY, _reduction("amax"), weight=0.8),
    Op("max", FAMILY, _max, weight=0.9),
    Op("topk", FAMILY, _topk, weight=0.8),
)
