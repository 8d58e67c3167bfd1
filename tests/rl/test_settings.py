"""Settings that do not fit are refused with what was expected; the shipped recipes fit."""

from __future__ import annotations

import pytest

from rotbot.config import apply_overrides, build, read_yaml
from rotbot.errors import ConfigError, InputError
from rotbot.recipes import find_recipe, list_recipes
from rotbot.rl.local import train_local
from rotbot.rl.settings import GrpoConfig
from tests.rl.runs import make_config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("advantages=mean", "advantages: expected one of outcome, process, tree, got mean"),
        ("samples=1", "samples: expected 2 or more, got 1"),
        ("pack_tokens=100", r"pack_tokens: expected max_prompt \+ max_tokens = 160, got 100"),
        ("max_policy_age=-1", "max_policy_age: expected 0 or more, got -1"),
        ("curriculum.floor=0", "curriculum.floor: expected a positive number"),
        ("generators=0", "generators: expected 1 or more, got 0"),
        ("lora.rank=-1", "lora.rank: expected 0 or more, got -1"),
        ("loss.kind=ppo", "loss.kind: expected one of grpo"),
        ("dataset=''", "dataset: expected a folder or Hub ID, got none"),
        ("gruops=3", "unknown key 'gruops'; did you mean 'groups'"),
    ],
)
def test_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        make_config("dataset=x", override)


def test_adapters_want_adamw():
    with pytest.raises(ConfigError, match=r"optimizer.name: expected adamw with lora.rank, got muon"):
        make_config("dataset=x", "lora.rank=4", "optimizer.name=muon")


def test_the_local_runner_has_one_generator():
    with pytest.raises(ConfigError, match="generators: expected 1 with the runner local, got 2"):
        train_local(make_config("dataset=x", "generators=2"))


def test_an_unknown_rubric_is_refused():
    with pytest.raises(InputError, match="rubric: expected one of faithful, final-only"):
        make_config("dataset=x", "rubric=strict")


@pytest.mark.parametrize("name", list_recipes("grpo"))
def test_shipped_recipes_fit(name):
    config = build(GrpoConfig, apply_overrides(read_yaml(find_recipe(name, "grpo")), ["dataset=x"]))
    assert config.max_policy_age == 1
