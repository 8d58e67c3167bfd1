"""Creation: tensors made of sizes, of numbers, or like another one."""

from __future__ import annotations

from rotbot.problems.op import (
    INDEX_DTYPE,
    INT,
    REAL,
    UNBOUNDED,
    Context,
    Draw,
    Op,
    Sampler,
    Shape,
    listed,
    tupled,
)  # fmt: skip
from rotbot.shapes.arguments import DEFAULT_DTYPE

FAMILY = "creation"


def _sizes(c: Context, related: float = 0.5) -> tuple[Shape, str, str]:
    """A shape, its sizes as numbers, and as they are written where some are those of ``x`` (chance ``related``)."""
    if c.coin(related):
        start = c.rng.randrange(c.rank)
        parts = [(c.x[i], f"${i}") for i in range(start, c.rank)]
        if len(parts) < 4 and c.coin(0.4):
            size = c.size(32)
            parts.insert(c.rng.choice((0, len(parts))), (size, str(size)))
    else:
        sizes = [c.size() for _ in range(c.rng.choice((1, 2, 2, 3)))]
        parts = [(size, str(size)) for size in sizes]
    shape = tuple(size for size, _ in parts)
    return shape, listed(shape), ", ".join([text for _, text in parts])


def _filled(name: str) -> Sampler:
    """``torch.zeros`` and its like."""

    def sample(c: Context) -> Draw | None:
        shape, numbers, sizes = _sizes(c)
        spellings = (f"torch.{name}({numbers})", f"torch.{name}({sizes})", f"torch.{name}({tupled(shape)})")
        return Draw((shape,), spellings, fresh=True, dtypes=(DEFAULT_DTYPE,))

    return sample


def _full(c: Context) -> Draw | None:
    shape, _, sizes = _sizes(c)
    value, comma = c.rng.choice(("0.5", "1.0", "-1.0", "float('-inf')")), "," if len(shape) == 1 else ""
    spellings = (f"torch.full({tupled(shape)}, {value})", f"torch.full(({sizes}{comma}), {value})")
    return Draw((shape,), spellings, fresh=True, dtypes=(DEFAULT_DTYPE,))


def _randint(c: Context) -> Draw | None:
    shape, _, sizes = _sizes(c)
    most, comma = c.rng.choice((2, 4, 5, 8, 10)), "," if len(shape) == 1 else ""
    spellings = [f"torch.randint({most}, ({sizes}{comma}))", f"torch.randint(0, {most}, {tupled(shape)})"]
    return Draw((shape,), tuple(spellings), fresh=True, dtypes=(INDEX_DTYPE,), bound=most)


def _count(c: Context) -> tuple[int, list[str]]:
    """How many, as a number or as a size of ``x``."""
    if c.coin(0.6):
        dim = c.wide()
        return c.x[dim], [f"${dim}"]
    size = max(2, c.size())
    return size, [str(size)]


def _arange(c: Context) -> Draw | None:
    if c.coin(0.3):
        start, step = c.rng.choice((0, 1, 2)), c.rng.choice((1, 2, 2, 3))
        stop = start + 1 + c.rng.randrange(30)
        size = len(range(start, stop, step))
        spellings = [f"torch.arange({start}, {stop}, {step})" if step > 1 else f"torch.arange({start}, {stop})"]
        return Draw(((size,),), tuple(spellings), fresh=True, dtypes=(INDEX_DTYPE,), bound=stop)
    size, texts = _count(c)
    return Draw(((size,),), tuple(f"torch.arange({t})" for t in texts), fresh=True, dtypes=INT, bound=size)


def _linspace(name: str) -> Sampler:
    """``torch.linspace`` and ``torch.logspace``."""

    def sample(c: Context) -> Draw | None:
        size, texts = _count(c)
        start, end = c.rng.choice(((0, 1), (-1, 1), (0, 10)) if name == "linspace" else ((0, 2), (-3, 3)))
        spellings = [f"torch.{name}({start}, {end}, {t})" for t in texts]
        spellings += [f"torch.{name}({start}, {end}, steps={t})" for t in texts]
        return Draw(((size,),), tuple(spellings), fresh=True, dtypes=(DEFAULT_DTYPE,))

    return sample


def _eye(c: Context) -> Draw | None:
    size, texts = _count(c)
    if c.coin(0.15):
        columns = c.size()
        shape, spellings = (size, columns), [f"torch.eye({t}, {columns})" for t in texts]
    else:
        shape, spellings = (size, size), [f"torch.eye({t})" for t in texts]
    return Draw((shape,), tuple(spellings), fresh=True, dtypes=(DEFAULT_DTYPE,))


def _randperm(c: Context) -> Draw | None:
    size, texts = _count(c)
    return Draw(((size,),), tuple(f"torch.randperm({t})" for t in texts), fresh=True, dtypes=INT, bound=size)


def _hann_window(c: Context) -> Draw | None:
    size, texts = _count(c)
    return Draw(((size,),), tuple(f"torch.hann_window({t})" for t in texts), fresh=True, dtypes=(DEFAULT_DTYPE,))


def _triangle_indices(name: str) -> Sampler:
    """``torch.tril_indices`` and ``torch.triu_indices``: the rows and columns of a triangle."""

    def sample(c: Context) -> Draw | None:
        size = c.rng.choice((3, 4, 5, 6, 8, 10))
        if c.coin(0.4):
            offset = -1 if name == "tril_indices" else 1
            count, text = size * (size - 1) // 2, f"{size}, {size}, offset={offset}"
        else:
            count, text = size * (size + 1) // 2, f"{size}, {size}"
        return Draw(((2, count),), (f"torch.{name}({text})",), fresh=True, dtypes=INT, bound=size)

    return sample


def _like(name: str, argument: str = "") -> Sampler:
    """``torch.zeros_like`` and its like."""
    return lambda c: Draw((c.x,), (f"torch.{name}($x{argument})",), bound=UNBOUNDED)


def _new(name: str) -> Sampler:
    """``x.new_zeros(...)``: of the same dtype, of any shape."""

    def sample(c: Context) -> Draw | None:
        shape, numbers, sizes = _sizes(c, related=0.8)
        if name == "new_full":
            comma = "," if len(shape) == 1 else ""
            spellings = (f"$x.new_full({tupled(shape)}, 1.0)", f"$x.new_full(({sizes}{comma}), 0.0)")
        else:
            spellings = (f"$x.{name}({numbers})", f"$x.{name}({sizes})", f"$x.{name}({tupled(shape)})")
        return Draw((shape,), spellings, fresh=True)

    return sample


def _one_hot(c: Context) -> Draw | None:
    classes = max(c.bound, c.rng.choice((3, 4, 5, 8, 10, 16, 20)))
    if classes > 64:
        return None
    spellings = (f"F.one_hot($x, {classes})", f"F.one_hot($x, num_classes={classes})")
    return Draw(((*c.x, classes),), spellings, bound=2)


OPS = (
    Op("zeros", FAMILY, _filled("zeros"), ranks=(1, 4), weight=0.2),
    Op("ones", FAMILY, _filled("ones"), ranks=(1, 4), weight=0.2),
    Op("rand", FAMILY, _filled("rand"), ranks=(1, 4), weight=0.15),
    Op("randn", FAMILY, _filled("randn"), ranks=(1, 4), weight=0.25),
    Op("empty", FAMILY, _filled("empty"), ranks=(1, 4), weight=0.18),
    Op("full", FAMILY, _full, ranks=(1, 4), weight=0.15),
    Op("randint", FAMILY, _randint, ranks=(1, 4), weight=0.15),
    Op("arange", FAMILY, _arange, ranks=(1, 4), weight=0.35),
    Op("linspace", FAMILY, _linspace("linspace"), ranks=(1, 4), weight=0.2),
    Op("logspace", FAMILY, _linspace("logspace"), ranks=(1, 4), weight=0.18),
    Op("eye", FAMILY, _eye, ranks=(1, 4), weight=0.2),
    Op("randperm", FAMILY, _randperm, ranks=(1, 4), weight=0.15),
    Op("hann_window", FAMILY, _hann_window, ranks=(1, 4), weight=0.18),
    Op("tril_indices", FAMILY, _triangle_indices("tril_indices"), ranks=(1, 4), weight=0.18),
    Op("triu_indices", FAMILY, _triangle_indices("triu_indices"), ranks=(1, 4), weight=0.18),
    Op("zeros_like", FAMILY, _like("zeros_like"), weight=0.2, dtypes=REAL),
    Op("ones_like", FAMILY, _like("ones_like"), weight=0.2, dtypes=REAL),
    Op("full_like", FAMILY, _like("full_like", ", 0.5"), weight=0.12),
    Op("rand_like", FAMILY, _like("rand_like"), weight=0.12),
    Op("randn_like", FAMILY, _like("randn_like"), weight=0.15),
    Op("empty_like", FAMILY, _like("empty_like"), weight=0.15),
    Op("new_zeros", FAMILY, _new("new_zeros"), ranks=(1, 4), weight=0.2),
    Op("new_ones", FAMILY, _new("new_ones"), ranks=(1, 4), weight=0.15),
    Op("new_full", FAMILY, _new("new_full"), ranks=(1, 4), weight=0.12),
    Op("one_hot", FAMILY, _one_hot, ranks=(1, 3), weight=1.2, dtypes=INT),
)
