"""What an operation would cost, judged from metadata before it runs: fan-out, loops inside kernels, allocations."""

from __future__ import annotations

from typing import Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes import cost
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.metadata import ModuleSpec

_SPLITS = frozenset(
    "split unsafe_split split_with_sizes split_copy chunk unsafe_chunk tensor_split hsplit vsplit dsplit unbind "
    "unbind_copy".split()
)
_LOOPS = {"diff": 128, "matrix_power": 4096, "combinations": 6, "polygamma": 512, "mvlgamma": 512, "multigammaln": 512}
"""Operations that loop in Python or C++ over an integer argument, and the largest one allowed."""
_RECURRENT = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")
_MAX_SEQUENCE = 512
_MAX_LAYERS = 64
_MAX_OPERANDS = 64


def check(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None) -> None:
    """Raise :class:`~rotbot.errors.LimitExceeded` for a call that would take too long or return too many tensors."""
    name = target.rpartition(".")[2]
    if "device" in kwargs or "out" in kwargs:
        raise UnsupportedSnippet(f"{name}: the argument {'out' if 'out' in kwargs else 'device'} is not supported")
    if name in _SPLITS:
        _check_split(name, args, kwargs)
    if name in _LOOPS:
        for value in (*args, *kwargs.values()):
            if isinstance(value, int) and abs(value) > _LOOPS[name]:
                exceed(f"the count given to {name}", _LOOPS[name], abs(value))
    if name in ("einsum", "block_diag", "cartesian_prod", "broadcast_tensors", "meshgrid", "multi_dot", "chain_matmul"):
        operands = sum(_count_tensors(value) for value in args)
        if operands > _MAX_OPERANDS:
            exceed(f"operands of {name}", _MAX_OPERANDS, operands)
    if module is not None:
        _check_module(module, args)


def _count_tensors(value: Any) -> int:
    if isinstance(value, (tuple, list)):
        return sum(_count_tensors(item) for item in value)
    return int(hasattr(value, "stride"))


def _check_split(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Splits return at most as many tensors as the dimension is long, or as many sections as asked for."""
    if not args or not hasattr(args[0], "shape") or not args[0].shape:
        return
    shape = args[0].shape
    default_dim = {"hsplit": 1 if len(shape) > 1 else 0, "vsplit": 0, "dsplit": 2}.get(name, 0)
    rest = list(args[1:])
    size = None
    if name not in ("unbind", "unbind_copy"):
        size = kwargs.get("split_size_or_sections", kwargs.get("split_size", kwargs.get("chunks", kwargs.get("sections"))))
        if size is None and rest:
            size = rest.pop(0)
    dim = kwargs.get("dim", rest[0] if rest else default_dim)
    if not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
        return
    length = shape[dim]
    if name in ("unbind", "unbind_copy"):
        count = length
    elif isinstance(size, int) and size > 0:
        count = -(-length // size) if name in ("split", "unsafe_split", "split_copy") else size
    else:
        return
    if count > LIMITS.fan_out:
        exceed(f"tensors returned by {name}", LIMITS.fan_out, count)


def _check_module(module: ModuleSpec, args: tuple[Any, ...]) -> None:
    name = module.name.removeprefix("nn.")
    arguments = dict(module.kwargs)
    for key, value in arguments.items():
        if key.startswith("num_") and key.endswith("layers") and isinstance(value, int) and value > _MAX_LAYERS:
            exceed(f"{key} of {name}", _MAX_LAYERS, value)
    if name in _RECURRENT or name.startswith("Transformer"):
        for value in module.args[2:] if name in _RECURRENT else module.args[2:4]:
            if isinstance(value, int) and value > _MAX_LAYERS:
                exceed(f"layers of {name}", _MAX_LAYERS, value)
    if name in ("LSTM", "GRU", "RNN") and args and hasattr(args[0], "shape"):
        longest = max(args[0].shape[:-1], default=0)
        if longest > _MAX_SEQUENCE:
            exceed(f"sequence length or batch given to {name}", _MAX_SEQUENCE, longest)
    total = cost.parameters(module)
    if total > LIMITS.parameters:
        exceed(f"parameters of {name}", LIMITS.parameters, total)
