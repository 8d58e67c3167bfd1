"""Attributes of a snippet's values, from tables of allowed names only."""

from __future__ import annotations

import ast
import operator
from typing import Any

import torch

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, python_values
from rotbot.shapes.classes import attribute_of
from rotbot.shapes.members import is_of_torch
from rotbot.shapes.modules import module_attribute
from rotbot.shapes.python_values import kind
from rotbot.shapes.recorder import Recorder
from rotbot.shapes.source import span_of
from rotbot.shapes.values import (
    Builtin,
    Device,
    FieldTuple,
    Instance,
    Loss,
    Method,
    Module,
    ModuleClass,
    Namespace,
    NoOp,
    NumberLimits,
    Operation,
    Super,
    TorchInit,
    Traced,
    Training,
    UserClass,
    as_torch,
)

_VALUE_PROPERTIES = frozenset(("shape", "ndim", "dtype", "device", "requires_grad", "is_cuda", "nbytes", "itemsize"))
_NO_OPS = frozenset(("no_grad", "inference_mode", "enable_grad", "manual_seed"))
INITIALIZERS = frozenset(
    "uniform_ normal_ trunc_normal_ constant_ ones_ zeros_ xavier_uniform_ xavier_normal_ kaiming_uniform_ "
    "kaiming_normal_ orthogonal_ sparse_".split()
)
"""Functions of ``nn.init`` that leave the shape of their tensor alone."""
_BUILTINS = frozenset(
    "torch.FloatTensor torch.DoubleTensor torch.LongTensor torch.IntTensor torch.device torch.Size torch.nn.Parameter "
    "torch.finfo torch.iinfo torch.cuda.is_available collections.OrderedDict dataclasses.dataclass "
    "dataclasses.field functools.partial einops.rearrange einops.reduce einops.repeat einops.einsum einops.parse_shape "
    "einops.layers.torch.Rearrange einops.layers.torch.Reduce".split()
)
_LIMITS = frozenset("min max eps tiny smallest_normal resolution bits".split())
_TENSOR_QUERIES = frozenset(
    "size dim ndimension numel nelement stride element_size is_floating_point is_complex is_contiguous get_device "
    "is_signed backward".split()
)
_TRAINING = frozenset(
    "torch.optim.SGD torch.optim.Adam torch.optim.AdamW torch.optim.Adagrad torch.optim.RMSprop torch.optim.NAdam "
    "torch.optim.RAdam torch.optim.Adamax torch.optim.lr_scheduler.StepLR torch.optim.lr_scheduler.MultiStepLR "
    "torch.optim.lr_scheduler.LambdaLR torch.optim.lr_scheduler.ExponentialLR torch.optim.lr_scheduler.OneCycleLR "
    "torch.optim.lr_scheduler.CosineAnnealingLR torch.optim.lr_scheduler.LinearLR torch.nn.utils.clip_grad_norm_ "
    "torch.nn.utils.clip_grad_value_".split()
)
"""What trains a module and changes no shape. Its arguments are not looked at."""


def attribute(recorder: Recorder, owner: Any, name: str, node: ast.expr) -> Any:
    """``owner.name``. Raises :class:`UnsafeSnippet` for a name that is in no table, :class:`UnsupportedSnippet` for one
    that is harmless and not supported, :class:`~rotbot.shapes.recorder.ProgramError` for one that does not exist."""
    if isinstance(owner, Super) and name == "__init__":
        return attribute_of(recorder, owner, name, span_of(node))
    if isinstance(owner, ModuleClass) and name == "__init__":
        return TorchInit(owner.name)
    if name.startswith("__"):
        raise UnsafeSnippet(f"attribute {name} is not allowed", node.lineno)
    if isinstance(owner, Traced):
        return _of_tensor(recorder, owner, name, node)
    if isinstance(owner, Namespace):
        return _of_namespace(owner, name, node)
    if isinstance(owner, FieldTuple) and name in owner.names:
        return owner[owner.names.index(name)]
    if name in python_values.methods(owner) or (name == "numel" and isinstance(owner, tuple)):
        return Method(owner, name)
    if isinstance(owner, Instance) and is_of_torch(owner, name):
        return module_attribute(recorder, as_torch(owner), name, node)
    if isinstance(owner, (Instance, UserClass, Super)):
        return attribute_of(recorder, owner, name, span_of(node))
    if isinstance(owner, Module):
        return module_attribute(recorder, owner, name, node)
    if isinstance(owner, Loss) and name in ("to", "cuda", "cpu", "train", "eval"):
        return Method(owner, name)
    if isinstance(owner, Training) and name in ("step", "zero_grad"):
        return NoOp(name)
    if isinstance(owner, Device):
        if name in ("type", "index"):
            return "cpu" if name == "type" else None
        raise UnsupportedSnippet(f"attribute {name} of a device is not supported", node.lineno)
    if isinstance(owner, ModuleClass) and (owner.name, name) == ("nn.Transformer", "generate_square_subsequent_mask"):
        return Builtin(f"{owner.name}.{name}")
    if isinstance(owner, NumberLimits) and name in _LIMITS:
        info = torch.finfo if owner.dtype.is_floating_point or owner.dtype.is_complex else torch.iinfo
        if (found := getattr(info(owner.dtype), name, None)) is not None:  # of these names alone
            return found
    if isinstance(owner, torch.dtype) and name in ("is_floating_point", "is_complex", "itemsize"):
        return operator.attrgetter(name)(owner)
    if isinstance(owner, (int, float, str, list, tuple, dict, FieldTuple)) or owner is None:
        if name in dir(type(owner)) or name.startswith(("gi_", "f_")):
            raise UnsupportedSnippet(f"{type(owner).__name__}.{name} is not supported", node.lineno)
        what = "tuple" if isinstance(owner, tuple) else type(owner).__name__
        raise recorder.failure(name, owner, f"{what} has no attribute {name!r}", span_of(node))
    raise UnsafeSnippet(f"attribute {name} of {kind(owner)} is not allowed", node.lineno)


def _of_tensor(recorder: Recorder, owner: Traced, name: str, node: ast.expr) -> Any:
    if name in _VALUE_PROPERTIES:
        return _property(recorder, owner, name)
    if name in allowlist.ATTRIBUTES:
        return recorder.call(f"Tensor.{name}", (owner,), {}, span_of(node))
    if name in _TENSOR_QUERIES or name in allowlist.METHODS or name in allowlist.VALUE_DEPENDENT:
        return Method(owner, name)
    if hasattr(torch.Tensor, name):
        raise UnsafeSnippet(f"Tensor.{name} is not among the allowed tensor operations", node.lineno)
    raise recorder.failure(name, owner, f"a tensor has no attribute {name!r}", span_of(node))


def _property(recorder: Recorder, owner: Traced, name: str) -> Any:
    meta = recorder.read(owner)
    match name:
        case "shape":
            return meta.shape
        case "ndim":
            return len(meta.shape)
        case "dtype":
            return meta.dtype
        case "device":
            return Device()
        case "itemsize":
            return meta.dtype.itemsize
        case "requires_grad":
            return owner.trainable
        case "nbytes":
            return meta.dtype.itemsize * meta.numel()
        case _:
            return False


def _of_namespace(owner: Namespace, name: str, node: ast.expr) -> Any:
    qualified = f"{owner.prefix}.{name}"
    if qualified in allowlist.FUNCTIONS:
        return Operation(qualified)
    if qualified in allowlist.CONSTANTS:
        return allowlist.CONSTANTS[qualified]
    if qualified in allowlist.NAMESPACES:
        return Namespace(allowlist.NAMESPACES[qualified])
    if owner.prefix == "torch.nn" and (
        f"nn.{name}" in allowlist.MODULES or f"nn.{name}" in allowlist.CONTAINERS or name == "Module"
    ):
        return ModuleClass(f"nn.{name}")
    if (owner.prefix == "torch" and name in _NO_OPS) or (owner.prefix == "torch.nn.init" and name in INITIALIZERS):
        return NoOp(name)
    if qualified in _TRAINING:
        return Training(name)
    if qualified in _BUILTINS or (owner.prefix == "math" and name in python_values.MATH):
        return Builtin(qualified)
    if owner.prefix == "math":
        raise UnsupportedSnippet(f"math.{name} is not supported", node.lineno)
    raise UnsafeSnippet(f"{qualified} is not among the allowed operations", node.lineno)
