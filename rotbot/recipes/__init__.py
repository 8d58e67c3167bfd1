"""Recipes shipped with the package: YAML files that training commands take by name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from rotbot.errors import ConfigError


def list_recipes() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(f.name.removesuffix(".yaml") for f in files(__name__).iterdir() if f.name.endswith(".yaml"))


def find_recipe(name_or_path: str) -> Path:
    """The file of a shipped recipe (``tiny``) or of a path to a YAML file.

    Raises :class:`~rotbot.errors.ConfigError` that lists the shipped recipes if it is neither.
    """
    names = list_recipes()
    if name_or_path in names:
        return Path(str(files(__name__) / f"{name_or_path}.yaml"))
    path = Path(name_or_path)
    if path.is_file():
        return path
    near = get_close_matches(name_or_path, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"recipe: expected a YAML file or one of {', '.join(names)}, got {name_or_path!r}{hint}")
