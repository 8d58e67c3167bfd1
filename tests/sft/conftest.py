"""A small dataset in the design's layout, and the smallest model that can learn it."""

import os

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CARD = """---
configs:
- config_name: sft
  default: true
  data_files:
  - split: train
    path: sft/train-*.parquet
  - split: validation
    path: sft/validation-*.parquet
---
"""

TINY = [
    "precision=float32", "compile=false", "threads=1", "save_dtype=float32", "seed=3",
    "model.dim=32", "model.layers=2", "model.heads=2", "model.kv_heads=1", "model.head_dim=16", "model.ffn_dim=48",
    "model.vocab_size=300", "data.max_length=256", "batch.pack_tokens=512", "batch.step_tokens=1024",
    "schedule.epochs=null",
]  # fmt: skip


def problem_rows(count, start=0):
    """``count`` different problems of one or two steps: transposes and added dimensions."""
    rows = []
    for i in range(start, start + count):
        a, b = 2 + i % 7, 3 + i % 11
        steps = [f"step 0: T | [{a}, {b}] -> [{b}, {a}]"]
        code, final = f"y{i} = x.T", f"[{b}, {a}]"
        if i % 3 == 0:
            steps.append(f"step 1: unsqueeze(0) | [{b}, {a}] -> [1, {b}, {a}]")
            code, final = f"{code}\ny{i} = y{i}.unsqueeze(0)", f"[1, {b}, {a}]"
        prompt = f"Code: {code!r}\nArgs: {{'x': [{a}, {b}]}}\nTarget: y{i}"
        completion = "\n".join(steps) + f"\n</think>\nfinal: {final}"
        rows.append(
            {
                "prompt": [{"role": "user", "content": prompt}],
                "completion": [{"role": "assistant", "content": completion}],
            }
        )
    return rows


def write_dataset(folder, train, validation):
    from datasets import Dataset

    (folder / "sft").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    for split, rows in (("train", train), ("validation", validation)):
        Dataset.from_list(rows).to_parquet(folder / "sft" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def eight(tmp_path):
    """Eight rows, the same ones to train and to validate on: their folder and themselves."""
    rows = problem_rows(8)
    return write_dataset(tmp_path / "eight", rows, rows), rows


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "set", problem_rows(40), problem_rows(6, start=40))


@pytest.fixture
def settings(dataset, tmp_path):
    """Overrides for a run of a second or two; more can be added after them."""
    return [*TINY, f"data.dataset={dataset}", f"output={tmp_path / 'run'}"]


@pytest.fixture
def make_config(settings):
    from rotbot.config import apply_overrides, build
    from rotbot.sft.config import SftConfig

    def make(*more):
        return build(SftConfig, apply_overrides({}, [*settings, *more]))

    return make
