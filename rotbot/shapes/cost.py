"""How much work an operation is, estimated from metadata before it runs. Upper estimates: an operation not known to be
harmless is taken to combine everything it is given."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

from rotbot.shapes.allowlist import CREATION
from rotbot.shapes.metadata import ModuleSpec, TensorMeta

_BROADCAST = frozenset(
    """
    abs absolute acos acosh add addcdiv addcmul adjoint all amax amin aminmax angle any arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh argmax argmin argsort asin asinh atan atan2 atanh atleast_1d atleast_2d
    atleast_3d bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
    broadcast_tensors bucketize ceil celu channel_shuffle chunk clamp clamp_max clamp_min clip clone conj
    conj_physical contiguous copysign cos cosh count_nonzero cummax cummin cumprod cumsum deg2rad detach diagonal
    digamma div divide dsplit elu eq erf erfc erfinv exp exp2 expand_as expm1 fix flatten flip fliplr flipud
    float_power floor floor_divide fmax fmin fmod frac frexp gather gcd ge gelu glu greater greater_equal group_norm
    gt hardshrink hardsigmoid hardswish hardtanh heaviside hsplit huber_loss hypot i0 igamma igammac isclose
    isfinite isinf isnan isneginf isposinf isreal kthvalue l1_loss layer_norm lcm ldexp le leaky_relu lerp less
    less_equal lgamma log log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logical_and logical_not
    logical_or logical_xor logit logsigmoid logsumexp lt masked_fill max maximum mean median min minimum mish mode
    moveaxis movedim mse_loss msort mul multiply nan_to_num nanmean nanmedian nansum narrow narrow_copy ne neg
    negative nextafter norm normalize not_equal permute positive pow prelu prod rad2deg ravel real reciprocal relu
    relu6 remainder reshape reshape_as resolve_conj resolve_neg rms_norm roll rot90 round rsqrt rsub scatter
    scatter_add scatter_reduce select selu sgn sigmoid sign signbit silu sin sinc sinh slogdet smooth_l1_loss
    softmax softmin softplus softshrink softsign sort split split_with_sizes sqrt square squeeze std std_mean sub
    subtract sum sum_to_size swapaxes swapdims t T H mT mH take_along_dim tan tanh tanhshrink tensor_split threshold
    topk trace transpose tril triu true_divide trunc type_as unbind unflatten unsafe_chunk unsafe_split unsqueeze
    var var_mean vector_norm view view_as vsplit where xlogy to type float double half bfloat16 int long short bool
    char byte data imag index_add index_copy index_fill cpu cuda requires_grad_ cat concat concatenate stack hstack
    vstack dstack column_stack row_stack truediv floordiv mod lshift rshift and_ or_ xor pos invert iadd isub imul
    itruediv ifloordiv imod ipow iand ior ixor ilshift irshift setitem slice_scatter select_scatter diagonal_scatter
    complex polar take trapezoid cumulative_trapezoid cross vecdot view_as_complex view_as_real
    """.split()
)
"""Operations whose result and work are about as large as their tensors broadcast, or laid side by side."""

_TIMES_LITERALS = frozenset(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bernoulli binary_cross_entropy
    binary_cross_entropy_with_logits broadcast_to constant_pad_nd cosine_embedding_loss cosine_similarity
    cross_entropy ctc_loss diff dropout dropout1d dropout2d dropout3d empty_like expand feature_alpha_dropout fft
    fft2 fftn fftshift full_like gaussian_nll_loss hfft hfft2 hfftn hinge_embedding_loss histc ifft ifft2 ifftn
    ifftshift ihfft ihfft2 ihfftn instance_norm irfft irfft2 irfftn kl_div local_response_norm lp_pool1d lp_pool2d
    lp_pool3d margin_ranking_loss max_pool1d max_pool2d max_pool3d multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss nanquantile new_empty new_full new_ones new_zeros nll_loss one_hot ones_like pad
    pairwise_distance pixel_shuffle pixel_unshuffle poisson_nll_loss quantile rand_like randint_like randn_like
    repeat repeat_interleave rfft rfft2 rfftn rrelu soft_margin_loss tile triplet_margin_loss unfold zeros_like
    """.split()
)
"""Operations that touch or make at most the product of their literals as many elements as they are given."""

_PRODUCTS = frozenset("matmul bmm mm mv dot vdot inner linear imatmul".split())
"""Operations that contract the last dimension of their first operand with the second."""

_ADDED_PRODUCTS = frozenset("addmm addmv baddbmm addbmm addr".split())
"""Operations that add a product of their second and third operand to the first."""

_COMBINATION = 32
"""Elements that ``combinations`` touches for each of its candidates: a mask, their indices, and what they select."""

_SCORE = 4
"""Elements that attention makes for each pair of a query and a key: their score, and what softmax makes of it."""

_FRAME = 16
"""Elements that an inverse Fourier transform of overlapping frames touches for each that it is given."""

_CHEAP_PRODUCT = 16
"""Multiplications of a matrix product that take as long as touching one element."""

_RECURRENT = ("LSTM", "GRU", "RNN")
_CONTRACTING = ("Linear", "Conv")
"""How the names of modules begin that contract their input's features, the constructor's first argument."""

_NORMS = ("BatchNorm", "LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm")
"""... and of those that touch every element and every parameter a few times."""

_EXPONENTS = {
    "eye": 2, "tril_indices": 2, "triu_indices": 2, "unfold": 2, "interpolate": 3, "upsample": 3,
    "upsample_nearest": 3, "upsample_bilinear": 3,
}  # fmt: skip
"""How many dimensions one literal may stand for, where that is more than one and the name does not end in it."""


def work(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], metas: list[TensorMeta]) -> int:
    """About how many elements the operation touches or makes, at most."""
    name = target.rpartition(".")[2]
    if name in _BROADCAST or (name[-1] == "_" and name.rstrip("_") in _BROADCAST):
        return _broadcast_size(metas)
    sizes = [meta.numel() or 1 for meta in metas]
    if name == "getitem" and len(metas) == 1:
        return sizes[0]
    if name in _PRODUCTS and len(metas) > 1:
        return math.prod(sizes[:2]) // (_CHEAP_PRODUCT * _last(metas[0].shape))
    if name == "scaled_dot_product_attention" and len(metas) > 1:
        pairs = math.prod(sizes[:2]) // _last(metas[0].shape)
        return max(pairs // _CHEAP_PRODUCT, pairs // _last(metas[0].shape) * _SCORE)
    if name == "embedding" and len(metas) > 1:
        return max(sizes[0] * _last(metas[1].shape), sizes[1] * _last(metas[0].shape), *sizes)
    if name in _ADDED_PRODUCTS and len(metas) > 2:
        return sizes[0] + math.prod(sizes[1:]) // (_CHEAP_PRODUCT * _last(metas[1].shape))
    if name == "fold" and metas:
        output = args[1] if len(args) > 1 else kwargs.get("output_size", 1)
        return sizes[0] + sizes[0] // _last(metas[0].shape) * _literals(output) ** (2 if type(output) is int else 1)
    if name == "istft":  # its hops are no longer than its windows, and those no longer than what it is given
        length = args[9] if len(args) > 9 else kwargs.get("length")
        return _FRAME * sum(sizes) + (length if type(length) is int else 0)
    literals = _literals((args, kwargs)) ** _exponent(name)
    if name.startswith("conv") and len(metas) > 1:
        return math.prod(sizes[:2]) * literals // (_CHEAP_PRODUCT * _channels(name, metas[1].shape))
    if name in _TIMES_LITERALS or target in CREATION:
        return (sum(sizes) or 1) * literals
    if name == "combinations":
        return (
            max([(sum(sizes) + 1) ** min(abs(n), 64) for n in (2, *args[1:], *kwargs.values()) if isinstance(n, int)])
            * _COMBINATION
        )
    return (math.prod(sizes) if len(sizes) > 1 else sum(sizes) ** 2 or 1) * literals**2


def _exponent(name: str) -> int:
    if name[-1] == "d" and name[-2:-1] in ("2", "3"):
        return int(name[-2])
    return _EXPONENTS.get(name, 1)


def _last(shape: tuple[int, ...]) -> int:
    return (shape[-1] or 1) if shape else 1


def _channels(name: str, weight: tuple[int, ...]) -> int:
    """The dimension of a convolution's weight that each output sums over."""
    return max(weight[0 if "transpose" in name else 1], 1) if len(weight) > 1 else 1


def _broadcast_size(metas: list[TensorMeta]) -> int:
    """The elements of the tensors broadcast together, or of all of them where that is more."""
    if len(metas) == 1:
        return metas[0].numel()
    if len(metas) == 2 and metas[0].shape == metas[1].shape:
        return 2 * metas[0].numel()
    total = 0
    largest: list[int] = []
    for meta in metas:
        total += meta.numel()
        largest = [max(pair) for pair in zip_longest(largest, reversed(meta.shape), fillvalue=1)]
    return max(total, math.prod(largest))


def _literals(value: Any) -> int:
    """The product of all numbers in the arguments: an operation makes at most that many times what it is given."""
    kind = value.__class__
    if kind is int:
        return abs(value) or 1
    if kind is float:
        return math.ceil(abs(value)) or 1 if math.isfinite(value) else 1
    if kind is tuple or kind is list:
        return math.prod([_literals(item) for item in value])
    if kind is dict:
        return math.prod([_literals(item) for item in value.values()])
    return 1


def module_work(module: ModuleSpec, args: tuple[Any, ...], kwargs: dict[str, Any], metas: list[TensorMeta]) -> int:
    """:func:`work` of an inline module's call.

    Recurrent layers count for less than they are: their loops over time are in Python where tensors have no values.
    """
    name = module.name.removeprefix("nn.")
    largest = max([meta.numel() for meta in metas], default=1)
    if name.startswith(_NORMS):
        return largest + parameters(module)
    features = module.args[0] if module.args and _is_size(module.args[0]) else 1
    if name.startswith(_RECURRENT):
        return largest // features * parameters(module) // _CHEAP_PRODUCT**2
    literals = _literals((module.args[2:], module.kwargs)) ** _exponent(name)
    if name.startswith(_CONTRACTING):
        return largest // features * _literals(module.args[:2]) * literals // _CHEAP_PRODUCT
    return _broadcast_size(metas) * literals * _literals((module.args[:2], args, kwargs)) ** _exponent(name.lower())


def parameters(module: ModuleSpec) -> int:
    """An upper estimate of a module's parameters from its literal arguments: their product, kernels by rank."""
    total, rank = 4, 3 if module.name.endswith("3d") else 2 if module.name.endswith("2d") else 1
    for index, value in enumerate((*module.args, *[v for _, v in module.kwargs])):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int):
            is_kernel = "Conv" in module.name and index == 2
            total *= max(abs(value), 1) ** (rank if is_kernel else 1)
        elif isinstance(value, (tuple, list)):
            total *= max(math.prod([abs(v) for v in value if isinstance(v, int)]), 1)
        elif isinstance(value, ModuleSpec):
            total *= parameters(value)
    if module.name.removeprefix("nn.").startswith(_RECURRENT):
        features, hidden = [value if _is_size(value) else 1 for value in (*module.args, 1, 1)[:2]]
        total = total // features * 4 * (features + hidden)
    return total


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0
