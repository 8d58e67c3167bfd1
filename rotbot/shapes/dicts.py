"""Dicts of a snippet: what may be a key, what makes one, and their methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rotbot.errors import UnsupportedSnippet

VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
"""What ``keys``, ``values`` and ``items`` of a dict return: iterables, not sequences."""

_KEYS = (int, float, complex, str, type(None), torch.dtype)


class Ordered(dict[Any, Any]):
    """A ``collections.OrderedDict``, which ``nn.Sequential`` takes where it takes no other dict."""


def dict_key(value: Any) -> Any:
    """``value`` itself, if it may be a key. Raises TypeError for what Python takes for none, and
    :class:`~rotbot.errors.UnsupportedSnippet` for other keys than numbers, strings, dtypes, None and tuples of them."""
    if isinstance(value, (list, dict)):
        raise TypeError(f"unhashable type: {type(value).__name__!r}")
    if isinstance(value, tuple):
        for item in value:
            dict_key(item)
    elif not isinstance(value, _KEYS):
        raise UnsupportedSnippet("a key of a dict is supported if it is a number, a string, a dtype, None, or a tuple")
    return value


def make_dict(*given: Any, **items: Any) -> dict[Any, Any]:
    """``dict(...)`` of another dict, or of a list or tuple of pairs."""
    if len(given) > 1:
        raise TypeError(f"dict expected at most 1 argument, got {len(given)}")
    pairs = given[0] if given else ()
    if isinstance(pairs, dict):
        return {**pairs, **items}
    if not isinstance(pairs, (list, tuple)):
        raise TypeError(f"{type(pairs).__name__!r} object is not iterable")
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise UnsupportedSnippet("a dict is made from another, or from pairs")
    return {**{dict_key(key): value for key, value in pairs}, **items}


def make_ordered(*given: Any, **items: Any) -> Ordered:
    """``collections.OrderedDict(...)`` of what :func:`make_dict` takes."""
    return Ordered(make_dict(*given, **items))


def _update(owner: dict[Any, Any], *given: Any, **items: Any) -> None:
    if len(given) > 1:
        raise TypeError(f"update expected at most 1 argument, got {len(given)}")
    owner.update(make_dict(*given, **items))


def _of_key(method: Callable[..., Any]) -> Callable[..., Any]:
    def checked(owner: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        for key in args[:1]:
            dict_key(key)
        return method(owner, *args, **kwargs)

    return checked


DICT_METHODS: dict[str, Callable[..., Any]] = {
    "keys": dict.keys, "values": dict.values, "items": dict.items, "copy": dict.copy, "clear": dict.clear,
    "popitem": dict.popitem, "update": _update, "get": _of_key(dict.get), "pop": _of_key(dict.pop),
    "setdefault": _of_key(dict.setdefault),
}  # fmt: skip
