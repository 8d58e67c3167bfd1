"""Binding what a statement assigns: names, items, attributes, and tuples of them; and deleting items."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from rotbot.errors import SnippetSyntaxError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.checks import foreign_in
from rotbot.shapes.classes import set_attribute
from rotbot.shapes.modules import set_item, set_parameter
from rotbot.shapes.python_values import PYTHON_ERRORS, grown, kind, python_reason
from rotbot.shapes.rejected import count
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Module, Traced, as_torch

if TYPE_CHECKING:
    from rotbot.shapes.expressions import Expressions


def assign(scope: Expressions, target: ast.expr, value: Any) -> None:
    """Bind a target: a name, a tuple of targets with at most one starred, an item, an attribute of an instance."""
    if isinstance(target, ast.Name):
        bind(scope, target.id, value, target)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(scope, target, value)
    elif isinstance(target, ast.Subscript):
        _assign_item(scope, target, value)
    elif isinstance(target, ast.Starred):
        raise SnippetSyntaxError("not Python: starred assignment target must be in a list or tuple", target.lineno)
    else:
        assert isinstance(target, ast.Attribute), "what else Python's grammar lets an assignment bind"
        owner = scope.value(target.value)
        if isinstance(owner, Module):
            set_parameter(scope.recorder, owner, target.attr, value, span_of(target))
        else:
            set_attribute(scope.recorder, owner, target.attr, value, span_of(target))


def bind(scope: Expressions, name: str, value: Any, node: ast.expr) -> None:
    """Bind a name in the current scope."""
    if name.startswith("__"):
        raise UnsafeSnippet(f"the name {name} is not allowed", node.lineno)
    recorder = scope.recorder
    scope.scope.values[name] = value
    if scope.scope.parent is None:
        recorder.bound(name, value)
    if recorder.reads:
        scope.scope.reads[name] = tuple(recorder.reads)
    else:
        scope.scope.reads.pop(name, None)


def _unpack(scope: Expressions, target: ast.Tuple | ast.List, value: Any) -> None:
    span = span_of(target)
    items = scope.iterate(value, target)
    starred = [i for i, element in enumerate(target.elts) if isinstance(element, ast.Starred)]
    if len(starred) > 1:
        raise SnippetSyntaxError("not Python: multiple starred expressions in assignment", target.lineno)
    wanted = len(target.elts)
    if (len(items) < wanted - 1) if starred else (len(items) != wanted):
        at_least = "at least " if starred else ""
        names = f"{at_least}{count(wanted - bool(starred), 'name')}"
        reason = f"cannot unpack {count(len(items), 'value')} into {names}"
        raise scope.recorder.failure(f"unpack into {wanted} names", items, reason, span)
    if starred:
        at = starred[0]
        after = wanted - at - 1
        items[at : len(items) - after] = [items[at : len(items) - after]]
    for element, item in zip(target.elts, items, strict=True):
        assign(scope, element.value if isinstance(element, ast.Starred) else element, item)


def _assign_item(scope: Expressions, target: ast.Subscript, value: Any) -> None:
    owner, index, reads = _item(scope, target)
    recorder = scope.recorder
    if isinstance(owner, Traced):
        if (found := foreign_in(value)) is not None:
            reason = f"expected a tensor or a number, got {kind(found)}"
            raise recorder.failure("setitem", (owner, value), reason, span_of(target))
        recorder.setitem(owner, index, value, span_of(target))
        return
    owner = as_torch(owner)
    if isinstance(owner, Module) and owner.children is not None:
        set_item(owner, index, value, target)
        recorder.changed(owner)
        return
    if isinstance(owner, dict):
        owner[scope.key(index, target.slice)] = value
    elif isinstance(owner, list) and not isinstance(index, Traced):
        try:
            owner[index] = scope.iterate(value, target) if isinstance(index, slice) else value
        except PYTHON_ERRORS as error:
            raise recorder.failure("index", owner, python_reason(error), span_of(target)) from error
    else:
        raise UnsupportedSnippet(f"assigning to an item of {kind(owner)} is not supported", target.lineno)
    grown(owner, *(value if isinstance(index, slice) and isinstance(value, (list, tuple)) else [value]))
    recorder.changed(owner, value, reads)


def delete_item(scope: Expressions, target: ast.Subscript) -> None:
    """``del owner[index]`` of a list, a dict, or a container of modules."""
    owner, index, reads = _item(scope, target)
    recorder = scope.recorder
    holder = owner.children if isinstance(owner, Module) and not getattr(owner, "names", ()) else owner
    if not isinstance(holder, (list, dict)) or isinstance(index, Traced):
        raise UnsupportedSnippet(f"del of an item of {kind(owner)} is not supported", target.lineno)
    try:
        del holder[scope.key(index, target.slice) if isinstance(holder, dict) else index]
    except PYTHON_ERRORS as error:
        raise recorder.failure("index", holder, python_reason(error), span_of(target)) from error
    recorder.changed(owner, (), reads)


def _item(scope: Expressions, target: ast.Subscript) -> tuple[Any, Any, tuple[int, ...]]:
    """The owner and the index of an item, and the nodes whose shapes the index was computed from."""
    owner, recorder = scope.value(target.value), scope.recorder
    before, recorder.reads = recorder.reads, {}
    index = scope.value(target.slice)
    reads = tuple(recorder.reads)
    recorder.reads = {**before, **recorder.reads}
    return owner, index, reads
