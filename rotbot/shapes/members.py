"""What objects and classes of a snippet have, by name: attributes and methods of their own, and those of torch's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch import nn

from rotbot.shapes.allowlist import CONTAINERS, MODULES
from rotbot.shapes.running import kept_module
from rotbot.shapes.values import BoundMethod, Instance, Module, Partial, Property, Scope, UserClass

OWN: frozenset[str] = frozenset(dir(nn.Module()))
"""The attributes of ``nn.Module`` itself."""


def method_of(instance: Instance, start: UserClass, name: str) -> BoundMethod | None:
    """The method ``name`` of an instance, by ``start`` or a class that this derives from."""
    owner: UserClass | None = start
    while owner is not None:
        if name in owner.methods:
            return BoundMethod(instance, owner.methods[name], owner)
        owner = owner.base
    return None


def constants_of(start: UserClass, name: str) -> Scope | None:
    """The scope that holds ``name`` among the attributes of ``start`` and the classes that it derives from."""
    owner: UserClass | None = start
    while owner is not None:
        if name in owner.constants.values:
            return owner.constants
        owner = owner.base
    return None


def has_attribute(owner: Instance, name: str) -> bool:
    """Whether ``owner.name`` is there."""
    if name in owner.attributes or method_of(owner, owner.made_by, name) is not None or is_of_torch(owner, name):
        return True
    return constants_of(owner.made_by, name) is not None or (owner.made_by.is_module and name in OWN)


def has_default(made: UserClass, field: str) -> bool:
    """Whether a field of a dataclass may be left out."""
    return constants_of(made, field) is not None


def own_names(made_by: UserClass) -> frozenset[str]:
    """The attributes that the class of torch has that ``made_by`` derives from."""
    return OWN if made_by.torch_base is None else _names_of(made_by.torch_base)


@lru_cache(maxsize=64)
def _names_of(torch_class: str) -> frozenset[str]:
    return frozenset(dir({**MODULES, **CONTAINERS}[torch_class]))


def is_of_torch(owner: Instance, name: str) -> bool:
    """Whether ``owner.name`` is what the module of torch has that its class derives from: ``weight`` of a linear layer,
    an item of a container; not what every module has."""
    inner = owner.inner
    if inner is None or name in OWN or name in owner.attributes or method_of(owner, owner.made_by, name) is not None:
        return False
    if inner.children is None:
        return name in dir(kept_module(inner.spec, "meta"))
    items = inner.children if isinstance(inner.children, dict) else inner.names
    return name in items or name in _names_of(inner.spec.name)


def is_module(value: Any) -> bool:
    """Whether it is an ``nn.Module``, of torch or of the program."""
    if isinstance(value, Partial):
        return value.is_module
    return isinstance(value, Module) or (isinstance(value, Instance) and value.made_by.is_module)


def is_property(made_by: UserClass, name: str) -> bool:
    """Whether ``name`` is a ``@property`` of the class."""
    scope = constants_of(made_by, name)
    return scope is not None and isinstance(scope.values[name], Property)
