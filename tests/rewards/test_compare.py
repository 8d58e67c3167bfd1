"""What counts as right: exact steps in order, the final line, and nothing else."""

from __future__ import annotations

import time

import pytest

from rotbot.problem import Problem
from rotbot.rewards import compare, explain

TWO = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
FIRST = "step 0: add dimension at position 0 | [16] -> [1, 16]\n"
SECOND = "step 1: expand(4, -1) | [1, 16] -> [4, 16]\n"
END = "</think>\nfinal: [4, 16]"
BROKEN = Problem("y = x.relu()\nz = y @ y", {"x": [2, 3]}, "z")


@pytest.fixture(scope="module")
def truth():
    return TWO.truth()


def test_symbolic_dimensions_are_compared_as_expressions() -> None:
    truth = Problem("y = x[:, 1::2].flatten()", {"x": ["B", "T"]}, "y").truth()
    first = "step 0: slice dim 1 from 1 to T step 2 | [B, T] -> [B, T//2]\n"
    text = first + "step 1: flatten | [B, T//2] -> [B*(T//2)]\n</think>\nfinal: [B*(T//2)]"
    assert truth.completion() == text
    assert compare(truth, text).faithful
    assert compare(
        truth, text.replace("-> [B, T//2]", "-> [B, (T + 2)//2 - 1]").replace("[B*(T//2)]", "[T//2*B]")
    ).faithful
    wrong = compare(truth, text.replace("final: [B*(T//2)]", "final: [B*T//2]"))
    assert (wrong.parsed, wrong.final_correct, wrong.steps_correct) == (True, False, 2)
    assert compare(truth, text.replace("-> [B, T//2]", "-> [B, (T + 1)//2]")).steps_correct == 0
    assert compare(truth, text.replace("[B, T//2] ->", "[B, T//] ->")).steps_correct == 1


def scores(c):
    return c.parsed, c.final_correct, c.steps_correct, c.steps_claimed, c.faithful, c.lucky


@pytest.mark.parametrize(
    ("text", "expected", "divergence", "words"),
    [
        (FIRST + SECOND + END, (True, True, 2, 2, True, False), None, "all 2 steps and the final shape are right"),
        (
            FIRST + "step 1: expand(4, -1) | [1, 16] -> [4, 61]\n" + END,
            (True, True, 1, 2, False, True),
            1,
            "the final shape is right, but step 1 is wrong: expand(4, -1) gives [4, 16], the model wrote [4, 61]",
        ),
        (
            FIRST + SECOND + "</think>\nfinal: [4, 1]",
            (True, False, 2, 2, False, False),
            None,
            "all steps are right, but the end is final: [4, 1], not final: [4, 16]",
        ),
        (
            FIRST + SECOND,
            (False, False, 2, 2, False, False),
            None,
            "all steps are right, but there is no final line",
        ),
        (
            FIRST + SECOND + "</think>\nfinal: [4, 16]\nfinal: [4, 16]",
            (False, False, 2, 2, False, False),
            None,
            "a line is not in the format: final: [4, 16]",
        ),
        (
            FIRST + SECOND + "step 2: relu | [4, 16] -> [4, 16]\n" + END,
            (True, True, 2, 3, False, True),
            2,
            "lucky: the final shape is right, but step 2 is one too many: the truth has 2",
        ),
        (
            FIRST + END,
            (True, True, 1, 1, False, True),
            1,
            "lucky: the final shape is right, but step 1 is missing: step 1: expand(4, -1) | [1, 16] -> [4, 16]",
        ),
        (
            "step 0: add dimension at position 1 | [16] -> [1, 16]\n" + SECOND + END,
            (True, True, 0, 2, False, True),
            0,
            "wrong: the operation is add dimension at position 0, the model wrote add dimension at position 1",
        ),
        (
            FIRST + "step 1: expand(4, -1) | [16] -> [4, 16]\n" + END,
            (True, True, 1, 2, False, True),
            1,
            "lucky: the final shape is right, but step 1 is wrong: expand(4, -1) reads [1, 16], the model wrote [16]",
        ),
        (
            FIRST + "step 1: expand(4, -1) | [1, 16] -> error: sizes differ\n</think>\nfinal: error at step 1",
            (True, False, 1, 2, False, False),
            1,
            "step 1 is wrong: expand(4, -1) gives [4, 16], the model wrote that torch rejects it",
        ),
        (
            FIRST + "so now we expand\n" + END,
            (False, True, 1, 1, False, True),
            1,
            "step 1 is missing: step 1: expand(4, -1) | [1, 16] -> [4, 16] (unreadable: so now we expand)",
        ),
        ("", (False, False, 0, 0, False, False), 0, "step 0 is missing: step 0: add dimension at position 0"),
        ("The answer is final: [4, 16]", (False, False, 0, 0, False, False), 0, "step 0 is missing"),
        (FIRST + SECOND + "</think>\nfinal: [4, 160]", (True, False, 2, 2, False, False), None, "the end is final: [4"),
    ],
)
def test_verdicts(truth, text, expected, divergence, words):
    c = compare(truth, text)
    assert scores(c) == expected
    assert c.divergence == divergence
    assert words in explain(c)
    assert explain(c).startswith("lucky: ") == c.lucky
    assert c.steps_total == 2


def test_the_truth_is_faithful_to_itself(truth):
    assert compare(truth, truth.completion()).faithful
    assert compare(truth, "<think>\n" + truth.completion() + "\n").faithful
    assert not compare(truth, truth.render()).parsed  # an answer comes after </think>


def test_a_later_true_step_does_not_mend_the_prefix(truth):
    c = compare(truth, "step 0: unsqueeze | [16] -> [1, 16]\n" + SECOND + END)
    assert (c.steps_correct, [pair.match for pair in c.pairs]) == (0, [False, True])


def test_a_rejected_program_needs_the_step_and_the_reason():
    truth = BROKEN.truth()
    assert truth.error is not None
    right = truth.completion()
    assert compare(truth, right).faithful
    c = compare(truth, right.replace("final: error at step 1", "final: error at step 0"))
    assert (c.final_correct, c.steps_correct, c.faithful) == (False, 2, False)
    reason = truth.steps[1].reason
    c = compare(truth, right.replace(reason, "no reason at all"))
    assert (c.final_correct, c.steps_correct, c.lucky) == (True, 1, True)
    assert "torch rejects matmul" in explain(c)
    assert explain(c).endswith("for another reason")
    assert not compare(truth, right.split("step 1")[0] + "</think>\nfinal: [2, 2]").final_correct


def test_a_target_of_several_tensors():
    truth = Problem("p = x.split(2)", {"x": [5, 3]}, "p").truth()
    assert compare(truth, truth.completion()).faithful
    c = compare(truth, truth.completion().replace("final: [2, 3], [2, 3], [1, 3]", "final: [2, 3], [1, 3], [2, 3]"))
    assert (c.final_correct, c.steps_correct) == (False, 1)


@pytest.mark.parametrize(
    "text", [" " * 10**6, "step 0: " * 10**5, "[" * 10**6, "final: [" + "1, " * 10**5, "\n" * 10**6]
)
def test_a_megabyte_of_anything_is_judged_at_once(truth, text):
    start = time.process_time()
    c = compare(truth, text)
    assert len(explain(c)) < 1000
    assert time.process_time() - start < 1.0
    assert not c.faithful
    assert not c.final_correct


def test_what_a_cut_off_answer_lacks_is_no_fault(truth):
    half = compare(truth, FIRST + SECOND[:20])
    assert explain(half, cut=True) == "all right as far as it goes, 1 of 2 steps"
    wrong = compare(truth, FIRST.replace("16", "17") + SECOND[:20])
    assert explain(wrong, cut=True).startswith("step 0 is wrong")
