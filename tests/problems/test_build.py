"""Datasets on disk: the same bytes for any number of workers, whole or not at all, loadable as they are."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problems import LEVELS, Level, build, shards
from rotbot.problems.canonical import canonical_trace, program_id, split_of
from rotbot.problems.verify import Disagreement

ROWS = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "out"
    build.build(out, build.Recipe(ROWS, seed=3), workers=1)
    return out


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(folder: Path) -> dict[str, list[dict]]:
    return {
        split: [row for path in sorted(folder.glob(f"sft/{split}-*")) for row in pq.read_table(path).to_pylist()]
        for split in ("train", "validation", "test")
    }


def test_two_workers_write_the_same_bytes_as_one(folder, tmp_path):
    build.build(tmp_path / "two", build.Recipe(ROWS, seed=3), workers=2)
    assert digests(tmp_path / "two") == digests(folder)
    assert set(digests(folder)) == {
        "README.md", *(f"sft/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")),
    }  # fmt: skip


def test_load_dataset_takes_the_folder_as_it_is(folder, tmp_path):
    data = load_dataset(str(folder), "sft", cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in data.items()} == {s: len(r) for s, r in read(folder).items()}
    assert sum(len(rows) for rows in data.values()) == ROWS
    row = data["train"][0]
    assert list(row) == shards.SCHEMA.names
    problem = Problem.parse(row["prompt"][0]["content"])
    assert row["prompt"][0]["role"] == "user"
    assert (problem.code, problem.target) == (row["code"], row["target"])
    assert row["completion"] == [{"role": "assistant", "content": problem.truth().completion()}]


def test_rows_say_what_their_problem_says(folder):
    for split, rows in read(folder).items():
        for row in rows[:60]:
            args = {a["name"]: f"{','.join(map(str, a['shape']))}:{a['dtype']}" for a in row["args"]}
            problem = Problem(row["code"], args, row["target"])
            truth = problem.truth()
            assert row["trace"] == truth.render()
            assert tuple(row["final"]) == truth.final
            assert row["n_steps"] == len(truth.steps) == row["level"] + 1
            assert len(row["ops"]) <= row["n_steps"]
            assert row["id"] == program_id(problem)
            assert split == split_of(problem, row["trace"])
            assert row["outcome"] == "ok"


def test_splits_are_disjoint_and_ids_unique(folder):
    splits = read(folder)
    ids = [row["id"] for rows in splits.values() for row in rows]
    assert len(set(ids)) == len(ids) == ROWS
    forms = {
        split: {canonical_trace(Problem.parse(row["prompt"][0]["content"]), row["trace"]) for row in rows}
        for split, rows in splits.items()
    }
    assert not forms["train"] & (forms["validation"] | forms["test"])
    assert not forms["validation"] & forms["test"]
    assert len(splits["train"]) > 0.9 * ROWS


def test_shards_fill_up_and_say_how_many_they_are(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "GROUP_ROWS", 50)
    monkeypatch.setattr(shards, "SHARD_ROWS", 100)
    build.build(tmp_path / "out", build.Recipe(ROWS, seed=3), workers=1)
    names = sorted(path.name for path in (tmp_path / "out" / "sft").glob("train-*"))
    assert names == [f"train-{i:05d}-of-{len(names):05d}.parquet" for i in range(5)]
    assert read(tmp_path / "out") == read(folder)


def test_empty_splits_are_left_out(tmp_path):
    build.build(tmp_path / "out", build.Recipe(1, seed=5), workers=1)
    data = load_dataset(str(tmp_path / "out"), "sft", cache_dir=str(tmp_path / "cache"))
    assert [len(rows) for rows in data.values()] == [1]


def test_the_card_is_valid_and_complete(folder):
    text = (folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["configs"][0]["config_name"] == "sft"
    assert card["configs"][0]["data_files"][0] == {"split": "train", "path": "sft/train-*.parquet"}
    assert card["size_categories"] == ["n<1K"]
    assert f"rotbot generate OUT --rows {ROWS} --seed 3 --level 0-5" in body
    assert not any(mark in body for mark in ("{{", "{%", "None", "TODO"))
    counts = {split: len(rows) for split, rows in read(folder).items()}
    assert all(f"| {split} | {count} |\n" in body for split, count in counts.items())


def test_exhausted_levels_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MAX_DUPLICATE_CHUNKS", 1)
    tiny = Level(0, (1, 1), max_rank=1, sizes=(2,), max_args=1, families=("permute",), dead=0.0)
    with pytest.raises(InputError, match=r"rows: these levels have about \d+ programs, expected 5000"):
        build.build(tmp_path / "out", build.Recipe(5_000, levels=(tiny,)), workers=1)
    assert list(tmp_path.iterdir()) == []


def test_out_is_not_overwritten_unasked(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("keep")
    with pytest.raises(InputError, match=r"expected an empty or new folder, got .*--overwrite"):
        build.build(out, build.Recipe(3), workers=1)
    assert (out / "precious").read_text() == "keep"
    build.build(out, build.Recipe(3), workers=1, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "sft"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [({"rows": 0}, "rows: expected at least 1, got 0"), ({"rows": 1, "seed": -1}, "seed: expected 0 or more, got -1"),
     ({"rows": 1, "levels": ()}, "levels: expected at least one")],
)  # fmt: skip
def test_recipes_that_are_none(recipe, message):
    with pytest.raises(InputError, match=message):
        build.Recipe(**recipe)


def break_item(seed, levels, start, count=build.CHUNK):
    if start:
        raise Disagreement(Problem("y = x.T", {"x": [2, 3]}, "y"), "a test says so")
    return []


def kill_worker(seed, levels, start, count=build.CHUNK):
    if start:
        os.kill(os.getpid(), signal.SIGKILL)
    return []


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [(break_item, Disagreement, "no agreed truth: a test says so\nCode: 'y = x.T'"),
     (kill_worker, build.WorkerDied, "a worker process died")],
)  # fmt: skip
def test_a_fault_in_a_worker_stops_everything(fault, error, message, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "make_chunk", fault)
    with pytest.raises(error, match=message):
        build.build(tmp_path / "out", build.Recipe(10_000), workers=2)
    assert list(tmp_path.iterdir()) == []


def test_kill_9_leaves_nothing_that_looks_whole(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "rotbot", "generate", str(out), "--rows", "1000000", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".out.new/sft")) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(process.pid)
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        workers = children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) == 2
    assert not out.exists()
    assert not list(tmp_path.rglob("README.md")), "what is left must not pass for a dataset"
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "orphaned workers"
    build.build(out, build.Recipe(5), workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def test_levels_are_drawn_evenly(folder):
    counts = [sum(row["level"] == level.number for rows in read(folder).values() for row in rows) for level in LEVELS]
    assert all(ROWS / 6 * 0.6 < count < ROWS / 6 * 1.4 for count in counts), counts
