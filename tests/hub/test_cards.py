"""Model cards: what they say comes from the folder, the Hub can read their metadata, nothing is left to fill in."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest
import yaml
from huggingface_hub import ModelCard

from rotbot.cli.main import app
from rotbot.config import build
from rotbot.errors import InputError
from rotbot.hub.cards import check_card, for_hub, model_card
from rotbot.hub.content import folder_files
from rotbot.hub.figures import Evaluation, read_evaluation
from rotbot.models import embedded_path
from rotbot.sft.config import SftConfig
from tests.hub_store import card_errors

SETTINGS = {
    "seed": 3, "precision": "torch.bfloat16", "compile": True, "model.init": "Qwen/Qwen3-0.6B@main", "model.dim": None,
    "data.dataset": "ada/shapes@v1", "data.name": "sft", "schedule.steps": 40, "optimizer.lr": 0.001, "total_steps": 40,
}  # fmt: skip
FIGURES = Evaluation(problems=500, faithful=337, final=403, lucky=66, parsed=499, dataset="ada/bench@v2")
DEEP = replace(FIGURES, problems=400, faithful=100, final=120, lucky=20, parsed=400, split="ood_depth")


def trained(model, **settings):
    """Leave beside ``model`` what rotbot sft leaves."""
    for step in (20, 40):
        folder = model.parent / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        position = {
            "step": step, "epoch": 0, "index": 0, "tokens": 1024 * step, "validation_loss": 1 / step,
            "settings": SETTINGS | settings,
        }  # fmt: skip
        (folder / "position.json").write_text(json.dumps(position))


@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("figures", [(FIGURES,), (FIGURES, DEEP), ()])
def test_every_card_is_valid_and_finished(model, run, figures):
    if run:
        trained(model)
    card = model_card(model, "ada/tiny", figures)
    assert card_errors(card, "model") == []
    check_card(card, "model", folder_files(model, "model"))
    assert not re.search(r"\{\{|\{%|TODO|FIXME|None|undefined|\[More", card)
    assert card == model_card(model, "ada/tiny", figures), "the same folder gives the same card"


def test_the_metadata_is_what_the_hub_links_and_tabulates(model):
    trained(model)
    data = ModelCard(model_card(model, "ada/tiny", [FIGURES])).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "transformers", "text-generation")
    assert (data.base_model, data.datasets) == ("Qwen/Qwen3-0.6B", ["ada/shapes"])
    assert {"rotbot", "shape-inference", "qwen3"} <= set(data.tags)
    assert data.model_name == "tiny"
    results = {result.metric_type: result for result in data.eval_results}
    assert {name: result.metric_value for name, result in results.items()} == {
        "faithful": 0.674, "final": 0.806, "lucky": 0.132, "parsed": 0.998,
    }  # fmt: skip
    faithful = results["faithful"]
    assert (faithful.dataset_type, faithful.dataset_revision) == ("ada/bench", "v2")
    assert (faithful.dataset_config, faithful.dataset_split) == ("eval", "test")


def test_the_text_says_how_it_was_made_and_how_good_it_is(model):
    trained(model)
    card = model_card(model, "ada/tiny", [FIGURES])
    assert (
        "from Qwen/Qwen3-0.6B@main, seed 3, on ada/shapes@v1:\n40 steps, 40,960 tokens, validation loss 0.0250" in card
    )
    assert "| faithful | every step and the final shape right | 67.4% | 63.2 to 71.4% |" in card
    assert "0.00 million parameters" in card
    assert "4.98 million parameters" in model_card(embedded_path(), "ada/tiny")


def test_the_recipe_in_a_card_is_one_and_keeps_paths_to_itself(model):
    trained(model, **{"data.dataset": "/home/ada/secret/shapes", "model.init": None})
    card = model_card(model, "ada/tiny")
    assert "/home/ada" not in card
    assert "from scratch, seed 3, on a local dataset" in card
    recipe = yaml.safe_load(re.search(r"```yaml\n(.*?)```", card, re.DOTALL)[1])
    config = build(SftConfig, recipe)
    assert (config.seed, config.precision, config.data.dataset) == (3, "bfloat16", "shapes")
    assert (config.schedule.steps, config.optimizer.lr) == (40, 0.001)
    assert ModelCard(card).data.datasets is None


def test_figures_in_the_folder_are_taken(model):
    (model / "evaluation.json").write_text(
        json.dumps({"problems": 8, "faithful": 4, "final": 6, "lucky": 2, "parsed": 8})
    )
    card = model_card(model, "ada/tiny")
    assert "| faithful | every step and the final shape right | 50.0% | 21.5 to 78.5% |" in card
    assert ModelCard(card).data.eval_results[0].dataset_type == "rotbot-fresh"


def test_figures_of_several_splits_are_one_table_and_one_index(model):
    (model / "evaluation.json").write_text(json.dumps([asdict(FIGURES), asdict(DEEP)]))
    card = model_card(model, "ada/tiny")
    row = (
        "| ood_depth | 400 | 25.0% (21.0 to 29.5) | 30.0% (25.7 to 34.7) | 5.0% (3.3 to 7.6) | 100.0% (99.0 to 100.0) |"
    )
    assert row in card.split("\n")
    results = ModelCard(card).data.eval_results
    faithful = {result.dataset_split: result.metric_value for result in results if result.metric_type == "faithful"}
    assert faithful == {"test": 0.674, "ood_depth": 0.25}
    check_card(card, "model", folder_files(model, "model"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not readable as JSON"),
        ("[]", "lacks faithful, final, lucky, parsed, problems"),
        ('{"problems": 5, "faithful": 6, "final": 1, "lucky": 1, "parsed": 1}', "expected faithful from 0 to problems"),
        ('{"problems": 0, "faithful": 0, "final": 0, "lucky": 0, "parsed": 0}', r"from 0 to problems \(0\), got 0"),
        ('{"problems": 5, "faithful": 1, "final": 1, "lucky": 1, "parsed": 1, "spilt": "x"}', "did you mean 'split'"),
        (
            '{"problems": 5, "faithful": 1, "final": 1, "lucky": 1, "parsed": 1, "dataset": "x"}',
            "expected a dataset's Hub ID, got 'x'",
        ),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path, text, message):
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_evaluation(path)


def test_the_embedded_models_own_card_is_valid():
    path = embedded_path()
    card = (path / "README.md").read_text()
    assert card_errors(card, "model") == []
    check_card(card, "model", folder_files(path, "model"))


def test_a_generated_datasets_card_names_the_repository_once_it_has_one():
    local = 'rows = load_dataset("path/to/this/folder", "sft")  # or the dataset\'s ID on the Hub\n'
    assert for_hub(local, "ada/shapes") == 'rows = load_dataset("ada/shapes", "sft")\n'
    from rotbot.problems.card import TEMPLATE

    assert local in TEMPLATE.read_text(), "the line that for_hub looks for"


def test_the_commands_in_a_card_exist(model):
    card = model_card(model, "ada/tiny")
    commands = set(re.findall(r"rotbot ([a-z][a-z-]+)[ `]", card)) - {"generate"}
    assert commands <= {command.callback.__name__.replace("_", "-") for command in app.registered_commands}
