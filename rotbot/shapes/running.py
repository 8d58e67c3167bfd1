"""One torch operation run on real or meta tensors made from metadata; its results as metadata again."""

from __future__ import annotations

import gc
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from rotbot.shapes.allowlist import CREATION, FUNCTIONS, MODULES
from rotbot.shapes.cost import parameters
from rotbot.shapes.limits import LIMITS
from rotbot.shapes.metadata import ATOMS, Alias, Fields, ModuleSpec, Result, TensorMeta, freeze

TORCH_ERRORS = (
    RuntimeError, ValueError, IndexError, TypeError, AssertionError, OverflowError, AttributeError, KeyError,
    ZeroDivisionError,
)  # fmt: skip
"""What torch raises for a call it rejects (``NotImplementedError`` is a ``RuntimeError``)."""

Maker = Callable[[TensorMeta], Tensor]

MODULES_KEPT = 256
"""Modules kept for their next calls; with real parameters only small ones."""

_SQUARE, _UNESTIMATED = "nn.MultiheadAttention", "nn.Transformer"
"""How the names of modules begin whose parameters grow with the square of one argument: that alone, and with others."""

_modules: OrderedDict[Any, nn.Module] = OrderedDict()


class _Here(threading.local):
    undisturbed = False
    """Whether this thread is within :func:`undisturbed`."""


_here = _Here()
_META = torch.device("meta")
_NOTHING = nullcontext()


def undisturbed() -> AbstractContextManager[None]:
    """No gradients, no warnings, no cycle collections, and the caller's random state as it was. Within itself, nothing.

    A trace makes some thousand objects in a millisecond and leaves hardly any: pausing the collector saves a third.
    """
    return _NOTHING if _here.undisturbed else _Undisturbed()


class _Undisturbed(AbstractContextManager[None]):
    """A class and no generator: a trace takes half a millisecond, and this is entered for each."""

    def __enter__(self) -> None:
        self.random, self.collecting = torch.default_generator.get_state(), gc.isenabled()
        gc.disable()
        _here.undisturbed = True
        self.inference, self.caught = torch.inference_mode(), warnings.catch_warnings()
        self.inference.__enter__()
        self.caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        self.caught.__exit__(None, None, None)
        self.inference.__exit__(None, None, None)
        _here.undisturbed = False
        torch.default_generator.set_state(self.random)
        if self.collecting:
            gc.enable()


@contextmanager
def onednn(enabled: bool) -> Generator[None]:
    """Convolutions with or without oneDNN, in all of this process.

    It compiles a kernel for every new shape, which takes ten times as long as running a small convolution without it;
    large ones are faster with it and take a fraction of the memory.
    """
    before = torch._C._get_mkldnn_enabled()  # the property in torch.backends is frozen once torch.testing is imported
    torch._C._set_mkldnn_enabled(enabled)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def meta_tensor(meta: TensorMeta) -> Tensor:
    """A tensor without storage."""
    return torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype, device=_META)


def _filled(fill: Callable[[int, torch.dtype], Tensor]) -> Maker:
    def make(meta: TensorMeta) -> Tensor:
        return fill(meta.storage_size(), meta.dtype).as_strided(meta.shape, meta.stride)

    return make


def _generic(size: int, dtype: torch.dtype) -> Tensor:
    """Values without structure, the same every time: matrices of them have full rank and no zero pivot."""
    if dtype is torch.bool or not (dtype.is_floating_point or dtype.is_complex):
        return (torch.arange(size) % 3 - 1).to(dtype)
    steps = torch.arange(1, size + 1, dtype=torch.float64)
    return torch.frac(steps * steps * 0.6180339887498949).to(dtype)


def zeros(meta: TensorMeta) -> Tensor:
    """A real tensor of zeros."""
    if meta.is_contiguous():
        return torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype).zero_()  # torch.zeros takes longer
    return torch.zeros(meta.storage_size(), dtype=meta.dtype).as_strided(meta.shape, meta.stride)


FILLS = (
    zeros,
    _filled(lambda size, dtype: torch.ones(size, dtype=dtype)),
    _filled(lambda size, dtype: torch.full((size,), 2).to(dtype)),
    _filled(_generic),
)
"""Ways to fill real tensors, from the most to the least often accepted."""


def run(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, make: Maker, device: str
) -> Result:
    """Run ``target`` (or the module) with tensors that ``make`` makes on ``device``. Raises what torch raises."""
    inputs: list[Tensor] = []
    real_args: list[Any] = []
    for value in args:
        if value.__class__ is TensorMeta:
            inputs.append(make(value))
            real_args.append(inputs[-1])
        else:
            real_args.append(value if value.__class__ in ATOMS else _build(value, make, inputs))
    real_kwargs = {name: _build(value, make, inputs) for name, value in kwargs.items()} if kwargs else kwargs
    if module is not None:
        result = kept_module(module, device)(*real_args, **real_kwargs)
    elif target in CREATION:
        result = CREATION[target](*real_args, **{**real_kwargs, "device": device})
    else:
        result = FUNCTIONS[target](*real_args, **real_kwargs)
    return describe(result, inputs)


def _build(value: Any, make: Maker, inputs: list[Tensor]) -> Any:
    kind = value.__class__
    if kind is TensorMeta:
        tensor = make(value)
        inputs.append(tensor)
        return tensor
    if kind is tuple or kind is list:
        return kind([item if item.__class__ in ATOMS else _build(item, make, inputs) for item in value])
    if kind is slice:
        return slice(*[_build(end, make, inputs) for end in (value.start, value.stop, value.step)])
    return value


def is_small(module: ModuleSpec | None) -> bool:
    """Whether it costs little to construct an inline module with real parameters (where there is one)."""
    if module is None:
        return True
    if module.name == _SQUARE:
        sizes = [value for value in (*module.args, *[value for _, value in module.kwargs]) if isinstance(value, int)]
        return 4 * max(sizes, default=0) ** 2 <= LIMITS.small_parameters
    return parameters(module) <= LIMITS.small_parameters and not module.name.startswith(_UNESTIMATED)


def kept_module(spec: ModuleSpec, device: str) -> nn.Module:
    """The inline module on ``device``, constructed once for the calls that follow each other."""
    key = (device, freeze(spec))
    module = _modules.get(key)
    if module is None:
        module = _modules[key] = build_module(spec, device)
        if len(_modules) > MODULES_KEPT:
            _modules.popitem(last=False)
    return module


def build_module(spec: ModuleSpec, device: str) -> nn.Module:
    """Construct the inline module on ``device``; on the meta device nothing is allocated."""

    def thaw(value: Any) -> Any:
        if isinstance(value, TensorMeta):
            return torch.empty(value.shape, dtype=value.dtype, device=device)
        if isinstance(value, (tuple, list)):
            return type(value)([thaw(item) for item in value])
        return build_module(value, device) if isinstance(value, ModuleSpec) else value

    with nullcontext() if torch.get_default_device().type == device else torch.device(device):
        built = MODULES[spec.name](*[thaw(a) for a in spec.args], **{name: thaw(v) for name, v in spec.kwargs})
    if spec.dtype is not None:
        built = built.to(spec.dtype)
    return built.train(spec.training).requires_grad_(False)


def describe(value: Any, inputs: list[Tensor]) -> Result:
    """What a call on ``inputs`` returned, with metadata for tensors."""
    if value.__class__ is Tensor or isinstance(value, Tensor):
        meta = TensorMeta(tuple(value.shape), value.stride(), value.dtype)
        for index, tensor in enumerate(inputs):
            if tensor is value:
                return Alias(index, meta)
        return meta
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (tuple, list)):
        items = [describe(item, inputs) for item in value]
        if value.__class__ is list:
            return items
        names = getattr(value.__class__, "__match_args__", ())  # torch's named tuples and Python's have it
        return Fields(names, tuple(items)) if names else tuple(items)
    return value
