"""Why torch rejects a call, in plain words: computed from the shapes where we know the rule, else torch's own message.

The reasons are short, worded alike, and depend on nothing but the call: a small model learns them.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from rotbot.shapes import indexing, reasons_layers, reasons_picking, reasons_products, reasons_shaping
from rotbot.shapes.metadata import ModuleSpec, TensorMeta
from rotbot.shapes.rejected import OPERATOR_NAMES, Call, broadcast_fault, count, dimensions, dtype_name
from rotbot.shapes.text import render_shape
from rotbot.shapes.trace import is_in_place

_RULES = {**reasons_products.RULES, **reasons_shaping.RULES, **reasons_picking.RULES, **reasons_layers.RULES}
_MAX_WORDS = 120
_BROADCAST_WORDS = re.compile(r"must match|broadcast|mismatch|same shape|same size|not match|expanded size")
_DTYPE_WORDS = re.compile(r"dtype|scalar type|same type|promotion|can't be cast|can't be converted|not implemented for")
_INDEX_WORDS = re.compile(
    r"(index|indices|target).*(long|int64)|index tensor|scalar types: Long|type(s)? Long", re.IGNORECASE
)
_DIM_RANGE = re.compile(r"expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)")
_COMBINATION = re.compile(r"(\w+)\(\)? received an invalid combination of arguments - got \(([^)]*)\)")
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"missing \d* ?required positional arguments?: (.*)")
_COUNT = re.compile(r"takes (?:from )?(\d+)(?: to (\d+))? positional arguments? but (\d+) (?:was|were) given")
_KIND = re.compile(r"argument '(\w+)'.* must be (?:an? )?(.+?), not (.+)$")
_CAST = re.compile(r"result type (\w+) can't be cast to the desired output type (\w+)")
_FOUND = re.compile(r"[Ff]ound dtype (\w+) but expected (\w+)")
_EXPECTED = re.compile(r"expected (?:scalar type|target dtype to be) (\w+)(?: or Byte,)? but (?:found|got) (\w+)")
_DTYPES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip
"""The names that torch's messages have for dtypes."""
_OWN_RULES = frozenset(
    "index_add index_put index_copy scatter scatter_add scatter_reduce take_along_dim bilinear cosine_embedding_loss "
    "BCELoss binary_cross_entropy MultiheadAttention".split()
)
"""Operations whose operands do not simply broadcast: what torch says of them is truer than a guess."""
_STORED = re.compile(r"source and destination dtypes match")
_WITH_INDICES = ("scatter", "index_", "masked_", "put", "take_along_dim")
"""How the names of operations begin whose indices or masks have a dtype of their own."""
_TWICE = re.compile(r"dim (-?\d+) appears multiple times")


def explain(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, message: str) -> str:
    """The reason in a few words for a call that torch rejects with ``message``.

    ``target`` is the operation's qualified name, ``args`` and ``kwargs`` hold metadata for tensors; with ``module`` the
    call is the module's.
    """
    name = module.name.removeprefix("nn.") if module is not None else target.rpartition(".")[2]
    in_place = module is None and is_in_place(target)
    if target.startswith("operator."):
        name = OPERATOR_NAMES.get(name, name)
    call = Call(name.rstrip("_"), args, kwargs, module)
    if name in ("getitem", "setitem"):
        return _item_reason(call, message)
    rule = _RULES.get(call.name)
    if target.startswith("Tensor."):
        rule = reasons_picking.METHOD_RULES.get(call.name, rule)
    reason = _signature_reason(message) or (rule(call) if rule is not None else None)
    return reason or _general_reason(call, in_place, message) or tidy(message)


def explain_construction(message: str) -> str:
    """The reason in a few words for an ``nn`` module's constructor that failed with ``message``."""
    return _signature_reason(message) or tidy(message)


def _item_reason(call: Call, message: str) -> str:
    """Indexing, and assigning to an item: what is wrong with the index, else with the value."""
    owner, index = call.args[0], call.args[1]
    last = indexing.plan(owner.shape, index).primitives[-1]
    if last.reason is not None:
        return last.reason
    value = call.args[2] if len(call.args) > 2 else None
    if isinstance(value, TensorMeta):
        shape = value.shape
        while shape and len(shape) > len(last.shape) and shape[0] == 1:
            shape = shape[1:]
        fits = len(shape) <= len(last.shape) and all(
            a in (1, b) for a, b in zip(reversed(shape), reversed(last.shape), strict=False)
        )
        if not fits:
            return f"{render_shape(value.shape)} does not fit the item's {render_shape(last.shape)}"
    return tidy(message)


def _signature_reason(message: str) -> str | None:
    """Arguments that the operation does not take, or does not get: Python's and torch's messages cut to the point."""
    if found := _COMBINATION.search(message):
        if not found[2]:
            return "missing arguments"
        given = found[2].replace("!", "").replace("device=str", "").strip(", ")  # which device is ours to say
        return f"{found[1]} does not take arguments ({given[:60]})"
    if found := _UNEXPECTED.search(message):
        return f"unexpected argument {found[1]}"
    if found := _MISSING.search(message):
        names = re.findall(r"\w+", found[1].replace(" and ", " "))
        return f"missing argument{'s' * (len(names) > 1)} {', '.join(names)}"
    if found := _COUNT.search(message):
        own = int("__init__()" in message or "forward()" in message)
        least, most, given = int(found[1]) - own, int(found[2] or found[1]) - own, int(found[3]) - own
        return f"takes {f'{least} to ' if least != most else ''}{count(most, 'argument')}, got {given}"
    if found := _KIND.search(message.split("\n", maxsplit=1)[0]):
        return f"argument {found[1]} must be {found[2]}, got {found[3]}"
    return None


def _general_reason(call: Call, in_place: bool, message: str) -> str | None:
    """What any operation may be rejected for: a dim out of range, broadcasting, dtypes."""
    tensors = call.tensors()
    if found := _DIM_RANGE.search(message):
        # The range ends one dim further for operations that add one.
        rank = int(found[2]) + (0 if call.name in ("unsqueeze", "diag_embed") else 1)
        rank = 0 if tensors and not tensors[0].shape and rank == 1 else rank
        return f"dim {found[3]} is out of range for {dimensions(rank)}"
    if found := _TWICE.search(message):
        return f"dim {found[1]} appears twice"
    reason = _named_dtype_reason(tensors, message)
    if reason is not None:
        return reason
    if _STORED.search(message):
        return f"dtypes {dtype_name(tensors[0].dtype)} and {dtype_name(tensors[-1].dtype)} differ"
    if _INDEX_WORDS.search(message):
        places = tensors[1:-1] if call.name == "index_put" else tensors
        wrong = next((t for t in reversed(places) if t.dtype not in (torch.int64, torch.int32)), None)
        if "int32" not in message and (small := [t for t in places if t.dtype is torch.int32]):
            wrong = small[0]
        if wrong is not None:
            return indexing.needs_index_tensor(wrong)
    if len(tensors) > 1 and call.name not in _OWN_RULES and (_BROADCAST_WORDS.search(message) or in_place):
        reason = _broadcast_reason(tensors, in_place)
        if reason is not None:
            return reason
    if _DTYPE_WORDS.search(message):
        return _dtype_reason(call, tensors, in_place)
    return None


def _named_dtype_reason(tensors: list[TensorMeta], message: str) -> str | None:
    """Where torch names the two dtypes that do not go together."""
    if (found := _CAST.search(message)) and {found[1], found[2]} <= _DTYPES.keys():
        return f"a result of {dtype_name(_DTYPES[found[1]])} cannot be stored in {dtype_name(_DTYPES[found[2]])}"
    pair = _EXPECTED.search(message)
    wanted, got = (pair[1], pair[2]) if pair else (None, None)
    if pair is None and (pair := _FOUND.search(message)):
        wanted, got = pair[2], pair[1]
    if wanted not in _DTYPES or got not in _DTYPES:
        return None
    blamed = next((tensor for tensor in reversed(tensors) if tensor.dtype is _DTYPES[got]), None)
    if _DTYPES[wanted] is torch.int64 and blamed is not None:
        return indexing.needs_index_tensor(blamed)
    if len({tensor.dtype for tensor in tensors}) > 1:
        return f"dtypes {' and '.join(dict.fromkeys(dtype_name(tensor.dtype) for tensor in tensors))} differ"
    return f"expected {dtype_name(_DTYPES[wanted])}, got {dtype_name(_DTYPES[got])}"


def _broadcast_reason(tensors: list[TensorMeta], in_place: bool) -> str | None:
    first = tensors[0].shape
    for other in tensors[1:]:
        reason = broadcast_fault(first, other.shape)
        if reason is not None:
            return reason
    if not in_place:
        pairs = [(a, b) for i, a in enumerate(tensors) for b in tensors[i + 1 :]]
        return next((reason for a, b in pairs if (reason := broadcast_fault(a.shape, b.shape))), None)
    for other in tensors[1:]:
        wider = len(other.shape) > len(first)
        if wider or any(a == 1 != b for a, b in zip(reversed(first), reversed(other.shape), strict=False)):
            rank = max(len(first), len(other.shape))
            pair = [(1,) * (rank - len(shape)) + shape for shape in (first, other.shape)]
            result = tuple([b if a == 1 else a for a, b in zip(*pair, strict=True)])
            return f"in place, {render_shape(first)} cannot become {render_shape(result)}"
    return None


def _dtype_reason(call: Call, tensors: list[TensorMeta], in_place: bool) -> str | None:
    names = list(dict.fromkeys(dtype_name(t.dtype) for t in tensors))
    if len(names) > 2 and call.name.startswith(_WITH_INDICES):
        names.remove("bool" if call.name.startswith("masked_") else "int64")
    if call.module is not None and len(names) == 1 and call.module.name.removeprefix("nn.").startswith(_WITH_WEIGHTS):
        own = dtype_name(call.module.parameter_dtype() or torch.get_default_dtype())
        names += [own] * (own != names[0])
    if len(names) > 1:
        return f"dtypes {' and '.join(names[:2])} differ"
    return f"{call.name} does not take {names[0]}" if names and not in_place else None


_WITH_WEIGHTS = (
    "Linear", "Bilinear", "Conv", "LSTM", "GRU", "RNN", "BatchNorm", "LayerNorm", "GroupNorm", "MultiheadAttention",
    "Transformer",
)  # fmt: skip
"""How the names of modules begin that multiply what they get by their parameters."""


def tidy(message: str) -> str:
    """Torch's own message, its first sentence in at most 120 characters."""
    if message == "ZeroDivisionError":
        return "integers are divided by zero"
    line = next((part for part in message.split("\n") if part.strip()), message)
    line = re.sub(r"\s*\((while checking|function |Triggered|Could not run|bool|input|expected to be).*$", "", line)
    line = re.split(r"(?<=[a-z\]\)0-9])[.;] ", line)[0]
    line = " ".join(line.replace("RuntimeError: ", "").split()).rstrip(".: ")
    return line if len(line) <= _MAX_WORDS else line[: _MAX_WORDS - 3].rstrip() + "..."
