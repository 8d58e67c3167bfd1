"""What a snippet's names can hold, besides plain Python numbers, strings, lists and tuples."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch

from rotbot.shapes.metadata import ModuleSpec, TensorMeta
from rotbot.shapes.records import record


@dataclass(slots=True, eq=False)
class Traced:
    """A tensor of the program: its metadata and the node that made it. In-place operations change both.

    ``twins`` are the values that are the same tensor by another node (``x.contiguous()`` of a contiguous ``x``), this
    one among them; None where there are no others. ``parameter`` says whether it is an ``nn.Parameter``, ``trainable``
    whether that still wants a gradient.
    """

    meta: TensorMeta
    node: int
    path: tuple[int, ...] = ()
    twins: list[Traced] | None = None
    parameter: bool = False
    trainable: bool = False

    def twin(self, node: int, path: tuple[int, ...], parameter: bool = False) -> Traced:
        """The same tensor as another node's result."""
        if self.twins is None:
            self.twins = [self]
        self.twins.append(Traced(self.meta, node, path, self.twins, parameter, parameter))
        return self.twins[-1]

    def overwrite(self, meta: TensorMeta, node: int, path: tuple[int, ...] = ()) -> None:
        """An in-place operation: the tensor is from now on what ``node`` made of it."""
        for same in self.twins or (self,):
            same.meta, same.node, same.path = meta, node, path


class FieldTuple(tuple[Any, ...]):
    """A named tuple of results; ``names`` are its fields in order."""

    names: tuple[str, ...]

    def __new__(cls, items: tuple[Any, ...], names: tuple[str, ...]) -> Self:  # noqa: D102
        made = super().__new__(cls, items)
        made.names = names
        return made


@record
class Namespace:
    """A module such as ``torch.linalg``, by the prefix of its names in the allowlist."""

    prefix: str


@record
class Operation:
    """An allowlisted torch function, by its qualified name."""

    target: str


@record
class Method:
    """A bound method: of a tensor (an operation), or of a Python list or dict."""

    owner: Any
    name: str


@record
class ModuleClass:
    """An ``nn`` class, by name."""

    name: str


@dataclass(slots=True, eq=False)
class Module:
    """An ``nn`` instance. ``children`` is set for containers: a dict of ``nn.ModuleDict``, else a list
    (``nn.Sequential``, which is called child by child, and may have been made with ``names`` for them)."""

    spec: ModuleSpec
    children: list[Any] | dict[str, Any] | None = None
    names: tuple[str, ...] = ()
    trainable: bool = True
    parameters: dict[tuple[str, Any], Any] = field(default_factory=dict[tuple[str, Any], Any])
    """Its own that the program has read or replaced, by name and the dtype that they then had."""

    def set_training(self, training: bool) -> None:
        """Set this module's own mode."""
        self.spec = replace(self.spec, training=training)


class Scope:
    """Variables, with what shapes each plain value was computed from.

    ``local`` are the names that a function's body binds somewhere: they are never looked up outside of it.
    """

    def __init__(
        self, parent: Scope | None = None, local: frozenset[str] = frozenset(), comprehension: bool = False
    ) -> None:
        self.values: dict[str, Any] = {}
        self.reads: dict[str, tuple[int, ...]] = {}
        self.parent = parent
        self.local = local
        self.comprehension = comprehension

    def find(self, name: str) -> Scope | None:
        """The innermost scope that binds ``name``."""
        scope: Scope | None = self
        while scope is not None and name not in scope.values:
            scope = None if name in scope.local else scope.parent
        return scope


@record
class Function:
    """A function or lambda defined in the snippet, in the scope it was defined in."""

    name: str
    arguments: ast.arguments
    body: list[ast.stmt] | ast.expr
    defaults: dict[str, Any]
    scope: Scope
    local: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class UserClass:
    """A class of the snippet; ``base`` is another, None for one of torch's or none. ``constants`` are its attributes
    that are no methods of instances. ``fields`` are those that it adds to a dataclass; None where it is none."""

    name: str
    base: UserClass | None
    methods: dict[str, Function]
    constants: Scope
    is_module: bool = True
    fields: tuple[str, ...] | None = None
    frozen: bool = False
    torch_base: str | None = None
    """The class of torch that it derives from, by way of ``base`` or at once, where that is not ``nn.Module``."""

    def derives_from(self, other: UserClass) -> bool:
        """Whether it is ``other``, or derives from it."""
        return self is other or (self.base is not None and self.base.derives_from(other))

    def all_fields(self) -> tuple[str, ...]:
        """The fields of a dataclass in the order of its arguments."""
        inherited = self.base.all_fields() if self.base is not None else ()
        return tuple(dict.fromkeys((*inherited, *(self.fields or ()))))


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a snippet's class. ``reads`` says what shapes each attribute was computed from.

    ``ready`` is set when ``nn.Module``'s own constructor has been called. ``inner`` is what the constructor of
    the class's ``torch_base`` made.
    """

    made_by: UserClass
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    reads: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    training: bool = True
    ready: bool = False
    inner: Module | None = None

    @property
    def kind(self) -> str:
        """What to call it in a message."""
        return "a module" if self.made_by.is_module else f"an object of the class {self.made_by.name}"


def as_torch(value: Any) -> Any:
    """Of an instance whose class derives from one of torch's, that one's module; other values as they are."""
    return value.inner if isinstance(value, Instance) and value.inner is not None else value


@dataclass(frozen=True, slots=True, eq=False)
class BoundMethod:
    """A method of an instance, and the class that defines it."""

    instance: Instance
    function: Function
    owner: UserClass


@dataclass(frozen=True, slots=True, eq=False)
class ClassMethod:
    """A ``@classmethod``, and the class it is called on."""

    function: Function
    owner: UserClass


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """A ``@property`` that ``owner`` defines, of an instance once it is read."""

    function: Function
    instance: Instance | None
    owner: UserClass


@dataclass(frozen=True, slots=True, eq=False)
class FieldFactory:
    """``dataclasses.field(default_factory=make)``."""

    make: Any


@dataclass(frozen=True, slots=True, eq=False)
class SuperName:
    """The name ``super`` in a method that ``owner`` defines."""

    instance: Instance
    owner: UserClass


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """``super()``: the instance as one of ``base``, or of ``nn.Module`` where that is None."""

    instance: Instance
    base: UserClass | None


@dataclass(frozen=True, slots=True, eq=False)
class ModuleInit:
    """``nn.Module.__init__`` of an instance."""

    instance: Instance


@record
class TorchInit:
    """``nn.Module.__init__``, of the class of torch that is named."""

    name: str


@record
class Builtin:
    """A Python builtin or ``math`` function, by name."""

    name: str


@record
class Device:
    """Any device: shapes do not depend on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """``functools.partial`` of any value that can be called; a module where einops makes one of its functions."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    is_module: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """A module of a loss that was given tensors: the function that it calls, with its settings."""

    target: str
    settings: dict[str, Any]


@record
class NoOp:
    """A call without effect on shapes: ``torch.manual_seed``, ``torch.no_grad``."""

    name: str


@record
class Training:
    """An optimizer, a scheduler, or what else trains: nothing that it does changes a shape."""

    name: str


@record
class NumberLimits:
    """``torch.finfo`` or ``torch.iinfo`` of a dtype."""

    dtype: torch.dtype


@record
class Annotation:
    """A name imported for annotations: ``Optional``. Nothing can be done with it."""

    name: str
