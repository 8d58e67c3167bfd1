"""A problem as a link and as a command: what a visitor sends to a friend, or runs at home."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from rotbot.hub.ids import parse_id
from rotbot.models import EMBEDDED
from rotbot.shapes.limits import LIMITS

MAX_ARGUMENTS = 12
_MAX_FIELD = 200


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as a link fills it in; ``args`` are shapes as typed, ``model`` is empty for the one chosen first."""

    code: str
    args: tuple[tuple[str, str], ...]
    target: str
    model: str = ""


def to_query(filled: Filled) -> str:
    """``code=…&target=…&model=…&arg.x=2,3``, percent-encoded, without the question mark."""
    fields = [("code", filled.code), ("target", filled.target)]
    fields += [("model", filled.model)] if filled.model else []
    return urlencode([*fields, *[(f"arg.{name}", shape) for name, shape in filled.args]])


def from_query(query: Mapping[str, str]) -> Filled | None:
    """The way back; None if the query has no code. What is too long or is no argument's name is left out."""
    code = query.get("code", "")
    if not code.strip() or len(code) > LIMITS.source_chars:
        return None
    args = [
        (name.removeprefix("arg."), shape)
        for name, shape in query.items()
        if name.startswith("arg.") and name.removeprefix("arg.").isidentifier() and len(shape) <= _MAX_FIELD
    ]
    target = query.get("target", "")
    model = query.get("model", "")
    known = model if model == EMBEDDED or parse_id(model) is not None else ""
    return Filled(code, tuple(args[:MAX_ARGUMENTS]), target if target.isidentifier() else "", known)


def command(filled: Filled) -> str:
    """The ``rotbot predict`` command that asks the same on the visitor's own machine, quoted for a shell; the empty
    string while there is no code."""
    if not filled.code.strip():
        return ""
    words = ["rotbot", "predict", *([filled.model] if filled.model not in ("", EMBEDDED) else []), "-c", filled.code]
    for name, shape in [(name, shape) for name, shape in filled.args if shape.strip()]:
        words += ["--arg", f"{name}={shape.replace(' ', '')}"]
    return shlex.join([*words, *(["--target", filled.target] if filled.target else [])])
