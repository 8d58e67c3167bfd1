"""The canonical program: what makes two programs the same.

Variables are renamed in the order of their first appearance, comments go, the arguments' shapes are taken in: the hash
of this is a row's ``id``. Which split a program belongs to is decided from its graph: :mod:`rotbot.problems.splits`.
"""

from __future__ import annotations

import builtins
import hashlib
import re
from keyword import kwlist

from rotbot.problem import Problem

_WORD = re.compile(
    r"""
    '[^']*' | "[^"]*"                       # a string stays as it is
    | (?<![\w.]) [A-Za-z_]\w* (?!\w|=(?!=))  # a name: no attribute, no keyword argument
    """,
    re.VERBOSE,
)
_ASSIGNED = re.compile(r"^([ ]*[A-Za-z_]\w*(?:, ?[A-Za-z_]\w*)*)=(?!=)", re.MULTILINE)
"""An assignment without a space: what stands before ``=`` is no keyword argument there."""

_COMMENT = re.compile(r"^#.*\n", re.MULTILINE)
_FIXED = frozenset(("torch", "F", "nn", "_", *dir(builtins), *kwlist))


def canonical_program(problem: Problem) -> str:
    """The program with its variables renamed ``v0``, ``v1``, ... in the order of the text, its arguments and target."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        word = match[0]
        return word if word in _FIXED or word[0] in "'\"" else names.setdefault(word, f"v{len(names)}")

    text = _WORD.sub(rename, _ASSIGNED.sub(r"\1 =", _COMMENT.sub("", problem.code)))
    args = sorted(f"{names.get(name, name)}={list(spec.shape)}:{spec.dtype}" for name, spec in problem.specs)
    return f"{text}\n# {'; '.join(args)} -> {names.get(problem.target, problem.target)}"


def program_id(problem: Problem) -> str:
    """The row's ``id``: SHA-256 of the canonical program, as 64 hex digits."""
    return hashlib.sha256(canonical_program(problem).encode()).hexdigest()
