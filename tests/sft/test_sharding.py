"""FSDP2 under torchrun, two processes on gloo: the single process's losses, checkpoints that either can go on from."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.sft.test_command import recipe, run
from tests.sft.test_parallel import losses

LORA = ["lora.rank=4", "lora.alpha=16"]


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


def command(*arguments):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*launch, "-m", "rotbot", "sft", *map(str, arguments)]


def torchrun(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=600, check=False, env=ONE_THREAD)


def close(one, other):
    for expected, got in zip(losses(one), losses(other), strict=True):
        assert got == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("adapters", [False, True], ids=["full", "lora"])
def test_two_sharded_processes_have_the_losses_of_one(tmp_path, dataset, adapters):
    common = ["--config", recipe(tmp_path), f"dataset={dataset}", "schedule.steps=8", "save_every=4"]
    common += ["optimizer.name=adamw", "shard=true", "recompute=true", "--json"]
    if adapters:
        base = run(
            "--config", recipe(tmp_path), f"dataset={dataset}", "schedule.steps=1", f"output={tmp_path / 'base'}"
        )
        assert base.returncode == 0, base.stderr
        common += [*LORA, f"model={tmp_path / 'base' / 'model'}"]
    one = run(*common, f"output={tmp_path / 'one'}")
    assert one.returncode == 0, one.stderr
    two = torchrun(*common, f"output={tmp_path / 'two'}")
    assert two.returncode == 0, two.stderr
    assert len(losses(tmp_path / "one")[0]) == 8
    close(tmp_path / "one", tmp_path / "two")
    alone, together = json.loads(one.stdout), json.loads(two.stdout)
    assert together["validation"] == pytest.approx(alone["validation"], rel=1e-4)
    expected, got = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_killed_sharded_run_goes_on_sharded_or_alone(tmp_path, dataset):
    common = [
        "--config",
        recipe(tmp_path),
        f"dataset={dataset}",
        "schedule.steps=12",
        "optimizer.name=adamw",
        "shard=true",
    ]
    whole = run(*common, f"output={tmp_path / 'whole'}")
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        command(*common, f"output={tmp_path / 'a'}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env=ONE_THREAD,
    )  # fmt: skip
    while not list((tmp_path / "a" / "checkpoints").glob("step-0000000[3-9]")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for go_on, folder in ((torchrun, "a"), (run, "b")):
        again = go_on(*common, f"output={tmp_path / folder}", "--resume")
        assert again.returncode == 0, again.stderr
        close(tmp_path / "whole", tmp_path / folder)
