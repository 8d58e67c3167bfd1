"""Recipes: YAML files and ``key.sub=value`` overrides, read into frozen dataclasses.

Every value is checked against the dataclass's annotation; an unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rotbot.errors import ConfigError

T = TypeVar("T")


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping. Raises :class:`~rotbot.errors.ConfigError` if it cannot be read or is no mapping."""
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(value).__name__}")
    return value


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """``values`` with each ``key.sub=value`` set; a value is read as YAML (``null``, ``true``, ``3e-4``, text).

    Raises :class:`~rotbot.errors.ConfigError` for an override that has no ``=`` or no key.
    """
    import yaml

    result = _copy(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(f"expected key=value or key.sub=value, got {override!r}")
        try:
            value = yaml.safe_load(text) if text else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"{key}: not readable as a value: {text!r}") from error
        node = result
        *parents, leaf = key.split(".")
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                raise ConfigError(f"{key}: {parent} is a value, not a section")
            node = child
        node[leaf] = value
    return result


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in values.items()}


def build(kind: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """A ``kind`` (a dataclass, its sections dataclasses too) from nested mappings.

    Raises :class:`~rotbot.errors.ConfigError` for unknown keys and for values of the wrong type.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]  # pyright: ignore[reportArgumentType]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{path}{key}"
        if key not in known:
            raise ConfigError(f"unknown key {name!r}{_nearest(str(key), kind, path)}")
        hint = hints[key]
        if is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name}: expected a section of keys, got {value!r:.80}")
            arguments[key] = build(hint, value, f"{name}.")  # pyright: ignore[reportArgumentType]
        else:
            arguments[key] = _coerce(name, value, hint)
    return kind(**arguments)


def _nearest(key: str, kind: type[Any], path: str) -> str:
    """A hint: this very key in another section, else the nearest of this section, else of the others, else all keys."""
    known = [f.name for f in fields(kind)]
    sections = {name: hint for name, hint in get_type_hints(kind).items() if is_dataclass(hint)}
    inner = {f.name: section for section, hint in sections.items() for f in fields(hint)}
    near = [] if key in inner else get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean {path + near[0]!r}?"
    near = get_close_matches(key, inner, n=1)
    if near:
        return f"; did you mean {f'{path}{inner[near[0]]}.{near[0]}'!r}?"
    return f"; expected one of {', '.join(known)}"


def _coerce(name: str, value: Any, hint: Any) -> Any:
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in choices:
        return None
    literals = [literal for choice in choices if get_origin(choice) is Literal for literal in get_args(choice)]
    if value in literals:
        return value
    if isinstance(value, bool):
        if bool in choices:
            return value
    elif isinstance(value, int):
        if int in choices:
            return value
        if float in choices:
            return float(value)
    elif isinstance(value, float):
        if float in choices:
            return value
        if int in choices and value.is_integer():
            return int(value)
    elif isinstance(value, str):
        if str in choices:
            return value
        number = _number(value)
        if number is not None:  # YAML reads 3e-4 as text
            return _coerce(name, number, hint)
    if str in choices and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    named = ["null" if c is type(None) else c.__name__ for c in choices if get_origin(c) is not Literal]
    expected = " or ".join([*literals, *named])
    raise ConfigError(f"{name}: expected {expected}, got {value!r:.80}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def expect(holds: bool, key: str, expected: str, got: object) -> None:
    """Raise :class:`~rotbot.errors.ConfigError` about the setting ``key`` unless ``holds``."""
    if not holds:
        raise ConfigError(f"{key}: expected {expected}, got {got}")
