"""The forms for other tools: GitHub's workflow commands and SARIF, and ``--watch``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

import rotbot
from rotbot.cli.formats import github_text, sarif_data

CODE = "h = x @ w\né = '%'; y = h.view(3, 5)  # faulty\nz = y + 1"
ARGS = {"x": [2, 3], "w": [3, 4]}


def _object(required: str = "", **properties):
    return {
        "type": "object", "properties": properties, "required": required.split(), "additionalProperties": False,
    }  # fmt: skip


TEXT = {"type": "string", "minLength": 1}
NATURAL = {"type": "integer", "minimum": 1}
MESSAGE = _object("text", text=TEXT)
REGION = _object(startLine=NATURAL, startColumn=NATURAL, endLine=NATURAL, endColumn=NATURAL)
PLACE = _object(
    "artifactLocation", artifactLocation=_object("uri", uri={**TEXT, "format": "uri-reference"}), region=REGION
)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = _object(
    "version runs",
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "minItems": 1,
        "items": _object(
            "tool",
            tool=_object(
                "driver",
                driver=_object(
                    "name",
                    name=TEXT,
                    version=TEXT,
                    rules={
                        "type": "array",
                        "uniqueItems": True,
                        "items": _object(
                            "id", id=TEXT, shortDescription=MESSAGE, defaultConfiguration=_object(level=LEVEL)
                        ),
                    },
                ),
            ),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results={
                "type": "array",
                "items": _object(
                    "message",
                    ruleId=TEXT,
                    ruleIndex={"type": "integer", "minimum": -1},
                    level=LEVEL,
                    message=MESSAGE,
                    locations={"type": "array", "items": _object(physicalLocation=PLACE)},
                ),
            },
        ),
    },
)
"""What we write of SARIF 2.1.0, as its specification has it: names, types, what is required, the allowed values."""


def test_sarif_has_the_published_structure_and_points_at_the_operation() -> None:
    data = json.loads(json.dumps(sarif_data(rotbot.trace(CODE, ARGS), CODE, "src/my model.py")))
    jsonschema.validate(data, SARIF, format_checker=jsonschema.FormatChecker())
    (run,) = data["runs"]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["message"]["text"].startswith("view(3, 5) of [2, 4]: 8 elements do not fit [3, 5]")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/my%20model.py"
    region = place["region"]
    line = CODE.split("\n")[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "h.view(3, 5)"


def test_sarif_of_a_sound_program_has_no_result() -> None:
    data = sarif_data(rotbot.trace("y = x @ w", ARGS), "y = x @ w", "/tmp/a.py")
    jsonschema.validate(data, SARIF)
    assert data["runs"][0]["results"] == []


def test_github_s_command_is_one_line_with_everything_escaped() -> None:
    text = github_text(rotbot.trace(CODE, ARGS), CODE, "a,b:c%.py")
    place, _, message = text.removeprefix("::error ").partition("::")
    properties = dict(part.split("=") for part in place.split(","))
    assert properties.pop("file") == "a%2Cb%3Ac%25.py"
    assert properties == {"line": "2", "endLine": "2", "col": "14", "endColumn": "25", "title": "Shape error"}
    assert message.startswith("view(3, 5) of [2, 4]: ")
    assert "\n" not in text
    assert github_text(rotbot.trace("y = x @ w", ARGS), "y = x @ w", "a.py") == ""


def test_an_operation_over_several_lines_has_no_columns_for_github() -> None:
    code = "y = x.view(\n    7,\n)"
    text = github_text(rotbot.trace(code, {"x": [2, 3]}), code, "a.py")
    assert text.startswith("::error file=a.py,line=1,endLine=3,title=Shape error::")


def test_an_assertion_on_no_tensor_has_a_place_too() -> None:
    code = "y = x\nassert 1 == 2"
    result = rotbot.trace(code, {"x": [2, 3]})
    jsonschema.validate(sarif_data(result, code, "a.py"), SARIF)
    assert "line=2" in github_text(result, code, "a.py")


# --- --watch, in a process of its own --------------------------------------------------------------------------------


class Watching:
    def __init__(self, folder: Path, *args: str) -> None:
        command = [sys.executable, "-m", "rotbot", "trace", *args, "--watch"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=err)

    def until(self, words: str, file: Path) -> None:
        deadline = time.monotonic() + 120
        while words not in file.read_text():
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, f"{words!r} did not come: {file.read_text()!r}"
            time.sleep(0.05)


def test_watch_traces_again_on_every_save_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def f(x):\n    return x.view(3, 2)\n")
    watching = Watching(tmp_path, f"{file}::f", "-a", "x=2,3")
    try:
        watching.until("final: [3, 2]", watching.out)
        file.write_text("def f(x):\n    h = x.relu()\n    return h.view(3, 3)\n")
        watching.until("error at step 1, line 3: 6 elements do not fit [3, 3]", watching.out)
        assert "> 3 │     return h.view(3, 3)" in watching.out.read_text()
        file.write_text("def f(x):\n    return x.view(")
        watching.until("not Python", watching.err)
        other = tmp_path / "other.py"  # as editors save: another file takes the name
        other.write_text("def f(x):\n    return x.view(6)\n")
        other.replace(file)
        watching.until("final: [6]", watching.out)
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(120) == 0
        assert "Traceback" not in watching.err.read_text()
        assert "\x1b" not in watching.out.read_text()
    finally:
        watching.process.kill()
        watching.process.wait()


@pytest.mark.parametrize("args", [["-c", "y = x.view(2)", "-a", "x=2"], ["-", "-a", "x=2"]])
def test_watch_needs_a_file(args: list[str]) -> None:
    command = [sys.executable, "-m", "rotbot", "trace", *args, "--watch"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2
    assert "--watch: expected a file" in done.stderr
