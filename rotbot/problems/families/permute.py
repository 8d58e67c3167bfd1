"""Permuting: the same sizes in another order, or the same shape with its elements moved."""

from __future__ import annotations

from rotbot.problems.op import ANY, REAL, Context, Draw, Op, Sampler, both, listed, tupled

FAMILY = "permute"


def _two(c: Context) -> tuple[int, int]:
    """Two different dimensions; most often the last two of three or more."""
    if c.rank > 2 and c.coin(0.3):
        return c.rank - 2, c.rank - 1
    a, b = c.rng.sample(range(c.rank), 2)
    return (a, b) if a < b or c.coin(0.2) else (b, a)


def _transpose(c: Context) -> Draw | None:
    a, b = _two(c)
    shape = list(c.x)
    shape[a], shape[b] = shape[b], shape[a]
    spelled = f"{a - c.rank}, {b - c.rank}" if c.coin(0.3) else f"{c.spell(a)}, {c.spell(b)}"
    return Draw(
        (tuple(shape),),
        (
            f"$x.transpose({spelled})",
            f"$x.transpose({spelled})",
            f"torch.transpose($x, {spelled})",
            f"$x.swapaxes({spelled})",
        ),
        keeps=False,
    )


def _permute(c: Context) -> Draw | None:
    order = list(range(c.rank))
    while order == sorted(order):
        c.rng.shuffle(order)
    shape = tuple(c.x[i] for i in order)
    spelled = [i - c.rank for i in order] if c.coin(0.08) else order
    return Draw(
        (shape,),
        (
            f"$x.permute({listed(spelled)})",
            f"$x.permute({listed(spelled)})",
            f"torch.permute($x, {tupled(spelled)})",
            f"$x.permute({tupled(spelled)})",
        ),
        keeps=False,
    )


def _t(c: Context) -> Draw | None:
    return Draw(((c.x[1], c.x[0]),), ("$x.T", "$x.T", "$x.t()", "torch.t($x)"), keeps=False)


def _mt(c: Context) -> Draw | None:
    return Draw(((*c.x[:-2], c.x[-1], c.x[-2]),), ("$x.mT",), keeps=False)


def _movedim(c: Context) -> Draw | None:
    source, destination = c.rng.sample(range(c.rank), 2)
    shape = list(c.x)
    shape.insert(destination, shape.pop(source))
    spelled = f"{c.spell(source)}, {c.spell(destination)}"
    return Draw(
        (tuple(shape),),
        (f"$x.movedim({spelled})", f"torch.movedim($x, {spelled})", f"$x.moveaxis({spelled})"),
        keeps=False,
    )


def _flip(c: Context) -> Draw | None:
    dim = c.spell(c.wide())
    spellings = [f"$x.flip({dim})", f"torch.flip($x, [{dim}])", f"$x.flip(dims=[{dim}])"]
    if c.rank > 1 and c.coin(0.2):
        a, b = sorted(c.rng.sample(range(c.rank), 2))
        spellings = [f"$x.flip({a}, {b})", f"torch.flip($x, [{a}, {b}])", f"torch.flip($x, dims=({a}, {b}))"]
    return Draw((c.x,), tuple(spellings))


def _roll(c: Context) -> Draw | None:
    dim, shift = c.spell(c.wide()), c.rng.choice((1, 1, 2, 3, -1))
    return Draw(
        (c.x,), (f"$x.roll({shift}, {dim})", f"torch.roll($x, {shift}, dims={dim})", f"$x.roll({shift}, dims={dim})")
    )


def _contiguous(c: Context) -> Draw | None:
    if c.contiguous or c.last:
        return None
    return Draw((c.x,), ("$x.contiguous()",), fresh=True)


def _rot90(c: Context) -> Draw | None:
    """A quarter turn in the plane of two dimensions swaps their sizes, a half turn does not."""
    a, b = (0, 1) if c.coin(0.4) else (c.rank - 2, c.rank - 1)
    turns = c.rng.choice((1, 1, 1, 2, -1))
    shape = list(c.x)
    if turns % 2:
        shape[a], shape[b] = shape[b], shape[a]
    spelled = f"{a}, {b}" if c.coin(0.6) else f"{a - c.rank}, {b - c.rank}"
    spellings = [f"torch.rot90($x, {turns}, ({spelled}))", f"torch.rot90($x, k={turns}, dims=[{spelled}])"]
    if turns == 1 and a == 0:
        spellings += ["torch.rot90($x)", "$x.rot90()"]
    return Draw((tuple(shape),), tuple(spellings), keeps=False)


def _mirrored(name: str) -> Sampler:
    """``torch.fliplr`` and ``torch.flipud``: a flip of dim 1 or 0."""
    return lambda c: Draw((c.x,), both(name, ""))


OPS = (
    Op("transpose", FAMILY, _transpose, ranks=(2, 5), weight=2.0, dtypes=ANY),
    Op("permute", FAMILY, _permute, ranks=(2, 5), weight=2.0, dtypes=ANY),
    Op("t", FAMILY, _t, ranks=(2, 2), weight=0.8, dtypes=ANY),
    Op("mT", FAMILY, _mt, ranks=(2, 5), weight=0.6, dtypes=REAL),
    Op("movedim", FAMILY, _movedim, ranks=(2, 5), dtypes=REAL),
    Op("flip", FAMILY, _flip, weight=0.5, dtypes=REAL),
    Op("fliplr", FAMILY, _mirrored("fliplr"), ranks=(2, 4), weight=0.2, dtypes=REAL),
    Op("flipud", FAMILY, _mirrored("flipud"), ranks=(1, 4), weight=0.2, dtypes=REAL),
    Op("roll", FAMILY, _roll, weight=0.4, dtypes=REAL),
    Op("rot90", FAMILY, _rot90, ranks=(2, 4), weight=0.4, dtypes=REAL),
    Op("contiguous", FAMILY, _contiguous, weight=1.2, dtypes=REAL),
)
