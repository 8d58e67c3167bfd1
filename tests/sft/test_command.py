"""``rotbot sft`` as a process: killed, resumed, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

COMMAND = [sys.executable, "-m", "rotbot", "sft"]


def recipe(tmp_path):
    """A recipe file of a run that takes a few seconds and saves after every step."""
    path = tmp_path / "small.yaml"
    path.write_text(
        "precision: float32\ncompile: false\nthreads: 1\nsave_dtype: float32\nseed: 3\nsave_every: 1\neval_every: 1\n"
        "model: {dim: 32, layers: 2, heads: 2, kv_heads: 1, head_dim: 16, ffn_dim: 48, vocab_size: 300}\n"
        "data: {max_length: 256, validation_rows: 4}\n"
        "batch: {pack_tokens: 512, step_tokens: 1024}\n"
        "schedule: {steps: 40}\n"
    )
    return path


def run(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=1200, check=False)


def final_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


@pytest.mark.slow
def test_killed_and_resumed_ends_in_the_weights_of_an_unbroken_run(tmp_path, dataset):
    config = recipe(tmp_path)
    whole = run("--config", config, f"data.dataset={dataset}", f"output={tmp_path / 'whole'}", "--json")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["steps"] == 40
    broken = tmp_path / "broken"
    arguments = ["--config", str(config), f"data.dataset={dataset}", f"output={broken}"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 1200
    while not (broken / "checkpoints" / "step-00000007").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (broken / "model").exists()
    resumed = run(*arguments, "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    expected, got = final_weights(tmp_path / "whole"), final_weights(broken)
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert torch.equal(got[name], value), name
    steps = [json.loads(line)["step"] for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))
    assert sorted(p.name for p in (broken / "checkpoints").iterdir() if p.name.startswith(".")) == []


def test_dry_run_says_what_would_be_trained_and_writes_no_weights(tmp_path, dataset):
    out = tmp_path / "out"
    result = run("-c", recipe(tmp_path), f"data.dataset={dataset}", f"output={out}", "data.max_length=85", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "40 steps of 1,024 tokens" in result.stdout
    assert "longer than 85 tokens left out" in result.stdout
    assert "memory     about" in result.stdout
    first = result.stdout[result.stdout.index("<|im_start|>user\n") :]
    assert first.index("<|im_start|>assistant\n<think>\n⟦step 0: T |") < first.index("<|im_end|>⟧")
    assert not (out / "checkpoints").exists()
    assert not (out / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizer.lrr=1"], "unknown key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        (["data.dataset=no-such-folder"], "no-such-folder"),
    ],
)
def test_unusable_input_is_one_line_and_exit_2(tmp_path, arguments, message):
    result = run(*arguments, f"output={tmp_path / 'out'}")
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path(tmp_path / "out").exists()
