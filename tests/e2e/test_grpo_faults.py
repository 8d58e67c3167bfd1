"""``rotbot grpo`` on Monarch actors: with vLLM, killed with -9 role by role, and stopped with Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rl.runs import SMALL, lines, write_dataset, write_model

STEPS = 16


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return [
        f"model={write_model(folder / 'model', loss_below=0.03)}", f"dataset={write_dataset(folder / 'data')}",
        f"steps={STEPS}", "save_every=2", "max_policy_age=1",
    ]  # fmt: skip


def start(inputs, output, *more):
    command = [sys.executable, "-m", "rotbot", "grpo", *SMALL, *inputs, f"output={output}", "--json", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def descendants(pid):
    """The processes below ``pid`` → their numbers, by the name of the actor they run where it is known."""
    children = [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def role_pids(output):
    """What the run says of its processes: role → their numbers."""
    return json.loads((output / "processes.json").read_text())


def wait_for_step(process, output, step):
    deadline = time.monotonic() + 900
    while process.poll() is None and time.monotonic() < deadline:
        path = output / "metrics.jsonl"
        if path.is_file() and f'"step": {step},' in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached: {process.communicate(timeout=5)[1][-2000:]}")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
def test_vllm_draws_and_takes_new_weights_in_a_process_of_its_own(inputs, tmp_path):
    output = tmp_path / "run"
    process = start(inputs, output, "engine=vllm", "steps=4", "eval_rows=3", "eval_samples=2")
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-2000:]
    result, logged = json.loads(out), lines(output)
    assert (result["steps"], [line["step"] for line in logged]) == (4, [0, 1, 2, 3, 4])
    for figures in (logged[0], logged[4]):  # six samples of three problems
        faithful = figures["validation_sampled_faithful"]
        assert faithful * 6 == pytest.approx(round(faithful * 6))
        assert figures["validation_sampled_final"] >= faithful
    logged = logged[1:]
    trained = [line for line in logged if "probe" in line]
    assert len(trained) == result["updates"] > 0
    assert all(line["probe"] < 2e-3 for line in trained), "vLLM has the trainer's weights after every update"
    on_policy = [line for line in trained if line["policy_age_max"] == 0]
    assert on_policy
    assert all(line["mismatch"] < 1e-3 for line in on_policy)
    assert any(line["policy_age_max"] == 1 for line in logged), "drawing went on while the trainer learnt"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "which", "settings"),
    [
        ("generator", 0, []),
        ("generator-1", 0, ["generators=2", "eval_rows=3"]),
        ("reward", 0, []),
        ("trainer", 0, []),
        ("trainer", 1, ["trainers=2"]),
    ],
)
def test_a_killed_role_is_replaced_and_all_steps_are_taken(inputs, tmp_path, role, which, settings):
    output = tmp_path / "run"
    process = start(inputs, output, *settings)
    wait_for_step(process, output, 3)
    os.kill(role_pids(output)[role][which], signal.SIGKILL)
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-2000:]
    assert json.loads(out)["steps"] == STEPS
    logged = [line for line in lines(output) if line["step"]]
    assert [line["step"] for line in logged] == list(range(1, STEPS + 1))
    assert ("validation_sampled_faithful" in logged[-1]) == ("eval_rows=3" in settings)
    assert logged[-1][f"lost_{role.partition('-')[0]}"] == 1
    assert all(line["probe"] < 2e-3 for line in logged if "probe" in line), "every generator has the new weights"
    assert all(line["policy_age_max"] <= 1 for line in logged)
    assert (output / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_ctrl_c_ends_within_ten_seconds_leaves_no_process_and_can_be_resumed(inputs, tmp_path):
    output = tmp_path / "run"
    process = start(inputs, output)
    wait_for_step(process, output, 5)
    below = descendants(process.pid)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 130, errors[-2000:]
    assert "Traceback" not in errors
    assert not [pid for pid in below if alive(pid)]
    resumed = start(inputs, output, "--resume")
    out, errors = resumed.communicate(timeout=900)
    assert resumed.returncode == 0, errors[-2000:]
    assert json.loads(out)["steps"] == STEPS
    assert [line["step"] for line in lines(output)] == list(range(1, STEPS + 1))
