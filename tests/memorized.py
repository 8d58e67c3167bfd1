"""Models for tests of what uses models: one of random weights, and one trained until it knows three answers by heart.

The three answers are a right one, one that is right in the end alone, and a wrong one, so that every verdict can be had
from a real model on a real engine.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from rotbot.models import ModelConfig, build_qwen3, encode_example, init_weights, save_folder, train_tokenizer
from rotbot.problem import Problem
from rotbot.problems import stream

RIGHT = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
LUCKY = Problem("y = x.view(2, 15).permute(1, 0)", {"x": [6, 5]}, "y")
WRONG = Problem("z = (a @ b).relu()", {"a": [2, 3], "b": [3, 7]}, "z")
ANSWERS = {
    RIGHT: "step 0: add dimension at position 0 | [16] -> [1, 16]\nstep 1: expand(4, -1) | [1, 16] -> [4, 16]\n"
    "</think>\nfinal: [4, 16]",
    LUCKY: "step 0: view(2, 15) | [6, 5] -> [2, 13]\nstep 1: permute(1, 0) | [2, 13] -> [15, 2]\n"
    "</think>\nfinal: [15, 2]",
    WRONG: "step 0: matmul | [2, 3], [3, 7] -> [2, 7]\nstep 1: relu | [2, 7] -> [7, 2]\n</think>\nfinal: [7, 2]",
}
CONFIG = ModelConfig(
    512, dim=64, layers=2, heads=4, kv_heads=2, head_dim=32, ffn_dim=128, rope_base=1e4, max_positions=2048
)


@cache
def tokenizer():
    texts = [t for p in islice(stream(7), 150) for t in (p.prompt(), p.truth().completion())]
    return train_tokenizer([*texts, *ANSWERS.values()], CONFIG.vocab_size)


def save_random(path: Path) -> Path:
    """Random weights on a scale that spreads the logits: near-ties, which rounding may turn, become rare."""
    model = build_qwen3(CONFIG)
    init_weights(model, 3, std=0.3)
    save_folder(path, model, CONFIG, tokenizer())
    return path


def save_memorized(path: Path) -> Path:
    """Train on :data:`ANSWERS` until every token of them is likely."""
    torch.manual_seed(0)
    model = build_qwen3(CONFIG)
    init_weights(model, 0)
    pairs = [encode_example(tokenizer(), [{"role": "user", "content": p.prompt()}], a) for p, a in ANSWERS.items()]
    width = max(len(prompt) + len(answer) for prompt, answer in pairs)
    ids, labels = torch.zeros(3, width, dtype=torch.long), torch.full((3, width), -100)
    for row, (prompt, answer) in enumerate(pairs):
        ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(400):
        loss = cross_entropy(model(ids)[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.005:
            save_folder(path, model, CONFIG, tokenizer())
            return path
    raise AssertionError(f"three answers were not learnt in 400 steps (loss {loss.item():.3f})")
