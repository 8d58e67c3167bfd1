"""Torch's own operator samples (``OpInfo``) as snippets: what ``rotbot.trace`` reads, and what eager torch makes of them.

A sample becomes a line of code over arguments ``a0, a1, ...`` (``y = torch.cat([a0, a1], dim=1)``) and, where torch has
it, the method's spelling (``y = a0.cumsum(dim=1)``). Eager runs the same line on the sample's values, laid out
contiguously, which is all that a shape and a dtype say. A sample is left out, with a reason, where it has something that
is neither a tensor nor a literal, or where it means a different call than its public name (eager rejects the line).
"""

from __future__ import annotations

import ast
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

import rotbot
from rotbot.errors import SnippetError
from rotbot.shapes.arguments import DTYPES

FAMILIES = ("torch", "Tensor", "nn.functional", "linalg", "fft", "special", "operators")
_PREFIXES = {"nn.functional.": (F, "F"), "linalg.": (torch.linalg, "torch.linalg"), "fft.": (torch.fft, "torch.fft"),
             "special.": (torch.special, "torch.special")}  # fmt: skip
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "pow": "**", "matmul": "@", "and": "&",
              "or": "|", "xor": "^"}  # fmt: skip
_CONSTANTS = {
    **{getattr(torch, name): f"torch.{name}" for name in DTYPES},
    **{f: str(f) for f in (torch.contiguous_format, torch.channels_last, torch.channels_last_3d, torch.preserve_format)},
    torch.strided: "torch.strided",
}
_VARIADIC = {"block_diag", "broadcast_tensors", "cartesian_prod", "meshgrid", "atleast_1d", "atleast_2d", "atleast_3d"}
# Samples whose first tensors come in another order than the function's parameters.
_SWAPPED = {"where", "searchsorted"}
EAGER_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError, OverflowError)


class NotExpressible(Exception):
    """The sample holds something a snippet cannot say."""


@dataclass(frozen=True)
class Snippet:
    """One line of code, its arguments in text form, and the values eager runs it on."""

    op: str
    family: str
    code: str
    args: dict[str, str]
    values: dict[str, torch.Tensor]

    def eager(self, values: dict[str, torch.Tensor] | None = None) -> Any:
        """What torch makes of the line, on the sample's values or on others of the same shapes."""
        scope: dict[str, Any] = {"torch": torch, "F": F}
        scope.update({name: value.clone() for name, value in (values or self.values).items()})
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            exec(self.code, scope)
        return scope["y"]

    def __str__(self) -> str:
        return f"{self.code}  {self.args}"


# --- from samples to snippets -----------------------------------------------------------------------------------------


class _Writer:
    """Spells arguments out, naming tensors in order of appearance."""

    def __init__(self) -> None:
        self.values: dict[str, torch.Tensor] = {}

    def text(self, value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, (bool, int, float, complex, str)) or value is None or value is Ellipsis:
            return self._number(value)
        if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)) and value in _CONSTANTS:
            return _CONSTANTS[value]
        if isinstance(value, torch.device):
            return f"torch.device({str(value)!r})"
        if isinstance(value, slice):
            return f"slice({self.text(value.start)}, {self.text(value.stop)}, {self.text(value.step)})"
        if isinstance(value, list):
            return f"[{', '.join(map(self.text, value))}]"
        if type(value) in (tuple, torch.Size):
            return f"({', '.join(map(self.text, value))}{',' if len(value) == 1 else ''})"
        raise NotExpressible(f"holds a {type(value).__name__}")

    def _number(self, value: Any) -> str:
        if type(value) is float and not math.isfinite(value):
            return f"float('{value}')"
        if type(value) not in (bool, int, float, complex, str, type(None), type(Ellipsis)):
            raise NotExpressible(f"holds a {type(value).__name__}")
        return "..." if value is Ellipsis else repr(value)

    def _tensor(self, value: torch.Tensor) -> str:
        dtype = str(value.dtype).removeprefix("torch.")
        if type(value) is not torch.Tensor and type(value) is not torch.nn.Parameter:
            raise NotExpressible("holds a tensor subclass")
        if value.layout is not torch.strided or value.device.type != "cpu":
            raise NotExpressible("holds a sparse tensor or another device's")
        if dtype not in DTYPES:
            raise NotExpressible(f"holds a tensor of {dtype}")
        name = f"a{len(self.values)}"
        plain = value.detach().resolve_conj().resolve_neg()
        self.values[name] = torch.empty(value.shape, dtype=value.dtype).copy_(plain)
        return name


def snippets(op: OpInfo, sample: SampleInput) -> Iterator[Snippet]:
    """The spellings of a sample. Raises :class:`NotExpressible`."""
    for family, spell in spellings(op):
        writer = _Writer()
        inputs = [sample.input, *sample.args]
        if op.name in _VARIADIC and isinstance(sample.input, (list, tuple)):
            inputs = [*sample.input, *sample.args]
        if op.name in _SWAPPED and len(inputs) > 1 and family == "torch":
            inputs[:2] = inputs[1::-1]
        positional = [writer.text(value) for value in inputs]
        keywords = [f"{key}={writer.text(value)}" for key, value in sample.kwargs.items()]
        args = {name: ",".join(map(str, t.shape)) + ":" + _dtype(t) for name, t in writer.values.items()}
        yield Snippet(op.name, family, f"y = {spell(positional, keywords)}", args, writer.values)


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


Spell = Callable[[list[str], list[str]], str]


def spellings(op: OpInfo) -> list[tuple[str, Spell]]:
    """Every public way to write the operator: its family, and how to write it over spelled-out arguments."""
    for prefix, (owner, text) in _PREFIXES.items():
        if op.name.startswith(prefix):
            name = op.name.removeprefix(prefix)
            return [(prefix[:-1], _function(f"{text}.{name}"))] if hasattr(owner, name) else []
    if op.name == "__getitem__":
        return [("operators", lambda values, _: f"{values[0]}[{', '.join(values[1:])}]")]
    if op.name.startswith("__r"):
        symbol = _OPERATORS[op.name.strip("_")[1:]]
        return [("operators", lambda values, _: f"{values[1]} {symbol} {values[0]}")]
    found: list[tuple[str, Spell]] = []
    if not op.name.startswith("_") and "." not in op.name:
        if hasattr(torch, op.name):
            found.append(("torch", _function(f"torch.{op.name}")))
        if hasattr(torch.Tensor, op.name):
            found.append(("Tensor", _method(op.name)))
            if op.inplace_variant is not None and hasattr(torch.Tensor, op.name + "_"):
                found.append(("Tensor", _method(op.name + "_")))
    return found


def _function(name: str) -> Spell:
    return lambda values, keywords: f"{name}({', '.join([*values, *keywords])})"


def _method(name: str) -> Spell:
    return lambda values, keywords: f"{values[0]}.{name}({', '.join([*values[1:], *keywords])})"


# --- what came of a snippet -------------------------------------------------------------------------------------------


def structure(value: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], tuple[int, ...], str]]:
    """Every tensor in a result: the way to it, its shape, its dtype."""
    if isinstance(value, torch.Tensor):
        return [(path, tuple(value.shape), _dtype(value))]
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return [part for index, item in enumerate(value) for part in structure(item, (*path, index))]
    return []


@dataclass
class Tally:
    """Counts of one family, and the snippets behind the bad ones."""

    traced: int = 0
    refused: int = 0
    wrong: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All snippets judged."""
        return self.traced + self.refused + self.wrong


def judge_valid(snippet: Snippet, expected: Any, tally: Tally) -> None:
    """Trace a snippet that eager accepts and count what came: eager's shapes, a refusal, or something wrong."""
    want = structure(expected)
    try:
        trace = rotbot.trace(snippet.code, snippet.args, "y")
    except SnippetError as error:
        tally.refused += 1
        tally.reasons[f"{snippet.op}: {error.message}"] += 1
        return
    if trace.error is not None:
        tally.wrong += 1
        tally.faults.append(f"false alarm: {snippet}: {trace.error.reason}")
        return
    node = trace.nodes[-1]
    got = list(zip(node.paths, node.shapes, node.dtypes, strict=True))
    shapes = tuple(shape for _, shape, _ in want)
    if got == want and trace.final == (shapes[0] if len(shapes) == 1 else shapes):
        tally.traced += 1
    else:
        tally.wrong += 1
        tally.faults.append(f"wrong: {snippet}: eager {want}, traced {got}, final {trace.final}")


def valid_snippets(
    per_op: int | None, left_out: Counter[str], ops: Iterable[OpInfo] = op_db
) -> Iterator[tuple[Snippet, Any]]:
    """Snippets of every operator's samples (at most ``per_op`` of them, evenly spread) with eager's result.

    What is not expressible is counted in ``left_out`` by reason.
    """
    for op in ops:
        if not spellings(op):
            left_out["no public name"] += 1
            continue
        if not op.supports_dtype(torch.float32, "cpu"):
            left_out["no float32 on the CPU"] += 1
            continue
        torch.manual_seed(0)
        samples = list(op.sample_inputs("cpu", torch.float32))
        for sample in samples if per_op is None else samples[:: max(1, -(-len(samples) // per_op))]:
            try:
                found = list(snippets(op, sample))
            except NotExpressible as error:
                left_out[str(error)] += 1
                continue
            for snippet in found:
                try:
                    result = snippet.eager()
                except EAGER_ERRORS:
                    left_out["eager rejects the line"] += 1
                    continue
                if structure(result):
                    yield snippet, result
                else:
                    left_out["returns no tensor"] += 1
