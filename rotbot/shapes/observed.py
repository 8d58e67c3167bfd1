"""What torch made of the calls of an eager run, for the trace of the same program.

A build runs every program on real tensors and traces it, and most calls of the trace would be those of the run once
more, on tensors of the same sizes, strides and dtypes. :class:`Observing` writes them down as they happen; the trace
takes the result of a call from there if its own name and arguments for it are the same, and asks torch itself if not.
Names, order, arguments, indices and steps are thus the interpreter's own finding, whatever the run did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from rotbot.shapes.allowlist import ATTRIBUTES, FUNCTIONS
from rotbot.shapes.evaluate import asks_real_tensors, check_size
from rotbot.shapes.metadata import ATOMS, Result, TensorMeta
from rotbot.shapes.running import describe

_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "matmul": "matmul", "neg": "neg", "remainder": "mod",
    "__getitem__": "getitem", "__floordiv__": "floordiv", "__invert__": "invert", "__and__": "and_", "__or__": "or_",
    "__xor__": "xor", "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
}  # fmt: skip
"""What an operator is for torch, and what it is in a trace."""


def _targets() -> dict[Any, tuple[str, ...]]:
    """The names that the functions torch reports have in a trace: one may stand for a method and an operator."""
    named = [(function, name) for name, function in FUNCTIONS.items()]
    named += [(getattr(torch.Tensor, name), f"operator.{operator}") for name, operator in _OPERATORS.items()]
    named += [(getattr(torch.Tensor, name).__get__, f"Tensor.{name}") for name in ATTRIBUTES]
    found: dict[Any, tuple[str, ...]] = {}
    for function, name in named:
        found[function] = (*found.get(function, ()), name)
    return found


_TARGETS = _targets()


@dataclass(slots=True)
class Call:
    """A call that torch accepted: its names in a trace, and its arguments and result with metadata for tensors."""

    targets: tuple[str, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Result


class Observing(TorchFunctionMode):
    """Writes down the calls of allowlisted operations in ``calls``."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func`` and write down what came out."""
        targets = _TARGETS.get(func)
        if targets is None:
            return func(*args, **(kwargs or {}))
        inputs: list[torch.Tensor] = []
        given, named = _described(args, inputs), _described(kwargs, inputs) if kwargs else {}
        result = func(*args, **(kwargs or {}))
        self.calls.append(Call(targets, given, named, describe(result, inputs)))
        return result


def _described(value: Any, inputs: list[torch.Tensor]) -> Any:
    """Arguments with metadata for tensors, which are added to ``inputs``."""
    kind = value.__class__
    if kind is torch.Tensor:
        inputs.append(value)
        return TensorMeta(tuple(value.shape), value.stride(), value.dtype)
    if kind is tuple or kind is list:
        return kind([item if item.__class__ in ATOMS else _described(item, inputs) for item in value])
    if kind is dict:
        return {name: _described(item, inputs) for name, item in value.items()}
    if kind is slice:
        return slice(_described(value.start, inputs), _described(value.stop, inputs), _described(value.step, inputs))
    return value


class Observed:
    """The calls of a run, taken one after the other by the trace of the same program."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self.next = 0

    def result(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
        """What the run got for this call, if it made it after the last one taken.

        None where it did not, and where :func:`evaluate` would not go by what real tensors give: a trace must be the
        same without a run. Raises :class:`~rotbot.errors.LimitExceeded` where that does.
        """
        for index in range(self.next, len(self.calls)):
            call = self.calls[index]
            if target in call.targets and call.args == args and call.kwargs == kwargs:
                self.next = index + 1
                if not asks_real_tensors(target, args, kwargs):
                    return None
                check_size(call.result)
                return call.result
        return None
