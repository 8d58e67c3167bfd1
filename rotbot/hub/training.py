"""How a model came about, read from what ``rotbot sft`` leaves beside it: the recipe, the data, how far it got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotbot.hub.ids import HubId, parse_id

_DERIVED = ("total_steps", "data.revision")
_DTYPE = "torch."


@dataclass(frozen=True, slots=True)
class Training:
    """A run of supervised fine-tuning. ``settings`` are flat (``optimizer.lr`` → value); ``base`` and ``dataset`` are
    Hub IDs where the run's settings name some. ``validation_loss`` is per completion token, in nats."""

    settings: Mapping[str, Any]
    steps: int
    tokens: int
    validation_loss: float | None

    @property
    def base(self) -> HubId | None:
        """The model on the Hub that training started from."""
        return parse_id(str(self.settings.get("model.init") or ""))

    @property
    def dataset(self) -> HubId | None:
        """The dataset on the Hub."""
        return parse_id(str(self.settings.get("data.dataset") or ""))

    @property
    def revision(self) -> str | None:
        """The dataset's commit."""
        return self.settings.get("data.revision")

    def recipe(self) -> str:
        """The settings as a YAML recipe. Folders are told by their name alone: their paths are nobody's business."""
        import yaml

        sections: dict[str, Any] = {}
        for key, value in self.settings.items():
            if value is None or key in _DERIVED:
                continue
            if isinstance(value, str):
                value = value.removeprefix(_DTYPE)
                if key in ("data.dataset", "model.init", "model.tokenizer") and parse_id(value) is None:
                    value = Path(value).name
            *parents, leaf = key.split(".")
            node = sections
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = value
        return yaml.safe_dump(sections, sort_keys=True).strip()


def training_of(model: Path) -> Training | None:
    """The run whose folder ``model`` is in (``RUN/model`` beside ``RUN/checkpoints``), None where there is none: how
    far it was at the checkpoint that became the model."""
    positions = sorted(model.absolute().parent.glob("checkpoints/step-*/position.json"))
    if model.absolute().name != "model" or not positions:
        return None
    found = [json.loads(path.read_text(encoding="utf-8")) for path in positions]
    at = found[-1]
    if at["settings"].get("export") == "best":
        at = min((p for p in found if p["validation_loss"] is not None), key=lambda p: p["validation_loss"], default=at)
    return Training(at["settings"], at["step"], at["tokens"], at["validation_loss"])
