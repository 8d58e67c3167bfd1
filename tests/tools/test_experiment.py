"""The experiment's figures: intervals over seeds, tables and pictures from what runs leave."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest
from PIL import Image

SOURCE = Path(__file__).parents[2] / "tools" / "experiment.py"


@pytest.fixture(scope="module")
def experiment():
    spec = importlib.util.spec_from_file_location("experiment", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["experiment"] = module
    spec.loader.exec_module(module)
    return module


def leave_results(experiment, out, seeds):
    """A folder as a finished experiment leaves it: arm number ``a`` with seed ``s`` has ``a / 10 + s / 100`` of
    everything."""
    places = [(out / "start", 0.0)]
    for a, arm in enumerate((*experiment.ARMS, experiment.SFT), 1):
        for seed in seeds:
            run, value = out / arm / str(seed), a / 10 + seed / 100
            (run / "model").mkdir(parents=True)
            (run / "model" / "model.safetensors").touch()
            figures = {f"{p}_{m}": value for p in experiment.VALIDATION.values() for m in experiment.METRICS}
            lines = [{"step": 0} | figures, {"step": 1, "episodes": 8, "length": 9.0}, {"step": 2} | figures]
            (run / "metrics.jsonl").write_text("".join([json.dumps(line) + "\n" for line in lines]))
            places.append((run / "eval", value))
    for folder, value in places:
        for kind in experiment.KINDS:
            (folder / kind).mkdir(parents=True)
            metrics = {name: {"value": value} for name in experiment.METRICS}
            report = {"splits": dict.fromkeys(experiment.SPLITS, metrics)}
            (folder / kind / "report.json").write_text(json.dumps(report))


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_there_is_not_made_again_but_tabled_and_drawn(experiment, tmp_path, monkeypatch):
    leave_results(experiment, tmp_path, (1, 2, 3))
    monkeypatch.setattr(experiment.subprocess, "run", lambda *_, **__: pytest.fail("a run was made again"))
    arguments = ("--start", "START", "--data", "DATA", "--narrow", "NARROW", "--sft", "SFT")
    monkeypatch.setattr(sys, "argv", ["experiment.py", str(tmp_path), *arguments])
    experiment.main()
    arms = [*experiment.ARMS, experiment.SFT]
    splits, curves = read_csv(tmp_path / "splits.csv"), read_csv(tmp_path / "curves.csv")
    kinds, metrics = len(experiment.KINDS), len(experiment.METRICS)
    assert len(splits) == (1 + len(arms) * 3) * len(experiment.SPLITS) * kinds * metrics
    assert len(curves) == len(experiment.ARMS) * 3 * 2 * kinds * metrics, "SFT alone has no answers on the way"
    (row,) = [
        row for row in splits
        if (row["arm"], row["seed"], row["split"], row["metric"]) == (arms[1], "3", "ood_depth", "sampled lucky")
    ]  # fmt: skip
    assert row["value"] == "0.2300"
    assert {row["step"] for row in curves} == {"0", "2"}
    for name in ("curves.png", "splits.png"):
        with Image.open(tmp_path / name) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > len(arms), "lines of as many colours"


def test_intervals_are_students(experiment):
    """By hand: 1, 2, 3 have the mean 2 and the standard deviation 1; t of two degrees is 4.303."""
    half = 4.303 / math.sqrt(3)
    assert experiment.interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - half, 2 + half))
    assert experiment.interval([0.5]) == (0.5, 0.5, 0.5)


def test_a_failed_run_ends_it_and_says_how_to_go_on(experiment, monkeypatch):
    monkeypatch.setattr(experiment.sys, "executable", "/bin/false")
    with pytest.raises(SystemExit, match="expected rotbot grpo to end with 0, got 1; run this again to go on"):
        experiment.rotbot("grpo")
