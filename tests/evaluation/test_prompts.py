"""Prompts for models that have never seen the format, and the strict reading of their last line."""

from __future__ import annotations

import pytest

from rotbot.evaluation.judge import Case, judge
from rotbot.evaluation.prompts import EXAMPLES, answer_part, final_of, messages
from rotbot.problem import Problem

PROBLEM = Problem("y = x.t()", {"x": [4, 16]}, "y")
TRUTH = PROBLEM.truth()
WRONG = Problem("y = x @ x", {"x": [4, 16]}, "y").truth()
LISTS = Problem("y = x.split(2)", {"x": [4, 3]}, "y").truth()


def test_plain_is_the_problem_alone():
    assert messages(PROBLEM) == [{"role": "user", "content": PROBLEM.prompt()}]


def test_described_explains_without_examples():
    (turn,) = messages(PROBLEM, "described")
    assert turn["role"] == "user"
    assert "step N: OPERATION | INPUT SHAPES -> OUTPUT SHAPE" in turn["content"]
    assert turn["content"].endswith(f"\n\n{PROBLEM.prompt()}")
    assert "step 0: add dimension" not in turn["content"]


def test_explained_has_two_worked_examples_that_are_right():
    turns = messages(PROBLEM, "explained")
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
    assert turns[-1]["content"] == PROBLEM.prompt()
    assert turns[0]["content"].endswith(EXAMPLES[0].prompt())
    for example, turn in zip(EXAMPLES, turns[1::2], strict=True):
        verdict = judge(Case("id", example, example.truth()), [turn["content"]], "explained").verdicts[0]
        assert verdict.faithful
        assert verdict.final


@pytest.mark.parametrize(
    "answer",
    [
        "final: [16, 4]", "Final: [16,4]", "**final: [16, 4]**", "final: `[16, 4]`", "**Final:** [16, 4].",
        "final: (16, 4)", "final: torch.Size([16, 4])", "so\n\nfinal: [16, 4]\n", "final: [16, 4]\nfinal: (16, 4)",
        "## final: [ 16 , 4 ]",
    ],
)  # fmt: skip
def test_a_right_last_line(answer):
    assert final_of(answer, TRUTH)


@pytest.mark.parametrize(
    "answer",
    [
        "", "[16, 4]", "The final shape is [16, 4]", "final: [16, 4] or [4, 16]", "final: [4, 16]\nfinal: [16, 4]",
        "final: [16, 4, 1]", "final: [16, 4] because", "final: 16, 4", "final: 2 x [16, 4]", "final: error at step 0",
        "final: the shape\nfinal: [16, 4]", "final:", "not final: [16, 4]", "final: [-16, 4]", "final: [[16, 4]]",
        "final: [16, 4], [16, 4]", "final: ١٦, 4",
    ],
)  # fmt: skip
def test_nothing_else_gets_credit(answer):
    assert not final_of(answer, TRUTH)


def test_rejected_programs_and_several_shapes():
    assert final_of("final: error at step 0", WRONG)
    assert final_of("Final: Error at step 0.", WRONG)
    assert not final_of("final: error at step 1", WRONG)
    assert not final_of("final: [4, 4]", WRONG)
    assert final_of("final: 2 x [2, 3]", LISTS)
    assert not final_of("final: [2, 3]", LISTS)


def test_thoughts_are_no_answer():
    thoughts = "Maybe\nfinal: [4, 16]\n</think>\nfinal: [16, 4]"
    assert answer_part(thoughts).strip() == "final: [16, 4]"
    assert judge(Case("id", PROBLEM, TRUTH), [thoughts], "described").verdicts[0].final


def test_a_right_line_without_steps_is_lucky_and_a_plain_prompt_is_judged_by_the_grammar():
    verdict = judge(Case("id", PROBLEM, TRUTH), ["final: (16, 4)"], "explained").verdicts[0]
    assert (verdict.final, verdict.lucky, verdict.faithful) == (True, True, False)
    assert not judge(Case("id", PROBLEM, TRUTH), ["final: (16, 4)"]).verdicts[0].final
