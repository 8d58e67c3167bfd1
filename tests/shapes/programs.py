"""Generated programs for property tests: straight lines of shape operations, right and wrong, with torch's verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st

from tests.shapes import eager

NAMES = "abcdefghijkl"
FAILURES = (RuntimeError, ValueError, IndexError, TypeError)


@dataclass(frozen=True)
class Program:
    """``lines`` are one statement each; the last is the one torch rejects, if ``failed``."""

    lines: tuple[str, ...]
    args: dict[str, list[int]]
    shapes: tuple[dict[str, tuple[int, ...]], ...]
    """After each line, the shapes of the tensors that it assigned."""
    failed: bool

    @property
    def code(self) -> str:
        return "\n".join(self.lines)


@st.composite
def programs(draw: st.DrawFn, wrong: bool = True, max_lines: int = 6) -> Program:
    """One to ``max_lines`` lines over one or two arguments. With ``wrong``, now and then a line is beyond the rules."""
    count = draw(st.integers(1, 2))
    args = {name: draw(st.lists(st.integers(1, 4), max_size=4)) for name in NAMES[:count]}
    scope: dict[str, Any] = {**eager.namespace(), **{name: torch.ones(shape) for name, shape in args.items()}}
    lines: list[str] = []
    shapes: list[dict[str, tuple[int, ...]]] = []
    for number in range(draw(st.integers(1, max_lines))):
        known = {name: tuple(v.shape) for name, v in scope.items() if isinstance(v, torch.Tensor)}
        line = _line(draw, known, NAMES[count + number], wrong)
        lines.append(line)
        before = {name: value for name, value in scope.items() if isinstance(value, torch.Tensor)}
        try:
            exec(line, scope)
        except FAILURES:
            return Program(tuple(lines), args, tuple(shapes), failed=True)
        targets = [name.strip() for name in line.partition("=")[0].rstrip("+*").split(",")]
        assert {n for n, v in scope.items() if isinstance(v, torch.Tensor) and v is not before.get(n)} <= set(targets)
        shapes.append({name: tuple(scope[name].shape) for name in targets if isinstance(scope[name], torch.Tensor)})
    return Program(tuple(lines), args, tuple(shapes), failed=False)


def _line(draw: st.DrawFn, known: dict[str, tuple[int, ...]], new: str, wrong: bool) -> str:
    x, y = draw(st.sampled_from(sorted(known))), draw(st.sampled_from(sorted(known)))
    shape = known[x]
    rank = len(shape)
    slack = 1 if wrong and draw(st.integers(0, 3)) == 0 else 0

    def dim() -> int:
        return draw(st.integers(-rank - slack, rank - 1 + slack)) if rank or slack else 0

    def size() -> int:
        return draw(st.integers(1, 4))

    def index() -> str:
        parts = draw(st.integers(0, rank + slack))
        kinds = ["0", "-1", "1:", ":2", "::2", ":", "None", "[0]", "[0, -1]", "1:1"]
        items = [draw(st.sampled_from([*kinds, *(["5"] if slack else [])])) for _ in range(parts)]
        if draw(st.booleans()):
            items.insert(draw(st.integers(0, len(items))), "...")
        return ", ".join(items) or "None"

    choices = {
        "reshape": lambda: f"{x}.reshape({_sizes(draw, math.prod(shape), slack)})",
        "view": lambda: f"{x}.view({_sizes(draw, math.prod(shape), slack)})",
        "transpose": lambda: f"{x}.transpose({dim()}, {dim()})",
        "permute": lambda: (
            f"{x}.permute({', '.join(map(str, draw(st.permutations(range(rank + slack)))))})" if rank else f"{x}.abs()"
        ),
        "sum": lambda: f"{x}.sum({dim()}, keepdim={draw(st.booleans())})",
        "softmax": lambda: f"torch.softmax({x}, dim={dim()})",
        "unsqueeze": lambda: f"{x}.unsqueeze({draw(st.integers(-rank - 1 - slack, rank + slack))})",
        "squeeze": lambda: f"{x}.squeeze({dim()})" if draw(st.booleans()) else f"{x}.squeeze()",
        "flatten": lambda: f"torch.flatten({x}, {dim()}, {dim()})" if slack else f"{x}.flatten()",
        "index": lambda: f"{x}[{index()}]",
        "expand": lambda: f"{x}.expand({', '.join(map(str, [size(), *[-1] * (rank - slack)]))})",
        "repeat": lambda: f"{x}.repeat({', '.join(str(size()) for _ in range(max(rank + 1 - 2 * slack, 1)))})",
        "add": lambda: f"{x} + {y}" if wrong else f"{x} + {x}",
        "mul": lambda: f"2 * {x}.abs() - {x}",
        "matmul": lambda: f"{x} @ {y}" if wrong else f"{x} @ {x}.mT" if rank > 1 else f"{x} * 2",
        "cat": lambda: f"torch.cat([{x}, {y if slack else x}], dim={dim()})" if rank else f"{x}.exp()",
        "stack": lambda: f"torch.stack([{x}, {y if slack else x}], {dim()})",
        "zeros": lambda: f"torch.zeros({x}.shape[{dim()}], {size()})" if rank else f"torch.zeros({x}.ndim, {size()})",
        "view_as_sizes": lambda: f"{x}.reshape(*{x}.shape[:{size()}], -1)",
        "linear": lambda: f"nn.Linear({shape[-1] + slack}, {size()})({x})" if rank else f"nn.ReLU()({x})",
        "layer_norm": lambda: f"F.layer_norm({x}, ({shape[-1] + slack},))" if rank else f"F.relu({x})",
        "comprehension": lambda: f"torch.stack([t + {size()} for t in {x}])",
        "topk": lambda: f"{x}.topk({1 + slack * 4}, dim={dim()}).values",
    }
    kind = draw(st.sampled_from([*choices, "in place", "unpack"]))
    if kind == "in place":
        return f"{x} += {y}" if wrong else f"{x} *= 3"
    if kind == "unpack" and rank and shape[0] >= 2:
        return f"{new}, {new}2 = {x}.split([1, {shape[0] - 1 + slack}])"
    return f"{new} = " + choices[kind if kind in choices else "mul"]()


def _sizes(draw: st.DrawFn, count: int, slack: int) -> str:
    """Some sizes whose product is ``count`` (plus ``slack``), one of them perhaps -1."""
    sizes: list[int] = []
    left = count + slack
    while left > 1 and len(sizes) < 3:
        sizes.append(draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
        left //= sizes[-1]
    sizes.append(left)
    if draw(st.booleans()) and count:
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return ", ".join(map(str, sizes))
