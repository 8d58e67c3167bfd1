"""Wrong programs: one mistake away from a right one, rejected by torch where the trace says."""

from __future__ import annotations

from collections import Counter

import pytest

from rotbot import Problem, trace
from rotbot.problems import LEVELS, mistakes, seeds
from rotbot.problems.rows import draft, make_item
from rotbot.problems.verify import Disagreement, eager_error_line


@pytest.fixture(scope="module")
def wrong():
    return [make_item(seeds.item_seed(21, i), LEVELS[i % 6], "error") for i in range(90)]


def test_torch_rejects_them_where_the_trace_ends(wrong):
    for item in wrong:
        error = item.trace.error
        assert error is not None, item.problem.prompt()
        assert item.trace.final is None
        assert error.step == len(item.trace.steps) - 1
        assert eager_error_line(item.problem) == error.line
        assert error.reason, item.problem.prompt()
        assert item.trace.render().endswith(f"final: error at step {error.step}")


def test_mistakes_are_of_many_kinds(wrong):
    first_words = Counter(" ".join(item.trace.steps[-1].reason.split()[:2]) for item in wrong)
    assert len(first_words) >= 12
    assert first_words.most_common(1)[0][1] < 0.35 * len(wrong)
    depths = {item.trace.error.step for item in wrong}
    assert depths >= {0, 1, 2, 3}


def test_the_same_seed_makes_the_same_mistake():
    one, again = (make_item(seeds.item_seed(4, 7), LEVELS[3], "error") for _ in range(2))
    assert (one.problem.prompt(), one.trace.render()) == (again.problem.prompt(), again.trace.render())


@pytest.mark.parametrize(
    "mutation", sorted(set(mistakes.MUTATIONS), key=lambda m: m.__name__), ids=lambda m: m.__name__
)
def test_every_mutation_changes_a_program_and_breaks_some(mutation):
    changed = broken = 0
    for i in range(60):
        level = LEVELS[2 + i % 4]
        program, written = draft(seeds.item_seed(33, i), level)
        wrong = mutation(seeds.stream("test", i), program, written, level)
        if wrong is None or wrong.problem == written.problem:
            continue
        changed += 1
        broken += eager_error_line(wrong.problem) is not None
    assert changed >= 5
    assert broken >= 2


def test_a_tracer_that_errs_is_found_out(monkeypatch):
    level = LEVELS[0]
    program, written = draft(seeds.item_seed(5, 1), level)
    monkeypatch.setattr(mistakes, "MUTATIONS", (lambda *_: written_wrong,))
    written_wrong = type(written)(Problem("y = x.view(5)", {"x": [2, 3]}, "y"), "statements", {})
    monkeypatch.setattr(mistakes, "eager_error_line", lambda problem, zero_integers=False: None)
    with pytest.raises(Disagreement, match="the tracer rejects line 1, eager torch accepts it"):
        mistakes.make_wrong(seeds.stream("x"), program, written, level)


def test_steps_before_a_failure_in_plain_python_are_shown():
    code = "a = torch.stack((x, x), dim=2)\nb = torch.topk(a, 1)\nc = b[3]"
    truth = trace(code, {"x": [7, 10]}, "c")
    assert [step.op for step in truth.steps] == ["stack(dim=2)", "topk(1)", "index"]
    assert truth.steps[-1].inputs == ((7, 10, 1), (7, 10, 1))
    code = "p, q = x.split(3, 1)\ny = p"
    assert trace(code, {"x": [7, 10]}, "y").render().split("\n")[1] == (
        "step 1: unpack into 2 names | [7, 3], [7, 3], [7, 3], [7, 1] -> error: cannot unpack 4 values into 2 names"
    )
