"""The synchronous loop on a small model: it learns, it resumes to the same weights, it says what happened."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from rotbot.errors import ConfigError
from rotbot.inference import open_engine
from rotbot.inference.requests import messages
from rotbot.models import encode_prompt
from rotbot.rl.episodes import Task
from rotbot.rl.local import train_local
from rotbot.rl.rollout import evaluate_response, rollout
from tests.rl.runs import PROBLEMS, lines, make_config


@pytest.fixture(scope="module")
def whole(rl_dataset, half_learnt, tmp_path_factory):
    """Four steps without a break: the configuration and the result."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    config = make_config(
        f"model={half_learnt}", f"dataset={rl_dataset}", f"output={folder}", "steps=4", "save_every=2",
        "sample_every=4", "eval_rows=4", "eval_every=4", "tensorboard=true", "loss.beta=0.01",
    )  # fmt: skip
    return config, train_local(config)


def test_figures_of_every_step(whole):
    config, result = whole
    logged = lines(result.model.parent)
    assert [line["step"] for line in logged] == [0, 1, 2, 3, 4]
    for figures in (logged[0], logged[4]):
        for kind in ("validation", "validation_sampled"):
            assert figures[f"{kind}_final"] == figures[f"{kind}_faithful"] + figures[f"{kind}_lucky"]
            assert 0 <= figures[f"{kind}_reward"] <= 1
    assert "validation_faithful" not in logged[1]
    for line in logged[1:]:
        assert all(math.isfinite(value) for value in line.values())
        assert line["policy_age_max"] == 0
        assert line["groups"] >= config.groups
        assert line["episodes"] == config.samples * line["groups"]
        assert line["reward"] == pytest.approx(0.5 * line["steps"] + 0.5 * line["faithful"])
        assert 0 <= line["idle_trainer"] <= 1
    trained = [line for line in logged if "mismatch" in line]
    assert trained, "no step had a group with signal"
    assert all(line["mismatch"] < 1e-4 for line in trained), "the trainer's and the sampler's policy are one"
    assert all(abs(line["ratio_mean"] - 1) < 1e-3 for line in trained)
    assert trained[-1]["kl"] > 0, "the policy has left the reference"
    assert result.updates == len(trained)


def test_tensorboard_and_samples_are_written(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = whole[1].model.parent
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("reward")] == [1, 2, 3, 4]
    (path,) = (folder / "samples").iterdir()
    assert path.name == "step-00000004.jsonl"
    samples = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(("✗" in sample["completion"]) == (not sample["faithful"]) for sample in samples if sample["reward"])
    assert all(sample["prompt"].startswith("Code: ") for sample in samples)


def test_a_resumed_run_takes_the_steps_of_an_unbroken_one(whole, tmp_path):
    config, result = whole
    broken = replace(config, output=str(tmp_path / "run"), steps=2)
    train_local(broken)
    shutil.rmtree(tmp_path / "run" / "model")
    with pytest.raises(ConfigError, match="add --resume or change output"):
        train_local(broken)
    resumed = train_local(replace(broken, steps=4), resume=True)
    assert (resumed.steps, resumed.updates, resumed.tokens) == (result.steps, result.updates, result.tokens)
    expected, got = (load_file(model / "model.safetensors") for model in (result.model, resumed.model))
    assert expected.keys() == got.keys()
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    rewards = [[line["reward"] for line in lines(r.model.parent)[1:]] for r in (result, resumed)]
    assert rewards[0] == rewards[1]


def test_other_settings_cannot_be_resumed(whole):
    with pytest.raises(ConfigError, match=r"expected the settings of the checkpoint at step 4: temperature was 1\.0"):
        train_local(replace(whole[0], temperature=0.9, steps=6), resume=True)


def test_with_adapters_only_they_are_trained(rl_dataset, half_learnt, tmp_path):
    """What comes out differs from the model by matrices of that rank; the probe saw that the sampler had them."""
    config = make_config(
        f"model={half_learnt}", f"dataset={rl_dataset}", f"output={tmp_path / 'run'}", "steps=3", "lora.rank=2",
        "lora.alpha=4", "loss.beta=0.01", "recompute=true", "optimizer.name=adamw", "optimizer.lr=1e-2", "save_every=2",
    )  # fmt: skip
    result = train_local(config)
    assert result.updates >= 2
    before, after = load_file(half_learnt / "model.safetensors"), load_file(result.model / "model.safetensors")
    assert before.keys() == after.keys()
    for name, value in before.items():
        change = (after[name] - value).double()
        if "_proj" in name:
            assert change.abs().max() > 1e-5, name
            assert torch.linalg.matrix_rank(change, rtol=1e-4) <= 2, name
        else:
            assert not change.any(), name
    trained = [line for line in lines(tmp_path / "run")[0:] if "kl" in line]
    assert abs(trained[0]["kl"]) < 1e-6, "the reference is the model without adapters, the policy at the start"
    assert trained[-1]["kl"] > 0
    resumed = train_local(replace(config, steps=4), resume=True)
    assert resumed.steps == 4


def drawn_rewards(model, config):
    """The reward of 64 completions for each problem, as the run draws them."""
    with open_engine(model, "transformers", context=160) as engine:
        ids = [tuple(encode_prompt(engine.tokenizer, messages(problem))) for problem, _ in PROBLEMS]
        tasks = [Task(problem, i, level, n) for n, ((problem, level), i) in enumerate(zip(PROBLEMS, ids, strict=True))]
        groups = rollout(engine, tasks, replace(config, samples=64), 0)
    return torch.tensor([evaluate_response(group, config.rubric).rewards for group in groups], dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("advantages", ["outcome", "process", "tree"])
def test_reward_rises_by_more_than_noise(rl_dataset, half_learnt, tmp_path, advantages):
    """On the same problems the mean reward after the run is above the one before by three standard errors."""
    config = make_config(
        f"model={half_learnt}", f"dataset={rl_dataset}", f"output={tmp_path / 'run'}", "steps=80", "groups=8",
        "samples=8", "optimizer.lr=1e-3", "optimizer.other_lr=1e-3", f"advantages={advantages}", "loss.kind=dapo",
    )  # fmt: skip
    before, after = drawn_rewards(half_learnt, config), drawn_rewards(train_local(config).model, config)
    error = math.sqrt((before.var(1).mean() + after.var(1).mean()).item() / before.numel())
    assert after.mean() - before.mean() > 3 * error, (before.mean(), after.mean(), error)
