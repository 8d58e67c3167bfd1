"""Scans and orders: what depends on the elements before, and what sorting gives."""

from __future__ import annotations

from rotbot.problems.op import (
    BOOL,
    INDEX_DTYPE,
    NUMBERS,
    REAL,
    UNBOUNDED,
    Context,
    Draw,
    Op,
    Sampler,
    both,
)  # fmt: skip

FAMILY = "scan"
PAIR = ("values", "indices")


def _scan(name: str) -> Sampler:
    """``cumsum`` and its like: the shape stays."""

    def sample(c: Context) -> Draw | None:
        dim = c.spell(c.wide())
        dtype = INDEX_DTYPE if c.dtype in BOOL else c.dtype
        return Draw((c.x,), both(name, f"dim={dim}", str(dim)), dtypes=(dtype,), bound=UNBOUNDED)

    return sample


def _best_so_far(name: str) -> Sampler:
    """``cummax`` and ``cummin``: the values so far and where they were."""

    def sample(c: Context) -> Draw | None:
        dim = c.wide()
        spelled = c.spell(dim)
        return Draw(
            (c.x, c.x), both(name, f"dim={spelled}", str(spelled)), keeps=False, dtypes=(c.dtype, INDEX_DTYPE),
            fields=PAIR, bound=c.x[dim],
        )  # fmt: skip

    return sample


def _order(c: Context) -> tuple[int, tuple[str, ...]]:
    """A dimension to sort along, and the arguments that say so."""
    dim = c.rank - 1 if c.coin(0.5) and c.x[-1] > 1 else c.wide()
    tail = ", descending=True" if c.coin(0.4) else ""
    spelled = c.spell(dim)
    texts = [f"dim={spelled}{tail}"] + ([tail.removeprefix(", ")] if dim == c.rank - 1 else [f"{spelled}{tail}"])
    return dim, tuple(texts)


def _sort(c: Context) -> Draw | None:
    dim, texts = _order(c)
    return Draw(
        (c.x, c.x), both("sort", *texts), keeps=False, dtypes=(c.dtype, INDEX_DTYPE), fields=PAIR, bound=c.x[dim]
    )


def _argsort(c: Context) -> Draw | None:
    dim, texts = _order(c)
    return Draw((c.x,), both("argsort", *texts), keeps=False, dtypes=(INDEX_DTYPE,), bound=c.x[dim])


def _msort(c: Context) -> Draw | None:
    return Draw((c.x,), both("msort", ""), keeps=False)


def _topk(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    k = c.rng.choice([k for k in (1, 2, 3, 4, 5, 8, 10) if k <= c.x[dim]])
    spelled, tail = c.spell(dim), ", largest=False" if c.coin(0.15) else ""
    texts = [f"{k}, dim={spelled}{tail}", f"k={k}, dim={spelled}{tail}", f"{k}, {spelled}{tail}"]
    if dim == c.rank - 1:
        texts.append(f"{k}{tail}")
    shape = c.replaced(dim, k)
    return Draw(
        (shape, shape), both("topk", *texts), keeps=False, dtypes=(c.dtype, INDEX_DTYPE), fields=PAIR, bound=c.x[dim]
    )


def _kthvalue(c: Context) -> Draw | None:
    if c.rank == 1 and not c.last:
        return None
    dim, keep = c.wide(), c.coin(0.3)
    k = c.rng.randint(1, min(c.x[dim], 8))
    spelled, tail = c.spell(dim), ", keepdim=True" if keep else ""
    shape = c.replaced(dim, 1) if keep else c.replaced(dim)
    return Draw(
        (shape, shape),
        both("kthvalue", f"{k}, dim={spelled}{tail}", f"{k}, {spelled}{tail}"),
        keeps=False,
        dtypes=(c.dtype, INDEX_DTYPE),
        fields=PAIR,
        bound=c.x[dim],
    )


def _diff(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    times = 2 if c.coin(0.15) else 1
    if c.x[dim] <= times:
        return None
    spelled, first = c.spell(dim), f"n={times}, " if times > 1 else ""
    texts = [f"{first}dim={spelled}"] + ([f"n={times}" if times > 1 else ""] if dim == c.rank - 1 else [])
    return Draw((c.replaced(dim, c.x[dim] - times),), both("diff", *texts), keeps=False, bound=UNBOUNDED)


def _areas(name: str) -> Sampler:
    """The trapezoidal rule: the area along a dimension, or the areas so far."""

    def sample(c: Context) -> Draw | None:
        dim = c.wide()
        if c.x[dim] < 2 or (name == "trapezoid" and c.rank == 1 and not c.last):
            return None
        shape = c.replaced(dim) if name == "trapezoid" else c.replaced(dim, c.x[dim] - 1)
        spellings = [f"torch.{name}($x, dim={c.spell(dim)})"] + ([f"torch.{name}($x)"] if dim == c.rank - 1 else [])
        return Draw((shape,), tuple(spellings), keeps=False)

    return sample


def _between(name: str) -> Sampler:
    """``torch.bucketize`` and ``torch.searchsorted``: where each element belongs among sorted ones."""

    def sample(c: Context) -> Draw | None:
        edges = c.partner(lambda y: len(y) == 1 and y[0] > 1, lambda: (c.size(32),))
        if edges is None:
            return None
        operands = "$x, $y" if name == "bucketize" else "$y, $x"
        spellings = (f"torch.{name}({operands})", f"torch.{name}({operands}, right=True)")
        return Draw((c.x,), spellings, dtypes=(INDEX_DTYPE,), bound=edges[0] + 1)

    return sample


def _histc(c: Context) -> Draw | None:
    bins = c.rng.choice((4, 5, 8, 10, 16, 20, 32, 64))
    return Draw(((bins,),), both("histc", f"bins={bins}, min=0, max=1", f"{bins}, 0, 1"), keeps=False)


OPS = (
    Op("cumsum", FAMILY, _scan("cumsum"), weight=0.5, dtypes=REAL),
    Op("cumprod", FAMILY, _scan("cumprod"), weight=0.25, dtypes=NUMBERS),
    Op("logcumsumexp", FAMILY, _scan("logcumsumexp"), weight=0.2),
    Op("cummax", FAMILY, _best_so_far("cummax"), weight=0.25, dtypes=NUMBERS),
    Op("cummin", FAMILY, _best_so_far("cummin"), weight=0.2, dtypes=NUMBERS),
    Op("sort", FAMILY, _sort, weight=0.6, dtypes=NUMBERS),
    Op("argsort", FAMILY, _argsort, weight=0.5, dtypes=NUMBERS),
    Op("msort", FAMILY, _msort, weight=0.25),
    Op("topk", FAMILY, _topk, weight=0.8, dtypes=NUMBERS),
    Op("kthvalue", FAMILY, _kthvalue, weight=0.6),
    Op("diff", FAMILY, _diff, weight=0.5, dtypes=NUMBERS),
    Op("trapezoid", FAMILY, _areas("trapezoid"), weight=0.25),
    Op("cumulative_trapezoid", FAMILY, _areas("cumulative_trapezoid"), weight=0.2),
    Op("bucketize", FAMILY, _between("bucketize"), ranks=(1, 4), weight=0.3),
    Op("searchsorted", FAMILY, _between("searchsorted"), ranks=(1, 4), weight=0.3),
    Op("histc", FAMILY, _histc, weight=0.25),
)
