"""Idioms of real model code: every template is right at every size, and its parts have the shapes people expect."""

from __future__ import annotations

from random import Random

import pytest

from rotbot import Problem
from rotbot.problems.graphs import graph_of
from rotbot.problems.idioms import TEMPLATES, draw_idiom
from rotbot.problems.verify import Disagreement, run_eagerly, verify_target
from rotbot.problems.vocabulary import family_of


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.__name__)
def test_every_template_is_what_eager_torch_does(template):
    problems = {Problem(*template(Random(i))).prompt(): Problem(*template(Random(i))) for i in range(25)}
    assert len(problems) >= 20, "too few different problems"
    for problem in problems.values():
        truth = problem.truth()
        verify_target(problem, truth)
        variables = run_eagerly(problem)
        for step in truth.steps:
            if step.name is not None and len(step.outputs) == 1 and f"\n{step.name} = " not in problem.code[1:]:
                assert tuple(variables[step.name].shape) == step.outputs[0], problem.prompt()
        graph = graph_of(truth, tuple(spec.shape for _, spec in problem.specs))
        assert "other" not in {family_of(op) for op in graph.ops}, graph.ops


def test_a_wrong_truth_is_found_out():
    problem, other = Problem("y = x.T", {"x": [2, 3]}, "y"), Problem("y = x + 1", {"x": [2, 3]}, "y")
    with pytest.raises(Disagreement, match=r"the tracer says \(2, 3\), eager torch \[3, 2\]"):
        verify_target(problem, other.truth())


def test_all_templates_are_drawn():
    assert {draw_idiom(Random(i)).name for i in range(400)} == {template.__name__ for template in TEMPLATES}
    assert draw_idiom(Random(5)) == draw_idiom(Random(5))
