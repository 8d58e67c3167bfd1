"""An operation as text, with its arguments resolved: what a step is called in the trace grammar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rotbot.shapes.metadata import ATOMS, ModuleSpec, TensorMeta
from rotbot.shapes.rejected import OPERATOR_NAMES
from rotbot.shapes.values import FieldTuple, Traced


def op_text(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> str:
    """The operation with its arguments resolved: ``view(2, 10, 8, 4)``, ``cat(dim=1)``, ``matmul``.

    Tensors are the step's inputs, so leading ones are left out; one after a literal, or given by keyword, is ``_``.
    """
    if module is not None:
        own = ", ".join([*map(literal, module.args), *[f"{key}={literal(v)}" for key, v in module.kwargs]])
        return f"{module.name.removeprefix('nn.')}({own})"
    name = target.rpartition(".")[2]
    if target == "operator.setitem":
        return f"setitem {index_text(args[1])}" + ("" if isinstance(args[2], Traced) else f" = {literal(args[2])}")
    if target.startswith("operator."):
        name = OPERATOR_NAMES.get(name, name)
    position = 0
    for arg in args:
        if arg.__class__ is not Traced and not _only_tensors(arg):
            break
        position += 1
    parts = [literal(arg) for arg in args[position:]] if position < len(args) else []
    if kwargs:
        parts += [f"{key}={literal(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)})" if parts else name


def _only_tensors(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return bool(value) and all(_only_tensors(item) for item in value)
    return value.__class__ is Traced


def literal(value: Any) -> str:
    """A literal argument as Python would write it; tensors are ``_``."""
    kind = value.__class__
    if kind in ATOMS:
        return repr(value)
    if kind is Traced or kind is TensorMeta:
        return "_"
    if kind is tuple or kind is FieldTuple:
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if kind is list:
        return f"[{', '.join(map(literal, value))}]"
    if kind is slice:
        return index_text(value)
    if kind is ModuleSpec:
        return op_text(value.name, (), {}, value)
    return repr(value)


def index_text(index: Any) -> str:
    """An index as written between brackets: ``[0, 1:3, ...]``."""

    def item(part: Any) -> str:
        if isinstance(part, slice):
            ends = ["" if end is None else literal(end) for end in (part.start, part.stop)]
            return ":".join(ends) + ("" if part.step is None else f":{literal(part.step)}")
        return "..." if part is Ellipsis else literal(part)

    parts: Iterable[Any] = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(map(item, parts))}]"


def clean(text: str) -> str:
    """Text that the trace grammar can carry: one line, no `` | ``, no `` -> ``, printable, at most 300 characters."""
    if len(text) <= 300 and text.isascii() and text.isprintable() and " | " not in text and " -> " not in text:
        return text.strip() or "?"
    text = " ".join(text[:2000].split())
    text = "".join([c if c.isprintable() else "?" for c in text]).replace(" | ", "|").replace(" -> ", "->")
    return (text if len(text) <= 300 else text[:297] + "...") or "?"
