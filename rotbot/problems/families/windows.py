"""Windows and diagonals: sliding patches, and what lies on, above or below a diagonal."""

from __future__ import annotations

from rotbot.problems.op import REAL, Context, Draw, Op, Sampler, Shape, both, factors, square

FAMILY = "windows"
STENCILS = ((3, 1, 1), (3, 1, 0), (2, 2, 0), (2, 2, 0), (4, 4, 0), (3, 2, 1), (4, 2, 1), (8, 8, 0), (5, 1, 2))
"""Kernel, stride and padding as people combine them."""


def windows(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """How many windows of ``kernel`` fit in ``size`` elements: the formula of torch's convolutions and pools."""
    return (size + 2 * padding - kernel) // stride + 1


def written(stride: int, padding: int) -> str:
    """Stride and padding as further arguments, where they are not the default."""
    return (f", stride={stride}" if stride > 1 else "") + (f", padding={padding}" if padding else "")


def _unfold(c: Context) -> Draw | None:
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    size = c.rng.choice((2, 3, 4, 5, 8))
    step = c.rng.choice((1, 1, 2, size, size))
    if size > c.x[dim]:
        return None
    shape = (*c.replaced(dim, windows(c.x[dim], size, step)), size)
    spelled = c.spell(dim)
    return Draw(
        (shape,),
        (f"$x.unfold({spelled}, {size}, {step})", f"$x.unfold(dimension={spelled}, size={size}, step={step})"),
        keeps=False,
    )


def _patches(c: Context) -> Draw | None:
    """``F.unfold``: the patches of an image as columns."""
    kernel, stride, padding = c.rng.choice(STENCILS)
    if any(size + 2 * padding < kernel for size in c.x[-2:]) or c.x[1] * kernel * kernel > c.level.max_size:
        return None
    rows, columns = (windows(size, kernel, stride, padding) for size in c.x[2:])
    tail = written(stride, padding)
    return Draw(
        ((c.x[0], c.x[1] * kernel * kernel, rows * columns),),
        (
            f"F.unfold($x, {kernel}{tail})",
            f"F.unfold($x, kernel_size={kernel}{tail})",
            f"nn.Unfold({kernel}{tail})($x)",
        ),
        keeps=False,
    )


def _patched(shape: Shape) -> Shape:
    """A shape of patches: a multiple of four rows, an even number of columns."""
    return (*shape[:-2], 4 * max(1, min(shape[-2], 64) // 4), shape[-1] + shape[-1] % 2)


def _fold(c: Context) -> Draw | None:
    """Patches side by side become an image: the rows are channels times the area of a patch."""
    area, blocks = c.x[-2:]
    kernels = [k for k in (2, 4) if area % (k * k) == 0]
    across = [1, *factors(blocks)] if blocks < 200 else []
    if not kernels or not across:
        return None
    kernel, rows = c.rng.choice(kernels), c.rng.choice(across)
    image = (rows * kernel, blocks // rows * kernel)
    arguments = f"{image}, kernel_size={kernel}, stride={kernel}"
    return Draw(
        ((*c.x[:-2], area // (kernel * kernel), *image),),
        (
            f"F.fold($x, {arguments})",
            f"F.fold($x, output_size={arguments})",
            f"nn.Fold({arguments})($x)",
        ),
        keeps=False,
    )


def _length(rows: int, columns: int, offset: int) -> int:
    """The length of the diagonal that starts ``offset`` columns to the right (or rows down, if negative)."""
    return min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)


def _diagonal(c: Context) -> Draw | None:
    first, second = (c.rank - 2, c.rank - 1) if c.rank > 2 and c.coin(0.7) else (0, 1)
    offset = c.rng.choice((0, 0, 0, 1, -1))
    length = _length(c.x[first], c.x[second], offset)
    if length < 1 or (length == 1 and not c.coin(0.1)):
        return None
    shape = (*[size for i, size in enumerate(c.x) if i not in (first, second)], length)
    dims = f"dim1={first - c.rank}, dim2={second - c.rank}" if first else ""
    texts = [f"offset={offset}" if offset else "", dims]
    spellings = both("diagonal", ", ".join([text for text in texts if text]))
    if first == 0 and offset == 0 and c.rank > 2:
        spellings += ("$x.diagonal(dim1=0, dim2=1)", "$x.diagonal(0, 0, 1)")
    return Draw((shape,), spellings, keeps=False)


def _diag(c: Context) -> Draw | None:
    """A vector becomes a square matrix, a matrix becomes its diagonal."""
    offset = c.rng.choice((0, 0, 0, 1, -1))
    if c.rank == 1:
        size = c.x[0] + abs(offset)
        return Draw(((size, size),), both("diag", f"{offset}" if offset else ""), keeps=False)
    length = _length(c.x[0], c.x[1], offset)
    if length < 1:
        return None
    return Draw(((length,),), both("diag", f"{offset}" if offset else ""), keeps=False)


def _diag_embed(c: Context) -> Draw | None:
    offset = c.rng.choice((0, 0, 0, 1, -1))
    size = c.x[-1] + abs(offset)
    return Draw(((*c.x[:-1], size, size),), both("diag_embed", f"offset={offset}" if offset else ""), keeps=False)


def _triangle(name: str) -> Sampler:
    """``torch.tril`` and ``torch.triu``: the shape stays."""

    def sample(c: Context) -> Draw | None:
        offset = c.rng.choice((0, 0, 1, -1))
        return Draw((c.x,), both(name, f"diagonal={offset}", f"{offset}") if offset else both(name, ""))

    return sample


OPS = (
    Op("unfold", FAMILY, _unfold, ranks=(1, 4), weight=1.5),
    Op("F_unfold", FAMILY, _patches, ranks=(4, 4), weight=1.8),
    Op("fold", FAMILY, _fold, ranks=(2, 3), weight=1.1, argument=_patched),
    Op("diagonal", FAMILY, _diagonal, ranks=(2, 4), weight=1.1, dtypes=REAL),
    Op("diag", FAMILY, _diag, ranks=(1, 2), weight=0.8),
    Op("diag_embed", FAMILY, _diag_embed, ranks=(1, 3), weight=0.8),
    Op("tril", FAMILY, _triangle("tril"), ranks=(2, 4), weight=0.6, dtypes=REAL, argument=square),
    Op("triu", FAMILY, _triangle("triu"), ranks=(2, 4), weight=0.6, dtypes=REAL, argument=square),
)
