"""Torch's own operator samples (``OpInfo``) as snippets: what ``rotbot.trace`` reads, and what eager makes of them.

A sample becomes a line of code over arguments ``a0, a1, ...`` (``y = torch.cat([a0, a1], dim=1)``) and, where torch has
it, the method's spelling (``y = a0.cumsum(dim=1)``). Eager runs the same line on the sample's values, laid out
contiguously, which is all that a shape and a dtype say. A sample is left out, with a reason, where it has something
that is neither a tensor nor a literal.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

sys.modules.setdefault("numba", None)  # pyright: ignore[reportArgumentType]
# torch's test helpers import numba where it is found; vLLM, which later tests start in this process, then trips over an
# attribute of llvmlite's. None in sys.modules says that numba is absent; it is taken away again below.
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.opinfo.core import OpInfo, SampleInput  # noqa: E402

if sys.modules["numba"] is None:
    del sys.modules["numba"]

import rotbot  # noqa: E402
from rotbot.errors import RotbotError  # noqa: E402
from rotbot.shapes.allowlist import ATTRIBUTES  # noqa: E402
from rotbot.shapes.arguments import DTYPES  # noqa: E402

FAMILIES = ("torch", "Tensor", "nn.functional", "linalg", "fft", "special", "operators")
_PREFIXES = {"nn.functional.": (F, "F"), "linalg.": (torch.linalg, "torch.linalg"), "fft.": (torch.fft, "torch.fft"),
             "special.": (torch.special, "torch.special")}  # fmt: skip
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "pow": "**", "matmul": "@", "and": "&",
              "or": "|", "xor": "^"}  # fmt: skip
_CONSTANTS = {
    **{getattr(torch, name): f"torch.{name}" for name in DTYPES},
    **{
        f: str(f) for f in (torch.contiguous_format, torch.channels_last, torch.channels_last_3d, torch.preserve_format)
    },
    torch.strided: "torch.strided",
}
_VARIADIC = {"block_diag", "broadcast_tensors", "cartesian_prod", "meshgrid", "atleast_1d", "atleast_2d", "atleast_3d"}
# Functions whose first two parameters a sample has the other way round.
_SWAPPED = {"torch.where", "torch.polygamma", "torch.special.polygamma", "torch.einsum", "F.embedding"}
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
    if op.name in ATTRIBUTES:
        return [("Tensor", lambda values, _: f"{values[0]}.{op.name}")]
    found: list[tuple[str, Spell]] = []
    if not op.name.startswith("_") and "." not in op.name:
        if callable(getattr(torch, op.name, None)):
            found.append(("torch", _function(f"torch.{op.name}")))
        if hasattr(torch.Tensor, op.name):
            found.append(("Tensor", _method(op.name)))
        if hasattr(torch.Tensor, op.name + "_"):
            found.append(("Tensor", _method(op.name + "_")))
    return found


def _function(name: str) -> Spell:
    def spell(values: list[str], keywords: list[str]) -> str:
        values = [*values[1::-1], *values[2:]] if name in _SWAPPED else values
        return f"{name}({', '.join([*values, *keywords])})"

    return spell


def _method(name: str) -> Spell:
    def spell(values: list[str], keywords: list[str]) -> str:
        owner = values[0] if values[0].isidentifier() else f"({values[0]})"
        return f"{owner}.{name}({', '.join([*values[1:], *keywords])})"

    return spell


# --- what came of a snippet -------------------------------------------------------------------------------------------


Structure = list[tuple[tuple[int, ...], tuple[int, ...], str]]


def structure(value: Any, path: tuple[int, ...] = ()) -> Structure:
    """Every tensor in a result: the way to it, its shape, its dtype."""
    if isinstance(value, torch.Tensor):
        return [(path, tuple(value.shape), _dtype(value))]
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return [part for index, item in enumerate(value) for part in structure(item, (*path, index))]
    return []


@dataclass
class Tally:
    """Counts of one family: traced as eager has it, refused (not traced, with a reason), wrong."""

    right: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All snippets judged."""
        return self.right + self.refused.total() + len(self.wrong)


@dataclass
class Survey:
    """Tallies by family, and what was left out, by reason."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {family: Tally() for family in FAMILIES})
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """The share of snippets that came out right."""
        tallies = self.tallies.values()
        return sum(t.right for t in tallies) / max(1, sum(t.total for t in tallies))

    @property
    def wrong(self) -> list[str]:
        """Every snippet that came out wrong, with what was expected and what came."""
        return [fault for tally in self.tallies.values() for fault in tally.wrong]

    def table(self, title: str, right: str, wrong: str) -> str:
        """The counts by family, the refusals by reason and what was left out."""
        lines = [title, f"{'family':<15}{'snippets':>9}{right:>10}{'refused':>9}{wrong:>13}"]
        for family, t in self.tallies.items():
            lines.append(f"{family:<15}{t.total:>9}{t.right:>10}{t.refused.total():>9}{len(t.wrong):>13}")
        lines.append(f"{right}: {self.share:.1%}")
        reasons: Counter[str] = sum((t.refused for t in self.tallies.values()), Counter())
        lines += [f"  refused {count:>5}  {reason[:110]}" for reason, count in reasons.most_common()]
        lines += [f"  left out {count:>5}  {reason}" for reason, count in self.left_out.most_common()]
        return "\n".join(lines)


def survey_samples(per_op: int | None, ops: Iterable[OpInfo] = op_db) -> tuple[Survey, Survey]:
    """Trace every operator's samples, at most ``per_op`` of them, evenly spread. First what eager accepts, then the
    spellings of those samples that eager rejects (``x.add_(y)`` where ``x + y`` is larger than ``x``)."""
    valid, rejected = Survey(), Survey()
    for op in ops:
        if not spellings(op):
            valid.left_out["operators without a public name"] += 1
            continue
        if not op.supports_dtype(torch.float32, "cpu"):
            valid.left_out["operators without float32 on the CPU"] += 1
            continue
        torch.manual_seed(0)
        samples = list(op.sample_inputs("cpu", torch.float32))
        for sample in samples if per_op is None else samples[:: max(1, -(-len(samples) // per_op))]:
            for snippet in _expressible(op, sample, valid.left_out):
                message = judge(snippet, valid)
                if message is not None:
                    _judge_rejected(snippet, message, rejected)
    return valid, rejected


def survey_errors(ops: Iterable[OpInfo] = op_db) -> Survey:
    """Trace every operator's ``error_inputs``.

    Left out, counted by reason: what is no literal, what eager accepts once devices, layouts, strides and gradients are
    gone, and what eager accepts for some values of the same shapes and dtypes (then no shape tracer can reject it).
    """
    survey = Survey()
    for op in ops:
        if op.error_inputs_func is None or not spellings(op):
            continue
        for error in op.error_inputs("cpu"):
            if "out" in error.sample_input.kwargs:
                survey.left_out["about out="] += 1
                continue
            for snippet in _expressible(op, error.sample_input, survey.left_out):
                message = rejection(snippet, snippet.values)
                if message is None:
                    survey.left_out["eager accepts the line"] += 1
                else:
                    _judge_rejected(snippet, message, survey)
    return survey


def _expressible(op: OpInfo, sample: SampleInput, left_out: Counter[str]) -> list[Snippet]:
    try:
        return list(snippets(op, sample))
    except NotExpressible as error:
        left_out[str(error)] += 1
        return []


def judge(snippet: Snippet, survey: Survey) -> str | None:
    """Trace a snippet and count what came, against eager's result. Eager's own message where eager rejects it."""
    try:
        want = structure(snippet.eager())
    except EAGER_ERRORS as error:
        return _message(error)
    tally = survey.tallies[snippet.family]
    if not want:
        survey.left_out["returns no tensor"] += 1
        return None
    try:
        trace = rotbot.trace(snippet.code, snippet.args, "y")
    except RotbotError as error:
        tally.refused[f"{snippet.op}: {getattr(error, 'message', error)}"] += 1
        return None
    if trace.error is not None:
        tally.wrong.append(f"{snippet}: eager accepts it, the trace says {trace.error.reason}")
        return None
    node = trace.nodes[-1]
    got = list(zip(node.paths, node.shapes, node.dtypes, strict=True))
    shapes = tuple(shape for _, shape, _ in want)
    if got == want and trace.final == (shapes[0] if len(shapes) == 1 else shapes):
        tally.right += 1
    else:
        tally.wrong.append(f"{snippet}: eager has {want}, the trace {got}, final {trace.final}")
    return None


def _judge_rejected(snippet: Snippet, message: str, survey: Survey) -> None:
    """Trace a snippet that eager rejects and count what came: a :class:`rotbot.StepError` is right."""
    if any(rejection(snippet, values) is None for values in _other_values(snippet)):
        survey.left_out["only these values are rejected"] += 1
        return
    tally = survey.tallies[snippet.family]
    try:
        trace = rotbot.trace(snippet.code, snippet.args, "y")
    except RotbotError as error:
        tally.refused[f"{snippet.op}: {getattr(error, 'message', error)}"] += 1
        return
    if trace.error is None:
        tally.wrong.append(f"{snippet}: the trace accepts it, eager says {message}")
    else:
        tally.right += 1


def rejection(snippet: Snippet, values: dict[str, torch.Tensor]) -> str | None:
    """Eager's message for the snippet on these values; None where it accepts them."""
    try:
        snippet.eager(values)
    except EAGER_ERRORS as error:
        return _message(error)
    return None


def _message(error: BaseException) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def _other_values(snippet: Snippet) -> Iterator[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for scale, shift in ((0, 0), (1, 1), (2, 0), (5, 0)):
        yield {
            name: (torch.rand(t.shape, generator=generator) * scale + shift).to(t.dtype)
            for name, t in snippet.values.items()
        }
