"""Completion and history for what is typed at ``rotbot chat``."""

from __future__ import annotations

import atexit
import readline
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

HISTORY_LENGTH = 1_000
_DELIMITERS = " \t\n()[]{}=+-*/@<>,:;'\"!|&^~%"


def candidates(word: str, variables: Iterable[str]) -> list[str]:
    """What ``word`` may become: allowed names of torch after ``torch.``, ``F.`` and the like, a tensor's methods after
    another name and a dot, else variables and the names every program may use."""
    from rotbot.shapes import allowlist

    owner, dot, start = word.rpartition(".")
    if not dot:
        names = {*variables, *allowlist.NAMES}
    else:
        namespace = _namespace(owner)
        if namespace is None:
            names = {*allowlist.METHODS, *allowlist.ATTRIBUTES, "shape", "ndim", "dtype"}
        else:
            names = _members(namespace)
    return sorted([f"{owner}{dot}{name}" for name in names if name.startswith(start) and not name.startswith("_")])


def _namespace(owner: str) -> str | None:
    """The allowlist's name of ``torch.nn.functional`` or ``F``; None for what is no module."""
    from rotbot.shapes import allowlist

    first, dot, rest = owner.partition(".")
    known = allowlist.NAMES.get(first)
    if known is None:
        return None
    return f"{known}{dot}{rest}"


def _members(namespace: str) -> set[str]:
    from rotbot.shapes import allowlist

    prefixes = (f"{namespace}.", "nn.") if namespace == "torch.nn" else (f"{namespace}.",)
    names = {*allowlist.FUNCTIONS, *allowlist.CONSTANTS, *allowlist.NAMESPACES, *allowlist.MODULES}
    found = {name.removeprefix(prefix) for name in names for prefix in prefixes if name.startswith(prefix)}
    return {name for name in found if "." not in name}


def install(variables: Callable[[], Iterable[str]], history: Path) -> None:
    """Let the terminal complete with the tab key, and keep what is typed in ``history`` for the next session."""
    found: list[str] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            found[:] = candidates(word, variables())
        return found[state] if state < len(found) else None

    readline.set_completer_delims(_DELIMITERS)
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(HISTORY_LENGTH)
    with suppress(OSError):  # a home that cannot be written to: a session without history
        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)
        readline.read_history_file(history)
        atexit.register(readline.write_history_file, history)
