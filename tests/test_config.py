"""Recipes and overrides: every value checked, every mistake named with what was meant."""

import pytest

from rotbot.cli.generate import read_recipe
from rotbot.config import apply_overrides, build, read_yaml
from rotbot.errors import ConfigError, RotbotError
from rotbot.problems.parts import Recipe
from rotbot.recipes import find_recipe, list_recipes
from rotbot.sft.config import SftConfig


def config(*overrides, **values):
    return build(SftConfig, apply_overrides({"schedule": {"steps": 5}, **values}, overrides))


def test_overrides_reach_into_sections_with_the_right_types():
    made = config("optimizer.lr=3e-4", "seed=7", "model.init=null", "output=runs/12", "batch.step_tokens=8192.0",
                  "optimizer.clip=2", "compile=false")  # fmt: skip
    assert (made.optimizer.lr, made.seed, made.model.init, made.output) == (3e-4, 7, None, "runs/12")
    assert (made.batch.step_tokens, made.optimizer.clip, made.compile) == (8192, 2.0, False)
    assert isinstance(made.batch.step_tokens, int)
    assert isinstance(made.optimizer.clip, float)


def test_overrides_win_over_the_recipe_and_leave_it_alone():
    recipe = {"optimizer": {"lr": 0.1, "clip": 3.0}}
    merged = apply_overrides(recipe, ["optimizer.lr=0.2"])
    assert merged == {"optimizer": {"lr": 0.2, "clip": 3.0}}
    assert recipe == {"optimizer": {"lr": 0.1, "clip": 3.0}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", "unknown key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("optimzer.lr=1", "unknown key 'optimzer'; did you mean 'optimizer'?"),
        ("lr=1", "unknown key 'lr'; did you mean 'optimizer.lr'?"),
        ("data.qqqq=1", "unknown key 'data.qqqq'; expected one of dataset, name, max_length,"),
        ("seed=a", "seed: expected int, got 'a'"),
        ("seed=true", "seed: expected int, got True"),
        ("seed=1.5", "seed: expected int, got 1.5"),
        ("model.dim=big", "model.dim: expected int or null, got 'big'"),
        ("optimizer=3", "optimizer: expected a section of keys, got 3"),
        ("seed.a=3", "seed: expected int, got {'a': 3}"),
        ("optimizer.lr", "expected key=value or key.sub=value, got 'optimizer.lr'"),
        (".lr=3", "expected key=value or key.sub=value, got '.lr=3'"),
        ("seed=[1", "seed: not readable as a value: '[1'"),
        ("optimizer.name=sgd", "optimizer.name: expected muon or adamw, got sgd"),
        ("optimizer.lr=0", "optimizer.lr: expected a positive number, got 0.0"),
        ("precision=fp8", "precision: expected auto, bfloat16 or float32, got fp8"),
        ("batch.step_tokens=5000", "batch.step_tokens: expected a multiple of batch.pack_tokens (4096), got 5000"),
        ("data.max_length=5000", "data.max_length: expected from 2 to batch.pack_tokens (4096), got 5000"),
        ("schedule.epochs=1", "exactly one of steps, tokens and epochs, the others null, got {'st"),
        ("schedule.steps=0", "schedule: expected a positive length, got {'steps': 0}"),
        ("schedule.steps=null", "exactly one of steps, tokens and epochs, the others null, got none"),
    ],
)  # fmt: skip
def test_mistakes_are_named(override, message):
    with pytest.raises(ConfigError) as caught:
        config(override)
    assert message in str(caught.value)


def test_an_override_cannot_reach_into_a_value():
    with pytest.raises(ConfigError, match=r"seed\.a: seed is a value, not a section"):
        config("seed.a=3", seed=3)


def test_shipped_recipes_are_valid():
    names = list_recipes()
    assert "tiny" in names
    for name in names:
        made = build(SftConfig, read_yaml(find_recipe(name)))
        assert made.batch.step_tokens >= made.batch.pack_tokens


def test_shipped_recipes_of_datasets_are_valid():
    assert list_recipes("datasets") == ["shapes"]
    assert read_recipe("shapes", {}).rows == 200_000
    given = read_recipe("shapes", {"rows": 7, "levels": "2"})
    assert (given.rows, given.seed, [level.number for level in given.levels]) == (7, 1, [2])
    assert read_recipe(None, {}) == Recipe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: 5\nlevel: 3", "unknown key 'level'; did you mean 'levels'"),
        ("work: some", "work: expected arithmetic or full or named or null, got 'some'"),
        ("levels: 3-1", "expected a range that rises, got '3-1'"),
        ("eval_rows: -1", "eval_rows: expected 0 or more, got -1"),
    ],
)
def test_recipes_of_datasets_that_are_none(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RotbotError, match=message):
        read_recipe(str(path), {})


def test_recipes_are_found_by_name_or_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 4\nschedule: {steps: 2}\n")
    assert build(SftConfig, read_yaml(find_recipe(str(path)))).seed == 4
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        find_recipe("tinny")
    path.write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="expected keys and values, got list"):
        read_yaml(path)
    path.write_text("a: [1\n")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        read_yaml(path)
