"""Converting a module and all that it holds to a dtype or a device, and putting it into training mode or out of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from rotbot.shapes.checks import check_device
from rotbot.shapes.recorder import Recorder
from rotbot.shapes.rejected import dtype_name
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Instance, Module, Traced

CONVERSIONS: dict[str, torch.dtype | None] = {
    "to": None, "float": torch.float32, "double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16,
}  # fmt: skip
"""Methods of a module that convert its parameters, and the dtype where the name says it."""


def convert(
    recorder: Recorder, module: Any, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> None:
    """``module.half()``, ``module.to(x)`` and the like, for the module and all that it holds."""
    dtype = CONVERSIONS.get(name)
    for given in (*args, *kwargs.values()) if name == "to" else ():
        if isinstance(given, torch.dtype) and not (given.is_floating_point or given.is_complex):
            reason = f"a module can be converted to floating-point and complex dtypes only, got {dtype_name(given)}"
            raise recorder.failure("to", (), reason, span_of(node))
        if isinstance(given, (str, float)):
            check_device(recorder, given, node)
        given = recorder.read(given).dtype if isinstance(given, Traced) else given
        dtype = given if isinstance(given, torch.dtype) else dtype
    if dtype is not None and (dtype.is_floating_point or dtype.is_complex):
        for inner in _all_modules(module):
            if isinstance(inner, Module):
                inner.spec = replace(inner.spec, dtype=dtype)


def set_training(module: Any, training: bool) -> None:
    """Put a module and all that it holds into training mode or out of it."""
    for inner in _all_modules(module):
        if isinstance(inner, Instance):
            inner.training = training
        else:
            inner.set_training(training)


def _all_modules(module: Any) -> Iterator[Any]:
    """A module, an instance of a snippet's class, and all that they hold, each once."""
    seen: dict[int, None] = {}
    stack = [module]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = None
        if isinstance(current, Instance):
            if current.made_by.is_module:
                yield current
                stack += [*current.attributes.values(), current.inner]
        elif isinstance(current, Module):
            yield current
            children = current.children or ()
            stack += children.values() if isinstance(children, dict) else children
