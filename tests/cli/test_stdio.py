"""``rotbot trace --stdio``: one process, many requests, whatever is wrong with one of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from rotbot import __version__
from rotbot.cli import stdio
from rotbot.cli.trace import trace_data
from rotbot.shapes import trace

GOOD = {"id": 7, "code": "y = x.flatten(1)", "args": {"x": [2, 3, 4]}}
DEFINED = (
    "from torch import nn\n\n\nclass Net(nn.Module):\n"
    "    def __init__(self, dim, bias=True):\n        super().__init__()\n"
    "        self.f = nn.Linear(dim, 2 * dim, bias)\n    def forward(self, x):\n        return self.f(x)\n"
)


def ask(*requests):
    """The answers after the first line, which says that the worker is ready."""
    lines = [request if isinstance(request, bytes) else json.dumps(request).encode() for request in requests]
    out = io.StringIO()
    stdio.serve(io.BytesIO(b"\n".join(lines)), out, trace_data)
    ready, *answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert ready == {"status": "ready", "version": __version__}
    return answers


def test_answers_are_those_of_trace_in_the_order_of_the_requests():
    other = {"code": "y = x.T\nz = y + 1", "args": {"x": "B,8"}, "target": "y", "id": None}
    first, second = ask(GOOD, other)
    assert first == {
        "id": 7, "status": "right", "trace": json.loads(json.dumps(trace_data(trace(GOOD["code"], GOOD["args"])))),
    }  # fmt: skip
    assert (second["id"], second["trace"]["target"], second["trace"]["final"]) == (None, "y", [8, "B"])


def test_a_shape_error_has_its_place():
    (answer,) = ask({"id": "a", "code": "h = x + 1\ny = h @ h", "args": {"x": [2, 3]}})
    assert answer["status"] == "shape error"
    assert answer["region"] == {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 10}
    assert answer["trace"]["error"]["step"] == 1


def test_a_class_of_a_file():
    request = {"code": DEFINED, "args": {"x": [5, 8]}, "name": "Net"}
    right, wrong, refused = ask(
        {**request, "init": {"dim": 8, "bias": False}}, {**request, "init": {"dim": "9"}}, {**request, "target": "x"}
    )
    assert right["trace"]["final"] == [5, 16]
    assert wrong["status"] == "shape error"
    assert refused["reason"].startswith("target: expected none beside name")


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        (b"{", "expected a request in JSON"),
        (b"\xff\xfe", "expected a request in JSON"),
        (b"[" * 100_000, "expected a request in JSON"),
        (b"[1]", "expected a JSON object, got [1]"),
        ({}, "expected code and args, and perhaps args, code, id, init, name, target, values; got nothing"),
        ({"code": "y = x", "arg": {"x": [2]}}, "got 'arg', 'code'"),
        ({"code": 3}, "code: expected str, got 3"),
        ({"code": "y = x", "args": [1]}, "args: expected dict, got [1]"),
        ({"code": "y = x"}, "no shape is given for x"),
        ({"code": "y = x", "args": {"x": [-1]}}, "x: expected"),
        ({"code": "y = (", "args": {}}, "line 1"),
        ({"code": "y = open('/etc/passwd')", "args": {}}, "open"),
        ({"code": "y = x", "args": {"x": [2]}, "init": {"dim": 2}}, "expected the name of a function or class"),
        ({"code": DEFINED, "args": {"x": [2]}, "name": "Other"}, "one of Net; got 'Other'"),
        ({"code": "y = x\n" + "#" * 1_000_001, "args": {"x": [2]}}, "code: expected at most 1000000 characters"),
        (b'{"code": "' + b"#" * 7_000_000 + b'"}', "bytes a line, got more"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else None,
)
def test_a_request_that_cannot_be_answered_does_not_end_it(request_line, reason):
    refused, answered = ask(request_line, GOOD)
    assert refused["status"] == "refused"
    assert reason in refused["reason"]
    assert answered["trace"]["final"] == [2, 12]


def test_the_command_answers_before_the_next_request_comes():
    command = [sys.executable, "-m", "rotbot", "trace", "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert json.loads(process.stdout.readline())["status"] == "ready"
        for number in range(3):
            process.stdin.write(json.dumps({**GOOD, "id": number}) + "\n")
            answer = json.loads(process.stdout.readline())
            assert (answer["id"], answer["trace"]["final"]) == (number, [2, 12])
        process.stdin.close()
        assert process.wait(30) == 0
