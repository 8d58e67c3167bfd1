"""Walks over nested arguments: to the traced tensors in them, to metadata or references in place of these."""

from __future__ import annotations

from typing import Any

import torch

from rotbot.shapes.allowlist import NAMED
from rotbot.shapes.metadata import ATOMS, ModuleSpec, TensorMeta
from rotbot.shapes.trace import Named, Part, Ref
from rotbot.shapes.values import FieldTuple, Traced


def opened(values: tuple[Any, ...], tensors: list[Traced]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Arguments with metadata for tensors, and with references for them, in one walk; adds to ``tensors``."""
    given: list[Any] = []
    refs: list[Any] = []
    for value in values:
        kind = value.__class__
        if kind is Traced:
            tensors.append(value)
            given.append(value.meta)
            refs.append(Ref(value.node, value.path))
        elif kind in ATOMS:
            given.append(value)
            refs.append(value)
        else:
            _collect(value, tensors)
            given.append(unwrap(value))
            refs.append(to_refs(value))
    return tuple(given), tuple(refs)


def unwrap(value: Any) -> Any:
    """Traced tensors to their metadata, through lists, tuples, dicts and slices."""
    kind = value.__class__
    if kind is Traced:
        return value.meta
    if kind is tuple or kind is FieldTuple:
        return tuple([item if item.__class__ in ATOMS else unwrap(item) for item in value])
    if kind is list:
        return [item if item.__class__ in ATOMS else unwrap(item) for item in value]
    if isinstance(value, dict):
        return {name: unwrap(item) for name, item in value.items()}
    if kind is slice:
        return slice(unwrap(value.start), unwrap(value.stop), unwrap(value.step))
    return value


def traced_in(value: Any) -> list[Traced]:
    """Every traced tensor in nested arguments, in order."""
    found: list[Traced] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Traced]) -> None:
    kind = value.__class__
    if kind is Traced:
        found.append(value)
    elif kind is tuple or kind is list or kind is FieldTuple:
        for item in value:
            kind = item.__class__
            if kind is Traced:
                found.append(item)
            elif kind not in ATOMS:
                _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)
    elif kind is slice:
        _collect((value.start, value.stop, value.step), found)


def to_refs(value: Any) -> Any:
    """Traced tensors to references and torch constants to names: what a :class:`Node` may hold."""
    kind = value.__class__
    if kind is Traced:
        return Ref(value.node, value.path)
    if kind in ATOMS:
        return value
    if isinstance(value, tuple):
        return tuple([item if item.__class__ in ATOMS else to_refs(item) for item in value])
    if kind is list or kind is range:
        return [to_refs(item) for item in value]
    if kind is slice:
        return slice(to_refs(value.start), to_refs(value.stop), to_refs(value.step))
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return Named(NAMED[value])
    if kind is TensorMeta:
        return ("tensor", value.shape)
    if kind is ModuleSpec:
        return Part(value.name, to_refs(value.args), to_refs(value.kwargs), to_refs(value.dtype))
    return value
