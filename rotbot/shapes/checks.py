"""What may not reach torch as an argument."""

from __future__ import annotations

import ast
from typing import Any

import torch

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes import python_values
from rotbot.shapes.dicts import VIEWS
from rotbot.shapes.metadata import ModuleSpec
from rotbot.shapes.python_values import kind
from rotbot.shapes.recorder import Recorder
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Device, Traced

_PLAIN_KINDS = frozenset((*python_values.PLAIN, torch.dtype, torch.memory_format, torch.layout, ModuleSpec)) - {
    tuple, list, dict
}  # fmt: skip


def check_device(device: Any, node: ast.Call) -> None:
    """Raise :class:`UnsupportedSnippet` for what cannot be a device."""
    if not (device is None or isinstance(device, (Device, str, int))):
        raise UnsupportedSnippet(f"a device given as {kind(device)} is not supported", node.lineno)


def refuse_foreign(recorder: Recorder, value: Any, name: str, node: ast.Call) -> None:
    """Only tensors and plain values may reach torch: no functions, modules or classes. Dicts are nowhere expected."""
    kind_of = value.__class__
    if kind_of is Traced or kind_of in _PLAIN_KINDS:
        return
    if isinstance(value, (tuple, list)):
        for item in value:
            if item.__class__ is not Traced:
                refuse_foreign(recorder, item, name, node)
    elif isinstance(value, (dict, *VIEWS)):
        held = value if isinstance(value, dict) else list(value)
        reason = f"expected tensors and plain values, got {kind(value)}"
        raise recorder.failure(name.removeprefix("nn."), held, reason, span_of(node))
    else:
        raise UnsupportedSnippet(f"{name}: {kind(value)} as an argument is not supported", node.lineno)
