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
    (Problem(code, {"x": [a, b]}, "y"), level)
    for (code, level), a, b in product(CODES.items(), range(2, 9), range(2, 9))
]
VALIDATION = PROBLEMS[::5]
TRAIN = [one for one in PROBLEMS if one not in VALIDATION]
MODEL = ModelConfig(
    320, dim=48, layers=2, heads=2, kv_heads=1, head_dim=24, ffn_dim=96, rope_base=1e4, max_positions=512
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
    for split, problems in (("train", TRAIN), ("validation", VALIDATION)):
        rows = [{"prompt": [{"role": "user", "content": p.prompt()}], "level": level} for p, level in problems]
        Dataset.from_list(rows).to_parquet(folder / "rl" / f"{split}-00000-of-00001.parquet")
    return folder


def write_model(folder: Path, updates: int) -> Path:
    """A model after so many updates of supervised training on the problems: at 0 random, at some hundreds perfect."""
    texts = [text for p, _ in TRAIN for text in (p.prompt(), p.truth().completion())]
    tokenizer = train_tokenizer(texts, MODEL.vocab_size)
    model = build_qwen3(MODEL)
    init_weights(model, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    shuffled = torch.Generator().manual_seed(1)
    for _ in range(updates):
        rows = [TRAIN[i][0] for i in torch.randint(len(TRAIN), (32,), generator=shuffled).tolist()]
        pairs = [
            encode_example(tokenizer, [{"role": "user", "content": p.prompt()}], p.truth().completion()) for p in rows
        ]
        ids = torch.zeros(len(pairs), max(len(a) + len(b) for a, b in pairs), dtype=torch.long)
        labels = torch.full(ids.shape, -100)
        for row, (prompt, answer) in enumerate(pairs):
            ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
            labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_folder(folder, model, MODEL, tokenizer)
    return folder


def make_config(*overrides: str) -> GrpoConfig:
    """A run of seconds."""
    return build(GrpoConfig, apply_overrides({}, [*SMALL, *overrides]))


def lines(folder: Path) -> list[dict[str, float]]:
    """The run's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
