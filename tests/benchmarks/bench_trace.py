"""Snippets a second: the in-process tracer beside ``torch.fx.symbolic_trace`` + ``ShapeProp`` on the same programs.

Both get source text and argument shapes and give every operation's shape. Nearly all shapes are distinct, and the
tracer's cache is emptied before each of its rounds. The two take turns in short rounds, because a shared machine's speed
drifts; the ratio is the median over the rounds.
"""

from __future__ import annotations

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

ROUNDS = 9
PROGRAMS = 60
TARGET = 5.0

Program = tuple[str, dict[str, list[int]]]


def attention_scores(r: random.Random) -> Program:
    b, t, h, d = r.randint(1, 9), r.randint(2, 40), r.randint(1, 8), r.randint(2, 32)
    return (
        f"q = x.view({b}, {t}, {h}, {d})\nq = q.permute(0, 2, 1, 3)\nk = q.transpose(-2, -1)\n"
        "s = torch.matmul(q, k)\ny = s.softmax(dim=-1)",
        {"x": [b, t, h * d]},
    )


def joined(r: random.Random) -> Program:
    a, b, c = r.randint(1, 30), r.randint(1, 30), r.randint(2, 30)
    return (
        "z = torch.cat([x, w], dim=0)\nz = z[:, 1:]\nz = z.unsqueeze(0)\n"
        f"z = z.expand({r.randint(2, 6)}, -1, -1)\ny = z.flatten(0, 1)",
        {"x": [a, c], "w": [b, c]},
    )


def classifier(r: random.Random) -> Program:
    n, i, o = r.randint(1, 40), r.randint(2, 60), r.randint(2, 60)
    return (
        "h = F.linear(x, w, b)\nh = torch.relu(h)\nh = h - h.mean(dim=0, keepdim=True)\ny = h.sum(dim=-1)",
        {"x": [n, i], "w": [o, i], "b": [o]},
    )


def indexed(r: random.Random) -> Program:
    a, b, c = r.randint(3, 30), r.randint(3, 30), r.randint(3, 30)
    return (
        f"z = x[None, {r.randint(0, 2)}, ::2]\nz = z.squeeze(0)\nz = z.t()\nz = z.reshape(-1)\ny = z.view(1, -1) * 2",
        {"x": [a, b, c]},
    )


def split(r: random.Random) -> Program:
    n, c = r.randint(1, 40), r.randint(1, 30)
    return (
        "a, b, c = x.chunk(3, dim=1)\ns = a @ b.T\ns = s / 2.0\ns = torch.tril(s)\ny = s @ c",
        {"x": [n, 3 * c]},
    )


def stacked(r: random.Random) -> Program:
    n, c = r.randint(1, 40), r.randint(2, 40)
    return (
        "z = torch.stack([x, w], dim=1)\nz = z.movedim(0, -1)\nz = z.amax(dim=0)\nz = z + x.T\ny = z.repeat(2, 1)",
        {"x": [n, c], "w": [n, c]},
    )


TEMPLATES = (attention_scores, joined, classifier, indexed, split, stacked)


def programs(seed: int) -> list[Program]:
    """Programs over all templates in turn, with sizes of their own."""
    r = random.Random(seed)
    return [TEMPLATES[i % len(TEMPLATES)](r) for i in range(PROGRAMS)]


def with_rotbot(batch: list[Program]) -> list[tuple[int, ...]]:
    return [rotbot.trace(code, args, "y").final for code, args in batch]


def with_fx(batch: list[Program]) -> list[tuple[int, ...]]:
    """The usual way: make a function of the text, trace it symbolically, propagate real tensors through the graph."""
    found = []
    for code, args in batch:
        scope = {"torch": torch, "F": F}
        body = code.replace("\n", "\n    ")
        exec(f"def f({', '.join(args)}):\n    {body}\n    return y", scope)
        module = torch.fx.symbolic_trace(scope["f"])
        ShapeProp(module).propagate(*[torch.empty(shape) for shape in args.values()])
        (output,) = [node for node in module.graph.nodes if node.op == "output"]
        found.append(tuple(output.args[0].meta["tensor_meta"].shape))
    return found


def timed(run: Callable[[list[Program]], list[tuple[int, ...]]], batch: list[Program]) -> tuple[float, list[tuple[int, ...]]]:
    start = time.perf_counter()
    found = run(batch)
    return time.perf_counter() - start, found


@pytest.mark.bench
def test_five_times_as_fast_as_symbolic_trace_and_shape_prop() -> None:
    with torch.no_grad():
        for run in (with_rotbot, with_fx):
            run(programs(0))
        ratios, ours, theirs = [], [], []
        for seed in range(1, ROUNDS + 1):
            batch = programs(seed)
            evaluate._cache.clear()
            seconds, shapes = timed(with_rotbot, batch)
            fx_seconds, fx_shapes = timed(with_fx, batch)
            assert shapes == fx_shapes
            ratios.append(fx_seconds / seconds)
            ours.append(PROGRAMS / seconds)
            theirs.append(PROGRAMS / fx_seconds)
    ratio = statistics.median(ratios)
    print(
        f"\n5-op snippets a second, one process, cold cache, median of {ROUNDS} rounds of {PROGRAMS}"
        f"\n  rotbot.trace             {statistics.median(ours):8.0f}"
        f"\n  symbolic_trace+ShapeProp {statistics.median(theirs):8.0f}"
        f"\n  ratio                    {ratio:8.1f}   (rounds: {', '.join(f'{r:.1f}' for r in sorted(ratios))})"
    )
    assert ratio >= TARGET
