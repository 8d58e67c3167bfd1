"""A learner whose weights are spread over two processes (FSDP2, gloo) does what one process does."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest
import torch

from rotbot.inference import open_engine
from rotbot.inference.requests import messages
from rotbot.models import encode_prompt
from rotbot.rl.episodes import Task
from rotbot.rl.rollout import evaluate_response, rollout
from rotbot.sft.parallel import free_port
from tests.rl.runs import PROBLEMS, make_config


@pytest.fixture(scope="module")
def groups(half_learnt, tmp_path_factory):
    """Scored groups of several problems, in a file. Each of the first two steps has an odd number of packs."""
    config = make_config("dataset=none", "samples=8")
    with open_engine(half_learnt, "transformers", context=160) as engine:
        ids = [tuple(encode_prompt(engine.tokenizer, messages(problem))) for problem, _ in PROBLEMS]
        tasks = [Task(problem, i, level, n) for n, ((problem, level), i) in enumerate(zip(PROBLEMS, ids, strict=True))]
        drawn = [evaluate_response(group, config.rubric) for group in rollout(engine, tasks, config, 0)]
    path = tmp_path_factory.mktemp("groups") / "groups"
    path.write_bytes(pickle.dumps([scored for scored in drawn if scored.has_signal]))
    return path


def run(processes, groups, out, *overrides):
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(processes)}
    command = [sys.executable, "-m", "tests.rl.learner_process", str(groups), str(out), *overrides]
    started = [
        subprocess.Popen(
            command, env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": "0"}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(processes)
    ]  # fmt: skip
    for process in started:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors[-3000:]
    return torch.load(out)


@pytest.mark.parametrize("adapters", [[], ["lora.rank=2", "lora.alpha=4"]], ids=["all weights", "adapters"])
def test_two_processes_learn_what_one_does(groups, half_learnt, tmp_path, adapters):
    overrides = [f"model={half_learnt}", "pack_tokens=512", "loss.kind=dapo", "loss.beta=0.01"]
    overrides += ["optimizer.name=adamw", "optimizer.lr=1e-3", "optimizer.other_lr=1e-3", "warmup=0", *adapters]
    alone = run(1, groups, tmp_path / "alone", *overrides)
    spread = run(2, groups, tmp_path / "spread", *overrides, "trainers=2")
    for one, two in zip(alone["figures"], spread["figures"], strict=True):
        assert one == pytest.approx(two, abs=1e-4, rel=1e-4)
    assert alone["figures"][0][4] > 0, "there is something to learn"
    torch.testing.assert_close(spread["logprobs"], alone["logprobs"], atol=1e-4, rtol=0)
    # Not the weights themselves: where a gradient is nothing but rounding, AdamW goes either way.
    for found in (alone, spread):
        assert all(torch.equal(found["once"][name], found["again"][name]) for name in found["once"])
    assert any(not torch.equal(alone["once"][name], alone["weights"][name]) for name in alone["once"])
