"""Calling Python's builtins, and the few functions of torch that are as good as builtins, on values of a snippet."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes import einops_calls, python_values, reflection
from rotbot.shapes.allowlist import CONTAINERS, MODULES
from rotbot.shapes.checks import check_device, check_gradient
from rotbot.shapes.dicts import VIEWS
from rotbot.shapes.members import is_module
from rotbot.shapes.operators import binary, truth
from rotbot.shapes.python_values import PLAIN, PYTHON_ERRORS, bounded, growing, kind, python_reason
from rotbot.shapes.recorder import ProgramError
from rotbot.shapes.rejected import dtype_name
from rotbot.shapes.source import span_of
from rotbot.shapes.values import (
    BoundMethod,
    Builtin,
    Device,
    FieldFactory,
    Function,
    Instance,
    Method,
    Module,
    ModuleClass,
    Namespace,
    NumberLimits,
    Operation,
    Partial,
    SuperName,
    Traced,
    UserClass,
    as_torch,
)
from rotbot.shapes.walks import traced_in

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_FUNCTIONS = (Function, Operation, Method, Builtin, Namespace, ModuleClass, UserClass, BoundMethod, SuperName, Partial)
_ITERATING = frozenset("list tuple enumerate zip reversed sum sorted min max all any map filter dict".split())
_HOLDING = frozenset("list tuple enumerate zip reversed dict collections.OrderedDict len".split())
"""Builtins that do not look into what they are given."""
_RANKING: dict[str, Callable[..., Any]] = {"sorted": sorted, "min": min, "max": max}
_KINDS: dict[str, type[Any]] = {
    "int": int, "float": float, "bool": bool, "str": str, "tuple": tuple, "list": list, "dict": dict,
}  # fmt: skip


def call_builtin(
    interpreter: Interpreter, builtin: Builtin, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Call a builtin. Raises :class:`ProgramError` where Python would, and :class:`UnsupportedSnippet` where the result
    depends on the values of tensors."""
    name = builtin.name
    if name in _OWN:
        return _OWN[name](interpreter, args, kwargs, node)
    if name == "dict" and args and isinstance(args[0], Module) and isinstance(args[0].children, dict):
        args = [args[0].children, *args[1:]]
    if name in _ITERATING:
        args = [list(a) if isinstance(a, VIEWS) or (isinstance(a, dict) and name != "dict") else a for a in args]
        iterated = len(args) if name == "zip" else 1
        head = [interpreter.expressions.iterate(a, node) if _is_iterable(a) else a for a in args[:iterated]]
        args = [*head, *args[iterated:]] if name not in ("min", "max", "all", "any", "sorted", "dict") else args
    if name in _RANKING and "key" in kwargs:
        if kwargs["key"] is not None:
            return _by_key(interpreter, name, args, kwargs, node)
        kwargs = {key: value for key, value in kwargs.items() if key != "key"}
    if name == "len" and args and isinstance(held := as_torch(args[0]), Module) and held.children is not None:
        return len(held.children)
    if args and isinstance(args[0], Traced):
        return _on_tensor(interpreter, name, args[0], node)
    if name not in _HOLDING and any(traced_in((args, kwargs))):
        if name == "sum":
            return _sum(interpreter, args, node)
        raise UnsupportedSnippet(f"{name} of tensors depends on their values", node.lineno)
    if name != "dict" and any([isinstance(item, _FUNCTIONS) for item in (*args, *kwargs.values())]):
        raise UnsupportedSnippet(f"{name}: a function as an argument is not supported", node.lineno)
    table = python_values.MATH if name.startswith("math.") else python_values.BUILTINS
    function = table[name.removeprefix("math.")]
    try:
        return bounded(function(*args, **kwargs))
    except PYTHON_ERRORS as error:
        reason = python_reason(error).replace(f"{function.__name__}()", f"{name}()")
        raise ProgramError(f"{name}()", (), reason, span_of(node)) from error


def _size(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> tuple[Any, ...]:
    items = interpreter.expressions.iterate(args[0], node) if args else []
    if traced_in(items):
        raise interpreter.recorder.failure("Size", items, "expected integers, got a tensor", span_of(node))
    return tuple(items)


def _device(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Device:
    for given in (*args[:1], *[value for key, value in kwargs.items() if key in ("device", "type")]):
        check_device(interpreter.recorder, given, node)
    return Device()


def _parameter(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Traced:
    data = args[0] if args else kwargs.get("data")
    if not isinstance(data, Traced):
        raise UnsupportedSnippet(f"nn.Parameter takes a tensor here, got {kind(data)}", node.lineno)
    if args[1] if len(args) > 1 else kwargs.get("requires_grad", True):
        check_gradient(interpreter.recorder, "Parameter", data, node)
    return data.twin(data.node, data.path, parameter=True)


def _field(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """``dataclasses.field(default=...)`` or ``(default_factory=...)``."""
    if args or kwargs.keys() not in ({"default"}, {"default_factory"}):
        raise UnsupportedSnippet("field is supported with default= or default_factory= alone", node.lineno)
    return kwargs["default"] if "default" in kwargs else FieldFactory(kwargs["default_factory"])


def _decorator(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    raise UnsupportedSnippet("dataclass is supported as a decorator only", node.lineno)


def _causal_mask(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """``nn.Transformer.generate_square_subsequent_mask(size)``: the two operations that it is."""
    size = args[0] if args else kwargs.get("sz")
    rest = {key: value for key, value in kwargs.items() if key == "dtype"}
    if len(args) > 1 or kwargs.keys() - {"sz", "dtype", "device"} or not isinstance(size, int):
        raise UnsupportedSnippet("generate_square_subsequent_mask is supported with a size", node.lineno)
    full = interpreter.recorder.call("torch.full", ((size, size), float("-inf")), rest, span_of(node))
    return interpreter.recorder.call("torch.triu", (full,), {"diagonal": 1}, span_of(node))


def _number_limits(name: str, args: list[Any], node: ast.Call) -> NumberLimits:
    dtype = args[0] if args else torch.get_default_dtype()
    inexact = isinstance(dtype, torch.dtype) and (dtype.is_floating_point or dtype.is_complex)
    if not isinstance(dtype, torch.dtype) or inexact != (name == "finfo") or dtype is torch.bool:
        reason = f"{name} does not take {kind(dtype) if not isinstance(dtype, torch.dtype) else dtype_name(dtype)}"
        raise ProgramError(name, (), reason, span_of(node))
    return NumberLimits(dtype)


def _legacy(dtype: torch.dtype) -> Callable[[Interpreter, list[Any], dict[str, Any], ast.Call], Any]:
    """``torch.Tensor(2, 3)`` and its kin: ``torch.empty`` of sizes, ``torch.tensor`` of a list."""

    def make(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        call, span = interpreter.recorder.call, span_of(node)
        given = {} if dtype is torch.float32 else {"dtype": dtype}
        if kwargs or (len(args) > 1 and not all(type(size) is int for size in args)):
            raise UnsupportedSnippet("a class of tensors is supported with sizes or with a list", node.lineno)
        if len(args) == 1 and isinstance(args[0], (list, tuple)):
            if traced_in(args):
                raise UnsupportedSnippet(
                    "a tensor made of tensors' values is not supported; use torch.stack", span.line
                )
            return call("torch.tensor", (list(args[0]),), {"dtype": dtype}, span)
        if len(args) == 1 and type(args[0]) is not int:
            raise UnsupportedSnippet(f"a tensor made of {kind(args[0])} is not supported", node.lineno)
        return call("torch.empty", (tuple(args or (0,)),), given, span)

    return make


def _partial(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Partial:
    """``functools.partial(function, ...)``."""
    if not args or isinstance(args[0], (*PLAIN, Traced)):
        what = kind(args[0]) if args else "nothing"
        raise interpreter.recorder.failure("partial", args, f"expected a function first, got {what}", span_of(node))
    return Partial(args[0], tuple(args[1:]), kwargs)


def _is_iterable(value: Any) -> bool:
    value = as_torch(value)
    return isinstance(value, Traced) or (isinstance(value, Module) and value.children is not None)


def _on_tensor(interpreter: Interpreter, name: str, owner: Traced, node: ast.Call) -> Any:
    if name == "len":
        shape = interpreter.recorder.read(owner).shape
        if not shape:
            raise ProgramError("len", (shape,), "len() of a 0-d tensor", span_of(node), (owner.node,))
        return shape[0]
    if name == "abs":
        return interpreter.recorder.call("torch.abs", (owner,), {}, span_of(node))
    raise UnsupportedSnippet(f"{name}() of a tensor depends on its values, not only on its shape", node.lineno)


def _map(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> list[Any]:
    if len(args) < 2 or kwargs:
        raise ProgramError("map()", (), "map() must have at least two arguments, and none by name", span_of(node))
    columns = [interpreter.expressions.iterate(each, node) for each in args[1:]]
    return _called(interpreter, args[0], zip(*columns, strict=False), node)


def _called(interpreter: Interpreter, function: Any, rows: Iterable[Sequence[Any]], node: ast.Call) -> list[Any]:
    results: list[Any] = []
    for row in rows:
        results.append(interpreter.call(function, list(row), {}, node))
        growing(results)
    return bounded(results)


def _filter(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> list[Any]:
    if len(args) != 2 or kwargs:
        raise ProgramError("filter()", (), "filter() takes two arguments", span_of(node))
    test, items = args[0], interpreter.expressions.iterate(args[1], node)
    kept = items if test is None else _called(interpreter, test, zip(items), node)
    return [item for item, keep in zip(items, kept, strict=True) if truth(keep, node.lineno)]


def _by_key(interpreter: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """``sorted``, ``min`` and ``max`` with ``key=``."""
    items = interpreter.expressions.iterate(args[0] if len(args) == 1 else args, node)
    keys = _called(interpreter, kwargs["key"], zip(items), node)
    if any(traced_in(keys)):
        raise UnsupportedSnippet(f"{name} of tensors depends on their values", node.lineno)
    rest = {key: value for key, value in kwargs.items() if key != "key"}
    if rest.keys() - {"reverse"} or not all(isinstance(key, PLAIN) for key in keys):
        raise UnsupportedSnippet(f"{name} with these arguments is not supported", node.lineno)
    try:
        found = _RANKING[name](range(len(items)), key=keys.__getitem__, **rest)
    except PYTHON_ERRORS as error:
        raise ProgramError(f"{name}()", (), python_reason(error), span_of(node)) from error
    return items[found] if isinstance(found, int) else [items[index] for index in found]


def _sum(interpreter: Interpreter, args: list[Any], node: ast.Call) -> Any:
    total: Any = args[1] if len(args) > 1 else 0
    for item in interpreter.expressions.iterate(args[0], node):
        total = binary(interpreter.recorder, "add", total, item, span_of(node))
    return total


def _is_instance(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> bool:
    value, wanted = args if len(args) == 2 else (None, None)
    if isinstance(wanted, tuple) and wanted:
        return any([_is_instance(interpreter, [value, one], kwargs, node) for one in wanted])
    if isinstance(wanted, Namespace) and wanted.prefix == "Tensor":
        return isinstance(value, Traced)
    if isinstance(wanted, Builtin) and wanted.name in _KINDS:
        return isinstance(value, _KINDS[wanted.name])
    if isinstance(wanted, UserClass):
        return isinstance(value, Instance) and value.made_by.derives_from(wanted)
    if wanted == ModuleClass("nn.Module"):
        return is_module(value)
    if isinstance(wanted, ModuleClass):
        classes = {**MODULES, **CONTAINERS}
        value = as_torch(value)
        return isinstance(value, Module) and issubclass(classes[value.spec.name], classes[wanted.name])
    names = ", ".join(_KINDS)
    raise UnsupportedSnippet(
        f"isinstance is supported with torch.Tensor, modules, {names} and tuples of them", node.lineno
    )


_OWN: dict[str, Callable[[Interpreter, list[Any], dict[str, Any], ast.Call], Any]] = {
    "torch.Size": _size,
    "torch.Tensor": _legacy(torch.float32),
    "torch.FloatTensor": _legacy(torch.float32),
    "torch.DoubleTensor": _legacy(torch.float64),
    "torch.LongTensor": _legacy(torch.int64),
    "torch.IntTensor": _legacy(torch.int32),
    "torch.cuda.is_available": lambda *_: False,  # shapes do not depend on it
    "torch.device": _device,
    "torch.nn.Parameter": _parameter,
    "torch.finfo": lambda _, args, __, node: _number_limits("finfo", args, node),
    "torch.iinfo": lambda _, args, __, node: _number_limits("iinfo", args, node),
    "nn.Transformer.generate_square_subsequent_mask": _causal_mask,
    "dataclasses.dataclass": _decorator,
    "dataclasses.field": _field,
    "functools.partial": _partial,
    **einops_calls.CALLS,
    **reflection.CALLS,
    "print": lambda *_: None,
    "isinstance": _is_instance,
    "map": _map,
    "filter": _filter,
}
