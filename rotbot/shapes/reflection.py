"""``getattr``, ``hasattr``, ``setattr`` of the program's own objects, by the rules of attributes that are written out.

Of anything else they are refused: a name that is computed is looked up nowhere but in our own data.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.attributes import attribute
from rotbot.shapes.classes import read_property, set_attribute
from rotbot.shapes.members import has_attribute
from rotbot.shapes.python_values import kind
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Instance, Property

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter


def _getattr(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    owner, name = _named(interpreter, "getattr", args, kwargs, (2, 3), node)
    if len(args) == 3 and not has_attribute(owner, name):
        return args[2]
    found = attribute(interpreter.recorder, owner, name, node)
    return read_property(interpreter, found, node) if isinstance(found, Property) else found


def _hasattr(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> bool:
    owner, name = _named(interpreter, "hasattr", args, kwargs, (2,), node)
    return has_attribute(owner, name)


def _setattr(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> None:
    owner, name = _named(interpreter, "setattr", args, kwargs, (3,), node)
    set_attribute(interpreter.recorder, owner, name, args[2], span_of(node))


def _named(
    interpreter: Interpreter,
    function: str,
    args: list[Any],
    kwargs: dict[str, Any],
    counts: tuple[int, ...],
    node: ast.Call,
) -> tuple[Instance, str]:
    """The object and the name of its attribute, if they may be used so."""
    if len(args) not in counts or kwargs:
        reason = f"takes {' or '.join(map(str, counts))} arguments, got {len(args) + len(kwargs)}"
        raise interpreter.recorder.failure(function, args, reason, span_of(node))
    owner, name = args[:2]
    if not isinstance(owner, Instance):
        raise UnsafeSnippet(
            f"{function} of {kind(owner)} is not allowed; it is of the program's own objects", node.lineno
        )
    if not isinstance(name, str):
        reason = f"expected a string as the name of an attribute, got {kind(name)}"
        raise interpreter.recorder.failure(function, (), reason, span_of(node))
    if name.startswith("__"):
        raise UnsafeSnippet(f"attribute {name:.40} is not allowed", node.lineno)
    if not name.isidentifier():
        raise UnsupportedSnippet(f"{name!r:.40} is not the name of an attribute", node.lineno)
    return owner, name


CALLS: dict[str, Callable[[Interpreter, list[Any], dict[str, Any], ast.Call], Any]] = {
    "getattr": _getattr, "hasattr": _hasattr, "setattr": _setattr,
}  # fmt: skip
"""By the builtin's name."""
