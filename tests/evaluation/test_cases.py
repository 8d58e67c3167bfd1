"""Where problems come from: fresh ones belong to their splits, a dataset's are read as they are."""

from __future__ import annotations

import pytest

from rotbot.errors import InputError
from rotbot.evaluation.cases import check_splits, dataset_cases, dataset_splits, fresh_cases
from rotbot.problems.build import build
from rotbot.problems.graphs import graph_of
from rotbot.problems.levels import LEVELS
from rotbot.problems.parts import Recipe
from rotbot.problems.rows import place_of_problem
from rotbot.problems.splits import EVAL, MAX_DEPTH, MAX_RANK, MAX_SIZE, Place
from rotbot.problems.verify import eager_error_line, verify_target


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    build(folder, Recipe(rows=60, seed=4, levels=LEVELS[:2], eval_rows=3))
    return str(folder)


@pytest.mark.parametrize(
    ("split", "holds"),
    [
        ("ood_depth", lambda case: case.depth > MAX_DEPTH),
        ("ood_rank", lambda case: case.rank > MAX_RANK),
        ("ood_size", lambda case: graph_of(case.truth, tuple(s.shape for _, s in case.problem.specs)).size > MAX_SIZE),
        ("error", lambda case: eager_error_line(case.problem) == case.truth.error.line),
        ("symbolic", lambda case: any(spec.symbolic for _, spec in case.problem.specs)),
        ("real", lambda case: verify_target(case.problem, case.truth) is None),
    ],
)
def test_fresh_problems_are_of_their_split(split, holds):
    cases = fresh_cases(split, 4, 11)
    assert [case.split for case in cases] == [split] * 4
    assert all(map(holds, cases))
    assert [case.problem for case in fresh_cases(split, 2, 11)] == [case.problem for case in cases[:2]]
    assert {case.problem.prompt() for case in cases}.isdisjoint(c.problem.prompt() for c in fresh_cases(split, 4, 12))


@pytest.mark.slow
def test_problems_like_those_of_training_are_kept_from_it():
    places = {place_of_problem(case.problem, case.truth) for case in fresh_cases("id", 6, 3)}
    assert places <= {Place("eval", "id"), Place("sft", "test")}
    styled = fresh_cases("ood_style", 3, 3)
    assert all(case.problem.code.startswith("def ") for case in styled)


def test_progress_counts():
    seen = []
    fresh_cases("real", 3, 0, seen.append)
    assert seen == [1, 2, 3]


def test_a_dataset_s_splits_and_problems(dataset):
    splits = dataset_splits(dataset)
    assert {"ood_depth", "error"} <= set(splits) <= set(EVAL)
    cases = dataset_cases(dataset, "ood_depth", 2)
    assert len(cases) == 2
    assert all(case.depth > MAX_DEPTH for case in cases)
    assert all(case.truth.render() == case.problem.truth().render() for case in cases)


def test_a_folder_without_the_benchmark(tmp_path):
    (tmp_path / "data.txt").write_text("nothing")
    with pytest.raises(InputError, match="expected a configuration 'eval'"):
        dataset_splits(str(tmp_path))


def test_unknown_splits_are_named():
    with pytest.raises(InputError, match=r"splits: expected some of id, ood_depth, .*, got 'odd'"):
        check_splits(["id", "odd"])
    assert check_splits(["id", "error", "id"]) == ("id", "error")
