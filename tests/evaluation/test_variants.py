"""The same problem in other words: nothing of its answer changes."""

from __future__ import annotations

import ast

import pytest

from rotbot.evaluation.cases import fresh_cases
from rotbot.evaluation.judge import Case, judge
from rotbot.evaluation.variants import VARIANT_NAMES, consistency, vary
from rotbot.problem import Problem

PROBLEM = Problem("h = torch.relu(x) @ w\ny = h.sum(dim=1)", {"x": [2, 3], "w": [3, 5]}, "y")
CASE = Case("id", PROBLEM, PROBLEM.truth())


def names(code):
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)} - {"torch"}


def test_renamed_has_other_names_and_the_same_trace():
    varied = vary(CASE, "renamed")
    assert varied.truth.steps == CASE.truth.steps
    assert not names(varied.problem.code) & names(PROBLEM.code)
    assert len(names(varied.problem.code)) == len(names(PROBLEM.code))


def test_respelled_says_the_same_with_other_calls():
    varied = vary(CASE, "respelled")
    assert varied.problem.code == "h = torch.matmul(x.relu(), w)\ny = torch.sum(h, dim=1)"
    assert varied.truth.steps == CASE.truth.steps


def test_dead_code_is_not_in_the_trace():
    varied = vary(CASE, "dead_code")
    assert varied.truth.steps == CASE.truth.steps
    assert varied.problem.code.endswith(PROBLEM.code)
    assert varied.problem.code.startswith("unused = ")


@pytest.mark.parametrize("name", VARIANT_NAMES)
def test_variants_of_generated_problems_end_alike(name):
    made = [(case, vary(case, name)) for case in fresh_cases("real", 40, 7)]
    pairs = [(case, varied) for case, varied in made if varied is not None]
    assert len(pairs) >= 20
    for case, varied in pairs:
        assert varied.truth.final == case.truth.final
        assert varied.problem != case.problem
        assert varied == vary(case, name)


def test_consistency_is_about_the_last_line():
    varied = vary(CASE, "renamed")
    right, wrong, silent = CASE.truth.completion(), "</think>\n\nfinal: [7]", "no answer"
    pairs = [(right, right), (wrong, wrong), (right, wrong), (silent, silent)]
    figures = consistency(tuple((judge(CASE, [a]), judge(varied, [b])) for a, b in pairs))
    assert figures["same_answer"].value == 0.5
    assert figures["original"].value == 0.5
    assert figures["faithful"].value == 0.25
    assert figures["same_answer"].n == 4
