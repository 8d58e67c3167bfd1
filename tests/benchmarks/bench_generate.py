"""Verified rows a second of a real build with two workers, beside the naive way on the same rows.

Every build runs in a process of its own, which starts its clock after the imports: wall seconds (the mixture of
``rotbot generate``, everything from the first draft to the Parquet files), CPU seconds of all its processes (what other
programs do on the machine weighs less there), and the largest resident memory of any of them. What a build costs
however many rows it has (forking, the first calls) cancels out between two numbers of rows.

The naive way takes the rows as they are: make a function of the text, trace it with ``torch.fx.symbolic_trace``, run
it with ``ShapeProp`` on real tensors. It neither writes programs nor files, and only rows that it can trace count.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx.passes.shape_prop import ShapeProp

from rotbot.shapes.running import TORCH_ERRORS

ROWS = (1_000, 4_000, 16_000)
WORKERS = 2
NAIVE_ROWS = 400
LEAST = 1.5
"""How many times the naive rate a build with two workers must reach on any machine. The naive way takes 1.6 ms of CPU a
row: ten times its rate would leave two workers 0.3 ms to write, trace, run and store one."""


def naive(row: dict[str, Any]) -> list[int] | None:
    """The target's shape by ``symbolic_trace`` and ``ShapeProp``; None for a program that fx cannot trace."""
    scope: dict[str, Any] = {"torch": torch, "F": F, "nn": nn}
    body = row["code"].replace("\n", "\n    ")
    exec(f"def f({', '.join([a['name'] for a in row['args']])}):\n    {body}\n    return {row['target']}", scope)
    arguments = [torch.zeros(a["shape"], dtype=getattr(torch, a["dtype"])) for a in row["args"]]
    try:
        module = torch.fx.symbolic_trace(scope["f"])
        ShapeProp(module).propagate(*arguments)
    except (*TORCH_ERRORS, NameError, torch.fx.proxy.TraceError):
        return None
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    return list(output.args[0].meta["tensor_meta"].shape)


def measure(folder: Path, rows: int) -> dict[str, float]:
    """Build ``rows`` rows in ``folder``: wall and CPU seconds, and the largest memory of a process in MiB."""
    from rotbot.problems import LEVELS
    from rotbot.problems.build import build
    from rotbot.problems.parts import Recipe

    wall, cpu = time.perf_counter(), _cpu()
    build(folder, Recipe(rows, seed=1, levels=LEVELS[:6], eval_rows=0), workers=WORKERS)
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": cpu, "memory": max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024}


def _cpu() -> float:
    usages = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def in_a_process(folder: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, str(folder), str(rows)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def naive_rates(folder: Path) -> tuple[int, float, float]:
    """How many of a build's right rows fx can trace, and how many a second, by the clock and by CPU time."""
    table = pq.read_table(min(folder.glob("sft/train-*")), columns=["code", "args", "target", "final"])
    rows = [row for row in table.slice(0, NAIVE_ROWS).to_pylist() if row["final"] is not None]
    counted, wall, cpu = 0, 0.0, 0.0
    with torch.no_grad():
        for turn in range(2):  # the first warms up
            counted, wall, cpu = 0, 0.0, 0.0
            for row in rows:
                start = time.perf_counter(), time.process_time()
                found = naive(row)
                if found is not None:
                    assert found == row["final"], (turn, row)
                    counted += 1
                    wall += time.perf_counter() - start[0]
                    cpu += time.process_time() - start[1]
    return counted, counted / wall, counted / cpu


@pytest.mark.bench
def test_building_beside_the_naive_way(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found = {rows: in_a_process(tmp_path / str(rows), rows) for rows in ROWS}
    counted, naive_wall, naive_cpu = naive_rates(tmp_path / str(ROWS[-1]))
    few, many = ROWS[0], ROWS[-1]
    rate = (many - few) / (found[many]["wall"] - found[few]["wall"])
    per_cpu = (many - few) / (found[many]["cpu"] - found[few]["cpu"])
    print(f"\nlevels 0-5, 10% wrong, 5% idioms, 1% symbolic; {WORKERS} workers, load {os.getloadavg()[0]:.1f}")
    print(f"{'rows':>10}{'seconds':>10}{'rows/s':>10}{'CPU ms/row':>12}{'peak MiB':>10}")
    for rows, one in found.items():
        each = 1000 * one["cpu"] / rows
        print(f"{rows:>10,}{one['wall']:>10.1f}{rows / one['wall']:>10,.0f}{each:>12.2f}{one['memory']:>10,.0f}")
    print(f"from {few:,} to {many:,} rows: {rate:,.0f} rows/s, {1000 / per_cpu:.2f} ms of CPU a row")
    print(f"naive, {counted} rows that fx can trace: {naive_wall:,.0f} rows/s, {1000 / naive_cpu:.2f} ms of CPU a row")
    print(f"ratio {rate / naive_wall:.1f} by the clock, {per_cpu * WORKERS / naive_cpu:.1f} by CPU time")
    assert found[many]["memory"] < 1.25 * found[few]["memory"]
    assert per_cpu * WORKERS / naive_cpu >= LEAST


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
