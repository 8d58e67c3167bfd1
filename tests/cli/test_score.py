"""``rotbot score`` as a user runs it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from rotbot.cli.main import app
from rotbot.errors import InputError
from rotbot.problem import Problem

TWO = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
GOLD = TWO.truth().completion()
LUCKY = "step 0: relu | [16] -> [16]\n</think>\nfinal: [4, 16]"


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return str(path)


def columns(completion, **more):
    args = [{"name": "s", "shape": [16], "dtype": "float32", "dims": None}]
    return {"code": TWO.code, "args": args, "target": "f", "completion": completion, **more}


def test_scores_for_machines_and_a_summary_for_people(tmp_path):
    file = write(
        tmp_path / "c.jsonl",
        columns(GOLD, id="a"),
        "",
        columns([{"role": "assistant", "content": LUCKY}], id="b"),
        {"prompt": [{"role": "user", "content": TWO.prompt()}], "completion": "no idea"},
    )
    result = CliRunner().invoke(app, ["score", file, "--json", "--local"])
    assert result.exit_code == 0
    gold, lucky, none = map(json.loads, result.stdout.splitlines())
    assert (gold["line"], gold["id"], gold["total"], gold["faithful"]) == (1, "a", 1.0, True)
    assert gold["steps"][1] == {"span": [54, 96], "true": True, "locally_valid": True}
    assert (lucky["line"], lucky["lucky"], lucky["total"]) == (3, True, 0.0)
    assert lucky["steps"] == [{"span": [0, 27], "true": False, "locally_valid": True}]
    assert (none["id"], none["parsed"], none["steps_total"], none["steps_claimed"]) == (None, False, 2, 0)
    assert result.stderr == (
        "3 completions: faithful 33.3%, final 66.7%, lucky 33.3%, parsed 66.7%; mean total under faithful 0.3333\n"
    )
    shown = CliRunner().invoke(app, ["score", file, "--rubric", "final-only"])
    assert "mean total under final-only 0.6667" in shown.stdout


def test_a_problem_that_cannot_be_traced_is_named_and_the_rest_scored(tmp_path):
    file = write(tmp_path / "c.jsonl", columns(GOLD) | {"code": "import os\nf = os.getcwd()"}, columns(GOLD))
    result = CliRunner().invoke(app, ["score", file, "--json"])
    refused, gold = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1
    assert "import" in refused["error"]
    assert gold["total"] == 1.0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], "line 1: expected a JSON object, got '{'"),
        (["[1]"], "line 1: expected a JSON object, got list"),
        ([{"code": "y = x"}], "line 1: row: expected the columns code, args and target, got no args and no target"),
        ([{"prompt": TWO.prompt()}], "line 1: completion: expected a text or chat messages, got None"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path, rows, message):
    result = CliRunner().invoke(app, ["score", write(tmp_path / "c.jsonl", *rows)])
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == message


def test_a_file_that_is_not_there():
    result = CliRunner().invoke(app, ["score", "nowhere.jsonl"])
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "cannot read 'nowhere.jsonl': No such file or directory"
