"""The recipes for GPUs, run with a small model on this CPU: the same settings but for sizes, and the same code."""

import pytest
import torch

from rotbot.config import apply_overrides, build, read_yaml
from rotbot.models.weights import load_folder
from rotbot.recipes import find_recipe
from rotbot.sft.config import SftConfig, expand_keys
from rotbot.sft.run import build_run
from rotbot.sft.trainer import train

SMALL = [
    "precision=float32", "compile=false", "threads=1", "data.max_length=256", "batch.pack_tokens=512",
    "batch.step_tokens=1024", "schedule.epochs=1", "eval_every=1",
]  # fmt: skip


def test_short_keys_are_spelled_out():
    assert expand_keys(["model=a/b", "dataset=c/d@v1", "model.size=tiny", "seed=2"]) == [
        "model.init=a/b", "data.dataset=c/d@v1", "model.size=tiny", "seed=2",
    ]  # fmt: skip


@pytest.mark.parametrize("recipe", ["qwen3-0.6b", "qwen3-4b-thinking", "qwen3-4b-thinking-lora"])
def test_a_recipe_for_gpus_trains_a_small_model(recipe, make_config, dataset, tmp_path):
    base = train(build_run(make_config("schedule.steps=1", f"output={tmp_path / 'base'}"))).model
    short = [f"model={base}", f"dataset={dataset}", f"output={tmp_path / 'tuned'}"]
    values = apply_overrides(read_yaml(find_recipe(recipe)), expand_keys([*SMALL, *short]))
    run = build_run(build(SftConfig, values))
    assert (run.config.lora.rank > 0) == recipe.endswith("lora")
    result = train(run)
    assert result.steps == run.total == 4
    tuned, config, _ = load_folder(result.model)
    assert config == run.model_config
    assert {p.dtype for p in tuned.state_dict().values()} == {torch.bfloat16}
