"""A trace after an eager run: the same as one alone, with torch asked for hardly anything twice."""

from __future__ import annotations

import gc

import pytest

from rotbot import Problem
from rotbot.errors import LimitExceeded, UnsupportedSnippet
from rotbot.problems import LEVELS, seeds
from rotbot.problems.rows import make_item
from rotbot.problems.verify import EagerRun, eager_run
from rotbot.shapes import recorder
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.observed import Observed
from rotbot.shapes.program import trace_program
from rotbot.shapes.recorder import Recorder

ATTENTION = Problem(
    "b, t, c = x.shape\nq = x.view(b, t, 2, c // 2).transpose(1, 2)\na = (q @ q.mT) * 0.5\n"
    "y = torch.cat((a, 1 - a), dim=-1)[:, 0, None].T",
    {"x": [2, 6, 8]},
    "y",
)


def traced(problem: Problem, run: EagerRun):
    return trace_program(problem.code, dict(problem.specs), problem.target, Observed(run.calls))


@pytest.mark.parametrize("kind", ["plain", "idiom"])
def test_a_trace_is_the_same_with_and_without(kind: str) -> None:
    for i in range(120):
        problem = make_item(seeds.item_seed(31, i), LEVELS[i % 6], kind).problem
        alone, after = problem.truth(), traced(problem, eager_run(problem))
        assert after == alone, problem.code
        assert (after.nodes, after.bindings) == (alone.nodes, alone.bindings), problem.code


def test_torch_is_not_asked_for_what_the_run_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    evaluate = recorder.evaluate
    monkeypatch.setattr(recorder, "evaluate", lambda target, *rest: asked.append(target) or evaluate(target, *rest))
    run = eager_run(ATTENTION)
    assert run.shapes["y"] == traced(ATTENTION, run).final == (12, 6, 1, 2)
    assert asked == ["operator.sub"]  # for torch 1 - a is another function, __rsub__ of a and 1
    assert traced(ATTENTION, EagerRun({}, [])).final == (12, 6, 1, 2)
    assert len(asked) == 1 + 9


def test_only_the_same_call_on_the_same_tensors_counts() -> None:
    other = Problem("y = x.flatten(1) @ w", {"x": [4, 3, 2], "w": [6, 5]}, "y")
    run = eager_run(Problem("y = x.flatten(0) * w", {"x": [4, 3, 2], "w": [24]}, "y"))
    assert traced(other, run) == other.truth()
    lies = eager_run(other)
    lies.calls[0].result = TensorMeta.contiguous((9, 9))
    assert traced(other, lies).steps[0].outputs == ((9, 9),)


def test_limits_are_those_of_every_trace() -> None:
    problem = Problem("y = x.unbind(0)[0]", {"x": [1200, 2]}, "y")
    run = eager_run(problem)
    assert run.shapes["y"] == (2,)
    with pytest.raises(LimitExceeded, match="at most 1024 allowed, got 1200"):
        traced(problem, run)


def test_a_run_that_fails_keeps_the_calls_before() -> None:
    run = eager_run(Problem("y = x.flatten()\nz = y + w", {"x": [2, 3], "w": [4]}, "z"))
    assert isinstance(run.error, RuntimeError)
    assert run.error.__traceback__ is None
    assert [call.targets for call in run.calls] == [("Tensor.flatten",)]
    assert run.shapes == {}


def test_a_rejected_program_leaves_no_cycles() -> None:
    problem = Problem("y = x + w", {"x": [2, 3], "w": [4]}, "y")
    gc.collect()
    gc.disable()
    try:
        before = recorders()
        assert problem.truth().error is not None
        assert recorders() == before
    finally:
        gc.enable()


def recorders() -> int:
    """How many there are, by their very class: other libraries' objects need not bear being asked."""
    return sum(type(found) is Recorder for found in gc.get_objects())


def test_what_is_refused_without_a_run_is_refused_with_one() -> None:
    problem = Problem("y = x.cov()", {"x": [2, 40_000]}, "y")
    run = eager_run(problem)
    assert run.shapes["y"] == (2, 2)
    for calls in ([], run.calls):
        with pytest.raises(UnsupportedSnippet, match="torch can run cov on real values only"):
            traced(problem, EagerRun({}, calls))
