"""What a snippet's names can hold, besides plain Python numbers, strings, lists and tuples."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from rotbot.shapes.evaluate import ModuleSpec, TensorMeta


@dataclass(slots=True, eq=False)
class Traced:
    """A tensor of the program: its metadata and the node that made it. In-place operations change both."""

    meta: TensorMeta
    node: int
    path: tuple[int, ...] = ()


class FieldTuple(tuple[Any, ...]):
    """A named tuple of results; ``names`` are its fields in order."""

    names: tuple[str, ...]

    def __new__(cls, items: tuple[Any, ...], names: tuple[str, ...]) -> FieldTuple:
        made = super().__new__(cls, items)
        made.names = names
        return made


@dataclass(frozen=True, slots=True)
class Namespace:
    """A module such as ``torch.linalg``, by the prefix of its names in the allowlist."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An allowlisted torch function, by its qualified name."""

    target: str


@dataclass(frozen=True, slots=True)
class Method:
    """A bound method: of a tensor (an operation), or of a Python list."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class ModuleClass:
    """An ``nn`` class, by name."""

    name: str


@dataclass(slots=True)
class Module:
    """An ``nn`` instance. ``children`` is set for containers (``nn.Sequential``), which are called child by child."""

    spec: ModuleSpec
    children: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda defined in the snippet."""

    name: str
    arguments: ast.arguments
    body: list[ast.stmt] | ast.expr
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A Python builtin or ``math`` function, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Device:
    """Any device: shapes do not depend on it."""


@dataclass(frozen=True, slots=True)
class NoOp:
    """A call without effect on shapes: ``torch.manual_seed``, ``torch.no_grad``."""

    name: str
