import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

from rotbot.sft.metrics import Metrics
from rotbot.sft.trainer import Progress, Validation


def progress(step, validation=None):
    return Progress(step, 9, 1.0 / step, 0.1, 2.0, 100 * step, 50.0, 0, validation)


def steps(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_hold_what_was_measured(tmp_path):
    with Metrics(tmp_path, 0, tensorboard=False) as metrics:
        metrics.write(progress(4, Validation(0.5, 0.9, 0.25)))
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "step": 4, "tokens": 400, "loss": 0.25, "lr": 0.1, "grad_norm": 2.0, "tokens_per_second": 50.0, "epoch": 0,
        "validation_loss": 0.5, "validation_token_accuracy": 0.9, "validation_exact": 0.25,
    }  # fmt: skip


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path):
    with Metrics(tmp_path, 0, tensorboard=False) as metrics:
        for step in (1, 2, 3):
            metrics.write(progress(step))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "tok')  # killed here
    with Metrics(tmp_path, 2, tensorboard=False) as metrics:
        metrics.write(progress(3))
    assert steps(tmp_path) == [1, 2, 3]
    with Metrics(tmp_path, 0, tensorboard=False):
        pass
    assert steps(tmp_path) == []


def test_tensorboard_gets_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Metrics(tmp_path, 0, tensorboard=True) as metrics:
        metrics.write(progress(2))
        metrics.write(progress(4))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(2, 0.5), (4, 0.25)]


def test_trackio_gets_the_same_numbers_and_a_resumed_run_goes_on_there(tmp_path):
    program = (
        "import sys; from pathlib import Path; from rotbot.sft.metrics import Metrics; "
        "from tests.sft.test_metrics import progress\n"
        "with Metrics(Path(sys.argv[1]), int(sys.argv[2]), False, 'shapes', {'optimizer.lr': 0.1}) as metrics:\n"
        "    metrics.write(progress(int(sys.argv[2]) + 2))\n"
    )
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    for step in ("0", "2"):
        command = [sys.executable, "-c", program, str(tmp_path / "run"), step]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""  # kept for --json
    with closing(sqlite3.connect(tmp_path / "trackio" / "shapes.db")) as database:
        logged = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
    assert [(name, step, json.loads(values)["loss"]) for name, step, values in logged] == [
        ("run", 2, 0.5), ("run", 4, 0.25),
    ]  # fmt: skip
