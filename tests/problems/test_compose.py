"""Joined problems: the steps of the parts, one after the other."""

from __future__ import annotations

from itertools import islice

import pytest

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problems import compose, stream
from rotbot.problems.verify import verify_target

HEADS = Problem("b, t, c = x.shape\nq = x.view(b, t, 4, c // 4).transpose(1, 2)", {"x": [2, 10, 32]}, "q")


def test_the_target_takes_an_argument_s_place():
    scores = Problem("k = q.mT\nx = q @ k", {"q": [2, 4, 10, 8]}, "x")
    joined = compose([HEADS, scores])
    assert joined.code == "b, t, c = x.shape\nq = x.view(b, t, 4, c // 4).transpose(1, 2)\nk = q.mT\nx2 = q @ k"
    assert (dict(joined.args), joined.target) == ({"x": [2, 10, 32]}, "x2")
    assert joined.truth().steps == (*HEADS.truth().steps, *scores.truth().steps)
    assert joined.truth().final == (2, 4, 10, 10)


def test_a_reshape_where_only_the_elements_fit():
    joined = compose([HEADS, Problem("y = F.relu(h) + w", {"h": [20, 32], "w": [32]}, "y")])
    assert "h = q.reshape(20, 32)\ny = F.relu(h) + w" in joined.code
    assert dict(joined.args) == {"x": [2, 10, 32], "w": [32]}
    assert joined.truth().final == (20, 32)


def test_what_is_assigned_to_keeps_its_name():
    joined = compose([HEADS, Problem("a += 1\ny = a.sum(0)", {"a": [2, 4, 10, 8]}, "y")])
    assert joined.code.endswith("a = q\na += 1\ny = a.sum(0)")


def test_chains_of_generated_problems_are_right():
    made = 0
    problems = list(islice(stream(77), 20))
    for first in problems:
        for second in problems:
            try:
                joined = compose([first, second])
            except InputError:
                continue
            truth = joined.truth()
            verify_target(joined, truth)
            assert truth.final == second.truth().final
            assert len(truth.steps) >= len(second.truth().steps)
            made += 1
    assert made >= 3


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ([], "expected at least one problem"),
        ([HEADS, Problem("y = x.T", {"x": [2, 3]}, "y")], r"problem 1 takes \[2, 3\] float32, .* \[2, 4, 10, 8\]"),
        ([Problem("y = x.view(5)", {"x": [2, 3]}, "y"), HEADS], "expected right programs, one fails at step 0"),
        ([HEADS, Problem("y = F.embedding(i, w)", {"i": "640:int64", "w": [5, 3]}, "y")], "problem 1 takes"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined(problems, message):
    with pytest.raises(InputError, match=message):
        compose(problems)
