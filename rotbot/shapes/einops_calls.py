"""``einops.rearrange``, ``reduce``, ``repeat``, ``einsum``, ``parse_shape``: the torch operations they are made of."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes.einops_patterns import REDUCTIONS, PatternError, Plan, letters, named_sizes, plan
from rotbot.shapes.python_values import kind
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Builtin, Partial, Traced
from rotbot.shapes.walks import traced_in

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_PARAMETERS = {
    "rearrange": ("tensor", "pattern"), "repeat": ("tensor", "pattern"), "reduce": ("tensor", "pattern", "reduction"),
    "parse_shape": ("x", "pattern"),
}  # fmt: skip


def _transform(name: str) -> Callable[..., Any]:
    def run(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        value, pattern, *reduction = _bound(interpreter, name, args, kwargs, node)
        given = {key: size for key, size in kwargs.items() if key not in _PARAMETERS[name]}
        if isinstance(value, (list, tuple)) and value and all(isinstance(each, Traced) for each in value):
            value = interpreter.recorder.call("torch.stack", ([*value],), {}, span_of(node))
        tensor = _checked(interpreter, name, value, pattern, node)
        for key, size in given.items():
            if type(size) is not int or size < 0:
                got = kind(size) if isinstance(size, Traced) else repr(size)[:40]
                reason = f"expected a number as the size of {key}, got {got}"
                raise _failure(interpreter, name, pattern, tensor, reason, node)
        if reduction and reduction[0] not in REDUCTIONS:
            if isinstance(reduction[0], str):
                reason = f"expected one of {', '.join(REDUCTIONS)}, got {reduction[0]!r:.40}"
                raise _failure(interpreter, name, pattern, tensor, reason, node)
            raise UnsupportedSnippet("reduce is supported with the name of a reduction", node.lineno)
        try:
            steps = plan(name, pattern, tensor.meta.shape, given)
        except PatternError as error:
            raise _failure(interpreter, name, pattern, tensor, str(error), node) from error
        return _carried_out(interpreter, tensor, steps, reduction[0] if reduction else "", node)

    return run


def _carried_out(interpreter: Interpreter, tensor: Traced, steps: Plan, reduction: str, node: ast.Call) -> Traced:
    """The torch operations of einops' own backend, in its order."""

    def method(name: str, *args: Any, **kwargs: Any) -> None:
        nonlocal tensor
        tensor = interpreter.recorder.call(f"Tensor.{name}", (tensor, *args), kwargs, span_of(node), "call_method")

    if steps.split is not None:
        method("reshape", *steps.split)
    if steps.order is not None:
        method("permute", *steps.order)
    if steps.reduced and reduction in ("prod", "any", "all"):  # torch reduces one dimension at a time with these
        for dim in reversed(steps.reduced):
            method(reduction, dim=dim)
    elif steps.reduced:
        method({"min": "amin", "max": "amax"}.get(reduction, reduction), dim=steps.reduced)
    if steps.added:
        sizes = [-1] * (len(tensor.meta.shape) + len(steps.added))
        for dim, size in steps.added.items():
            tensor = interpreter.recorder.call("torch.unsqueeze", (tensor, dim), {}, span_of(node))
            sizes[dim] = size
        method("expand", *sizes)
    if steps.joined is not None:
        method("reshape", *steps.joined)
    return tensor


def _bound(
    interpreter: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> tuple[Any, ...]:
    parameters = _PARAMETERS[name]
    found = dict(zip(parameters, args, strict=False))
    twice = [key for key in kwargs if key in found]
    found.update({key: value for key, value in kwargs.items() if key in parameters})
    missing = [parameter for parameter in parameters if parameter not in found]
    if twice or missing or len(args) > len(parameters):
        what = f"{twice[0]} is given twice" if twice else f"missing argument {missing[0]!r}" if missing else ""
        reason = what or f"takes {len(parameters)} arguments, got {len(args)}"
        raise interpreter.recorder.failure(name, args, reason, span_of(node))
    return tuple([found[parameter] for parameter in parameters])


def _checked(interpreter: Interpreter, name: str, tensor: Any, pattern: Any, node: ast.Call) -> Traced:
    """The tensor, if it is one and the pattern a text."""
    for value, wanted, what in ((tensor, Traced, "a tensor"), (pattern, str, "a pattern")):
        if not isinstance(value, wanted):
            reason = f"expected {what}, got {kind(value)}"
            raise interpreter.recorder.failure(name, (tensor, pattern), reason, span_of(node))
    return tensor


def _failure(
    interpreter: Interpreter, name: str, pattern: str, tensor: Traced, reason: str, node: ast.Call
) -> Exception:
    return interpreter.recorder.failure(f"{name}({pattern!r})", tensor, reason, span_of(node))


def _einsum(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """``einops.einsum(x, y, 'b i, b j -> b i j')``."""
    if len(args) < 2 or kwargs or not isinstance(args[-1], str):
        raise interpreter.recorder.failure("einsum", args, "expected tensors, then a pattern", span_of(node))
    try:
        pattern = letters(args[-1])
    except PatternError as error:
        raise interpreter.recorder.failure(f"einsum({args[-1]!r})", args, str(error), span_of(node)) from error
    return interpreter.recorder.call("torch.einsum", (pattern, *args[:-1]), {}, span_of(node))


def _parse_shape(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> dict[str, int]:
    value, pattern = _bound(interpreter, "parse_shape", args, kwargs, node)
    tensor = _checked(interpreter, "parse_shape", value, pattern, node)
    try:
        return named_sizes(pattern, interpreter.recorder.read(tensor).shape)
    except PatternError as error:
        raise _failure(interpreter, "parse_shape", pattern, tensor, str(error), node) from error


def _layer(name: str) -> Callable[..., Partial]:
    """``einops.layers.torch.Rearrange('b c h w -> b (c h w)')``: a module that makes the call."""

    def make(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Partial:
        parameters = _PARAMETERS[name][1:]
        if len(args) > len(parameters) or traced_in((args, kwargs)):
            reason = f"expected {' and '.join(parameters)}, then sizes by name"
            raise interpreter.recorder.failure(name.capitalize(), args, reason, span_of(node))
        given = {**dict(zip(parameters, args, strict=False)), **kwargs}
        return Partial(Builtin(f"einops.{name}"), (), given, is_module=True)

    return make


CALLS: dict[str, Callable[[Interpreter, list[Any], dict[str, Any], ast.Call], Any]] = {
    **{f"einops.{name}": _transform(name) for name in ("rearrange", "reduce", "repeat")},
    "einops.einsum": _einsum,
    "einops.parse_shape": _parse_shape,
    "einops.layers.torch.Rearrange": _layer("rearrange"),
    "einops.layers.torch.Reduce": _layer("reduce"),
}
"""By the name of what is called."""
