"""What a module holds: ``parameters()``, ``modules()`` and their kin, of torch's modules and of the program's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from rotbot.shapes.members import is_module
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.recorder import Recorder
from rotbot.shapes.running import kept_module
from rotbot.shapes.trace import Span
from rotbot.shapes.values import Instance, Module, Partial, Traced, as_torch

Named = Iterator[tuple[str, Any]]


def listing(recorder: Recorder, owner: Module | Instance, name: str, span: Span) -> list[Any]:
    """What the method ``name`` yields, one of :data:`rotbot.shapes.classes.LISTINGS`, as a list. A module within one of
    torch's, like the projection of ``nn.MultiheadAttention``, is none that a program made: only its parameters are
    listed."""
    if name.endswith("parameters"):
        found = _unique(_parameters(recorder, owner, "", span))
    elif name.endswith("modules"):
        found = list(_modules(owner, ""))
    else:
        found = _unique(_children(owner))
    return found if name.startswith("named_") else [value for _, value in found]


def _unique(pairs: Named) -> list[tuple[str, Any]]:
    seen: dict[int, tuple[str, Any]] = {}
    for name, value in pairs:
        seen.setdefault(id(value), (name, value))
    return list(seen.values())


def _children(owner: Module | Instance | Partial) -> Named:
    if isinstance(owner, Partial):
        return
    if isinstance(owner, Instance):
        if owner.inner is not None:
            yield from _children(owner.inner)
        yield from [(name, value) for name, value in owner.attributes.items() if is_module(value)]
    elif isinstance(owner.children, dict):
        yield from owner.children.items()
    elif owner.children is not None:
        yield from zip(owner.names or map(str, range(len(owner.children))), owner.children, strict=True)


def _modules(owner: Module | Instance, prefix: str) -> Named:
    """The module and all in it, each once, in the order of ``nn.Module.named_modules``."""
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [(prefix, owner)]
    while stack:
        path, module = stack.pop()
        if id(module) not in seen:
            seen.add(id(module))
            yield path, module
            stack += [(f"{path}.{name}" if path else name, child) for name, child in _children(module)][::-1]


def _parameters(recorder: Recorder, owner: Module | Instance, prefix: str, span: Span) -> Named:
    for path, module in _modules(owner, prefix):
        before = f"{path}." if path else ""
        held = as_torch(module)
        if isinstance(held, Module) and held.children is None:
            for name, real in kept_module(held.spec, "meta").named_parameters():
                found = parameter(recorder, held, name, real, span)
                if found is not None:
                    yield before + name, found
        if isinstance(module, Instance):
            own = module.attributes.items()
            yield from [(before + name, v) for name, v in own if isinstance(v, Traced) and v.parameter]


def parameter(
    recorder: Recorder, owner: Module, name: str, real: torch.Tensor | None, span: Span, is_buffer: bool = False
) -> Traced | None:
    """The parameter or buffer ``name`` of one of torch's modules, of which ``real`` is the one on the meta device."""
    key = (name, owner.spec.dtype)
    if key not in owner.parameters:
        if real is None:
            return None
        meta = TensorMeta(tuple(real.shape), real.stride(), real.dtype)
        made = owner.parameters[key] = recorder.parameter(owner.spec, name, meta, span, is_buffer)
        made.trainable = owner.trainable and made.parameter
    return owner.parameters[key]


def set_trainable(owner: Module | Instance, trainable: bool) -> None:
    """``requires_grad_`` of a module: for the parameters of all that it holds."""
    for _, module in _modules(owner, ""):
        held = as_torch(module)
        if isinstance(held, Module):
            held.trainable = trainable
        own: dict[Any, Any] = {}
        if not isinstance(module, Partial):
            own = module.parameters if isinstance(module, Module) else module.attributes
        for value in own.values():
            if isinstance(value, Traced) and value.parameter:
                value.trainable = trainable
