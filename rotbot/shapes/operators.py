"""Operators of a snippet: on tensors an operation that is recorded, on plain values what Python does."""

from __future__ import annotations

import ast
from typing import Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes import python_values
from rotbot.shapes.checks import foreign_in
from rotbot.shapes.dicts import VIEWS
from rotbot.shapes.python_values import PYTHON_ERRORS, kind, python_reason
from rotbot.shapes.recorder import Recorder
from rotbot.shapes.rejected import OPERATOR_NAMES
from rotbot.shapes.trace import Span
from rotbot.shapes.values import Module, Traced, as_torch
from rotbot.shapes.walks import traced_in

BINARY_NAMES: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitAnd: "and_",
    ast.BitOr: "or_", ast.BitXor: "xor",
}  # fmt: skip
_UNARY_NAMES: dict[type[ast.unaryop], str] = {
    ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Not: "not_",
}  # fmt: skip
_COMPARE_NAMES: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def binary(recorder: Recorder, name: str, left: Any, right: Any, span: Span) -> Any:
    """A binary operator by its name in :data:`BINARY_NAMES`."""
    if left.__class__ is Traced or right.__class__ is Traced:
        if name == "mod" and isinstance(left, str):
            raise UnsupportedSnippet("string formatting is not supported", span.line)
        refuse(recorder, name, (left, right), span)
        return recorder.call(f"operator.{name}", (left, right), {}, span)
    try:
        return python_values.binary(name, left, right)
    except PYTHON_ERRORS as error:
        raise recorder.failure(name, (left, right), python_reason(error), span) from error


def refuse(recorder: Recorder, name: str, operands: tuple[Any, ...], span: Span) -> None:
    """Raise the program's error where an operand is a function, module, class or dict: they have no operators."""
    found = foreign_in(operands)
    if found is not None:
        text = OPERATOR_NAMES.get(name, name)
        raise recorder.failure(text, operands, f"the operator is not defined for {kind(found)}", span)


def unary(recorder: Recorder, op: ast.unaryop, operand: Any, span: Span) -> Any:
    """A unary operator."""
    name = _UNARY_NAMES[op.__class__]
    if name == "not_":
        return not truth(operand, span.line)
    if operand.__class__ is Traced:
        return recorder.call(f"operator.{name}", (operand,), {}, span)
    refuse(recorder, name, (operand,), span)
    try:
        return python_values.UNARY[name](operand)
    except PYTHON_ERRORS as error:
        raise recorder.failure(name, operand, python_reason(error), span) from error


def compare(recorder: Recorder, op: ast.cmpop, left: Any, right: Any, span: Span) -> Any:
    """One comparison: identity, membership, order or equality."""
    if isinstance(op, (ast.Is, ast.IsNot)):
        same = left is right
        return same if isinstance(op, ast.Is) else not same
    name = _COMPARE_NAMES.get(op.__class__)
    if name is not None and (left.__class__ is Traced or right.__class__ is Traced):
        if foreign_in((left, right)) is not None and name in ("eq", "ne"):
            return name == "ne"  # Python falls back to identity
        refuse(recorder, name, (left, right), span)
        if left.__class__ is not Traced:  # as Python does: 1 < x asks x whether it is > 1
            left, right, name = right, left, _MIRRORED.get(name, name)
        return recorder.call(f"operator.{name}", (left, right), {}, span)
    if isinstance(op, (ast.In, ast.NotIn)):
        right = as_torch(right)
        right = right.children if isinstance(right, Module) and right.children is not None else right
        right = list(right) if isinstance(right, (dict, *VIEWS)) else right  # of a dict its keys
    if any(traced_in((left, right))):
        raise UnsupportedSnippet("comparing containers of tensors depends on their values", span.line)
    try:
        if name is None:
            return (left in right) is isinstance(op, ast.In)
        return python_values.COMPARE[name](left, right)
    except PYTHON_ERRORS as error:
        raise recorder.failure("compare", (left, right), python_reason(error), span) from error


def truth(value: Any, line: int) -> bool:
    """Whether a plain value is true. Raises :class:`UnsupportedSnippet` for a tensor: its truth is its value."""
    if isinstance(value, Traced):
        raise UnsupportedSnippet("a condition on a tensor depends on its values, not only on its shape", line)
    return bool(value)
