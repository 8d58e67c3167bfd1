"""Reductions: one value along some dimensions."""

from __future__ import annotations

from rotbot.problems.op import INDEX_DTYPE, NUMBERS, REAL, UNBOUNDED, Context, Draw, Op, Sampler, both, square, tupled
from rotbot.shapes.arguments import DEFAULT_DTYPE

FAMILY = "reduce"


def _dims(c: Context, pairs: bool) -> list[int] | None:
    """The dimensions to reduce: one, at times two; all of them only where the program ends."""
    dims = {c.wide()}
    if pairs and c.rank > 2 and c.coin(0.2):
        dims.add(c.dim())
    return None if len(dims) == c.rank and not c.last else sorted(dims)


def _reduction(name: str, pairs: bool = True, whole: bool = True, first: str = "", result: str = "") -> Sampler:
    """``x.name(dim, keepdim)`` over one dimension, at times over two (``pairs``), seldom over all (``whole``), as the
    last step. ``first`` is an argument before the dimension, ``result`` the dtype where it is another."""
    before = f"{first}, " if first else ""

    def sample(c: Context) -> Draw | None:
        dtype = result or (INDEX_DTYPE if name in ("sum", "prod", "nansum") and c.dtype == "bool" else c.dtype)
        if whole and c.last and c.coin(0.12) and max(c.x) > 1:
            return Draw(((),), both(name, first), dtypes=(dtype,), bound=UNBOUNDED)
        dims = _dims(c, pairs)
        if dims is None:
            return None
        keep = c.coin(0.35)
        shape = tuple(1 if i in dims else size for i, size in enumerate(c.x) if keep or i not in dims)
        spelled = [c.spell(d) for d in dims]
        text = str(spelled[0]) if len(spelled) == 1 else tupled(spelled)
        tail = ", keepdim=True" if keep else ""
        forms = (
            [f"{before}dim={text}{tail}"] if first == "2" else [f"{before}{text}{tail}", f"{before}dim={text}{tail}"]
        )
        return Draw((shape,), both(name, *forms), dtypes=(dtype,), bound=UNBOUNDED)

    return sample


def _spread(name: str) -> Sampler:
    """Standard deviation and variance, which need two elements."""
    plain = _reduction(name, whole=False)
    return lambda c: plain(c) if min(c.x) > 1 else None


def _chosen(name: str) -> Sampler:
    """``x.max(dim)`` and its like: the values along a dimension and where they are."""

    def sample(c: Context) -> Draw | None:
        if c.rank == 1 and not c.last:
            return None
        if c.last and name in ("max", "min", "median") and c.coin(0.1):
            return Draw(((),), both(name, ""))
        dim, keep = c.wide(), c.coin(0.35)
        spelled, tail = c.spell(dim), ", keepdim=True" if keep else ""
        shape = c.replaced(dim, 1) if keep else c.replaced(dim)
        return Draw(
            (shape, shape),
            both(name, f"dim={spelled}{tail}", f"{spelled}{tail}"),
            keeps=False,
            dtypes=(c.dtype, INDEX_DTYPE),
            fields=("values", "indices"),
            bound=c.x[dim],
        )

    return sample


def _place(name: str) -> Sampler:
    """``x.argmax(dim)``: indices, of all elements where no dimension is given."""

    def sample(c: Context) -> Draw | None:
        if c.last and c.coin(0.12):
            return Draw(((),), both(name, ""), dtypes=(INDEX_DTYPE,))
        if c.rank == 1 and not c.last:
            return None
        dim, keep = c.wide(), c.coin(0.25)
        spelled, tail = c.spell(dim), ", keepdim=True" if keep else ""
        shape = c.replaced(dim, 1) if keep else c.replaced(dim)
        texts = (f"dim={spelled}{tail}", f"{spelled}{tail}")
        return Draw((shape,), both(name, *texts), dtypes=(INDEX_DTYPE,), bound=c.x[dim])

    return sample


def _count_nonzero(c: Context) -> Draw | None:
    dims = _dims(c, pairs=False)
    if dims is None:
        return None
    spelled = c.spell(dims[0])
    texts = (f"dim={spelled}", str(spelled))
    return Draw((c.replaced(dims[0]),), both("count_nonzero", *texts), dtypes=(INDEX_DTYPE,), bound=UNBOUNDED)


def _pair_of(name: str, fields: tuple[str, ...]) -> Sampler:
    """Two reductions at once: ``torch.aminmax``, ``torch.std_mean``, ``torch.var_mean``."""

    def sample(c: Context) -> Draw | None:
        dims = _dims(c, pairs=False)
        if dims is None or c.x[dims[0]] == 1:
            return None
        keep, spelled = c.coin(0.35), c.spell(dims[0])
        shape = c.replaced(dims[0], 1) if keep else c.replaced(dims[0])
        text = f"torch.{name}($x, dim={spelled}{', keepdim=True' if keep else ''})"
        spellings = (text, text.replace("torch.aminmax($x, ", "$x.aminmax("))
        return Draw((shape, shape), spellings, keeps=False, fields=fields)

    return sample


def _quantile(c: Context) -> Draw | None:
    level = c.rng.choice(("0.5", "0.9", "0.25", "0.75"))
    return _reduction("quantile", pairs=False, first=level)(c)


def _trace(c: Context) -> Draw | None:
    return Draw(((),), ("torch.trace($x)", "$x.trace()"), dtypes=(DEFAULT_DTYPE,)) if c.last else None


OPS = (
    Op("sum", FAMILY, _reduction("sum"), weight=1.0, dtypes=REAL),
    Op("mean", FAMILY, _reduction("mean"), weight=1.0),
    Op("std", FAMILY, _spread("std"), weight=0.3),
    Op("var", FAMILY, _spread("var"), weight=0.3),
    Op("prod", FAMILY, _reduction("prod", pairs=False), weight=0.3, dtypes=REAL),
    Op("amax", FAMILY, _reduction("amax"), weight=0.35, dtypes=NUMBERS),
    Op("amin", FAMILY, _reduction("amin"), weight=0.3, dtypes=NUMBERS),
    Op("max", FAMILY, _chosen("max"), weight=0.4, dtypes=NUMBERS),
    Op("min", FAMILY, _chosen("min"), weight=0.3, dtypes=NUMBERS),
    Op("median", FAMILY, _chosen("median"), weight=0.25),
    Op("mode", FAMILY, _chosen("mode"), weight=0.25, dtypes=NUMBERS),
    Op("argmax", FAMILY, _place("argmax"), weight=0.5, dtypes=NUMBERS),
    Op("argmin", FAMILY, _place("argmin"), weight=0.3, dtypes=NUMBERS),
    Op("all", FAMILY, _reduction("all", pairs=False, result="bool"), weight=0.9, dtypes=("bool",)),
    Op("any", FAMILY, _reduction("any", pairs=False, result="bool"), weight=0.9, dtypes=("bool",)),
    Op("logsumexp", FAMILY, _reduction("logsumexp", whole=False), weight=0.3),
    Op("norm", FAMILY, _reduction("norm", first="2"), weight=0.3),
    Op("nansum", FAMILY, _reduction("nansum"), weight=0.2),
    Op("nanmean", FAMILY, _reduction("nanmean"), weight=0.2),
    Op("quantile", FAMILY, _quantile, weight=0.2),
    Op("count_nonzero", FAMILY, _count_nonzero, weight=0.25, dtypes=REAL),
    Op("aminmax", FAMILY, _pair_of("aminmax", ("min", "max")), weight=0.25),
    Op("std_mean", FAMILY, _pair_of("std_mean", ()), weight=0.2),
    Op("var_mean", FAMILY, _pair_of("var_mean", ()), weight=0.35),
    Op("trace", FAMILY, _trace, ranks=(2, 2), weight=1.5, argument=square),
)
