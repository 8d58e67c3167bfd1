"""The arithmetic of windows (convolutions, pools, unfold, fold) and of other layers.

A window of reach K (a kernel of k with dilation d reaches ``d*(k - 1) + 1``) with stride s and padding p fits
``(n + c)//s`` times into a size n, where ``c = 2*p - K + s``: the formula of torch's documentation, in the form with
the fewest operations. c is the same for all dims with the same window, so it is calculated once: a kernel of 3 with
stride 2 and padding 1 on [.., 32, 15] is ``2*1 - 3 + 2 = 1, (32 + 1)//2 = 33//2 = 16, (15 + 1)//2 = 16//2 = 8``. A
transposed window gives ``n*s + c`` with ``c = K - s - 2*p`` and the output padding added.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isfinite
from typing import Any

from rotbot.shapes.equations import Paper, sum_sides
from rotbot.shapes.work_call import Call, Operand, each

_CONV = "weight bias stride padding dilation groups"
_CONV_MODULE = "in_channels out_channels kernel_size stride padding dilation groups"
_TRANSPOSED = "weight bias stride padding output_padding groups dilation"
_TRANSPOSED_MODULE = "in_channels out_channels kernel_size stride padding output_padding groups bias dilation"
_POOLS = {
    "max": ("kernel_size stride padding dilation ceil_mode", "kernel_size stride padding dilation indices ceil_mode"),
    "avg": ("kernel_size stride padding ceil_mode", "kernel_size stride padding ceil_mode"),
    "lp": ("norm_type kernel_size stride ceil_mode", "norm_type kernel_size stride ceil_mode"),
}
_MAX_DENOMINATOR = 64


# --- windows ---------------------------------------------------------------------------------------------------------


def _reach(paper: Paper, kernel: int, dilation: int) -> int:
    reach = dilation * (kernel - 1) + 1
    if dilation != 1 and kernel != 1:
        paper.write(f"{dilation}*({kernel} - 1) + 1", str(reach))
    return reach


def windows(paper: Paper, size: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> int:
    """How many windows fit into a size; the work is written."""
    reach = _reach(paper, kernel, dilation)
    shift = 2 * padding - reach + stride
    if padding:
        paper.write(f"2*{padding} - {reach} + {stride}", str(shift))
    elif reach != stride:
        paper.write(f"{stride} - {reach}", str(shift))
    return paper.shifted_quotient(size, shift, stride)


def _up_windows(paper: Paper, out: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Windows rounded up (``ceil_mode``), but for one that would start in the padding on the right."""
    reach = _reach(paper, kernel, dilation)
    shift = 2 * stride - 1 - reach + 2 * padding
    paper.write(f"2*{stride} - 1 - {reach}" + f" + 2*{padding}" * (padding != 0), str(shift))
    if paper.shifted_quotient(size, shift, stride) != out:
        paper.total(out + 1, -1)


def _transposed(paper: Paper, size: int, kernel: int, stride: int, padding: int, dilation: int, extra: int) -> None:
    reach = _reach(paper, kernel, dilation)
    shift = reach - stride - 2 * padding + extra
    if padding or extra or reach != stride:
        terms = f" - 2*{padding}" * (padding != 0) + f" + {extra}" * (extra != 0)
        paper.write(f"{reach} - {stride}{terms}", str(shift))
    paper.total(paper.product((size, stride)), shift)


def _conv(call: Call) -> list[str]:
    transposed, rank, paper = "ranspose" in call.name, int(call.name[-2]), Paper()
    given = call.options(*((_TRANSPOSED, _TRANSPOSED_MODULE) if transposed else (_CONV, _CONV_MODULE)))
    x, weight = given.get("input", Operand(call.x)), given.get("weight")
    padding = 0 if given.get("padding") == "valid" else given.get("padding", 0)
    lists = [
        each(weight.shape[2:] if isinstance(weight, Operand) else given.get("kernel_size"), rank),
        each(given.get("stride", 1), rank),
        each(padding, rank),
        each(given.get("dilation", 1), rank),
        each(given.get("output_padding", 0), rank),
    ]
    if not isinstance(x, Operand) or any(items is None for items in lists):
        return []
    if transposed and isinstance(weight, Operand) and type(given.get("groups", 1)) is int:
        paper.product((int(weight.shape[1]), given.get("groups", 1)))
    for size, k, s, p, d, extra in zip(x.shape[-rank:], *[items or [] for items in lists], strict=True):
        if transposed:
            _transposed(paper, int(size), k, s, p, d, extra)
        else:
            windows(paper, int(size), k, s, p, d)
    return paper.items


def _pool(call: Call) -> list[str]:
    kind, rank, paper = call.name.lower().partition("pool")[0].rstrip("_"), _rank(call.name), Paper()
    given = call.options(*_POOLS[kind])
    kernel = each(given.get("kernel_size"), rank)
    stride = given.get("stride")
    lists = [
        kernel,
        kernel if stride is None or stride == () else each(stride, rank),
        each(given.get("padding", 0), rank),
        each(given.get("dilation", 1), rank),
    ]
    if any(items is None for items in lists):
        return []
    for size, out, *window in zip(call.x[-rank:], call.out[-rank:], *[items or [] for items in lists], strict=True):
        if given.get("ceil_mode") and window[1] > 1:
            _up_windows(paper, out, size, *window)
        else:
            windows(paper, size, *window)
    return paper.items


def _rank(name: str) -> int:
    """``max_pool2d_with_indices`` → 2."""
    return int(name.removesuffix("_with_indices")[-2])


def _max_unpool(call: Call) -> list[str]:
    rank, paper = _rank(call.name), Paper()
    given = call.options("indices kernel_size stride padding output_size", "kernel_size stride padding")
    kernel, stride = each(given.get("kernel_size"), rank), given.get("stride")
    strides = kernel if stride is None else each(stride, rank)
    paddings = each(given.get("padding", 0), rank)
    asked = given.get("output_size", call.bound("input indices output_size").get("output_size"))
    if kernel is None or strides is None or paddings is None or (call.module is not None and asked is not None):
        return []
    for size, out, k, s, p in zip(call.x[-rank:], call.out[-rank:], kernel, strides, paddings, strict=True):
        if (size - 1) * s - 2 * p + k == out:
            _transposed(paper, size, k, s, p, 1, 0)
    return paper.items


def _tensor_unfold(call: Call) -> list[str]:
    given, paper = call.bound("input dimension size step"), Paper()
    size = call.x[given["dimension"]] if call.x else 1
    windows(paper, size, given["size"], given["step"])
    return paper.items


def _unfold(call: Call) -> list[str]:
    """Patches as columns: channels times kernel, and how many patches there are."""
    given, paper = call.options("kernel_size dilation padding stride"), Paper()
    names = (("kernel_size", None), ("stride", 1), ("padding", 0), ("dilation", 1))
    lists = [each(given.get(name, default), 2) for name, default in names]
    if any(items is None for items in lists):
        return []
    known = [items or [] for items in lists]
    paper.product((call.x[-3], *known[0]))
    paper.product([windows(paper, size, *window) for size, *window in zip(call.x[-2:], *known, strict=True)])
    return paper.items


def _fold(call: Call) -> list[str]:
    given, paper = call.options("output_size kernel_size"), Paper()
    kernel = each(given.get("kernel_size"), 2)
    if kernel is not None:
        paper.quotient(call.x[-2], paper.product(kernel))
    return paper.items


# --- other layers ----------------------------------------------------------------------------------------------------


def _pixel_shuffle(call: Call) -> list[str]:
    given, paper = call.options("factor", "factor"), Paper()
    factor = given.get("factor", given.get("upscale_factor", given.get("downscale_factor")))
    if type(factor) is not int or factor == 1:
        return []
    channels, height, width = call.x[-3:]
    square = paper.product((factor, factor))
    if "un" in call.name.lower():
        paper.product((channels, square))
        paper.quotient(height, factor)
        paper.quotient(width, factor)
    else:
        paper.quotient(channels, square)
        paper.product((height, factor))
        paper.product((width, factor))
    return paper.items


def _interpolate(call: Call) -> list[str]:
    """Sizes times the scale, rounded down. A scale such as 1.5 is written as a fraction."""
    given, sizes, paper = call.options("size scale_factor"), call.x[2:], Paper()
    scales = given.get("scale_factor")
    if given.get("size") is not None or scales is None:
        return []
    factors = list(scales) if isinstance(scales, (tuple, list)) else [scales] * len(sizes)
    for size, out, scale in zip(sizes, call.out[2:], factors, strict=False):
        fraction = _fraction(scale)
        if fraction is not None and size * fraction.numerator // fraction.denominator == out:
            paper.quotient(paper.product((size, fraction.numerator)), fraction.denominator)
    return paper.items


def _fraction(scale: Any) -> Fraction | None:
    """A scale as it is written (1.7 is 17/10); None where the fraction's denominator is not small."""
    if not isinstance(scale, (int, float)) or not isfinite(scale):
        return None
    fraction = Fraction(str(scale))
    return fraction if fraction.denominator <= _MAX_DENOMINATOR and fraction > 0 else None


def _glu(call: Call) -> list[str]:
    given, paper = call.options("dim"), Paper()
    paper.quotient(call.x[given.get("dim", -1)], 2)
    return paper.items


def _recurrent(call: Call) -> list[str]:
    """Both directions beside each other in the output, one after the other in the states."""
    given, paper = call.options("", "input_size hidden_size num_layers"), Paper()
    if call.module is None or not given.get("bidirectional"):
        return []
    hidden = given.get("proj_size") or given["hidden_size"]
    paper.product((2, hidden))
    paper.product((2, given.get("num_layers", 1)))
    return paper.items


def _stft(call: Call) -> list[str]:
    """Frequencies of a frame, and the frames: windows with ``hop_length`` as stride, padded if ``center`` is set."""
    given, paper = call.bound("input n_fft hop_length win_length window center"), Paper()
    length, hop = given["n_fft"], given.get("hop_length")
    frequencies = call.out[len(call.x) - 1]
    if frequencies != length:
        paper.write(f"{length}//2 + 1", *sum_sides((length // 2, 1)))
    hop = paper.quotient(length, 4) if hop is None else hop
    windows(paper, call.x[-1], length, hop, length // 2 if given.get("center", True) else 0)
    return paper.items


LAYERS: dict[str, Callable[[Call], list[str]]] = {
    **{f"{name}{n}d": _conv for n in (1, 2, 3) for name in ("conv", "conv_transpose", "Conv", "ConvTranspose")},
    **{
        f"{name}{n}d{tail}": _pool
        for n in (1, 2, 3)
        for name, tail in (
            ("max_pool", ""), ("max_pool", "_with_indices"), ("avg_pool", ""), ("lp_pool", ""), ("MaxPool", ""),
            ("AvgPool", ""), ("LPPool", ""),
        )
    },
    **{f"{name}{n}d": _max_unpool for n in (1, 2, 3) for name in ("max_unpool", "MaxUnpool")},
    "Tensor.unfold": _tensor_unfold,
    "unfold_copy": _tensor_unfold,
    **dict.fromkeys(("torch.nn.functional.unfold", "nn.Unfold"), _unfold),
    **dict.fromkeys(("fold", "Fold"), _fold),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "PixelShuffle", "PixelUnshuffle"), _pixel_shuffle),
    **dict.fromkeys(("interpolate", "Upsample"), _interpolate),
    **dict.fromkeys(("glu", "GLU"), _glu),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    "stft": _stft,
}  # fmt: skip
"""Rules by operation: the full name where two operations share the short one."""
