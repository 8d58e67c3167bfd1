"""Problems and completions as rows hold them: those of datasets, JSON lines, trainers' keyword arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.shapes.arguments import DEFAULT_DTYPE


def problem_of(row: Mapping[str, Any]) -> Problem:
    """The problem of a row: its ``code``, ``args`` and ``target``, or its ``prompt`` where it has no ``code``.

    ``args`` are a mapping (``{'x': [2, 3]}``) or the dataset's list of ``{name, shape, dtype, dims}``; the prompt is a
    text or chat messages, whose last one is the problem. Raises :class:`~rotbot.errors.InputError` where there is no
    problem in that.
    """
    if row.get("code") is not None:
        missing = [name for name in ("args", "target") if row.get(name) is None]
        if missing:
            raise InputError(f"row: expected the columns code, args and target, got no {' and no '.join(missing)}")
        return Problem(row["code"], _arguments(row["args"]), row["target"])
    if row.get("prompt") is None:
        raise InputError(f"row: expected the columns code, args and target, or prompt, got {', '.join(row) or 'none'}")
    return Problem.parse(text_of(row["prompt"], "prompt"))


def _arguments(args: Any) -> Mapping[str, Any]:
    if isinstance(args, Mapping):
        return args
    if not isinstance(args, Sequence) or not all(isinstance(one, Mapping) and "name" in one for one in args):
        raise InputError(f"args: expected a mapping, or a list of name, shape and dtype, got {args!r:.80}")
    found: dict[str, Any] = {}
    for one in args:
        dims = one.get("dims") or one.get("shape")
        if not isinstance(dims, Sequence) or isinstance(dims, str):
            raise InputError(f"args: expected a shape for {one['name']!r:.40}, got {dims!r:.80}")
        dtype = one.get("dtype") or DEFAULT_DTYPE
        found[one["name"]] = list(dims) if dtype == DEFAULT_DTYPE else f"{','.join(map(str, dims)) or '()'}:{dtype}"
    return found


def text_of(value: Any, name: str = "completion") -> str:
    """A text, or the content of the last chat message. Raises :class:`~rotbot.errors.InputError` for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and isinstance(value[-1], Mapping):
        content = value[-1].get("content")
        if isinstance(content, str):
            return content
    raise InputError(f"{name}: expected a text or chat messages, got {value!r:.80}")
