"""Every name a snippet may use, as tables. Nothing outside them is ever looked up on a module or a tensor.

The lists below are ours, so reading them with ``getattr`` once at import is safe; the interpreter itself only ever asks
these dictionaries. Left out on purpose: anything that touches files, processes, storage, pointers, devices' state,
autograd hooks, callbacks (``apply_``, ``map_``, ``vmap``), global settings, the sparse, quantized and nested layouts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

# Functions that exist in the torch namespace and as tensor methods alike.
_SHARED = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr adjoint all allclose amax amin aminmax angle any
arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere as_strided as_strided_scatter asin
asinh atan atan2 atanh baddbmm bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor bmm broadcast_to ceil cholesky cholesky_inverse cholesky_solve chunk clamp clamp_max
clamp_min clip clone conj conj_physical copysign corrcoef cos cosh count_nonzero cov cross cummax cummin cumprod
cumsum deg2rad det detach diag diag_embed diagflat diagonal diagonal_scatter diff digamma dist div divide dot dsplit
eq equal erf erfc erfinv exp exp2 expm1 fix flatten flip fliplr flipud float_power floor floor_divide fmax fmin fmod
frac frexp gather gcd ge geqrf ger greater greater_equal gt hardshrink heaviside histc histogram hsplit hypot i0
igamma igammac index_add index_copy index_fill index_put index_reduce index_select inner inverse is_complex
is_floating_point is_nonzero is_same_size isclose isfinite isinf isnan isneginf isposinf isreal istft kron kthvalue
lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logdet
logical_and logical_not logical_or logical_xor logit logsumexp lt lu_solve masked_fill masked_scatter masked_select
matmul matrix_exp matrix_power max maximum mean median min minimum mm mode moveaxis movedim msort mul multinomial
multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow narrow_copy ne neg negative nextafter
nonzero nonzero_static norm not_equal numel orgqr ormqr outer permute pinverse polygamma positive pow prelu prod put
qr quantile rad2deg ravel reciprocal relu remainder renorm repeat_interleave reshape resolve_conj resolve_neg roll
rot90 round rsqrt scatter scatter_add scatter_reduce select select_scatter sgn sigmoid sign signbit sin sinc sinh
slice_scatter slogdet softmax sort split split_with_sizes sqrt square squeeze std stft sub subtract sum svd swapaxes
swapdims t take take_along_dim tan tanh tensor_split tile topk trace transpose triangular_solve tril triu true_divide
trunc unbind unflatten unique unique_consecutive unsafe_chunk unsafe_split unsqueeze var vdot view_as_complex
view_as_real view_copy vsplit where xlogy hash_tensor
"""

_TORCH_ONLY = """
affine_grid_generator alias_copy as_strided_copy atleast_1d atleast_2d atleast_3d batch_norm bilinear block_diag
broadcast_tensors bucketize cartesian_prod cat cdist celu chain_matmul channel_shuffle column_stack combinations
complex concat concatenate constant_pad_nd conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
convolution cosine_embedding_loss cosine_similarity cumulative_trapezoid diagonal_copy dropout alpha_dropout
feature_dropout feature_alpha_dropout dstack einsum embedding expand_copy gradient grid_sampler grid_sampler_2d
grid_sampler_3d group_norm hinge_embedding_loss histogramdd hstack imag instance_norm isin kl_div layer_norm lu
lu_unpack margin_ranking_loss max_pool1d max_pool2d max_pool3d meshgrid native_batch_norm native_group_norm
native_layer_norm native_dropout native_channel_shuffle normal pairwise_distance pca_lowrank pdist permute_copy
pixel_shuffle pixel_unshuffle poisson poisson_nll_loss polar binomial rand_like randint_like randn_like real rms_norm
row_stack rrelu rsub searchsorted select_copy selu slice_copy squeeze_copy stack std_mean split_copy
split_with_sizes_copy svd_lowrank t_copy tensordot threshold transpose_copy trapezoid trapz triplet_margin_loss
unbind_copy unfold_copy unravel_index unsqueeze_copy vander var_mean view_as_complex_copy view_as_real_copy vstack
avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d empty_like full_like ones_like zeros_like ctc_loss embedding_bag
binary_cross_entropy_with_logits conv_tbc norm_except_dim lstm_cell gru_cell rnn_relu_cell rnn_tanh_cell celu_ relu_
selu_ rrelu_ dropout_ zero_ resize_as_ fill softmax cumulative_trapezoid lobpcg chain_matmul is_tensor result_type
promote_types can_cast is_storage broadcast_shapes nuclear_norm frobenius_norm bilinear triplet_margin_loss
"""

_CREATION = """
arange range bartlett_window blackman_window empty empty_permuted empty_strided eye full hamming_window hann_window
kaiser_window linspace logspace ones rand randint randn randperm scalar_tensor tensor as_tensor tril_indices
triu_indices zeros asarray
"""

_METHOD_ONLY = """
bfloat16 bool byte cdouble cfloat chalf char contiguous double expand expand_as float half int long new_empty
new_empty_strided new_full new_ones new_zeros new_tensor repeat reshape_as short sum_to_size to type type_as unfold view
view_as index cpu cuda requires_grad_ resize_as_ is_contiguous stft lu
"""

_INPLACE = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan arctan2
arctanh as_strided asin asinh atan atan2 atanh baddbmm bernoulli bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor cauchy ceil clamp clamp_max clamp_min clip conj_physical copy copysign cos cosh
cumprod cumsum deg2rad detach digamma div divide eq erf erfc erfinv exp exp2 expm1 exponential fill fill_diagonal fix
float_power floor floor_divide fmod frac gcd ge geometric greater greater_equal gt heaviside hypot i0 igamma igammac
index_add index_copy index_fill index_put index_reduce lcm ldexp le lerp less less_equal lgamma log log10 log1p log2
log_normal logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter mul multiply mvlgamma
nan_to_num ne neg negative nextafter normal not_equal polygamma pow put rad2deg random reciprocal relu remainder
renorm resize round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square squeeze sub
subtract swapaxes swapdims t tan tanh transpose tril triu true_divide trunc uniform unsqueeze xlogy zero
"""

_FUNCTIONAL = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool1d_with_indices
adaptive_max_pool2d adaptive_max_pool2d_with_indices adaptive_max_pool3d adaptive_max_pool3d_with_indices affine_grid
alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear binary_cross_entropy
binary_cross_entropy_with_logits celu channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout dropout1d dropout2d dropout3d
elu embedding embedding_bag feature_alpha_dropout fold fractional_max_pool2d fractional_max_pool2d_with_indices
fractional_max_pool3d fractional_max_pool3d_with_indices gaussian_nll_loss gelu glu grid_sample group_norm
gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss instance_norm interpolate
kl_div l1_loss layer_norm leaky_relu linear linear_cross_entropy local_response_norm log_softmax logsigmoid lp_pool1d
lp_pool2d lp_pool3d margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices
max_pool3d max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d mish mse_loss multi_head_attention_forward
multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss normalize one_hot pad pairwise_distance
pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu6 rms_norm rrelu scaled_dot_product_attention selu
sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink softsign tanh tanhshrink threshold
triplet_margin_loss triplet_margin_with_distance_loss unfold upsample upsample_bilinear upsample_nearest relu_ elu_
celu_ selu_ leaky_relu_ hardtanh_ rrelu_ threshold_
"""

_LINALG = """
cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex ldl_factor
ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matmul matrix_exp matrix_norm matrix_power
matrix_rank multi_dot norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vander
vecdot vector_norm
"""

_FFT = """
fft fft2 fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2 irfftn rfft rfft2
rfftn
"""

_FFT_CREATION = "fftfreq rfftfreq"

_SPECIAL = """
airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v
chebyshev_polynomial_w digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc gammaincc gammaln
hermite_polynomial_h hermite_polynomial_he i0 i0e i1 i1e laguerre_polynomial_l legendre_polynomial_p log1p log_ndtr
log_softmax logit logsumexp modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 multigammaln
ndtr ndtri polygamma psi round scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t
shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w sinc softmax
spherical_bessel_j0 xlog1py xlogy zeta
"""

_MODULES = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
AlphaDropout AvgPool1d AvgPool2d AvgPool3d BatchNorm1d BatchNorm2d BatchNorm3d BCELoss BCEWithLogitsLoss Bilinear CELU
ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d Conv1d Conv2d
Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss Dropout
Dropout1d Dropout2d Dropout3d ELU Embedding EmbeddingBag FeatureAlphaDropout Flatten Fold GaussianNLLLoss GELU GLU
GroupNorm GRU GRUCell Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity InstanceNorm1d
InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LayerNorm LeakyReLU Linear LocalResponseNorm LogSigmoid LogSoftmax
LPPool1d LPPool2d LPPool3d LSTM LSTMCell MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d
MaxUnpool3d Mish MSELoss MultiheadAttention MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss
PairwiseDistance PixelShuffle PixelUnshuffle PoissonNLLLoss PReLU ReflectionPad1d ReflectionPad2d ReflectionPad3d ReLU
ReLU6 ReplicationPad1d ReplicationPad2d ReplicationPad3d RMSNorm RNN RNNCell RReLU SELU Sigmoid SiLU SmoothL1Loss
SoftMarginLoss Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold Transformer
TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer TripletMarginLoss Unflatten Unfold
Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d
"""

_DTYPES = """
float32 float float64 double float16 half bfloat16 complex64 cfloat complex128 cdouble complex32 chalf uint8 int8 int16
short int32 int int64 long bool uint16 uint32 uint64
"""

_MEMORY_FORMATS = "contiguous_format channels_last channels_last_3d preserve_format"
_LAYOUTS = "strided"


def _table(prefix: str, owner: Any, names: Iterable[str]) -> dict[str, Any]:
    return {f"{prefix}.{name}": getattr(owner, name) for name in names if hasattr(owner, name)}


def _identity(tensor: torch.Tensor, *_args: object, **_kwargs: object) -> torch.Tensor:
    return tensor


def _setitem(tensor: torch.Tensor, index: Any, value: Any) -> torch.Tensor:
    tensor[index] = value
    return tensor


CREATION: dict[str, Callable[..., Any]] = {
    **_table("torch", torch, _CREATION.split()),
    **_table("torch.fft", torch.fft, _FFT_CREATION.split()),
}
"""Functions that make a tensor from literals: they are called with ``device="meta"``."""

OPERATORS: dict[str, Callable[..., Any]] = {
    f"operator.{name}": getattr(operator, name)
    for name in """
    add sub mul truediv floordiv mod pow matmul lshift rshift and_ or_ xor neg pos invert eq ne lt le gt ge iadd isub
    imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift imatmul getitem
    """.split()
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **CREATION,
    **OPERATORS,
    **_table("torch", torch, _SHARED.split()),
    **_table("torch", torch, _TORCH_ONLY.split()),
    **_table("torch.linalg", torch.linalg, _LINALG.split()),
    **_table("torch.fft", torch.fft, _FFT.split()),
    **_table("torch.special", torch.special, _SPECIAL.split()),
    **_table("torch.nn.functional", functional, _FUNCTIONAL.split()),
    **_table("Tensor", torch.Tensor, _SHARED.split()),
    **_table("Tensor", torch.Tensor, _METHOD_ONLY.split()),
    **_table("Tensor", torch.Tensor, [f"{name}_" for name in _INPLACE.split()]),
    **{f"Tensor.{name}": operator.attrgetter(name) for name in ("T", "mT", "H", "mH", "real", "imag", "data")},
    "torch.nn.utils.rnn.pad_sequence": nn.utils.rnn.pad_sequence,
    "Tensor.cpu": _identity,
    "Tensor.cuda": _identity,
    "Tensor.requires_grad_": _identity,
    "operator.setitem": _setitem,
}
"""Every torch operation, by qualified name."""

METHODS = frozenset(name.removeprefix("Tensor.") for name in FUNCTIONS if name.startswith("Tensor."))
"""Tensor methods that are operations."""

SHARED = frozenset(_SHARED.split())
"""Operations that are functions of torch and tensor methods alike."""

ATTRIBUTES = frozenset(("T", "mT", "H", "mH", "real", "imag", "data"))
"""Tensor attributes that are operations (no call)."""

CONTAINERS: dict[str, type[nn.Module]] = {
    "nn.Sequential": nn.Sequential, "nn.ModuleList": nn.ModuleList, "nn.ModuleDict": nn.ModuleDict,
}  # fmt: skip
MODULES: dict[str, type[nn.Module]] = {
    f"nn.{name}": getattr(nn, name) for name in _MODULES.split() if hasattr(nn, name)
}
"""``nn`` modules whose instances may be called."""

DTYPES: dict[str, torch.dtype] = {f"torch.{name}": getattr(torch, name) for name in _DTYPES.split()}

CONSTANTS: dict[str, Any] = {
    **DTYPES,
    **{f"torch.{name}": getattr(torch, name) for name in f"{_MEMORY_FORMATS} {_LAYOUTS}".split()},
    **{f"torch.{name}": getattr(math, name) for name in ("pi", "e", "inf", "nan")},
    **{f"math.{name}": getattr(math, name) for name in ("pi", "e", "inf", "nan", "tau")},
}

DTYPE_NAMES: dict[torch.dtype, str] = {dtype: str(dtype).removeprefix("torch.") for dtype in DTYPES.values()}
NAMED: dict[Any, str] = {
    **{dtype: f"torch.{name}" for dtype, name in DTYPE_NAMES.items()},
    **{getattr(torch, name): f"torch.{name}" for name in f"{_MEMORY_FORMATS} {_LAYOUTS}".split()},
}
"""Torch constants to the name they are recorded under."""

NAMESPACES: dict[str, str] = {
    "torch.linalg": "torch.linalg",
    "torch.fft": "torch.fft",
    "torch.special": "torch.special",
    "torch.nn": "torch.nn",
    "torch.nn.functional": "torch.nn.functional",
    **{name: name for name in ("torch.nn.init", "torch.nn.utils", "torch.nn.utils.rnn")},
    **{name: name for name in ("torch.optim", "torch.optim.lr_scheduler")},
    **{name: name for name in ("einops.layers", "einops.layers.torch")},
    "torch.functional": "torch",
    "torch.cuda": "torch.cuda",
    "torch.Tensor": "Tensor",
}
"""Namespaces reachable from ``torch`` and ``einops`` by attribute, and the prefix their names have in the tables."""

IMPORTS: dict[str, str] = {
    "torch": "torch",
    "math": "math",
    "collections": "collections",
    "dataclasses": "dataclasses",
    "functools": "functools",
    "einops": "einops",
    **NAMESPACES,
}
"""Modules a snippet may import, and their prefix."""

ANNOTATIONS = frozenset(("typing", "typing_extensions", "collections.abc", "__future__"))
"""Modules whose names a snippet may import and use in annotations, which are not looked at."""

NAMES: dict[str, str] = {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "math": "math"}
"""Names bound before the snippet starts."""

VALUE_DEPENDENT: dict[str, str] = {
    "nonzero": "the number of nonzero elements",
    "argwhere": "the number of nonzero elements",
    "masked_select": "the number of selected elements",
    "unique": "the number of distinct values",
    "unique_consecutive": "the number of runs of values",
    "bincount": "the largest value",
    "item": "the value itself",
    "tolist": "the values themselves",
    "numpy": "the values themselves",
    "is_nonzero": "the value itself",
    "equal": "the values themselves",
    "allclose": "the values themselves",
    "lobpcg": "the convergence on the values",
}
"""Operations whose result depends on tensor values, and on what."""
