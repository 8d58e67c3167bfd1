"""Calling a value of a snippet: torch operations, tensor methods, modules, builtins and the snippet's own functions."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, python_values
from rotbot.shapes.attributes import INITIALIZERS
from rotbot.shapes.builtin_calls import call_builtin
from rotbot.shapes.checks import check_device, check_gradient, refuse_foreign
from rotbot.shapes.classes import (
    LISTINGS,
    call_class_method,
    call_instance,
    call_method,
    call_super,
    construct,
    initialize,
    initialize_as,
    module_method,
)
from rotbot.shapes.inventory import listing, set_trainable
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.modules import call_loss, call_module, construct_module, module_state
from rotbot.shapes.python_values import CHANGING, PYTHON_ERRORS, bounded, grown, kind, python_reason
from rotbot.shapes.recorder import ProgramError
from rotbot.shapes.rejected import count
from rotbot.shapes.source import span_of
from rotbot.shapes.text import render_shape
from rotbot.shapes.values import (
    BoundMethod,
    Builtin,
    ClassMethod,
    Device,
    Function,
    Instance,
    Loss,
    Method,
    Module,
    ModuleClass,
    ModuleInit,
    Namespace,
    NoOp,
    Operation,
    Partial,
    SuperName,
    TorchInit,
    Traced,
    Training,
    UserClass,
)
from rotbot.shapes.walks import traced_in

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_LEAST_DIMS: dict[str, int] = dict.fromkeys(
    "xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ orthogonal_ sparse_".split(), 2
)
"""Dimensions that functions of ``nn.init`` ask for."""
_QUERIES = frozenset(
    "size dim ndimension numel nelement stride element_size get_device is_floating_point is_complex is_contiguous "
    "is_signed".split()
)
"""Methods of a tensor that answer from metadata."""
_SOMETIMES_VALUES = frozenset("where repeat_interleave one_hot tensor_split".split())
_DEVICE_METHODS = frozenset("to cuda cpu new_zeros new_ones new_empty new_empty_strided new_full new_tensor".split())


def call(interpreter: Interpreter, function: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """Call ``function``, whatever it is. Raises :class:`ProgramError` where torch or Python would."""
    handler = _CALLS.get(function.__class__)
    if handler is None:
        raise UnsafeSnippet(f"calling {kind(function)} is not allowed", node.lineno)
    return handler(interpreter, function, args, kwargs, node)


def _operation(
    interpreter: Interpreter, operation: Operation, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    target = operation.target
    name = target.rpartition(".")[2]
    if kwargs:
        _check_keywords(interpreter, name, kwargs, node)
    refuse_value_dependent(name, args, kwargs, node)
    refuse_foreign(interpreter.recorder, (*args, *kwargs.values()) if kwargs else args, name, node)
    return interpreter.recorder.call(target, tuple(args), kwargs, span_of(node))


def _check_keywords(interpreter: Interpreter, name: str, kwargs: dict[str, Any], node: ast.Call) -> None:
    """Refuse what no call may be given, and take out what changes no shape."""
    if "out" in kwargs:
        raise UnsafeSnippet(f"{name}: the argument out= is not allowed", node.lineno)
    if "device" in kwargs:
        check_device(interpreter.recorder, kwargs.pop("device"), node)
    for ignored in ("pin_memory", "generator"):
        if kwargs.pop(ignored, None):
            raise UnsafeSnippet(f"{name}: the argument {ignored}= is not allowed", node.lineno)


def _method(interpreter: Interpreter, method: Method, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    owner, name = method.owner, method.name
    if owner.__class__ is Traced:
        return _tensor_method(interpreter, owner, name, args, kwargs, node)
    if name in LISTINGS and isinstance(owner, (Module, Instance)):
        if args or kwargs:
            raise UnsupportedSnippet(f"{name} is supported without arguments", node.lineno)
        return bounded(listing(interpreter.recorder, owner, name, span_of(node)))
    if name == "requires_grad_" and isinstance(owner, (Module, Instance)):
        set_trainable(owner, bool(args[0] if args else kwargs.get("requires_grad", True)))
        return owner
    if isinstance(owner, Loss):
        return owner  # where it is and whether it trains makes no shape
    if isinstance(owner, Module):
        return module_state(interpreter, owner, name, args, kwargs, node)
    if isinstance(owner, Instance):
        return module_method(interpreter, owner, name, args, kwargs, node)
    return _plain_method(interpreter, owner, name, args, kwargs, node)


def refuse_value_dependent(name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> None:
    """Raise where the result's shape depends on what values the tensors hold, naming the operation and why."""
    if name not in allowlist.VALUE_DEPENDENT and name not in _SOMETIMES_VALUES:
        return
    why = allowlist.VALUE_DEPENDENT.get(name)
    if name == "where" and len(args) + len(kwargs) == 1:
        why = "the number of nonzero elements"
    elif name == "repeat_interleave" and "output_size" not in kwargs:
        repeats = args[-1] if args else None
        given = len(args) > 1 or not kwargs
        if (given and isinstance(repeats, Traced)) or isinstance(kwargs.get("repeats"), Traced):
            why = "the repeat counts"
    elif name == "one_hot" and kwargs.get("num_classes", args[1] if len(args) > 1 else -1) == -1:
        why = "the largest value (give num_classes)"
    elif name == "tensor_split" and any(isinstance(a, Traced) for a in [*args[1:2], *kwargs.values()]):
        why = "the split points"
    if why is not None:
        raise UnsupportedSnippet(f"{name}: the result depends on {why}, not only on shapes", node.lineno)


def _tensor_method(
    interpreter: Interpreter, owner: Traced, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    if name in _QUERIES:
        return _query(interpreter, owner, name, args, kwargs, node)
    if name == "backward":
        return _backward(interpreter, owner, args, kwargs, node)
    refuse_value_dependent(name, [owner, *args], kwargs, node)
    if name in _DEVICE_METHODS:
        if "device" in kwargs:
            check_device(interpreter.recorder, kwargs.pop("device"), node)
        if name == "to":
            for given in args:
                if isinstance(given, str):
                    check_device(interpreter.recorder, given, node)
            args = [a for a in args if not isinstance(a, (Device, str))]
            kwargs.pop("non_blocking", None)
            if not args and not kwargs:
                name = "cpu"
        elif name in ("cuda", "cpu"):
            args, kwargs = [], {}
    if name == "requires_grad_":
        wanted = bool(args[0] if args else kwargs.get("requires_grad", True))
        if wanted:
            check_gradient(interpreter.recorder, name, owner, node)
        owner.trainable = owner.parameter and wanted
    if name == "type" and not (len(args) == 1 and isinstance(args[0], torch.dtype)):
        raise UnsupportedSnippet("type() is supported with a dtype only", node.lineno)
    if "out" in kwargs or "generator" in kwargs:
        raise UnsafeSnippet(
            f"{name}: the argument {'out' if 'out' in kwargs else 'generator'}= is not allowed", node.lineno
        )
    refuse_foreign(interpreter.recorder, (*args, *kwargs.values()) if kwargs else args, name, node)
    return interpreter.recorder.call(f"Tensor.{name}", (owner, *args), kwargs, span_of(node), "call_method")


def _backward(interpreter: Interpreter, owner: Traced, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> None:
    """Gradients have the shapes of what they are of, so there is nothing to record; but torch may reject the call."""
    shape = owner.meta.shape
    gradient = kwargs.get("gradient", args[0] if args else None)
    if gradient is None and owner.meta.numel() != 1:
        reason = f"expected a scalar, got {render_shape(shape)}"
        raise interpreter.recorder.failure("backward", owner, reason, span_of(node))
    if isinstance(gradient, Traced) and gradient.meta.shape != shape:
        reason = f"shapes {render_shape(shape)} and {render_shape(gradient.meta.shape)} differ"
        raise interpreter.recorder.failure("backward", (owner, gradient), reason, span_of(node))


def _query(
    interpreter: Interpreter, owner: Traced, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Methods that answer from metadata: no operation, no step."""
    meta: TensorMeta = interpreter.recorder.read(owner)
    most = 1 if name in ("size", "stride", "is_contiguous") else 0
    if len(args) + len(kwargs) > most:
        reason = f"takes {count(most, 'argument') if most else 'no arguments'}, got {len(args) + len(kwargs)}"
        raise ProgramError(name, (meta.shape,), reason, span_of(node), (owner.node,))
    dim = kwargs.get("dim", args[0] if args else None)
    if dim is not None and name in ("size", "stride"):
        if not isinstance(dim, int):
            raise UnsupportedSnippet(f"{name}: the dim must be an integer, got {kind(dim)}", node.lineno)
        if not -len(meta.shape) <= dim < len(meta.shape):
            reason = f"dim {dim} is out of range for a tensor with {len(meta.shape)} dimensions"
            raise ProgramError(f"{name}({dim})", (meta.shape,), reason, span_of(node), (owner.node,))
        return (meta.shape if name == "size" else meta.stride)[dim]
    answers = {
        "size": meta.shape, "stride": meta.stride, "dim": len(meta.shape), "ndimension": len(meta.shape),
        "numel": meta.numel(), "nelement": meta.numel(), "element_size": meta.dtype.itemsize, "get_device": -1,
        "is_floating_point": meta.dtype.is_floating_point, "is_complex": meta.dtype.is_complex,
        "is_signed": meta.dtype.is_signed,
        "is_contiguous": meta.stride == TensorMeta.contiguous(meta.shape).stride or meta.numel() <= 1,
    }  # fmt: skip
    return answers[name]


def _plain_method(
    interpreter: Interpreter, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A method of a list, tuple, string or dict."""
    if name == "numel":
        return math.prod(owner)
    if name in ("index", "count") and any(traced_in((owner, args))):
        raise UnsupportedSnippet(f"{name} on a list of tensors depends on their values", node.lineno)
    if name == "extend" or (name == "update" and isinstance(owner, dict)):
        args = [a if isinstance(a, dict) else interpreter.expressions.iterate(a, node) for a in args]
    try:
        result = python_values.methods(owner)[name](owner, *args, **kwargs)
    except PYTHON_ERRORS as error:
        raise ProgramError(name, (), python_reason(error), span_of(node)) from error
    if name in CHANGING:
        grown(owner, *args, *kwargs.values())
        interpreter.recorder.changed(owner, (args, kwargs))
    return bounded(result)


def _function(
    interpreter: Interpreter, function: Function, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    return interpreter.call_function(function, args, kwargs, node)


def _no_op(interpreter: Interpreter, no_op: NoOp, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    tensors = traced_in((args, kwargs))
    if no_op.name in INITIALIZERS and not (args and isinstance(args[0], Traced)) and "tensor" not in kwargs:
        reason = f"expected a tensor, got {kind(args[0]) if args else 'nothing'}"
        raise interpreter.recorder.failure(no_op.name, (), reason, span_of(node))
    least = _LEAST_DIMS.get(no_op.name, 0)
    if tensors and len(tensors[0].meta.shape) < least:
        reason = f"expected at least {count(least, 'dimension')}, got {len(tensors[0].meta.shape)}"
        raise interpreter.recorder.failure(no_op.name, tensors[:1], reason, span_of(node))
    return tensors[0] if no_op.name in INITIALIZERS else None


def _training(
    interpreter: Interpreter, maker: Training, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Training:
    return maker


def _partial(
    interpreter: Interpreter, partial: Partial, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    with interpreter.expressions.deeper(node):
        return interpreter.call(partial.function, [*partial.args, *args], {**partial.kwargs, **kwargs}, node)


def _namespace(
    interpreter: Interpreter, namespace: Namespace, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    if namespace.prefix != "Tensor":
        raise UnsafeSnippet("calling a module is not allowed", node.lineno)
    return call_builtin(interpreter, Builtin("torch.Tensor"), args, kwargs, node)


_CALLS: dict[type[Any], Callable[[Interpreter, Any, list[Any], dict[str, Any], ast.Call], Any]] = {
    Operation: _operation,
    Method: _method,
    ModuleClass: construct_module,
    Module: call_module,
    Loss: call_loss,
    Function: _function,
    Builtin: call_builtin,
    Namespace: _namespace,
    NoOp: _no_op,
    Training: _training,
    Partial: _partial,
    UserClass: construct,
    Instance: call_instance,
    BoundMethod: call_method,
    ClassMethod: call_class_method,
    SuperName: call_super,
    ModuleInit: initialize,
    TorchInit: initialize_as,
}
