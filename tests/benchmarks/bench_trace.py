"""Snippets a second: the in-process tracer beside ``torch.fx.symbolic_trace`` + ``ShapeProp`` on the same programs.

Both get source text and argument shapes and give every operation's shape. All texts and nearly all shapes are distinct,
and the tracer's cache of operations is emptied before each of its turns. A turn is all programs in a row, as in any use
that counts snippets a second; the two take turns, and the ratio is the median over pairs of turns next to each other,
which what else a shared machine does hits alike.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch.fx.passes.shape_prop import ShapeProp

import rotbot
from rotbot.shapes import evaluate

PROGRAMS = 120
TURNS = 21
TARGET = 5.0

Program = tuple[str, dict[str, list[int]]]


def attention_scores(r: random.Random) -> Program:
    b, t, h, d = r.randint(1, 9), r.randint(2, 40), r.randint(1, 8), r.randint(2, 32)
    lines = [
        f"q = x.view({b}, {t}, {h}, {d})",
        "q = q.permute(0, 2, 1, 3)",
        "k = q.transpose(-2, -1)",
        "s = torch.matmul(q, k)",
        "y = s.softmax(dim=-1)",
    ]
    return "\n".join(lines), {"x": [b, t, h * d]}


def joined(r: random.Random) -> Program:
    a, b, c, n = r.randint(1, 30), r.randint(1, 30), r.randint(2, 30), r.randint(2, 6)
    lines = [
        "z = torch.cat([x, w], dim=0)",
        "z = z[:, 1:]",
        "z = z.unsqueeze(0)",
        f"z = z.expand({n}, -1, -1)",
        "y = z.flatten(0, 1)",
    ]
    return "\n".join(lines), {"x": [a, c], "w": [b, c]}


def classifier(r: random.Random) -> Program:
    n, i, o = r.randint(1, 40), r.randint(2, 60), r.randint(2, 60)
    lines = [
        "h = F.linear(x, w, b)",
        "h = torch.relu(h)",
        "h = h - h.mean(dim=0, keepdim=True)",
        "y = h.sum(dim=-1)",
    ]
    return "\n".join(lines), {"x": [n, i], "w": [o, i], "b": [o]}


def indexed(r: random.Random) -> Program:
    a, b, c, at = r.randint(3, 30), r.randint(3, 30), r.randint(3, 30), r.randint(0, 2)
    lines = [f"z = x[None, {at}, ::2]", "z = z.squeeze(0)", "z = z.t()", "z = z.reshape(-1)", "y = z.view(1, -1) * 2"]
    return "\n".join(lines), {"x": [a, b, c]}


def split(r: random.Random) -> Program:
    n, c = r.randint(1, 40), r.randint(1, 30)
    lines = ["a, b, c = x.chunk(3, dim=1)", "s = a @ b.T", "s = s / 2.0", "s = torch.tril(s)", "y = s @ c"]
    return "\n".join(lines), {"x": [n, 3 * c]}


def stacked(r: random.Random) -> Program:
    n, c = r.randint(1, 40), r.randint(2, 40)
    lines = [
        "z = torch.stack([x, w], dim=1)",
        "z = z.movedim(0, -1)",
        "z = z.amax(dim=0)",
        "z = z + x.T",
        "y = z.repeat(2, 1)",
    ]
    return "\n".join(lines), {"x": [n, c], "w": [n, c]}


TEMPLATES = (attention_scores, joined, classifier, indexed, split, stacked)


def programs(seed: int) -> list[Program]:
    """Programs over all templates in turn, with sizes of their own, and no two of the same text."""
    r = random.Random(seed)
    made = [TEMPLATES[i % len(TEMPLATES)](r) for i in range(PROGRAMS)]
    return [(f"{code}  # {i}", args) for i, (code, args) in enumerate(made)]


def with_rotbot(code: str, args: dict[str, list[int]]) -> object:
    return rotbot.trace(code, args, "y").final


def with_fx(code: str, args: dict[str, list[int]]) -> object:
    """The usual way: make a function of the text, trace it symbolically, propagate real tensors through the graph."""
    scope = {"torch": torch, "F": F}
    body = code.replace("\n", "\n    ")
    exec(f"def f({', '.join(args)}):\n    {body}\n    return y", scope)
    module = torch.fx.symbolic_trace(scope["f"])
    ShapeProp(module).propagate(*[torch.empty(shape) for shape in args.values()])
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    return tuple(output.args[0].meta["tensor_meta"].shape)


def seconds(run: Callable[[str, dict[str, list[int]]], object], snippets: list[Program]) -> float:
    gc.collect()  # what the other left behind
    start = time.perf_counter()
    for program in snippets:
        run(*program)
    return time.perf_counter() - start


@pytest.mark.bench
def test_five_times_as_fast_as_symbolic_trace_and_shape_prop() -> None:
    torch.set_num_threads(1)
    snippets = programs(seed=1)
    ours, theirs = [], []
    with torch.no_grad():
        for program in snippets:
            assert with_rotbot(*program) == with_fx(*program)
        for _ in range(TURNS):
            evaluate.clear_cache()
            ours.append(seconds(with_rotbot, snippets))
            theirs.append(seconds(with_fx, snippets))
    ratio = statistics.median([fx / own for fx, own in zip(theirs, ours, strict=True)])
    print(
        f"\n5-op snippets a second, one process, cold cache, {PROGRAMS} programs, median of {TURNS} turns"
        f"\n  rotbot.trace             {PROGRAMS / statistics.median(ours):8.0f}"
        f"\n  symbolic_trace+ShapeProp {PROGRAMS / statistics.median(theirs):8.0f}"
        f"\n  ratio                    {ratio:8.1f}"
    )
    assert ratio >= TARGET
