"""The arithmetic of dims that grow or shrink: repeat, pad, diff, diagonals, ranges, and spectra of real signals."""

from __future__ import annotations

from collections.abc import Callable

from rotbot.shapes.equations import Paper, product_sides
from rotbot.shapes.work_call import Call, Operand, integers

_PADS = ("Zero", "Constant", "Reflection", "Replication", "Circular")

# --- longer and shorter dims -----------------------------------------------------------------------------------------


def _repeat(call: Call) -> list[str]:
    times, shape, paper = call.sizes("repeats", "dims", "reps"), call.x, Paper()
    if times is not None:
        rank = max(len(shape), len(times))
        for size, count in zip(
            (1,) * (rank - len(shape)) + shape, [1] * (rank - len(times)) + times, strict=True
        ):  # fmt: skip
            paper.product((size, count))
    return paper.items


def _repeat_interleave(call: Call) -> list[str]:
    given, paper = call.bound("input repeats dim"), Paper()
    repeats, dim = given.get("repeats"), given.get("dim")
    if type(repeats) is int:
        size = paper.product(call.x) if dim is None else call.x[dim] if call.x else 1
        paper.product((size, repeats))
    return paper.items


def _pad(call: Call) -> list[str]:
    given = call.options("pad", "pad")
    amounts = given.get("pad", given.get("padding"))
    spatial = int(call.name[-2]) if call.module is not None else 0
    around = [amounts] * (2 * spatial) if type(amounts) is int else integers(amounts)
    paper = Paper()
    if around is not None:
        last = len(around) // 2
        for i, size in enumerate(call.x[-last:] if last else ()):
            before = 2 * (last - 1 - i)
            paper.total(size, *around[before : before + 2])
    return paper.items


def _diff(call: Call) -> list[str]:
    given, paper = call.bound("input n dim prepend append"), Paper()
    dim, n = given.get("dim", -1), given.get("n", 1)
    ends = [given.get(name) for name in ("prepend", "append")]
    added = [end.shape[dim] for end in ends if isinstance(end, Operand) and len(end.shape) == len(call.x)]
    if type(n) is int and n <= call.x[dim] + sum(added) and len(added) == sum(end is not None for end in ends):
        paper.total(call.x[dim], *added, -n)
    return paper.items


def _one_less(call: Call) -> list[str]:
    """``cumulative_trapezoid``: one value between each two."""
    given, paper = call.bound("y x dim"), Paper()
    paper.total(call.x[given.get("dim", -1)], -1)
    return paper.items


def _kron(call: Call) -> list[str]:
    paper, (a, b) = Paper(), call.inputs[:2]
    rank = max(len(a), len(b))
    for i in range(-rank, 0):
        paper.product([shape[i] for shape in (a, b) if -i <= len(shape)])
    return paper.items


def _diagonal(call: Call, rows: int = 0, columns: int = 1) -> list[str]:
    given = call.bound("input offset dim1 dim2")
    return _beside(call, given.get("offset", 0), given.get("dim1", rows), given.get("dim2", columns))


def _diag(call: Call) -> list[str]:
    given, paper = call.bound("input diagonal"), Paper()
    offset = given.get("diagonal", 0)
    if len(call.x) == 2:
        return _beside(call, offset, 0, 1)
    paper.total(call.x[0], abs(offset))
    return paper.items


def _beside(call: Call, offset: int, rows: int, columns: int) -> list[str]:
    """A diagonal beside the main one, where it is the offset that ends it."""
    size, paper = call.x[columns if offset > 0 else rows], Paper()
    if offset and size - abs(offset) == call.out[-1]:
        paper.total(size, -abs(offset))
    return paper.items


def _diag_embed(call: Call) -> list[str]:
    given, paper = call.bound("input offset dim1 dim2"), Paper()
    offset = given.get("offset", 0)
    if call.x:
        size = paper.product(call.x) if call.name == "diagflat" else call.x[-1]
        paper.total(size, abs(offset))
    return paper.items


def _arange(call: Call) -> list[str]:
    numbers = [value for value in call.args if type(value) is int]
    paper = Paper()
    if len(numbers) == len(call.args) > 1 and not {"start", "end", "step"} & set(call.kwargs):
        start, stop, step = (*numbers, 1)[:3]
        first, last = (start, stop) if step > 0 else (stop, start)
        if step and first < last:
            length = paper.total(last, -first) if first else last
            if abs(step) > 1:
                paper.ceiling(length, abs(step))
    return paper.items


# --- spectra ---------------------------------------------------------------------------------------------------------


def _half(call: Call) -> list[str]:
    """A real signal has a spectrum of half its length, and one."""
    return _spectrum(call, to_spectrum=True)


def _double(call: Call) -> list[str]:
    """The way back: twice what lies between the first and the last, unless the length is given."""
    return _spectrum(call, to_spectrum=False)


def _spectrum(call: Call, to_spectrum: bool) -> list[str]:
    one = call.name.endswith("fft")
    given, paper = call.bound("input n dim norm" if one else "input s dim norm"), Paper()
    dim = given.get("dim") if given.get("dim") is not None else -1
    length = given.get("n", given.get("s"))
    dim, length = [value[-1] if isinstance(value, (tuple, list)) and value else value for value in (dim, length)]
    if not isinstance(dim, int) or (length is not None and type(length) is not int):
        return []
    if to_spectrum:
        size = call.x[dim] if length in (None, -1) else length
        paper.write(f"{size}//2 + 1", f"{size // 2} + 1", str(size // 2 + 1))
    elif length in (None, -1):
        size = call.x[dim]
        paper.write(f"2*({size} - 1)", f"2*{size - 1}", *product_sides(2, size - 1))
    return paper.items


SIZES: dict[str, Callable[[Call], list[str]]] = {
    **dict.fromkeys(("repeat", "tile"), _repeat),
    "repeat_interleave": _repeat_interleave,
    **dict.fromkeys(("pad", "constant_pad_nd", *[f"{kind}Pad{n}d" for kind in _PADS for n in (1, 2, 3)]), _pad),
    "diff": _diff,
    "cumulative_trapezoid": _one_less,
    "kron": _kron,
    **dict.fromkeys(("diagonal", "diagonal_copy"), _diagonal),
    "torch.linalg.diagonal": lambda call: _diagonal(call, -2, -1),
    "diag": _diag,
    **dict.fromkeys(("diag_embed", "diagflat"), _diag_embed),
    "arange": _arange,
    **dict.fromkeys(("rfft", "rfft2", "rfftn", "ihfft", "ihfft2", "ihfftn"), _half),
    **dict.fromkeys(("irfft", "irfft2", "irfftn", "hfft", "hfft2", "hfftn"), _double),
}
"""Rules by operation."""
