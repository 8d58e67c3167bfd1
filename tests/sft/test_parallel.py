"""Several processes on one run: the single process's losses, and no one waits for the dead."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rotbot.errors import ConfigError
from rotbot.sft.parallel import World
from rotbot.sft.run import build_run
from tests.sft.test_command import recipe, run


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines], [line["tokens"] for line in lines], [line["grad_norm"] for line in lines]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path, dataset):
    arguments = ["--config", recipe(tmp_path), f"data.dataset={dataset}", "schedule.steps=12"]
    one = run(*arguments, f"output={tmp_path / 'one'}", "--json")
    assert one.returncode == 0, one.stderr
    two = run(*arguments, f"output={tmp_path / 'two'}", "--json", "--processes", "2")
    assert two.returncode == 0, two.stderr
    assert len(losses(tmp_path / "one")[0]) == 12
    for expected, got in zip(losses(tmp_path / "one"), losses(tmp_path / "two"), strict=True):
        assert got == pytest.approx(expected, rel=1e-4)
    alone, together = json.loads(one.stdout), json.loads(two.stdout)
    assert together["validation"]["loss"] == pytest.approx(alone["validation"]["loss"], rel=1e-4)
    assert together["validation"]["exact"] == alone["validation"]["exact"]
    resumed = run(*arguments, f"output={tmp_path / 'two'}", "--processes", "2", "--resume")
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.slow
def test_a_dead_partner_ends_the_run_with_a_message(tmp_path, dataset):
    settings = ["--config", str(recipe(tmp_path)), f"data.dataset={dataset}", f"output={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rotbot", "sft", *settings, "schedule.steps=100000", "--processes", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "run" / "checkpoints").exists():
        assert process.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    helper = next(c for c in children if b"sft" in Path(f"/proc/{c}/cmdline").read_bytes())
    os.kill(int(helper), signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "process 1 of 2 ended with code -9, expected it to go on" in errors
    assert "Traceback" not in errors


def test_a_step_must_split_evenly(make_config):
    with pytest.raises(ConfigError, match=r"batch.step_tokens: expected a multiple of .* = 1536, got 1024"):
        build_run(make_config("schedule.steps=1"), world=World(0, 3))


def test_shares_cover_everything_once():
    items = list(range(7))
    shares = [World(rank, 3).share(items) for rank in range(3)]
    assert sorted(i for share in shares for i in share) == items
    assert World().sum(1.5, 2.0) == [1.5, 2.0]
