"""Calling a value of a snippet: torch operations, tensor methods, modules, builtins and the snippet's own functions."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, python_values
from rotbot.shapes.classes import (
    CONVERSIONS,
    call_instance,
    call_method,
    call_super,
    construct,
    convert,
    initialize,
    module_method,
    set_training,
)
from rotbot.shapes.metadata import ModuleSpec, TensorMeta
from rotbot.shapes.operators import binary
from rotbot.shapes.python_values import PYTHON_ERRORS, bounded, kind, python_reason
from rotbot.shapes.recorder import ProgramError, traced_in
from rotbot.shapes.rejected import count, dtype_name
from rotbot.shapes.source import span_of
from rotbot.shapes.values import (
    BoundMethod,
    Builtin,
    Device,
    Function,
    Instance,
    Method,
    Module,
    ModuleClass,
    ModuleInit,
    Namespace,
    NoOp,
    NumberLimits,
    Operation,
    SuperName,
    Traced,
    UserClass,
)

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_PLAIN_KINDS = frozenset((*python_values.PLAIN, torch.dtype, torch.memory_format, torch.layout)) - {tuple, list, dict}
_OF_MODULES = ("nn.TransformerEncoder", "nn.TransformerDecoder")
"""Classes whose constructors take other modules, which they copy."""
_FUNCTIONS = (Function, Operation, Method, Builtin, Namespace, ModuleClass, UserClass, BoundMethod, SuperName)
_CHANGING = frozenset("append extend insert update setdefault".split())
_ITERATING = frozenset("list tuple enumerate zip reversed sum sorted min max all any map".split())
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
    if "out" in kwargs:
        raise UnsafeSnippet(f"{name}: the argument out= is not allowed", node.lineno)
    if "device" in kwargs:
        _check_device(kwargs.pop("device"), node)
    for ignored in ("pin_memory", "generator"):
        if kwargs.pop(ignored, None):
            raise UnsafeSnippet(f"{name}: the argument {ignored}= is not allowed", node.lineno)
    refuse_value_dependent(name, args, kwargs, node)
    _refuse_foreign((*args, *kwargs.values()), name, node)
    return interpreter.recorder.call(target, tuple(args), kwargs, span_of(node))


def _method(interpreter: Interpreter, method: Method, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    owner, name = method.owner, method.name
    if owner.__class__ is Traced:
        return _tensor_method(interpreter, owner, name, args, kwargs, node)
    if isinstance(owner, Module):
        return _module_method(interpreter, owner, name, args, kwargs, node)
    if isinstance(owner, Instance):
        return module_method(interpreter, owner, name, args, kwargs, node)
    return _sequence_method(interpreter, owner, name, args, kwargs, node)


def refuse_value_dependent(name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> None:
    """Raise where the result's shape depends on what values the tensors hold, naming the operation and why."""
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


def _check_device(device: Any, node: ast.Call) -> None:
    if not (device is None or isinstance(device, (Device, str, int))):
        raise UnsupportedSnippet(f"a device given as {kind(device)} is not supported", node.lineno)


def _refuse_foreign(value: Any, name: str, node: ast.Call) -> None:
    """Only tensors and plain values may reach torch: no functions, modules or classes."""
    kind_of = value.__class__
    if kind_of is Traced or kind_of in _PLAIN_KINDS or kind_of is ModuleSpec:
        return
    if isinstance(value, (tuple, list)):
        for item in value:
            if item.__class__ is not Traced:
                _refuse_foreign(item, name, node)
    else:
        raise UnsupportedSnippet(f"{name}: {kind(value)} as an argument is not supported", node.lineno)


def _tensor_method(
    interpreter: Interpreter, owner: Traced, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    if name in ("size", "dim", "ndimension", "numel", "nelement", "stride", "element_size", "get_device") or (
        name.startswith("is_") and name in ("is_floating_point", "is_complex", "is_contiguous", "is_signed")
    ):
        return _query(interpreter, owner, name, args, kwargs, node)
    refuse_value_dependent(name, [owner, *args], kwargs, node)
    if name in _DEVICE_METHODS:
        if "device" in kwargs:
            _check_device(kwargs.pop("device"), node)
        if name == "to":
            args = [a for a in args if not isinstance(a, (Device, str))]
            kwargs.pop("non_blocking", None)
            if not args and not kwargs:
                name = "cpu"
        elif name in ("cuda", "cpu"):
            args, kwargs = [], {}
    if name == "type" and not (len(args) == 1 and isinstance(args[0], torch.dtype)):
        raise UnsupportedSnippet("type() is supported with a dtype only", node.lineno)
    if "out" in kwargs or "generator" in kwargs:
        raise UnsafeSnippet(
            f"{name}: the argument {'out' if 'out' in kwargs else 'generator'}= is not allowed", node.lineno
        )
    _refuse_foreign((*args, *kwargs.values()), name, node)
    return interpreter.recorder.call(f"Tensor.{name}", (owner, *args), kwargs, span_of(node), "call_method")


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


def _module_method(
    interpreter: Interpreter, owner: Module, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Module:
    if name in CONVERSIONS:
        convert(interpreter.recorder, owner, name, args, kwargs)
    elif name in ("train", "eval"):
        set_training(owner, name == "train" and bool(args[0] if args else True))
    elif name in ("append", "extend"):
        assert isinstance(owner.children, list), "only lists of modules have these methods"
        new = interpreter.expressions.iterate(args[0], node) if args and name == "extend" else args
        owner.children += bounded(_modules(new, owner.spec.name, node))
    return owner


def _modules(values: list[Any], name: str, node: ast.Call) -> list[Any]:
    if not all(isinstance(value, (Module, Instance)) for value in values):
        raise UnsupportedSnippet(f"{name} takes modules", node.lineno)
    return values


def _sequence_method(
    interpreter: Interpreter, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    if name == "numel":
        return math.prod(owner)
    tables = {list: python_values.LIST_METHODS, dict: python_values.DICT_METHODS}
    if name in ("index", "count") and any(traced_in((owner, args))):
        raise UnsupportedSnippet(f"{name} on a list of tensors depends on their values", node.lineno)
    try:
        result = tables.get(owner.__class__, python_values.TUPLE_METHODS)[name](owner, *args, **kwargs)
    except PYTHON_ERRORS as error:
        raise ProgramError(name, (), python_reason(error), span_of(node)) from error
    bounded(owner)
    if name in _CHANGING and isinstance(node.func, ast.Attribute):
        interpreter.expressions.changed(node.func.value, (args, kwargs))
    return result


def _construct(
    interpreter: Interpreter, module_class: ModuleClass, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Module:
    name = module_class.name
    if name == "nn.ModuleDict":
        given = args[0] if args else {}
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            raise UnsupportedSnippet("nn.ModuleDict takes a dict of modules by name", node.lineno)
        _modules(list(given.values()), name, node)
        return Module(ModuleSpec(name, (), ()), dict(given))
    if name in ("nn.Sequential", "nn.ModuleList"):
        children = args[0] if name == "nn.ModuleList" and args else args
        children = interpreter.expressions.iterate(children, node)
        return Module(ModuleSpec(name, (), ()), list(_modules(children, name, node)))
    if name == "nn.Module":
        raise UnsafeSnippet("nn.Module is allowed as the base of a class only", node.lineno)
    if "device" in kwargs:
        _check_device(kwargs.pop("device"), node)
    if any(traced_in((args, kwargs))):
        raise UnsupportedSnippet(f"{name} built from a tensor is not supported", node.lineno)
    if name in _OF_MODULES:
        args, kwargs = [_spec(value) for value in args], {key: _spec(value) for key, value in kwargs.items()}
    _refuse_foreign((*args, *kwargs.values()), name, node)
    spec = ModuleSpec(name, _hashable(args), tuple([(key, _hashable(value)) for key, value in kwargs.items()]))
    interpreter.check_module(spec, span_of(node))
    return Module(spec)


def _spec(value: Any) -> Any:
    return value.spec if isinstance(value, Module) and value.children is None else value


def _hashable(value: Any) -> Any:
    return tuple([_hashable(item) for item in value]) if isinstance(value, (list, tuple)) else value


def _module(interpreter: Interpreter, module: Module, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    if module.children is not None:
        if module.spec.name != "nn.Sequential":
            short = module.spec.name.removeprefix("nn.")
            raise ProgramError(short, (), f"a {short} cannot be called; call its items", span_of(node))
        if len(args) != 1 or kwargs:
            raise ProgramError("Sequential", (), f"expected one argument, got {len(args) + len(kwargs)}", span_of(node))
        value = args[0]
        for child in module.children:
            value = call(interpreter, child, [value], {}, node)
        return value
    _refuse_foreign((*args, *kwargs.values()), module.spec.name, node)
    span = span_of(node)
    return interpreter.recorder.call(module.spec.name, tuple(args), kwargs, span, "call_module", module.spec)


def _builtin(
    interpreter: Interpreter, builtin: Builtin, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    name = builtin.name
    if name == "torch.Size":
        return tuple(interpreter.expressions.iterate(args[0], node)) if args else ()
    if name == "torch.cuda.is_available":
        return False  # shapes do not depend on it
    if name == "torch.device":
        return Device()
    if name == "torch.nn.Parameter":
        data = args[0] if args else kwargs.get("data")
        if not isinstance(data, Traced):
            raise UnsupportedSnippet(f"nn.Parameter takes a tensor here, got {kind(data)}", node.lineno)
        return data
    if name in ("torch.finfo", "torch.iinfo"):
        return _number_limits(name, args, node)
    if name == "isinstance":
        return _is_instance(args, node)
    if name in _ITERATING:
        args = [list(a) if isinstance(a, (dict, *python_values.VIEWS)) else a for a in args]
    if name == "map":
        return _map(interpreter, args, node)
    if name in ("list", "tuple", "enumerate", "zip", "reversed", "sum"):
        iterated = len(args) if name == "zip" else 1
        head = [interpreter.expressions.iterate(a, node) if _is_iterable(a) else a for a in args[:iterated]]
        args = [*head, *args[iterated:]]
    if name == "len" and args and isinstance(args[0], Module) and args[0].children is not None:
        return len(args[0].children)
    if args and isinstance(args[0], Traced):
        return _builtin_on_tensor(interpreter, name, args[0], node)
    if any(traced_in((args, kwargs))) and name not in ("tuple", "list", "zip", "enumerate", "reversed", "len"):
        if name == "sum":
            return _sum(interpreter, args, node)
        raise UnsupportedSnippet(f"{name} of tensors depends on their values", node.lineno)
    _refuse_functions((args, kwargs), name, node)
    table = python_values.MATH if name.startswith("math.") else python_values.BUILTINS
    try:
        return bounded(table[name.removeprefix("math.")](*args, **kwargs))
    except PYTHON_ERRORS as error:
        reason = str(error).replace("<lambda>", name)
        raise ProgramError(f"{name}()", (), reason, span_of(node)) from error


def _number_limits(name: str, args: list[Any], node: ast.Call) -> NumberLimits:
    dtype = args[0] if args else torch.get_default_dtype()
    inexact = isinstance(dtype, torch.dtype) and (dtype.is_floating_point or dtype.is_complex)
    if not isinstance(dtype, torch.dtype) or inexact != (name == "torch.finfo") or dtype is torch.bool:
        short = name.removeprefix("torch.")
        reason = f"{short} does not take {kind(dtype) if not isinstance(dtype, torch.dtype) else dtype_name(dtype)}"
        raise ProgramError(short, (), reason, span_of(node))
    return NumberLimits(dtype)


def _is_iterable(value: Any) -> bool:
    return isinstance(value, Traced) or (isinstance(value, Module) and value.children is not None)


def _refuse_functions(value: Any, name: str, node: ast.Call) -> None:
    """Builtins take plain values; containers may hold tensors and modules."""
    items = [*value[0], *value[1].values()]
    if any(isinstance(item, _FUNCTIONS) for item in items):
        raise UnsupportedSnippet(f"{name}: a function as an argument is not supported", node.lineno)


def _builtin_on_tensor(interpreter: Interpreter, name: str, owner: Traced, node: ast.Call) -> Any:
    if name == "len":
        shape = interpreter.recorder.read(owner).shape
        if not shape:
            raise ProgramError("len", (shape,), "len() of a 0-d tensor", span_of(node), (owner.node,))
        return shape[0]
    if name == "abs":
        return interpreter.recorder.call("torch.abs", (owner,), {}, span_of(node))
    raise UnsupportedSnippet(f"{name}() of a tensor depends on its values, not only on its shape", node.lineno)


def _map(interpreter: Interpreter, args: list[Any], node: ast.Call) -> list[Any]:
    if len(args) < 2:
        raise ProgramError("map()", (), "map() must have at least two arguments", span_of(node))
    columns = [interpreter.expressions.iterate(each, node) for each in args[1:]]
    return bounded([call(interpreter, args[0], list(row), {}, node) for row in zip(*columns, strict=False)])


def _sum(interpreter: Interpreter, args: list[Any], node: ast.Call) -> Any:
    total: Any = args[1] if len(args) > 1 else 0
    for item in interpreter.expressions.iterate(args[0], node):
        total = binary(interpreter.recorder, "add", total, item, span_of(node))
    return total


def _is_instance(args: list[Any], node: ast.Call) -> bool:
    kinds = {"int": int, "float": float, "bool": bool, "tuple": tuple, "list": list, "dict": dict}
    wanted = args[1] if len(args) == 2 else None
    if isinstance(wanted, tuple) and wanted:
        return any([_is_instance([args[0], one], node) for one in wanted])
    if isinstance(wanted, Namespace) and wanted.prefix == "Tensor":
        return isinstance(args[0], Traced)
    if isinstance(wanted, Builtin) and wanted.name in kinds:
        return isinstance(args[0], kinds[wanted.name])
    names = ", ".join(kinds)
    raise UnsupportedSnippet(f"isinstance is supported with torch.Tensor, {names} and tuples of them", node.lineno)


def _function(
    interpreter: Interpreter, function: Function, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    return interpreter.call_function(function, args, kwargs, node)


def _no_op(interpreter: Interpreter, no_op: NoOp, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    tensors = traced_in((args, kwargs))
    return tensors[0] if tensors else None  # functions of nn.init return theirs


_CALLS: dict[type[Any], Callable[[Interpreter, Any, list[Any], dict[str, Any], ast.Call], Any]] = {
    Operation: _operation,
    Method: _method,
    ModuleClass: _construct,
    Module: _module,
    Function: _function,
    Builtin: _builtin,
    NoOp: _no_op,
    UserClass: construct,
    Instance: call_instance,
    BoundMethod: call_method,
    SuperName: call_super,
    ModuleInit: initialize,
}
