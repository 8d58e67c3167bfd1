"""Training tokens a second: this package's step beside a plain loop over the same torchtune model.

The plain loop is what one writes first: float32, padded batches in random order, logits at every position, AdamW. All
take turns, because a shared machine's speed drifts. Tokens are those of samples, padding not counted; CPU seconds are
those of all the process's threads, so that other processes weigh less.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rotbot.models.config import size
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.sft.data import Samples
from rotbot.sft.forward import PackedForward
from rotbot.sft.optim import build_optimizers
from rotbot.sft.packing import PackStream, build_pack
from rotbot.sft.run import precision

ROUNDS = 3
STEP_PACKS, PACK_TOKENS, BATCH = 2, 4096, 48
PAIR = tuple[float, float]
"""Wall seconds and CPU seconds."""


def make_samples() -> Samples:
    """Lengths like those of the generated dataset: 60 to 400 tokens, 160 on average; half of them prompt."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.gamma(5.0, 32.0, 2000), 60, 400).astype(np.int64)
    ids = rng.integers(0, 1024, int(lengths.sum())).astype(np.int32)
    return Samples(ids, np.concatenate([[0], np.cumsum(lengths)]), (lengths // 2).astype(np.int32), 0)


def plain_loop(samples: Samples) -> Callable[[], int]:
    """One step of the loop one writes first → tokens of samples."""
    model = build_qwen3(size("tiny"))
    init_weights(model, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(1)

    def step() -> int:
        chosen = rng.choice(len(samples), BATCH, replace=False)
        longest = max(samples.length(i) for i in chosen)
        tokens = torch.zeros(BATCH, longest, dtype=torch.long)
        labels = torch.full((BATCH, longest), -100)
        for row, i in enumerate(chosen):
            ids = torch.from_numpy(samples.tokens(i)).long()
            tokens[row, : len(ids)] = ids
            labels[row, samples.prompt_length(i) - 1 : len(ids) - 1] = ids[samples.prompt_length(i) :]
        F.cross_entropy(model(tokens).flatten(0, 1), labels.flatten(), ignore_index=-100).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return sum(samples.length(i) for i in chosen)

    return step


def packed_step(samples: Samples, dtype: torch.dtype, compiled: bool) -> Callable[[], int]:
    """One step of ours → tokens of samples."""
    model = build_qwen3(size("tiny"))
    init_weights(model, 0)
    forward = PackedForward(model, size("tiny"), dtype, compiled)
    optimizers = build_optimizers(model, "muon", 0.95, (0.9, 0.95), 0.1, dtype)
    stream = PackStream(samples, PACK_TOKENS, seed=0)

    def step() -> int:
        packs = [build_pack(samples, stream.next(), PACK_TOKENS, 0) for _ in range(STEP_PACKS)]
        total = sum(len(pack.targets_M) for pack in packs)
        for pack in packs:
            (forward(pack)[0] / total).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizers.step(1e-3, 1e-3)
        return sum(samples.length(i) for pack in packs for i in pack.samples)

    return step


@pytest.mark.bench
def test_training_speed() -> None:
    """Prints the table; the compiled step must beat the plain loop twice over."""
    samples = make_samples()
    best = precision("auto")
    ways = {
        "plain torchtune loop, float32, padded, AdamW": plain_loop(samples),
        "packed, float32, Muon": packed_step(samples, torch.float32, compiled=False),
        f"packed, {str(best).removeprefix('torch.')}, Muon": packed_step(samples, best, compiled=False),
        f"packed, {str(best).removeprefix('torch.')}, compiled, Muon": packed_step(samples, best, compiled=True),
    }
    rates: dict[str, list[PAIR]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, step in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            tokens = step() + step()
            if turn:  # the first round compiles and warms up
                rates[name].append((tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)))
    print(f"\n{torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'training step':<52}{'tokens/s':>10}{'per CPU second':>16}")
    for name, pairs in rates.items():
        wall, cpu = (statistics.median(p[kind] for p in pairs) for kind in (0, 1))
        print(f"{name:<52}{wall:>10,.0f}{cpu:>16,.0f}")
    plain, *_, ours = [statistics.median(p[1] for p in pairs) for pairs in rates.values()]
    assert ours > 2 * plain
