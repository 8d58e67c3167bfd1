"""Training tokens a second: this package's step beside TRL's ``SFTTrainer`` and a plain loop, on one tiny Qwen3.

Each is a process of its own (``sft_ways.py``), so that its peak memory is its own; they take turns step by step, as
a shared machine's speed drifts. Tokens are those of samples, padding not counted; CPU seconds are those of all the
process's threads, so that other processes weigh less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

import pytest
import torch

from tests.benchmarks.sft_ways import MODEL, WAYS, make_samples

WARM, ROUNDS = 2, int(os.environ.get("ROTBOT_BENCH_ROUNDS", "6"))


def flops_per_token() -> float:
    """Useful floating-point operations of forward and backward, per token of a sample.

    Products count 6 a weight and token (2 forward, 4 backward), the head's on completion tokens alone; attention is
    causal, so that a token meets half its sample.
    """
    samples, c = make_samples(), MODEL
    matrices = c.layers * c.dim * (2 * c.heads * c.head_dim + 2 * c.kv_heads * c.head_dim + 3 * c.ffn_dim)
    tokens = int(samples.offsets[-1])
    attention = 6 * c.layers * c.heads * c.head_dim * float((samples.lengths.astype(float) ** 2).sum())
    head = 6 * c.dim * c.vocab_size * samples.completion_tokens
    return 6 * matrices + (attention + head) / tokens


def matmul_rate() -> tuple[float, float]:
    """This machine's float32 operations a second in a product of 2048 x 2048 matrices: by wall clock, by CPU second."""
    a = torch.randn(2048, 2048)
    walls, cpus = [], []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        a @ a
        walls.append(2 * 2048**3 / (time.perf_counter() - wall))
        cpus.append(2 * 2048**3 / (time.process_time() - cpu))
    return max(walls), max(cpus)


def start(way: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.sft_ways", way]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def ask(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@pytest.mark.bench
def test_training_speed() -> None:
    """Prints the table; ours must train 1.5 times as many tokens a CPU second as TRL, in no more memory."""
    processes = {way: start(way) for way in WAYS}
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(WARM + ROUNDS):
        for way, process in processes.items():
            answer = ask(process)
            if turn >= WARM:  # before that it compiles and warms up
                seen[way].append(answer)
    peaks = {}
    for way, process in processes.items():
        rest, _ = process.communicate()
        peaks[way] = json.loads(rest.splitlines()[-1])["peak"]
    by_wall, by_cpu = matmul_rate()
    rates = {
        way: tuple(statistics.median(a["tokens"] / a[clock] for a in answers) for clock in ("wall", "cpu"))
        for way, answers in seen.items()
    }
    print(f"\n{torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"float32 matmul: {by_wall / 1e9:.0f} GFLOP/s, {by_cpu / 1e9:.0f} a CPU second")
    print(f"{'training step':<26}{'tokens/s':>10}{'per CPU s':>11}{'GFLOP/CPU s':>13}{'of matmul':>11}{'peak MB':>9}")
    for way, (wall, cpu) in rates.items():
        flops = cpu * flops_per_token()
        print(
            f"{way:<26}{wall:>10,.0f}{cpu:>11,.0f}{flops / 1e9:>13.1f}{flops / by_cpu:>11.0%}{peaks[way] / 1e6:>9,.0f}"
        )
    ours, theirs = "rotbot, compiled, Muon", "TRL SFTTrainer"
    ratio = rates[ours][1] / rates[theirs][1]
    print(f"{ratio:.2f} times TRL's tokens a CPU second")
    assert ratio >= 1.5
    assert peaks[ours] <= peaks[theirs]
