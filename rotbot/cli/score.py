"""``rotbot score``: completions from anywhere, scored from a file of JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.options import one_of
from rotbot.errors import InputError

if TYPE_CHECKING:
    from rotbot.problem import Problem
    from rotbot.rewards.reading import Expected
    from rotbot.rewards.rubric import Rubric
    from rotbot.rewards.score import Score

_SHARES = ("faithful", "final_correct", "lucky", "parsed")


def score(
    file: Annotated[str, typer.Argument(help="JSON lines: code, args, target (or prompt), completion. - for stdin.")],
    rubric: Annotated[
        str, typer.Option("--rubric", help="faithful or final-only.", autocompletion=one_of("faithful", "final-only"))
    ] = "faithful",
    local: Annotated[bool, typer.Option("--local", help="Also run each claimed step by itself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a completion on stdout.")] = False,
) -> None:
    """Score completions, wherever they come from, step by step against torch.fx.

    Each line is an object with a problem (code, args and target as rotbot generate writes them, or prompt, the
    problem's text or chat messages) and a completion (text or chat messages). Code is read, never run, in a worker
    process with limits. Exit code 1 if a problem cannot be traced, 2 for a line that cannot be read.

        rotbot score answers.jsonl --rubric faithful
    """
    from rotbot.rewards.rubric import rubric_named

    weights = rubric_named(rubric)
    counts = dict.fromkeys(_SHARES, 0)
    scored = refused = 0
    total = 0.0
    for number, row in _rows(file):
        found = _score(number, row, weights)
        if isinstance(found, str):
            refused += 1
            print(f"rotbot: line {number}: {found}", file=sys.stderr)
            if as_json:
                print(json.dumps({"line": number, "id": row.get("id"), "error": found}))
            continue
        scored += 1
        total += found.total
        for name in _SHARES:
            counts[name] += getattr(found, name)
        if as_json:
            print(json.dumps({"line": number, "id": row.get("id"), **_data(found, local)}))
    if not scored + refused:
        raise InputError(f"{file}: expected one completion a line, got none")
    shares = ", ".join(f"{name.replace('_correct', '')} {100 * counts[name] / max(scored, 1):.1f}%" for name in _SHARES)
    summary = f"{scored:,} completions: {shares}; mean total under {rubric} {total / max(scored, 1):.4f}"
    print(summary, file=sys.stderr if as_json else sys.stdout)
    if refused:
        raise typer.Exit(1)


def _rows(file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of the file with their lines' numbers, from 1."""
    with ExitStack() as stack:
        try:
            lines = sys.stdin if file == "-" else stack.enter_context(Path(file).open(encoding="utf-8"))
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(number, line)
        except OSError as error:
            raise InputError(f"cannot read {file!r}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{file}: expected JSON lines in UTF-8, got something else at byte {error.start}"
            ) from error


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number}: expected a JSON object, got {line.strip()[:60]!r}") from error
    if not isinstance(value, dict):
        raise InputError(f"line {number}: expected a JSON object, got {type(value).__name__}")
    return value


def _score(number: int, row: dict[str, Any], weights: Rubric) -> Score | str:
    """A row's score; a text that says why its problem cannot be traced."""
    from rotbot.errors import SnippetError
    from rotbot.rewards.columns import problem_of, text_of
    from rotbot.rewards.score import score_expected

    try:
        problem, completion = problem_of(row), text_of(row.get("completion"))
    except InputError as error:
        raise InputError(f"line {number}: {error}") from error
    try:
        return score_expected(_expected(problem), completion, weights)
    except SnippetError as error:
        return str(error)


@lru_cache(maxsize=8192)
def _expected(problem: Problem) -> Expected:
    from rotbot.rewards.reading import expect
    from rotbot.shapes import trace

    return expect(trace(problem.code, dict(problem.specs), problem.target, isolated=True))


def _data(found: Score, local: bool) -> dict[str, Any]:
    names = (
        "total", "parsed", "final_correct", "faithful", "lucky", "steps_correct", "steps_total", "steps_claimed",
        "work_items", "work_correct",
    )  # fmt: skip
    valid = found.locally_valid if local else None
    steps = [
        {"span": span, "true": true, **({} if valid is None else {"locally_valid": valid[i]})}
        for i, (span, true) in enumerate(zip(found.spans, found.true, strict=True))
    ]
    return {name: getattr(found, name) for name in names} | {"steps": steps}
