"""Traces and errors as JSON, and back exactly: what crosses the border of the tracing worker.

Not pickle: what comes back from a process that handled foreign code is only ever read as plain data. Tuples, slices and
the other values that JSON cannot tell apart are objects with one tagged key (``{"t": [2, 3]}`` is the tuple (2, 3)).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any

from rotbot.errors import (
    InputError,
    LimitExceeded,
    RotbotError,
    SnippetError,
    SnippetSyntaxError,
    UnsafeSnippet,
    UnsupportedSnippet,
)
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.trace import Binding, Named, Node, Part, Promise, Ref, Shape, ShapeTrace, Span, Step, StepError

_SNIPPET_ERRORS = {
    kind.__name__: kind for kind in (SnippetError, SnippetSyntaxError, UnsafeSnippet, UnsupportedSnippet, LimitExceeded)
}


# --- values ----------------------------------------------------------------------------------------------------------


def encode_value(value: Any) -> Any:
    """A node argument as JSON-able data. Raises :class:`RotbotError` for a type that no trace should hold."""
    if value is None or value is True or value is False or type(value) in (int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    if type(value) is list:
        return [encode_value(v) for v in value]
    if type(value) is tuple:
        return {"t": [encode_value(v) for v in value]}
    if type(value) is Ref:
        return {"r": [value.node, value.path]}
    if type(value) is Named:
        return {"n": value.name}
    if type(value) is Part:
        return {"p": [value.target, *map(encode_value, (value.args, value.kwargs, value.dtype))]}
    if type(value) is slice:
        return {"s": [encode_value(v) for v in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"e": None}
    if type(value) is complex:
        return {"c": [encode_value(value.real), encode_value(value.imag)]}
    raise RotbotError(f"internal error: a trace cannot hold a value of type {type(value).__name__}")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "f": float,
    "t": lambda body: tuple([decode_value(v) for v in body]),
    "r": lambda body: Ref(body[0], tuple(body[1])),
    "n": Named,
    "p": lambda body: Part(body[0], *map(decode_value, body[1:])),
    "s": lambda body: slice(*[decode_value(v) for v in body]),
    "e": lambda _: Ellipsis,
    "c": lambda body: complex(*[decode_value(v) for v in body]),
}


def decode_value(data: Any) -> Any:
    """The way back from :func:`encode_value`."""
    if type(data) is list:
        return [decode_value(v) for v in data]
    if type(data) is dict:
        ((tag, body),) = data.items()
        return _DECODERS[tag](body)
    return data


# --- traces ----------------------------------------------------------------------------------------------------------


def _shapes(data: list[list[int | str]]) -> tuple[Shape, ...]:
    return tuple([tuple(shape) for shape in data])


def _encode_span(span: Span | None) -> list[int] | None:
    return None if span is None else [span.line, span.column, span.end_line, span.end_column]


def _decode_span(data: list[int] | None) -> Span | None:
    return None if data is None else Span(*data)


def _encode_kwargs(kwargs: tuple[tuple[str, Any], ...]) -> list[list[Any]]:
    return [[key, encode_value(value)] for key, value in kwargs]


def _decode_kwargs(data: list[list[Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple([(key, decode_value(value)) for key, value in data])


def _encode_step(step: Step) -> list[Any]:
    return [step.op, step.inputs, step.outputs, step.work, step.reason, _encode_span(step.span), step.name, step.node]


def _decode_step(data: list[Any]) -> Step:
    op, inputs, outputs, work, reason, span, name, node = data
    return Step(op, _shapes(inputs), _shapes(outputs), tuple(work), reason, _decode_span(span), name, node)


def _encode_node(node: Node) -> list[Any]:
    module = None
    if node.module is not None:
        own_args, own_kwargs, dtype = node.module
        module = [encode_value(own_args), _encode_kwargs(own_kwargs), encode_value(dtype)]
    args, kwargs, span = encode_value(node.args), _encode_kwargs(node.kwargs), _encode_span(node.span)
    results = [node.shapes, node.dtypes, node.paths]
    return [node.kind, node.target, args, kwargs, *results, span, node.name, module, node.reads]


def _decode_node(data: list[Any]) -> Node:
    kind, target, args, kwargs, shapes, dtypes, paths, span, name, module, reads = data
    if module is not None:
        module = decode_value(module[0]), _decode_kwargs(module[1]), decode_value(module[2])
    return Node(
        kind, target, decode_value(args), _decode_kwargs(kwargs), _shapes(shapes), tuple(dtypes),
        tuple([tuple(path) for path in paths]), _decode_span(span), name,
        module, tuple(reads),
    )  # fmt: skip


def encode_trace(trace: ShapeTrace) -> dict[str, Any]:
    """A trace as JSON-able data."""
    error = trace.error
    return {
        "steps": [_encode_step(step) for step in trace.steps],
        "final": encode_value(trace.final),
        "error": None if error is None else [error.step, error.reason, error.line],
        "malformed": trace.malformed,
        "nodes": [_encode_node(node) for node in trace.nodes],
        "bindings": [[b.name, b.since, encode_value(b.ref)] for b in trace.bindings],
        "target": trace.target,
        "promise": None if trace.promise is None else astuple(trace.promise),
    }


def decode_trace(data: Mapping[str, Any]) -> ShapeTrace:
    """The way back from :func:`encode_trace`."""
    return ShapeTrace(
        tuple([_decode_step(step) for step in data["steps"]]),
        decode_value(data["final"]),
        None if data["error"] is None else StepError(*data["error"]),
        tuple([(number, line) for number, line in data["malformed"]]),
        tuple([_decode_node(node) for node in data["nodes"]]),
        data["target"],
        bindings=tuple([Binding(name, since, decode_value(ref)) for name, since, ref in data["bindings"]]),
        promise=_decode_promise(data["promise"]),
    )


def _decode_promise(data: list[Any] | None) -> Promise | None:
    return None if data is None else Promise(tuple(data[0]), tuple(data[1]), data[2])


# --- requests, errors, bytes -----------------------------------------------------------------------------------------


def encode_request(code: str, specs: Mapping[str, ArgSpec], target: str | None) -> dict[str, Any]:
    """What the worker is asked, as JSON-able data."""
    return {"code": code, "specs": [[name, spec.shape, spec.dtype] for name, spec in specs.items()], "target": target}


def decode_request(data: Mapping[str, Any]) -> tuple[str, dict[str, ArgSpec], str | None]:
    """The way back from :func:`encode_request`."""
    specs = {name: ArgSpec(tuple(shape), dtype) for name, shape, dtype in data["specs"]}
    return data["code"], specs, data["target"]


def encode_error(error: RotbotError) -> list[Any]:
    """One of rotbot's errors as class name, message and line."""
    if isinstance(error, SnippetError):
        return [type(error).__name__, error.message, error.line]
    return ["InputError" if isinstance(error, InputError) else "RotbotError", str(error), None]


def decode_error(data: list[Any]) -> RotbotError:
    """The way back from :func:`encode_error`: the exception, not raised."""
    name, message, line = data
    if name in _SNIPPET_ERRORS:
        return _SNIPPET_ERRORS[name](message, line)
    return InputError(message) if name == "InputError" else RotbotError(message)


def to_bytes(data: Any) -> bytes:
    """JSON text. Lone surrogates in foreign code survive, which UTF-8 alone would refuse."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")


def from_bytes(raw: bytes) -> Any:
    """The way back from :func:`to_bytes`. Raises ValueError for bytes that are not JSON."""
    return json.loads(raw.decode("utf-8", "surrogatepass"))
