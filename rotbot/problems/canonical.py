"""Canonical forms: what makes two programs the same, and which split a program belongs to.

Two forms, one inside the other. The *canonical program* renames variables in the order of their first appearance and
takes the arguments' shapes in: its hash is a row's ``id``. The *canonical trace* also forgets how calls are spelled:
it is the arguments' shapes and the resolved steps. The split is drawn from the hash of the latter, so that neither the
same program nor another spelling of it can be in two splits.
"""

from __future__ import annotations

import builtins
import hashlib
import re
from keyword import kwlist

from rotbot.problem import Problem

SPLITS = ("train", "validation", "test")
HELD_OUT_PERCENT = {"validation": 2, "test": 2}


_WORD = re.compile(
    r"""
    '[^']*' | "[^"]*"                       # a string stays as it is
    | (?<![\w.]) [A-Za-z_]\w* (?!\w|=(?!=))  # a name: no attribute, no keyword argument
    """,
    re.VERBOSE,
)
_FIXED = frozenset(("torch", "F", "nn", "_", *dir(builtins), *kwlist))


def canonical_program(problem: Problem) -> str:
    """The program with its variables renamed ``v0``, ``v1``, ... in the order of the text, its arguments and target."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        word = match[0]
        return word if word in _FIXED or word[0] in "'\"" else names.setdefault(word, f"v{len(names)}")

    text = _WORD.sub(rename, problem.code)
    args = sorted(f"{names.get(name, name)}={list(spec.shape)}:{spec.dtype}" for name, spec in problem.specs)
    return f"{text}\n# {'; '.join(args)} -> {names.get(problem.target, problem.target)}"


def program_id(problem: Problem) -> str:
    """The row's ``id``: SHA-256 of the canonical program, as 64 hex digits."""
    return hashlib.sha256(canonical_program(problem).encode()).hexdigest()


def canonical_trace(problem: Problem, trace_text: str) -> str:
    """The arguments' shapes, sorted, and the trace's text."""
    args = sorted(f"{list(spec.shape)}:{spec.dtype}" for _, spec in problem.specs)
    return "; ".join(args) + "\n" + trace_text


def split_of(problem: Problem, trace_text: str) -> str:
    """The split a problem belongs to: 96% train, 2% validation, 2% test, by the hash of its canonical trace."""
    digest = hashlib.sha256(canonical_trace(problem, trace_text).encode()).digest()
    place = int.from_bytes(digest[:8], "big") % 100
    for split, percent in HELD_OUT_PERCENT.items():
        if place < percent:
            return split
        place -= percent
    return "train"
