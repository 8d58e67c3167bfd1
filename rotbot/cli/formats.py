"""A trace's shape error for other tools: GitHub's workflow commands, and SARIF 2.1.0 (OASIS, 27 March 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotbot import __version__

if TYPE_CHECKING:
    from rotbot.shapes.trace import ShapeTrace

FORMATS = ("text", "json", "github", "sarif")
RULE = "shape-error"
SNIPPET = "snippet.py"
"""The file's name where the code came from an option or from standard input."""

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def github_text(result: ShapeTrace, code: str, path: str) -> str:
    """``::error file=…,line=…::message`` where torch rejects the program, else nothing.

    The form, and what is escaped in it, are those of GitHub's workflow commands.
    """
    if result.error is None:
        return ""
    place = {"file": path, **_github_region(result, code), "title": "Shape error"}
    properties = ",".join([f"{key}={_escaped(str(value), ',:')}" for key, value in place.items()])
    return f"::error {properties}::{_escaped(_message(result))}"


def sarif_data(result: ShapeTrace, code: str, path: str) -> dict[str, Any]:
    """A SARIF log of one run, with one result if torch rejects the program."""
    driver = {
        "name": "rotbot",
        "version": __version__,
        "rules": [
            {
                "id": RULE,
                "shortDescription": {"text": "torch rejects the shapes of an operation"},
                "defaultConfiguration": {"level": "error"},
            }
        ],
    }
    found = [] if result.error is None else [_sarif_result(result, code, path)]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": found}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_result(result: ShapeTrace, code: str, path: str) -> dict[str, Any]:
    region = error_region(result, code)
    place = {"artifactLocation": {"uri": _uri(path)}, **({"region": region} if region else {})}
    return {
        "ruleId": RULE, "ruleIndex": 0, "level": "error", "message": {"text": _message(result)},
        "locations": [{"physicalLocation": place}],
    }  # fmt: skip


def _message(result: ShapeTrace) -> str:
    assert result.error is not None, "only called for a program that torch rejects"
    step = result.steps[result.error.step]
    shapes = ", ".join([f"[{', '.join(map(str, shape))}]" for shape in step.inputs])
    return f"{step.op}{f' of {shapes}' if shapes else ''}: {result.error.reason}"


def error_region(result: ShapeTrace, code: str) -> dict[str, int]:
    """1-based lines and columns of the rejected operation, columns in characters, the end's column exclusive."""
    assert result.error is not None, "only called for a program that torch rejects"
    span = result.steps[result.error.step].span
    if span is None:
        return {} if result.error.line is None else {"startLine": result.error.line}
    lines = code.split("\n")
    return {
        "startLine": span.line,
        "startColumn": _column(lines, span.line, span.column),
        "endLine": span.end_line,
        "endColumn": _column(lines, span.end_line, span.end_column),
    }


def _column(lines: list[str], line: int, column: int) -> int:
    """A byte offset in a line, as :class:`~rotbot.shapes.trace.Span` has it, as a column in characters from 1."""
    return len(lines[line - 1].encode()[:column].decode(errors="replace")) + 1


def _github_region(result: ShapeTrace, code: str) -> dict[str, int]:
    """GitHub knows columns on one line only, and takes the last one along."""
    region = error_region(result, code)
    names = {"line": "startLine", "endLine": "endLine"}
    place = {key: region[name] for key, name in names.items() if name in region}
    if "startColumn" in region and region["startLine"] == region["endLine"]:
        place |= {"col": region["startColumn"], "endColumn": max(region["endColumn"] - 1, region["startColumn"])}
    return place


def _escaped(text: str, also: str = "") -> str:
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _uri(path: str) -> str:
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
