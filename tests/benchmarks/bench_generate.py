"""Verified rows a second of a real build with two workers, beside the build that one would write first.

Every build runs in a process of its own, which starts its clock after the imports: wall seconds (the mixture of
``rotbot generate``, everything from the first draft to the Parquet files), CPU seconds of all its processes (what other
programs do on the machine weighs less there), and the largest resident memory of any of them. What a build costs
however many rows it has (forking, the first calls) cancels out between two numbers of rows.

The other build is ``naive_build.py``: the same composer, then ``exec``, ``torch.fx.symbolic_trace`` and ``ShapeProp``
on real tensors for every program, in one process, without care for speed. It counts by the rows that it delivers:
programs that fx cannot trace cost it their time. It runs before and after a build with one worker. The two ratios mean
different things: by CPU time it is held against that one worker, by the clock its one process against two workers. Its
rows hold less: no problems with named sizes (one in a hundred of rotbot's rows, which cost as much as ten others), no
canonical forms, splits and reasons.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROWS = (1_000, 4_000, 16_000)
WORKERS = 2
NAIVE_ROWS = 400
LEAST = 1.5
"""How many times the CPU time of one worker the naive build must take for a row, on any machine."""


def measure(folder: Path, rows: int, workers: int) -> dict[str, float]:
    """Build ``rows`` rows in ``folder``: wall and CPU seconds, and the largest memory of a process in MiB."""
    from rotbot.problems import LEVELS
    from rotbot.problems.build import build
    from rotbot.problems.parts import Recipe

    wall, cpu = time.perf_counter(), _cpu()
    build(folder, Recipe(rows, seed=1, levels=LEVELS[:6], eval_rows=0), workers=workers)
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": cpu, "memory": max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024}


def measure_naive(path: Path, rows: int, workers: int) -> dict[str, float]:
    """The naive build of ``rows`` rows, with one worker: wall and CPU seconds, and how many programs were tried."""
    assert workers == 1
    sys.path.insert(0, str(Path(__file__).parent))
    import naive_build

    naive_build.build(path, rows // 10, seed=0)  # the first calls
    wall, cpu = time.perf_counter(), time.process_time()
    found = naive_build.build(path, rows, seed=1)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "tried": found["tried"]}


def _cpu() -> float:
    usages = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def in_a_process(way: str, folder: Path, rows: int, workers: int) -> dict[str, float]:
    """What :func:`measure` or :func:`measure_naive` finds in a process of its own."""
    command = [sys.executable, __file__, way, str(folder), str(rows), str(workers)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.bench
def test_building_beside_the_naive_way(tmp_path: Path) -> None:
    naive = [in_a_process("naive", tmp_path / "before.parquet", NAIVE_ROWS, 1)]
    alone = [in_a_process("rotbot", tmp_path / f"alone-{rows}", rows, 1) for rows in ROWS[:2]]
    naive.append(in_a_process("naive", tmp_path / "after.parquet", NAIVE_ROWS, 1))
    found = {rows: in_a_process("rotbot", tmp_path / str(rows), rows, WORKERS) for rows in ROWS}
    few, many = ROWS[0], ROWS[-1]
    rate = (many - few) / (found[many]["wall"] - found[few]["wall"])
    each = (found[many]["cpu"] - found[few]["cpu"]) / (many - few)
    print(f"\nlevels 0-5, 10% wrong, 5% idioms, 1% symbolic; {WORKERS} workers, load {os.getloadavg()[0]:.1f}")
    print(f"{'rows':>10}{'seconds':>10}{'rows/s':>10}{'CPU ms/row':>12}{'peak MiB':>10}")
    for rows, built in found.items():
        cost = f"{rows / built['wall']:>10,.0f}{1000 * built['cpu'] / rows:>12.2f}"
        print(f"{rows:>10,}{built['wall']:>10.1f}{cost}{built['memory']:>10,.0f}")
    print(f"from {few:,} to {many:,} rows: {rate:,.0f} rows/s, {1000 * each:.2f} ms of CPU a row")
    one = 1000 * (alone[1]["cpu"] - alone[0]["cpu"]) / (ROWS[1] - ROWS[0])
    print(f"with one worker, from {ROWS[0]:,} to {ROWS[1]:,} rows: {one:.2f} ms of CPU a row")
    wall, cpu = [sum([run[kind] for run in naive]) / len(naive) / NAIVE_ROWS for kind in ("wall", "cpu")]
    print(f"naive: {1 / wall:,.0f} rows/s, {1000 * cpu:.2f} ms of CPU a row; {_share(naive)} of its programs give one")
    print(f"ratio {1000 * cpu / one:.1f} by CPU time, one worker; {rate * wall:.1f} by the clock, {WORKERS} workers")
    assert found[many]["memory"] < 1.25 * found[few]["memory"]
    assert 1000 * cpu / one >= LEAST


def _share(naive: list[dict[str, float]]) -> str:
    return f"{len(naive) * NAIVE_ROWS / sum([run['tried'] for run in naive]):.0%}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    ways = {"rotbot": measure, "naive": measure_naive}
    print(json.dumps(ways[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
