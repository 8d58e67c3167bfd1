"""Counts, intervals and fresh problems."""

from __future__ import annotations

import pytest

from rotbot.errors import InputError
from rotbot.evaluation import accuracy, fresh_problems, wilson
from rotbot.evaluation.accuracy import tally
from rotbot.inference import open_engine
from rotbot.problem import Problem
from rotbot.problems.rows import place_of_problem
from rotbot.rewards import compare
from tests.memorized import ANSWERS, save_memorized


def test_counts_by_depth():
    one = Problem("y = x.relu()", {"x": [2]}, "y").truth()
    two = Problem("y = x.relu().t()", {"x": [2, 3]}, "y").truth()
    judged = [
        (two, compare(two, two.completion())),
        (one, compare(one, one.completion())),
        (one, compare(one, "</think>\nfinal: [2]")),
        (one, compare(one, "nonsense")),
    ]
    total = tally(judged)
    assert (total.n, total.faithful, total.final, total.lucky, total.parsed) == (4, 2, 3, 1, 3)
    shallow = total.by_depth[1]
    assert list(total.by_depth) == [1, 2]
    assert (shallow.n, shallow.faithful, shallow.final, shallow.lucky, shallow.parsed) == (3, 1, 2, 1, 2)
    assert total.rate == 0.5
    assert total.interval == wilson(2, 4)
    assert total.table().split("\n") == [
        "| steps | problems | faithful | 95% interval | final | lucky | parsed |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        "| 1 | 3 | 33.3% | 6.1 to 79.2% | 66.7% | 33.3% | 66.7% |",
        "| 2 | 1 | 100.0% | 20.7 to 100.0% | 100.0% | 0.0% | 100.0% |",
        "| all | 4 | 50.0% | 15.0 to 85.0% | 75.0% | 25.0% | 75.0% |",
    ]


def test_a_model_is_counted(tmp_path):
    with open_engine(save_memorized(tmp_path / "model"), "transformers") as engine:
        measured = accuracy(engine, list(ANSWERS))
    assert (measured.n, measured.faithful, measured.final, measured.lucky, measured.parsed) == (3, 1, 2, 1, 3)
    assert list(measured.by_depth) == [2]


def test_no_problems_are_no_measure():
    with pytest.raises(InputError, match="expected at least one problem, got none"):
        tally([])


def test_fresh_problems_are_the_seed_s():
    one, again, other = fresh_problems(5, 30), fresh_problems(5, 30), fresh_problems(6, 30)
    assert one == again
    assert len({p.prompt() for p in [*one, *other]}) >= 59
    assert {len(p.truth().steps) for p in one} == {1, 2, 3, 4, 5, 6}


def test_fresh_problems_of_a_split():
    held_out = fresh_problems(5, 4, "test")
    assert [place_of_problem(p, p.truth()).split for p in held_out] == ["test"] * 4
    with pytest.raises(InputError, match="split: expected one of train, validation, test, got 'dev'"):
        fresh_problems(5, 1, "dev")
