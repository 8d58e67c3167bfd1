"""Metrics on answers whose worth is known."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest

from rotbot.errors import InputError
from rotbot.evaluation.intervals import share
from rotbot.evaluation.judge import Case, judge, reason_kind
from rotbot.evaluation.metrics import by, by_step, family_of_step, measure, op_of, pass_at_k
from rotbot.problem import Problem

TWO = Problem("h = x.t()\ny = h.relu()", {"x": [2, 3]}, "y")
WRONG = Problem("h = x.relu()\ny = h @ w", {"x": [2, 3], "w": [4, 5]}, "y")


def case(problem, split="id"):
    return Case(split, problem, problem.truth())


def gold(problem):
    return problem.truth().completion()


LUCKY = "step 0: t | [2, 3] -> [3, 3]\nstep 1: relu | [3, 3] -> [3, 2]\n</think>\nfinal: [3, 2]"
HALF = "step 0: t | [2, 3] -> [3, 2]\nstep 1: relu | [3, 2] -> [2, 3]\n</think>\nfinal: [2, 3]"


def test_every_metric_of_a_group():
    judged = [judge(case(TWO), [text]) for text in (gold(TWO), LUCKY, HALF, "nonsense")]
    figures = measure(judged)
    assert figures["faithful"] == share(1, 4)
    assert figures["final"] == share(2, 4)
    assert figures["lucky"] == share(1, 4)
    assert figures["parsed"] == share(3, 4)
    assert figures["steps"].value == (1 + 0 + 0.5 + 0) / 4
    assert "error_step" not in figures
    assert not [name for name in figures if "pass" in name]


def test_errors_are_located_by_step_and_by_kind():
    right = gold(WRONG)
    reason = WRONG.truth().error.reason
    assert reason == "inner dimensions 3 and 4 differ"
    other_numbers = right.replace("3 and 4 differ", "2 and 4 differ")
    other_kind = right.replace(reason, "expected a floating point input, got int64")
    early = "step 0: relu | [2, 3] -> error: inner dimensions 3 and 4 differ\n</think>\nfinal: error at step 0"
    judged = [judge(case(WRONG), [text]) for text in (right, other_numbers, other_kind, early, gold(TWO))]
    judged += [judge(case(TWO), [gold(TWO)])]  # right programs say nothing about localization
    figures = measure(judged)
    assert figures["error_step"] == share(3, 5)
    assert figures["error_kind"] == share(2, 5)
    assert figures["faithful"] == share(2, 6)


def test_reasons_of_a_kind_differ_in_numbers_shapes_and_plurals_alone():
    assert reason_kind("inner dimensions 10 and 9 differ") == reason_kind("inner dimensions 3 and 412 differ")
    assert reason_kind("in place, [1, 3] cannot become [2, 3]") == reason_kind("in place, [7] cannot become []")
    assert reason_kind("dim -4 is out of range for 1 dimension") == reason_kind(
        "dim 2 is out of range for 2 dimensions"
    )
    assert reason_kind("dim 2 appears twice") != reason_kind("dim 2 is out of range for 2 dimensions")


@pytest.mark.parametrize(
    ("samples", "correct", "k"), [(5, 2, 1), (5, 2, 3), (6, 1, 4), (4, 0, 2), (4, 4, 4), (5, 3, 3)]
)
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(samples, correct, k):
    draws = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(fmean(any(draw) for draw in draws))


def test_pass_at_k_needs_k_samples():
    with pytest.raises(InputError, match="got 3, 2, 1"):
        pass_at_k(2, 1, 3)


def test_cot_pass_counts_faithful_samples_only():
    judged = [judge(case(TWO), [gold(TWO), LUCKY, LUCKY, "x"]), judge(case(TWO), [LUCKY, "x", "x", "x"])]
    figures = measure(judged)
    assert figures["pass@1"].value == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert figures["pass@2"].value == pytest.approx((1 + 1 / 2) / 2)
    assert figures["cot_pass@1"].value == pytest.approx((1 / 4 + 0) / 2)
    assert figures["cot_pass@2"].value == pytest.approx((1 / 2 + 0) / 2)
    assert figures["cot_pass@4"] == share(1, 2)
    assert figures["faithful"].value == figures["cot_pass@1"].value
    assert figures["faithful"].n == 2


def test_by_depth_and_rank():
    one = Problem("y = x[None, None].relu()", {"x": [2]}, "y")
    judged = [judge(case(TWO), [gold(TWO)]), judge(case(TWO), [HALF]), judge(case(one), [gold(one)])]
    assert {depth: figures["faithful"] for depth, figures in by(judged, lambda c: c.depth).items()} == {
        2: share(1, 2), 3: share(1, 1),
    }  # fmt: skip
    assert list(by(judged, lambda c: c.rank)) == [2, 3]


def test_by_op_blames_no_step_for_the_one_before():
    judged = [judge(case(TWO), [text]) for text in (gold(TWO), LUCKY, HALF)]
    assert by_step(judged, op_of) == {"t": share(2, 3), "relu": share(1, 2)}
    assert by_step(judged, family_of_step) == {"permute": share(2, 3), "elementwise": share(1, 2)}


def test_surplus_and_missing_steps():
    surplus = gold(TWO).replace("</think>", "step 2: relu | [3, 2] -> [3, 2]\n</think>")
    missing = "step 0: t | [2, 3] -> [3, 2]\n</think>\nfinal: [3, 2]"
    assert by_step([judge(case(TWO), [surplus])], op_of) == {"relu": share(1, 1), "t": share(1, 1)}
    assert by_step([judge(case(TWO), [missing])], op_of) == {"relu": share(0, 1), "t": share(1, 1)}


def test_nothing_to_measure():
    with pytest.raises(InputError, match="expected at least one problem, got none"):
        measure([])
