"""The build that an engineer would write first, for the benchmark of ``rotbot generate``.

It makes rows one after the other in one process, of the same kinds and in the same shares as rotbot's. What it shares
with rotbot is what writes programs: the composer, the writer, the idioms, the mutations of wrong programs. The truth it
gets the usual way: ``exec`` makes a function of the text, ``torch.fx.symbolic_trace`` a graph of the function, and
``ShapeProp`` runs the graph on real tensors; the steps' text is read from the nodes, and the rows become one Parquet
file. A program that fx cannot trace (inline ``nn`` modules, sizes given to factory functions, ...) has cost its time
and gives no row; another is drawn instead. A program is wrong if ``ShapeProp`` rejects it, and as many mutations are
tried as in rotbot. What rotbot does beyond that (splits, canonical forms, named sizes, reasons) is left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from rotbot import Problem
from rotbot.problems import LEVELS
from rotbot.problems.idioms import draw_idiom
from rotbot.problems.mistakes import MAX_TRIES, MUTATIONS
from rotbot.problems.rows import draft

WRONG, IDIOMS = 0.1, 0.05
"""The shares of ``rotbot generate``."""

REJECTIONS = (RuntimeError, IndexError, ValueError, TypeError)
"""What torch raises for shapes that do not fit."""

UNTRACED = (*REJECTIONS, NameError, AttributeError, AssertionError, fx.proxy.TraceError)
"""What ``symbolic_trace`` raises besides."""

Row = dict[str, Any]


def build(path: Path, rows: int, seed: int) -> dict[str, int]:
    """Write ``rows`` rows to the file ``path``; how many programs were tried for them."""
    made: list[Row] = []
    tried, rng = 0, Random(seed)
    with torch.no_grad():
        while len(made) < rows:
            for problem, final in _programs(rng):
                tried += 1
                row = trace(problem)
                if row is not None and (row["outcome"] == "error") == (final is None):
                    assert not final or tuple(row["final"]) == final, (problem, row)
                    made.append(row)
                    break
    pq.write_table(pa.Table.from_pylist(made), path)
    return {"rows": len(made), "tried": tried}


def _programs(rng: Random) -> Iterator[tuple[Problem, tuple[int, ...] | None]]:
    """A program with the shape that its composer expects (``()`` where there is none), or wrong ones to choose from."""
    kind, level = rng.random(), rng.choice(LEVELS[:6])
    if kind < IDIOMS:
        idiom = draw_idiom(rng)
        yield Problem(idiom.code, idiom.args, idiom.target), ()
        return
    program, written = draft(rng.getrandbits(62), level)
    if kind > 1 - WRONG:
        for _ in range(MAX_TRIES):
            wrong = rng.choice(MUTATIONS)(rng, program, written, level)
            if wrong is not None and wrong.problem != written.problem:
                yield wrong.problem, None
        return
    yield written.problem, program.values[program.target].shape


def trace(problem: Problem) -> Row | None:
    """A program as a row, by ``symbolic_trace`` and ``ShapeProp``; None where fx cannot trace it."""
    scope: dict[str, Any] = {"torch": torch, "F": F, "nn": nn}
    body = problem.code.replace("\n", "\n    ")
    names = ", ".join([name for name, _ in problem.specs])
    exec(f"def f({names}):\n    {body}\n    return {problem.target}", scope)
    arguments = [torch.zeros(spec.sizes, dtype=getattr(torch, spec.dtype)) for _, spec in problem.specs]
    try:
        module = fx.symbolic_trace(scope["f"])
    except UNTRACED:
        return None
    failed = False
    try:
        with redirect_stderr(io.StringIO()):  # it prints what it raises
            ShapeProp(module).propagate(*arguments)
    except REJECTIONS:
        failed = True
    steps = _steps(module.graph)
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    result = None if failed else _shapes(output.args[0])
    if not failed and not result:
        return None
    final = f"error at step {len(steps)}" if failed else ", ".join(map(str, result or []))
    return {
        "code": problem.code,
        "args": [{"name": name, "shape": list(spec.sizes), "dtype": spec.dtype} for name, spec in problem.specs],
        "target": problem.target,
        "prompt": [{"role": "user", "content": problem.prompt()}],
        "completion": [{"role": "assistant", "content": "\n".join([*steps, "</think>", f"final: {final}"])}],
        "final": result[0] if result else None,
        "outcome": "error" if failed else "ok",
        "n_steps": len(steps),
    }


def _steps(graph: fx.Graph) -> list[str]:
    """A line for every node that gave tensors."""
    lines: list[str] = []
    for node in graph.nodes:
        outputs = [] if node.op in ("placeholder", "output") else _shapes(node)
        if outputs:
            inputs = [shape for source in node.all_input_nodes for shape in _shapes(source)]
            given = [_literal(arg) for arg in node.args if not isinstance(arg, fx.Node)]
            given += [f"{key}={_literal(value)}" for key, value in node.kwargs.items()]
            name = node.target if isinstance(node.target, str) else node.target.__name__
            text = f"{name}({', '.join(given)})" if given else name
            sizes = ", ".join(map(str, inputs)) or "none"
            lines.append(f"step {len(lines)}: {text} | {sizes} -> {', '.join(map(str, outputs))}")
    return lines


def _shapes(value: Any) -> list[list[int]]:
    found = value.meta.get("tensor_meta") if isinstance(value, fx.Node) else value
    if hasattr(found, "shape"):
        return [list(found.shape)]
    return [shape for item in found for shape in _shapes(item)] if isinstance(found, (tuple, list)) else []


def _literal(value: Any) -> str:
    return "_" if isinstance(value, fx.Node) else repr(value)
