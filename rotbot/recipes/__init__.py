"""Recipes shipped with the package: YAML files that ``--config`` takes by name, of fine-tuning, of reinforcement
learning and of datasets."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Literal

from rotbot.errors import ConfigError

Kind = Literal["training", "grpo", "datasets"]


def _folder(kind: Kind) -> Path:
    shipped = Path(str(files(__name__)))
    return shipped if kind == "training" else shipped / kind


def list_recipes(kind: Kind = "training") -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in _folder(kind).glob("*.yaml"))


def find_recipe(name_or_path: str, kind: Kind = "training") -> Path:
    """The file of a shipped recipe (``tiny``; of the datasets: ``shapes``) or of a path to a YAML file.

    Raises :class:`~rotbot.errors.ConfigError` that lists the shipped recipes if it is neither.
    """
    names = list_recipes(kind)
    if name_or_path in names:
        return _folder(kind) / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.is_file():
        return path
    near = get_close_matches(name_or_path, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"recipe: expected a YAML file or one of {', '.join(names)}, got {name_or_path!r}{hint}")
