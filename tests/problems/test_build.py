"""Datasets on disk: the same bytes for any number of workers, whole or not at all, loadable as they are."""

from __future__ import annotations

import gc
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from datasets import load_dataset

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problems import LEVELS, Level, build, parts, shards
from rotbot.problems.canonical import program_id
from rotbot.problems.graphs import form_of, graph_of
from rotbot.problems.idioms import TEMPLATES
from rotbot.problems.parts import Recipe
from rotbot.problems.real import real_programs
from rotbot.problems.splits import CONFIGS, Place, place_of
from rotbot.problems.verify import Disagreement

ROWS = 300
FIRST = LEVELS[:6]


def recipe(rows=ROWS, seed=3, levels=FIRST, **rest):
    return Recipe(rows, seed, levels, **({"eval_rows": 1} | rest))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "out"
    build.build(out, recipe(), workers=1)
    return out


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(folder: Path) -> dict[Place, list[dict]]:
    return {
        Place(config, split): [
            row for path in sorted(folder.glob(f"{config}/{split}-*")) for row in pq.read_table(path).to_pylist()
        ]
        for config, splits in CONFIGS.items()
        for split in splits
    }


def test_a_build_leaves_torch_and_the_collector_as_they_were(tmp_path):
    before = torch.backends.mkldnn.enabled, gc.get_threshold(), gc.isenabled()
    build.build(tmp_path / "out", recipe(rows=20, eval_rows=0), workers=1)
    assert (torch.backends.mkldnn.enabled, gc.get_threshold(), gc.isenabled()) == before


def test_two_workers_write_the_same_bytes_as_one(folder, tmp_path):
    build.build(tmp_path / "two", recipe(), workers=2)
    assert digests(tmp_path / "two") == digests(folder)
    assert {name.partition("-")[0] for name in digests(folder)} >= {
        "README.md", "sft/train", "sft/validation", "rl/train", "eval/id", "eval/ood_style", "eval/ood_depth",
        "eval/ood_rank", "eval/ood_size", "eval/ood_pair", "eval/ood_op", "eval/error", "eval/real",
    }  # fmt: skip


def test_shards_of_two_machines_together_are_one_machine_s(folder, tmp_path):
    for which in (0, 1):
        build.build_shard(tmp_path / f"part{which}", recipe(), (which, 2), workers=1)
    made = [len(list((tmp_path / f"part{which}").glob("main-*"))) for which in (0, 1)]
    assert made == [3, 2]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("part*/main-*")}
    build.build(tmp_path / "out", recipe(), workers=1, parts=(tmp_path / "part0", tmp_path / "part1"))
    assert digests(tmp_path / "out") == digests(folder)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("part*/main-*")} == before
    with pytest.raises(InputError, match=r"expected parts of this recipe in .*, got another's: seed 3 there, 4 here"):
        build.build(tmp_path / "other", recipe(seed=4), parts=(tmp_path / "part0",))


def test_load_dataset_takes_the_folder_as_it_is(folder, tmp_path):
    rows = read(folder)
    for config in CONFIGS:
        data = load_dataset(str(folder), config, cache_dir=str(tmp_path))
        assert {Place(config, split): len(part) for split, part in data.items()} == {
            place: len(found) for place, found in rows.items() if place.config == config and found
        }
    assert sum(len(found) for place, found in rows.items() if place.config != "eval") == ROWS
    row = load_dataset(str(folder), "sft", split="train", cache_dir=str(tmp_path))[0]
    assert list(row) == shards.SCHEMA.names
    problem = Problem.parse(row["prompt"][0]["content"])
    assert row["prompt"][0]["role"] == "user"
    assert (problem.code, problem.target) == (row["code"], row["target"])
    assert row["completion"] == [{"role": "assistant", "content": problem.truth().completion()}]


KINDS = {"error": "error", "real": "real"}
IDIOMS = {template.__name__ for template in TEMPLATES}


def test_rows_say_what_their_problem_says(folder):
    for place, rows in read(folder).items():
        for row in rows[:60]:
            args = {a["name"]: f"{','.join(map(str, a['dims'] or a['shape']))}:{a['dtype']}" for a in row["args"]}
            symbolic = any(a["dims"] for a in row["args"])
            assert symbolic or place.split != "symbolic"
            problem = Problem(row["code"], args, row["target"])
            truth = problem.truth()
            assert row["trace"] == truth.render()
            assert row["final"] == (None if truth.error or symbolic else list(truth.final))
            assert row["outcome"] == ("error" if truth.error else "ok")
            assert row["n_steps"] == len(truth.steps) == len(row["ops"])
            assert row["id"] == program_id(problem)
            if place.config == "eval" and not symbolic:
                arguments = tuple((spec.shape, spec.dtype) for _, spec in problem.specs)
                graph = graph_of(truth, tuple(shape for shape, _ in arguments))
                kind = "idiom" if row["style"] in IDIOMS else KINDS.get(place.split, "plain")
                assert place_of(kind, graph, form_of(truth, arguments)) == place
            if place.split == "error":
                assert row["outcome"] == "error"


def test_the_split_real_is_the_programs_written_by_hand(tmp_path):
    build.build(tmp_path / "out", recipe(100, wrong=0, symbolic=0, idioms=0, eval_rows=40), workers=2)
    rows = read(tmp_path / "out")[Place("eval", "real")]
    assert len(rows) == 40
    assert {row["style"] for row in rows} <= {program.topic for program in real_programs()}
    assert len({row["style"] for row in rows}) > 4
    ours = [re.sub(r"\{[^{}]+\}", "N", program.code) for program in real_programs()]
    for row in rows:
        assert any(re.fullmatch(re.escape(code).replace("N", ".+"), row["code"]) for code in ours)


def test_a_program_written_by_hand_whose_form_is_in_training_is_left_out(tmp_path):
    made = parts.make_chunk(recipe(), "real", 0)
    merger = build._Merger(tmp_path, recipe(eval_rows=100))
    merger.forms[made["form"][3].as_py()] = "sft/train"
    assert merger.add(made, "real") == len(made) - 1
    assert not merger.tally.overlaps
    merger.close()


def test_splits_are_disjoint_and_ids_unique(folder):
    rows = [(place, row) for place, found in read(folder).items() for row in found]
    assert len({row["id"] for _, row in rows}) == len(rows)
    places: dict[str, set[Place]] = {}
    for place, row in rows:
        problem = Problem.parse(row["prompt"][0]["content"])
        form = form_of(problem.truth(), tuple((spec.shape, spec.dtype) for _, spec in problem.specs))
        places.setdefault(form, set()).add(place)
    assert all(len(found) == 1 for found in places.values())
    assert sum(place == Place("sft", "train") for place, _ in rows) > 0.75 * ROWS


def test_wrong_programs_and_idioms_are_as_many_as_asked(tmp_path):
    build.build(tmp_path / "out", recipe(200, wrong=0.5, idioms=0.4, eval_rows=0), workers=2)
    rows = [row for found in read(tmp_path / "out").values() for row in found]
    assert len(rows) == 200
    assert 0.4 < sum(row["outcome"] == "error" for row in rows) / 200 < 0.6
    assert 0.3 < sum(row["style"] in ("attention", "rotary", "patches", "conv_stack", "residual_block", "feed_forward",
        "routing", "language_loss", "causal_mask", "contrastive", "channel_attention", "upsampling", "im2col",
        "fused_attention", "grouped_queries", "window_partition") for row in rows) / 200 < 0.5  # fmt: skip


def test_shards_fill_up_and_say_how_many_they_are(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "GROUP_ROWS", 50)
    monkeypatch.setattr(shards, "SHARD_ROWS", 100)
    build.build(tmp_path / "out", recipe(), workers=1)
    names = sorted(path.name for path in (tmp_path / "out" / "sft").glob("train-*"))
    assert names == [f"train-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    assert len(names) > 1
    assert read(tmp_path / "out") == read(folder)


def test_empty_splits_are_left_out(tmp_path):
    build.build(tmp_path / "out", recipe(1, eval_rows=0), workers=1)
    data = load_dataset(str(tmp_path / "out"), "sft", cache_dir=str(tmp_path / "cache"))
    assert [len(rows) for rows in data.values()] == [1]


def test_the_card_is_valid_and_complete(folder):
    text = (folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["configs"][0]["config_name"] == "sft"
    assert card["configs"][0]["data_files"][0] == {"split": "train", "path": "sft/train-*.parquet"}
    assert card["size_categories"] == ["n<1K"]
    assert [info["config_name"] for info in card["dataset_info"]] == ["eval", "rl", "sft"]
    assert all([f["name"] for f in info["features"]] == shards.SCHEMA.names for info in card["dataset_info"])
    command = "cat $(ls */*.parquet | LC_ALL=C sort) | sha256sum"
    assert command in body
    printed = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert f"\n{printed.split()[0]}\n" in body
    assert [config["config_name"] for config in card["configs"]] == ["sft", "rl", "eval"]
    command = f"rotbot generate OUT --rows {ROWS} --seed 3 --level 0-5 --wrong 0.1 --idioms 0.05 --symbolic 0.01"
    assert command in body
    assert not any(mark in body for mark in ("{{", "{%", "None", "TODO"))
    counts = {place: len(rows) for place, rows in read(folder).items() if rows}
    assert all(f"| {place.config} | {place.split} | {count} | " in body for place, count in counts.items())
    assert "| other |" not in body, "an operation without a family"


def test_exhausted_levels_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MAX_BARREN_CHUNKS", 1)
    tiny = Level(0, (1, 1), max_rank=1, sizes=(2,), max_args=1, families=("permute",), dead=0.0)
    with pytest.raises(InputError, match=r"rows: these levels have about \d+ programs, expected 5000"):
        build.build(tmp_path / "out", recipe(5_000, levels=(tiny,), wrong=0, idioms=0), workers=1)
    assert not (tmp_path / "out").exists()


def test_out_is_not_overwritten_unasked(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("keep")
    with pytest.raises(InputError, match=r"expected an empty or new folder, got .*--overwrite"):
        build.build(out, recipe(3, eval_rows=0), workers=1)
    assert (out / "precious").read_text() == "keep"
    build.build(out, recipe(3, eval_rows=0), workers=1, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "distributions.png", "sft"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [({"rows": 0}, "rows: expected at least 1, got 0"), ({"rows": 1, "seed": -1}, "seed: expected 0 or more, got -1"),
     ({"rows": 1, "levels": ()}, "levels: expected at least one"),
     ({"rows": 1, "wrong": 1.5}, "wrong: expected a share from 0 to 1, got 1.5"),
     ({"rows": 1, "wrong": 0.6, "idioms": 0.6}, "expected at most 1 together, got 1.2")],
)  # fmt: skip
def test_recipes_that_are_none(recipe, message):
    with pytest.raises(InputError, match=message):
        Recipe(**({"levels": FIRST} | recipe))


def break_item(recipe, stream, number, count=None):
    if number:
        raise Disagreement(Problem("y = x.T", {"x": [2, 3]}, "y"), "a test says so")
    return shards.PART_SCHEMA.empty_table()


def kill_worker(recipe, stream, number, count=None):
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return shards.PART_SCHEMA.empty_table()


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [(break_item, Disagreement, "no agreed truth: a test says so\nCode: 'y = x.T'"),
     (kill_worker, build.WorkerDied, "a worker process died")],
)  # fmt: skip
def test_a_fault_in_a_worker_stops_everything(fault, error, message, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "make_chunk", fault)
    with pytest.raises(error, match=message):
        build.build(tmp_path / "out", recipe(10_000), workers=2)
    assert not (tmp_path / "out").exists()


def test_a_build_that_was_killed_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    options = ["--rows", str(ROWS), "--seed", "3", "--eval-rows", "1", "--workers", "2"]
    command = [sys.executable, "-m", "rotbot", "generate", str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(list(tmp_path.glob(".out.parts/main-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) == 2
    assert not out.exists()
    assert not list(tmp_path.rglob("README.md")), "what is left must not pass for a dataset"
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "orphaned workers"
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob(".out.parts/main-*")}
    store = build.parts_folder(out)
    kept: dict[str, int] = {}
    build.build(
        out, recipe(), workers=1,
        progress=lambda done: kept.update({p.name: p.stat().st_mtime_ns for p in store.glob("main-*")}),
    )  # fmt: skip
    assert {name: kept[name] for name in made} == made, "a part was made twice"
    assert digests(out) == digests(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def test_levels_are_drawn_evenly(folder):
    rows = [row for place, found in read(folder).items() if place.config != "eval" for row in found]
    counts = [sum(row["level"] == level.number for row in rows) for level in FIRST]
    assert all(ROWS / 6 * 0.6 < count < ROWS / 6 * 1.4 for count in counts), counts
