"""Cards: made for a model from what its folder says, checked before a push, and read for the Hub.

A card made here has no date and no place in it: the same folder gives the same text, and a second push nothing to send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Any

from rotbot import __version__
from rotbot.errors import InputError
from rotbot.hub.content import CARD, Content
from rotbot.hub.fetch import data_files
from rotbot.hub.figures import Evaluation, read_evaluation
from rotbot.hub.ids import HubId, Kind
from rotbot.hub.training import Training, training_of

TEMPLATE = Path(__file__).parent.parent / "_cards" / "model" / "model.md.j2"
EVALUATION = "evaluation.json"
"""The figures of a model, in its folder."""
CURVES, LOG = "curves.png", "training.jsonl"
"""A run's losses, as a picture and as they were logged, in the model's folder."""
_LOCAL_LOAD = re.compile(r'load_dataset\("path/to/this/folder"(, "\w+")?\)(?:  # or the dataset\'s ID on the Hub)?')
_PLACEHOLDERS = re.compile(r"\[More Information Needed\]|\{\{.*?\}\}|\{%.*?%\}|<!-- Provide|path/to/this/folder")


def model_card(folder: Path, repo: str, evaluations: Sequence[Evaluation] = ()) -> str:
    """The card of a model folder as ``repo``: what it is, how to use it, how it was made, how good it is, its limits.

    The figures come from ``evaluations`` (one a split) or the folder's ``evaluation.json``. Raises
    :class:`~rotbot.errors.InputError` for a folder whose ``config.json`` or weights cannot be read.
    """
    if not evaluations and (folder / EVALUATION).is_file():
        evaluations = read_evaluation(folder / EVALUATION)
    training, curves = training_of(folder), (folder / CURVES).is_file()
    return render_card(_read_config(folder), _parameters(folder), training, evaluations, repo, curves)


def render_card(
    config: Mapping[str, Any], parameters: int, training: Training | None, evaluations: Sequence[Evaluation],
    repo: str, curves: bool,
) -> str:  # fmt: skip
    """The card of a model of ``parameters`` numbers with this ``config.json``; ``curves`` shows the picture of them."""
    from huggingface_hub import ModelCardData
    from jinja2 import Environment, StrictUndefined

    name = repo.partition("/")[2]
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["rotbot", "pytorch", "shape-inference", "reasoning", "synthetic", str(config.get("model_type"))],
        base_model=_repo(training.base if training else None),
        datasets=[training.dataset.repo] if training and training.dataset else None,
        model_name=name if evaluations else None,
        eval_results=[result for one in evaluations for result in one.results()] or None,
    )
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        metadata=data.to_yaml(),
        name=name,
        repo=repo,
        version=__version__,
        config=config,
        millions=parameters / 1e6,
        training=training,
        curves=curves,
        evaluations=evaluations,
    )


def _repo(hub_id: HubId | None) -> str | None:
    return None if hub_id is None else hub_id.repo


def _read_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: not readable as JSON: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'}: expected keys and values, got {type(config).__name__}")
    return config


def _parameters(folder: Path) -> int:
    """The numbers in a folder's weights, from the headers of its files (8 bytes of length, then JSON)."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            try:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            except (ValueError, OverflowError, MemoryError) as error:
                raise InputError(f"{path}: expected a safetensors file: {error}") from error
        total += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total


def for_hub(card: str, repo: str) -> str:
    """A dataset's card with the repository's ID where it told its reader to name the folder."""
    return _LOCAL_LOAD.sub(rf'load_dataset("{repo}"\1)', card)


def check_card(card: str, kind: Kind, files: Mapping[str, Content]) -> None:
    """Raise :class:`~rotbot.errors.InputError` for a card that says nothing to the Hub or to its reader: no metadata,
    a placeholder left in it, or ``configs`` that name files which are not among ``files``."""
    import yaml
    from huggingface_hub import DatasetCard, ModelCard, SpaceCard

    try:
        cards = {"model": ModelCard, "dataset": DatasetCard, "space": SpaceCard}
        data = cards[kind](card).data.to_dict()
    except (ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{CARD}: its metadata is not readable: {reason:.300}") from error
    if not data:
        raise InputError(f"{CARD}: expected metadata between two lines of ---, found none")
    if left := _PLACEHOLDERS.search(card):
        raise InputError(f"{CARD}: expected a finished text, found the placeholder {left[0]!r:.80}")
    for entry in data.get("configs") or []:
        for pattern in data_files(entry):
            if not any(fnmatchcase(path, pattern) for path in files):
                raise InputError(f"{CARD}: its configuration {entry.get('config_name')} names {pattern}: no such file")
