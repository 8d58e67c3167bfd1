"""Small runs for tests: problems of one or two steps, and a model that has half learnt them."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F

from rotbot.config import apply_overrides, build
from rotbot.models import ModelConfig, build_qwen3, encode_example, init_weights, save_folder, train_tokenizer
from rotbot.problem import Problem
from rotbot.rl.settings import GrpoConfig

CARD = """---
configs:
- config_name: rl
  default: true
  data_files:
  - split: train
    path: rl/train-*.parquet
  - split: validation
    path: rl/validation-*.parquet
---
"""
CODES = {"y = x.T": 0, "y = x.unsqueeze(0)": 0, "y = x.T.unsqueeze(0)": 1, "y = x.unsqueeze(0).squeeze(0)": 1}
PROBLEMS = [
    (Problem(code, {"x": shape}, "y"), level) for (code, level), shape in product(CODES.items(), ([2, 3], [4, 5]))
]
VALIDATION = PROBLEMS[::2]
MODEL = ModelConfig(
    320, dim=48, layers=2, heads=2, kv_heads=1, head_dim=32, ffn_dim=96, rope_base=1e4, max_positions=512
)
SMALL = (
    "groups=4", "samples=4", "max_tokens=64", "max_prompt=96", "pack_tokens=1024", "precision=float32", "compile=false",
    "engine=transformers", "save_dtype=float32", "eval_rows=0", "tensorboard=false", "threads=1", "warmup=0", "seed=2",
)  # fmt: skip


def write_dataset(folder: Path) -> Path:
    """A dataset folder with the configuration ``rl``."""
    from datasets import Dataset

    (folder / "rl").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    for split, problems in (("train", PROBLEMS), ("validation", VALIDATION)):
        rows = [{"prompt": [{"role": "user", "content": p.prompt()}], "level": level} for p, level in problems]
        Dataset.from_list(rows).to_parquet(folder / "rl" / f"{split}-00000-of-00001.parquet")
    return folder


def write_model(folder: Path, loss_below: float) -> Path:
    """A model that has learnt the answers to the problems up to a loss per token, and is still unsure of them."""
    torch.manual_seed(0)
    rows = [(problem.prompt(), problem.truth().completion()) for problem, _ in PROBLEMS]
    tokenizer = train_tokenizer([text for row in rows for text in row], MODEL.vocab_size)
    model = build_qwen3(MODEL)
    init_weights(model, 1)
    pairs = [encode_example(tokenizer, [{"role": "user", "content": prompt}], answer) for prompt, answer in rows]
    ids = torch.zeros(len(pairs), max(len(a) + len(b) for a, b in pairs), dtype=torch.long)
    labels = torch.full(ids.shape, -100)
    for row, (prompt, answer) in enumerate(pairs):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(600):
        loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        if loss.item() < loss_below:
            save_folder(folder, model, MODEL, tokenizer)
            return folder
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise AssertionError(f"the answers were not learnt in 600 updates (loss {loss.item():.3f})")


def make_config(*overrides: str) -> GrpoConfig:
    """A run of seconds."""
    return build(GrpoConfig, apply_overrides({}, [*SMALL, *overrides]))


def lines(folder: Path) -> list[dict[str, float]]:
    """The run's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
