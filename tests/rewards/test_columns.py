"""Rows of any making: the dataset's columns, a prompt's text, chat messages."""

import re

import pytest

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.rewards.columns import problem_of, text_of

CODE, TARGET = "y = x[i]", "y"
PROBLEM = Problem(CODE, {"x": [5, 3], "i": "4:int64"}, TARGET)
SYMBOLIC = Problem("y = x.mT", {"x": ["B", "T"]}, "y")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"code": CODE, "args": {"x": [5, 3], "i": "4:int64"}, "target": TARGET}, PROBLEM),
        (
            {
                "code": CODE,
                "args": [
                    {"name": "x", "shape": [5, 3], "dtype": "float32", "dims": None},
                    {"name": "i", "shape": [4], "dtype": "int64", "dims": None},
                ],
                "target": TARGET,
            },
            PROBLEM,
        ),
        (
            {"code": "y = x.mT", "args": [{"name": "x", "shape": None, "dims": ["B", "T"]}], "target": "y"},
            SYMBOLIC,
        ),
        ({"code": "y = x", "args": [{"name": "x", "shape": []}], "target": "y"}, Problem("y = x", {"x": []}, "y")),
        ({"prompt": PROBLEM.prompt()}, PROBLEM),
        ({"prompt": [{"role": "user", "content": PROBLEM.prompt()}], "code": None}, PROBLEM),
    ],
)  # fmt: skip
def test_problems(row, expected):
    assert problem_of(row) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "expected the columns code, args and target, or prompt, got none"),
        ({"text": "x"}, "expected the columns code, args and target, or prompt, got text"),
        ({"code": CODE}, "got no args and no target"),
        ({"code": CODE, "args": [3], "target": "y"}, "args: expected a mapping, or a list of name, shape and dtype"),
        ({"code": CODE, "args": [{"name": "x"}], "target": "y"}, "args: expected a shape for 'x', got None"),
        ({"prompt": "what?"}, "problem: expected three lines"),
        ({"prompt": 3}, "prompt: expected a text or chat messages, got 3"),
    ],
)
def test_errors(row, message):
    with pytest.raises(InputError, match=re.escape(message)):
        problem_of(row)


def test_texts():
    assert text_of([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]) == "b"
    with pytest.raises(InputError, match="completion: expected a text or chat messages, got None"):
        text_of(None)
