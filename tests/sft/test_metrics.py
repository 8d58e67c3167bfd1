import json

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
