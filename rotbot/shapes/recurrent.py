"""Modules that do the same again and again: recurrent layers on long sequences, stacks of equal layers.

Meta kernels loop over time in Python, a few milliseconds a step and layer. All that depends on a sequence's length is
one dimension of the first result, so two steps are run and the length put back. Strides do not depend on it: time is
the outermost dimension in memory, or the middle one of a transposed result. Of a stack two layers are run: each of
them returns the shape that it takes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rotbot.shapes.metadata import ModuleSpec, Result, TensorMeta

RECURRENT = ("nn.LSTM", "nn.GRU", "nn.RNN")
STACKS = {"nn.TransformerEncoder": "nn.TransformerEncoderLayer", "nn.TransformerDecoder": "nn.TransformerDecoderLayer"}
"""Classes whose constructors take a layer, of which they make copies, and the class that it must have."""
_CAUSAL: dict[str, dict[str, int]] = {
    "nn.TransformerEncoder": {"is_causal": 3},
    "nn.TransformerDecoder": {"tgt_is_causal": 6},
    "nn.Transformer": {"src_is_causal": 8, "tgt_is_causal": 9},
}
"""What says whether a mask is causal, with its position: where it is None torch looks at the mask's values."""
_STEPS = _LAYERS = 2
_BATCH_FIRST = 4
"""The position of ``batch_first`` among the constructor's arguments (RNN has one argument more before it)."""


def shorten(
    module: ModuleSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], int, int] | None:
    """The call on two steps of its sequence, the dimension of time, and the length; None where that is no longer."""
    if module.name not in RECURRENT:
        return None
    sequence = args[0] if args else kwargs.get("input")
    if not isinstance(sequence, TensorMeta) or len(sequence.shape) not in (2, 3):
        return None
    place = _BATCH_FIRST + (module.name == "nn.RNN")
    given = module.args[place] if len(module.args) > place else dict(module.kwargs).get("batch_first", False)
    time = 1 if given and len(sequence.shape) == 3 else 0
    length = sequence.shape[time]
    if length <= _STEPS:
        return None
    short = replace(sequence, shape=(*sequence.shape[:time], _STEPS, *sequence.shape[time + 1 :]))
    return ((short, *args[1:]), kwargs, time, length) if args else ((), {**kwargs, "input": short}, time, length)


def lengthen(result: Result, time: int, length: int) -> Result:
    """The result with the sequence's length put back."""
    if not isinstance(result, tuple) or not isinstance(result[0], TensorMeta):
        return result  # rejected
    output = result[0]
    return (replace(output, shape=(*output.shape[:time], length, *output.shape[time + 1 :])), *result[1:])


def settle_masks(module: ModuleSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a call, with masks said not to be causal where nothing is said: shapes do not depend on it."""
    names = _CAUSAL.get(module.name, {})
    open_ones = [name for name, at in names.items() if len(args) <= at and kwargs.get(name) is None]
    return {**kwargs, **dict.fromkeys(open_ones, False)}


def lower(module: ModuleSpec) -> ModuleSpec:
    """The module, a stack of many layers as one of two."""
    if module.name not in STACKS:
        return module
    args = (*module.args[:1], *map(_at_most_two, module.args[1:2]), *module.args[2:])
    named = [(name, _at_most_two(value) if name == "num_layers" else value) for name, value in module.kwargs]
    return replace(module, args=args, kwargs=tuple(named))


def _at_most_two(count: Any) -> Any:
    return min(count, _LAYERS) if type(count) is int else count
