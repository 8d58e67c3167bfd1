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
from rotbot.shapes.rejected import dtype_name
from rotbot.shapes.source import span_of
from rotbot.shapes.values import Device, Traced

_DEVICES = frozenset("cpu cuda mps xpu meta hpu xla ipu mtia privateuseone".split())
_PLAIN_KINDS = frozenset((*python_values.PLAIN, torch.dtype, torch.memory_format, torch.layout, ModuleSpec)) - {
    tuple, list, dict
}  # fmt: skip


def check_device(recorder: Recorder, device: Any, node: ast.Call) -> None:
    """Raise :class:`UnsupportedSnippet` for what cannot be a device, and the program's error for an unknown name."""
    if not (device is None or isinstance(device, (Device, str, int))):
        raise UnsupportedSnippet(f"a device given as {kind(device)} is not supported", node.lineno)
    if isinstance(device, str) and device.partition(":")[0] not in _DEVICES:
        raise recorder.failure("device", (), f"unknown device {device!r:.40}", span_of(node))


def check_gradient(recorder: Recorder, name: str, tensor: Traced, node: ast.Call) -> None:
    """Raise the program's error for a tensor that cannot require gradients."""
    dtype = tensor.meta.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        reason = f"only floating-point and complex tensors can require gradients, got {dtype_name(dtype)}"
        raise recorder.failure(name, tensor, reason, span_of(node))


def foreign_in(value: Any) -> Any:
    """The first thing in nested tuples and lists that may not reach torch: functions, modules, classes, and dicts,
    which are nowhere expected; None where all are tensors and plain values."""
    kind_of = value.__class__
    if kind_of is Traced or kind_of in _PLAIN_KINDS:
        return None
    if not isinstance(value, (tuple, list)):
        return value
    for item in value:
        kind_of = item.__class__
        if kind_of is not Traced and kind_of not in _PLAIN_KINDS and (found := foreign_in(item)) is not None:
            return found
    return None


def refuse_foreign(recorder: Recorder, value: Any, name: str, node: ast.Call) -> None:
    """Raise :class:`UnsupportedSnippet` for arguments that may not reach torch, and the program's error for dicts."""
    found = foreign_in(value)
    if isinstance(found, (dict, *VIEWS)):
        held = found if isinstance(found, dict) else list(found)
        reason = f"expected tensors and plain values, got {kind(found)}"
        raise recorder.failure(name.removeprefix("nn."), held, reason, span_of(node))
    if found is not None:
        raise UnsupportedSnippet(f"{name}: {kind(found)} as an argument is not supported", node.lineno)
