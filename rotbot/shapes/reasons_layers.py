"""Reasons for layers, as ``F.linear`` or as ``nn.Linear``: channels, features, kernels, normalized shapes, classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rotbot.shapes.indexing import needs_index_tensor
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.rejected import Call, at_least_rank, broadcast_fault, dtype_name, expected_rank
from rotbot.shapes.text import render_shape


def _features(x: TensorMeta, expected: Any) -> str | None:
    reason = at_least_rank(x, 1)
    if reason is None and isinstance(expected, int) and x.shape[-1] != expected:
        reason = f"expected {expected} features at dim -1, got {x.shape[-1]}"
    return reason


def _linear(call: Call) -> str | None:
    x, weight, bias = call.tensor(0, "input"), call.tensor(1, "weight"), call.tensor(2, "bias")
    if x is None:
        return None
    if call.module is not None:
        return _features(x, call.option(0, "in_features")) or _float(x)
    if weight is None:
        return None
    reason = at_least_rank(weight, 1) or _features(x, weight.shape[-1])
    if reason is None and bias is not None and bias.shape not in ((), weight.shape[:1]):
        reason = f"expected a bias of {render_shape(weight.shape[:1])}, got {render_shape(bias.shape)}"
    return reason


def _float(x: TensorMeta) -> str | None:
    if x.dtype.is_floating_point or x.dtype.is_complex:
        return None
    return f"expected a floating point input, got {dtype_name(x.dtype)}"


def _conv(call: Call) -> str | None:
    x, transposed = call.tensor(0, "input"), "ranspose" in call.name
    rank = int(call.name[-2])
    if x is None:
        return None
    if call.module is not None:
        channels, groups = call.option(0, "in_channels"), call.option(6 + transposed, "groups", 1)
        kernel = _each(call.option(2, "kernel_size"), rank)
        stride, padding = call.option(3, "stride", 1), call.option(4, "padding", 0)
        dilation = call.option(8 if transposed else 5, "dilation", 1)
        weight_fault = None
    else:
        weight, bias = call.tensor(1, "weight"), call.tensor(2, "bias")
        if weight is None:
            return None
        weight_fault = expected_rank(weight, rank + 2)
        groups = call.integer(6, "groups", default=1)
        if weight_fault is None:
            out = weight.shape[1 if transposed else 0] * ((groups or 1) if transposed else 1)
            if bias is not None and bias.shape != (out,):
                weight_fault = f"expected a bias of [{out}], got {render_shape(bias.shape)}"
        channels = weight.shape[0] if transposed else weight.shape[1] * (groups or 1) if len(weight.shape) > 1 else None
        kernel = list(weight.shape[2:])
        stride, padding = call.get(3, "stride", default=1), call.get(4, "padding", default=0)
        dilation = call.get(7 if transposed else 5, "dilation", default=1)
    reason = expected_rank(x, rank + 1, rank + 2) or weight_fault
    if reason is None and isinstance(channels, int) and x.shape[-rank - 1] != channels:
        reason = f"expected {channels} input channels, got {x.shape[-rank - 1]}"
    return reason or (None if transposed else _kernel(x, rank, kernel, stride, padding, dilation)) or _float(x)


def _each(value: Any, rank: int) -> list[int] | None:
    """One integer for every spatial dim, or as many as there are."""
    items = [value] * rank if isinstance(value, int) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, int) for item in items):
        return None
    return list(items) * rank if len(items) == 1 else list(items)


def _kernel(x: TensorMeta, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> str | None:
    """The reason if a kernel does not fit the padded input, or a stride or dilation is not positive."""
    lists = [_each(value, rank) for value in (kernel, stride, padding, dilation)]
    for name, items in zip(("kernel size", "stride", "padding", "dilation"), lists, strict=True):
        if items is None:
            return None
        if len(items) != rank:
            return f"expected {rank} numbers for the {name}, got {len(items)}"
        least = 0 if name == "padding" else 1
        if min(items) < least:
            return f"the {name} must {'not be negative' if least == 0 else 'be positive'}, got {min(items)}"
    kernels, _, paddings, dilations = [items or [] for items in lists]
    for i, size in enumerate(x.shape[-rank:]):
        reach = (kernels[i] - 1) * dilations[i] + 1
        padded = size + 2 * paddings[i]
        if reach > padded:
            return f"a kernel of {reach} does not fit size {padded} at dim {i - rank}"
    return None


def _pool(call: Call) -> str | None:
    x, rank = call.tensor(0, "input"), int(call.name[-2])
    if x is None:
        return None

    def pick(position: int, name: str, default: Any) -> Any:
        value = call.get(position + 1, name) if call.module is None else call.option(position, name)
        return default if value is None else value

    reason = expected_rank(x, rank + 1, rank + 2)
    if reason is not None or "daptive" in call.name:
        return reason
    kernel, padding = pick(0, "kernel_size", None), pick(2, "padding", 0)
    stride = pick(1, "stride", kernel)
    dilation = pick(3, "dilation", 1) if "max" in call.name.lower() else 1
    kernels, paddings = _each(kernel, rank), _each(padding, rank)
    if kernels and paddings and len(kernels) == len(paddings) == rank:
        for size, pad in zip(kernels, paddings, strict=True):
            if pad > size // 2:
                return f"padding {pad} is more than half of the kernel size {size}"
    return _kernel(x, rank, kernel, stride, padding, dilation)


def _layer_norm(call: Call) -> str | None:
    x = call.tensor(0, "input")
    wanted = call.get(1, "normalized_shape") if call.module is None else call.option(0, "normalized_shape")
    sizes = (wanted,) if isinstance(wanted, int) else wanted
    if x is None or not isinstance(sizes, (list, tuple)):
        return None
    trailing = x.shape[max(len(x.shape) - len(sizes), 0) :]
    if tuple(sizes) != trailing:
        return f"normalized shape {render_shape(tuple(sizes))} does not match trailing {render_shape(trailing)}"
    for name, given in (("weight", call.tensor(2, "weight")), ("bias", call.tensor(3, "bias"))):
        if given is not None and given.shape != tuple(sizes):
            return f"expected a {name} of {render_shape(tuple(sizes))}, got {render_shape(given.shape)}"
    return _float(x)


_NORM_RANKS = {
    "BatchNorm1d": (2, 3), "BatchNorm2d": (4,), "BatchNorm3d": (5,), "InstanceNorm1d": (2, 3), "InstanceNorm2d": (3, 4),
    "InstanceNorm3d": (4, 5),
}  # fmt: skip


def _channel_norm(call: Call) -> str | None:
    x = call.tensor(0, "input")
    if x is None:
        return None
    if call.module is not None:
        ranks = _NORM_RANKS[call.name]
        reason = expected_rank(x, *ranks)
        dim = 1 if call.name.startswith("Batch") or len(x.shape) == ranks[-1] else 0
        return reason or _channels(x, call.option(0, "num_features"), dim) or _one_value(x, dim) or _float(x)
    given = next((t for t in (call.tensor(1, "running_mean"), call.tensor(3, "weight")) if t is not None), None)
    expected = given.shape[0] if given is not None and given.shape else None
    return at_least_rank(x, 2) or _channels(x, expected, 1) or _one_value(x, 1)


def _one_value(x: TensorMeta, dim: int) -> str | None:
    alone = dim < len(x.shape) and x.numel() == x.shape[dim]
    return "training needs more than 1 value per channel" if alone else None


def _channels(x: TensorMeta, expected: Any, dim: int) -> str | None:
    if isinstance(expected, int) and len(x.shape) > dim and x.shape[dim] != expected:
        return f"expected {expected} channels at dim {dim}, got {x.shape[dim]}"
    return None


def _group_norm(call: Call) -> str | None:
    x = call.tensor(0, "input")
    groups = call.integer(1, "num_groups") if call.module is None else call.option(0, "num_groups")
    if x is None or not isinstance(groups, int):
        return None
    reason = at_least_rank(x, 2)
    if reason is None and call.module is not None:
        reason = _channels(x, call.option(1, "num_channels"), 1)
    if reason is None and groups > 0 and x.shape[1] % groups:
        reason = f"{x.shape[1]} channels are not divisible by {groups} groups"
    return reason


def _embedding(call: Call) -> str | None:
    index, weight = call.tensor(0, "input"), call.tensor(1, "weight")
    if index is not None and weight is not None and not index.dtype.is_floating_point and weight.dtype is torch.int64:
        index, weight = weight, index
    if index is not None and index.dtype not in (torch.int64, torch.int32):
        return needs_index_tensor(index)
    if call.module is None and weight is not None:
        return expected_rank(weight, 2)
    return None


def _recurrent(call: Call) -> str | None:
    x, cell = call.tensor(0, "input"), call.name.endswith("Cell")
    if x is None:
        return None
    expected = call.option(0, "input_size")
    reason = expected_rank(x, *((1, 2) if cell else (2, 3)))
    if reason is None and isinstance(expected, int) and x.shape[-1] != expected:
        reason = f"expected input size {expected}, got {x.shape[-1]}"
    return reason or _float(x)


def _multihead(call: Call) -> str | None:
    query, expected = call.tensor(0, "query"), call.option(0, "embed_dim")
    if query is None:
        return None
    reason = expected_rank(query, 2, 3)
    if reason is None and isinstance(expected, int) and query.shape[-1] != expected:
        reason = f"expected embedding size {expected}, got {query.shape[-1]}"
    for other in (call.tensor(1, "key"), call.tensor(2, "value")):
        if reason is None and other is not None and len(other.shape) != len(query.shape):
            reason = f"{len(query.shape)} and {len(other.shape)} dimensions differ"
    return reason


def _attention(call: Call) -> str | None:
    query, key, value = call.tensor(0, "query"), call.tensor(1, "key"), call.tensor(2, "value")
    if query is None or key is None or value is None:
        return None
    reason = at_least_rank(query, 2) or at_least_rank(key, 2) or at_least_rank(value, 2)
    if reason is None and query.shape[-1] != key.shape[-1]:
        reason = f"query and key sizes {query.shape[-1]} and {key.shape[-1]} differ at dim -1"
    if reason is None and key.shape[-2] != value.shape[-2]:
        reason = f"key and value sizes {key.shape[-2]} and {value.shape[-2]} differ at dim -2"
    mask = call.tensor(3, "attn_mask")
    if reason is None and mask is not None:
        reason = broadcast_fault(mask.shape, (*query.shape[:-1], key.shape[-2]))
    return reason or broadcast_fault(query.shape[:-2], key.shape[:-2], offset=2)


def _shuffle(call: Call) -> str | None:
    x = call.tensor(0, "input")
    down = "nshuffle" in call.name
    name = "downscale_factor" if down else "upscale_factor"
    factor = call.integer(1, name) if call.module is None else call.option(0, name)
    if x is None or not isinstance(factor, int) or factor <= 0:
        return None
    reason = at_least_rank(x, 3)
    if reason is not None:
        return reason
    if not down:
        channels = x.shape[-3]
        return f"{channels} channels are not divisible by {factor * factor}" if channels % (factor * factor) else None
    odd = next((dim for dim in (-2, -1) if x.shape[dim] % factor), None)
    return None if odd is None else f"size {x.shape[odd]} at dim {odd} is not divisible by {factor}"


def _glu(call: Call) -> str | None:
    x, dim = call.tensor(0, "input"), call.integer(1, "dim", default=-1)
    if call.module is not None:
        dim = call.option(0, "dim", -1)
    if x is None or not isinstance(dim, int):
        return None
    reason = at_least_rank(x, 1)
    if reason is None and -len(x.shape) <= dim < len(x.shape) and x.shape[dim] % 2:
        reason = f"size {x.shape[dim]} at dim {dim} is not divisible by 2"
    return reason


def _classes(call: Call) -> str | None:
    x, target = call.tensor(0, "input"), call.tensor(1, "target")
    if x is None or target is None:
        return None
    if target.dtype.is_floating_point:
        probabilities = x.shape == target.shape and call.name not in ("nll_loss", "NLLLoss")
        return None if probabilities else needs_index_tensor(target)
    reason = at_least_rank(x, 1)
    wanted = x.shape[:1] + x.shape[2:] if len(x.shape) > 1 else ()
    if reason is None and target.shape != wanted:
        reason = f"expected a target of {render_shape(wanted)}, got {render_shape(target.shape)}"
    return reason


def _bilinear(call: Call) -> str | None:
    a, b = call.tensor(0, "input1"), call.tensor(1, "input2")
    if call.module is None or a is None or b is None:
        return None
    return _features(a, call.option(0, "in1_features")) or _features(b, call.option(1, "in2_features"))


_CONVOLUTIONS = [f"{name}{rank}d" for name in ("conv", "Conv", "conv_transpose", "ConvTranspose") for rank in (1, 2, 3)]
_POOL_NAMES = "max_pool avg_pool adaptive_avg_pool adaptive_max_pool MaxPool AvgPool AdaptiveAvgPool AdaptiveMaxPool"
_POOLS = [f"{name}{rank}d" for name in _POOL_NAMES.split() for rank in (1, 2, 3)]
RULES: dict[str, Callable[[Call], str | None]] = {
    "linear": _linear, "Linear": _linear, **dict.fromkeys(_CONVOLUTIONS, _conv), **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys("layer_norm LayerNorm rms_norm RMSNorm".split(), _layer_norm),
    **dict.fromkeys(_NORM_RANKS, _channel_norm), "batch_norm": _channel_norm, "group_norm": _group_norm,
    "GroupNorm": _group_norm, **dict.fromkeys("embedding Embedding".split(), _embedding),
    **dict.fromkeys("LSTM GRU RNN LSTMCell GRUCell RNNCell".split(), _recurrent), "MultiheadAttention": _multihead,
    "scaled_dot_product_attention": _attention, "glu": _glu, "GLU": _glu,
    **dict.fromkeys("pixel_shuffle PixelShuffle pixel_unshuffle PixelUnshuffle".split(), _shuffle),
    **dict.fromkeys("cross_entropy CrossEntropyLoss nll_loss NLLLoss".split(), _classes), "Bilinear": _bilinear,
}  # fmt: skip
"""By the layer's name: the reason, or None where the rule finds nothing wrong."""
