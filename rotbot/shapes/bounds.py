"""What an operation may ask for, checked from metadata before it runs: how many tensors it returns, how long it loops.

How much memory and arithmetic an operation takes is :mod:`rotbot.shapes.cost`'s business, which decides whether it is
run on real tensors at all. On meta tensors only loops take time, and only results take memory.
"""

from __future__ import annotations

from typing import Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes import cost
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.metadata import ModuleSpec, TensorMeta, tensors_in

_SPLITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("split", "unsafe_split", "split_copy"), ("tensor", "split_size", "dim")),
    **dict.fromkeys(("chunk", "unsafe_chunk"), ("input", "chunks", "dim")),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), ("input", "sections")),
    **dict.fromkeys(("unbind", "unbind_copy"), ("input", "dim")),
    "tensor_split": ("input", "sections", "dim"),
}
"""Operations that return many tensors, and their parameters in order."""
_SPELLINGS = {"split_size_or_sections": "split_size", "indices_or_sections": "sections", "self": "input"}
_SPLIT_DIMS = {"hsplit": 1, "dsplit": 2}

_LOOPS = {"diff": 128, "matrix_power": 4096, "combinations": 6, "polygamma": 512, "mvlgamma": 512, "multigammaln": 512}
"""Operations that loop in Python or C++ over an integer argument, and the largest one allowed."""
_MAX_FEATURES = 4096
"""``bilinear`` loops over its output features."""
_MANY_OPERANDS = frozenset("einsum block_diag cartesian_prod broadcast_tensors meshgrid multi_dot chain_matmul".split())
_MAX_OPERANDS = 64

_CHECKED = frozenset((*_SPLITS, *_LOOPS, "bilinear", *_MANY_OPERANDS))

_LAYERED: dict[str, int] = {
    "LSTM": 2, "GRU": 2, "RNN": 2, "Transformer": 2, "TransformerEncoder": 1, "TransformerDecoder": 1,
    "TransformerEncoderLayer": 0, "TransformerDecoderLayer": 0,
}  # fmt: skip
"""Modules built of layers, and the position of the first argument that counts them (0: none does)."""
_MAX_LAYERS = 64


def check(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> None:
    """Raise :class:`~rotbot.errors.LimitExceeded` for a call that would take too long or return too many tensors."""
    if module is not None:
        _check_module(module)
        return
    name = target.rpartition(".")[2]
    if kwargs:
        for refused in ("device", "out"):
            if refused in kwargs:
                raise UnsupportedSnippet(f"{name}: the argument {refused}= is not supported")
    if name not in _CHECKED:
        return
    if name in _SPLITS:
        _check_split(name, args, kwargs)
    elif name in _LOOPS:
        count = max([abs(value) for value in (*args, *kwargs.values()) if isinstance(value, int)], default=0)
        if count > _LOOPS[name]:
            exceed(f"the count given to {name}", _LOOPS[name], count)
    elif name == "bilinear":
        features = max([meta.shape[0] for meta in tensors_in((args, kwargs))[2:3] if meta.shape], default=0)
        if features > _MAX_FEATURES:
            exceed("output features of bilinear", _MAX_FEATURES, features)
    elif name in _MANY_OPERANDS:
        operands = len(tensors_in((args, kwargs)))
        if operands > _MAX_OPERANDS:
            exceed(f"operands of {name}", _MAX_OPERANDS, operands)


def _check_split(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Splits return at most as many tensors as the dimension is long, or as many sections as asked for."""
    given = dict(zip(_SPLITS[name], args, strict=False))
    given.update({_SPELLINGS.get(key, key): value for key, value in kwargs.items()})
    tensor = given.get("tensor", given.get("input"))
    if not isinstance(tensor, TensorMeta):
        return  # torch will say what is wrong with the call
    shape = tensor.shape
    dim = given.get("dim", _SPLIT_DIMS.get(name, 0) if len(shape) > 1 else 0)
    if not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
        return
    pieces = shape[dim]
    if "unbind" not in name:
        size = given.get("split_size", given.get("chunks", given.get("sections")))
        if not isinstance(size, int) or size <= 0:
            return
        pieces = -(-pieces // size) if "split_size" in given else size
    if pieces > LIMITS.fan_out:
        exceed(f"tensors returned by {name}", LIMITS.fan_out, pieces)


def _check_module(module: ModuleSpec) -> None:
    name = module.name.removeprefix("nn.")
    if name in _LAYERED:
        first = _LAYERED[name]
        counts = [value for key, value in module.kwargs if key.startswith("num_") and key.endswith("layers")]
        counts += module.args[first : first + 2] if first else ()
        layers = max([count for count in counts if isinstance(count, int)], default=1)
        directions = 2 if dict(module.kwargs).get("bidirectional", False) or True in module.args[3:] else 1
        layers *= directions if name in ("LSTM", "GRU", "RNN") else 1
        if layers > _MAX_LAYERS:
            exceed(f"layers of {name}", _MAX_LAYERS, layers)
    total = cost.parameters(module)
    if total > LIMITS.parameters:
        exceed(f"parameters of {name}", LIMITS.parameters, total)
