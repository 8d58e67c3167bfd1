"""``rotbot.score``: its fields, its rubrics, and every known way to get a reward that is not deserved."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rotbot
from rotbot.errors import ConfigError, InputError
from rotbot.rewards import RUBRICS, Rubric, expect, score, score_expected
from rotbot.shapes import with_work

TWO = rotbot.Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
FIRST = "step 0: add dimension at position 0 | [16] -> [1, 16]\n"
SECOND = "step 1: expand(4, -1) | [1, 16] -> [4, 16]\n"
END = "</think>\nfinal: [4, 16]"
GOLD = FIRST + SECOND + END


def test_the_fields_of_a_right_completion():
    found = rotbot.score(TWO, "\n" + GOLD)
    assert isinstance(found, rotbot.Score)
    assert (found.parsed, found.final_correct, found.faithful, found.lucky) == (True, True, True, False)
    assert (found.steps_correct, found.steps_total, found.steps_claimed, found.first_false) == (2, 2, 2, None)
    assert (found.true, found.locally_valid, found.total) == ((True, True), (True, True), 1.0)
    assert [("\n" + GOLD)[a:b] for a, b in found.spans] == [FIRST.strip(), SECOND.strip()]
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_false_step_that_is_locally_valid():
    """The second step takes the wrong input; the third is right given that, and the model's final is lucky."""
    text = FIRST + "step 1: expand(4, -1) | [2, 16] -> [4, 16]\nstep 2: relu | [4, 16] -> [4, 16]\n" + END
    found = score(TWO, text)
    assert (found.true, found.locally_valid) == ((True, False, False), (True, False, True))
    assert (found.steps_correct, found.first_false, found.faithful, found.lucky) == (1, 1, False, True)
    assert found.total == pytest.approx(0.5 / 3)


def test_work_is_counted_and_only_clean_steps_earn_it():
    problem = rotbot.Problem("y = x.view(2, -1)\nz = y.flatten()", {"x": [2, 3, 8]}, "z")
    text = with_work(problem.truth(), "full").completion()
    right = score(problem, text, Rubric(work=1.0))
    assert (right.work_items, right.work_correct, right.clean_steps, right.total) == (6, 6, 2, 1.0)
    wrong = score(problem, text.replace("2*24 = 48", "2*24 = 49"), Rubric(work=1.0))
    assert (wrong.work_items, wrong.work_correct, wrong.clean_steps, wrong.total) == (6, 5, 1, 0.5)
    assert (wrong.faithful, wrong.steps_correct) == (True, 2)
    bare = score(problem, problem.truth().completion())
    assert (bare.work_items, bare.work_correct, bare.clean_steps) == (0, 0, 2)


OUTSIDE = {
    "nothing": "",
    "a substring": "The answer is [4, 16], of course: final: [4, 16]",
    "a substring after the thinking": "</think>\nThe answer is final: [4, 16]",
    "two finals": FIRST + SECOND + END + "\nfinal: [4, 16]",
    "two finals, one for each guess": FIRST + SECOND + "</think>\nfinal: [4, 16]\nfinal: [16, 4]",
    "steps copied from the prompt": TWO.prompt() + "\n</think>\nfinal: f",
    "the prompt's code as steps": "step 0: q = s[None, :]\nstep 1: f = q.expand(4, -1)\n</think>\nfinal: 4, 16",
    "truth after the thinking": "</think>\n" + FIRST + SECOND + "final: [4, 16]",
    "truth after a thinking that guesses": "step 0: relu | [16] -> [16]\n</think>\n" + GOLD,
    "unicode digits": GOLD.replace("4", "４").replace("1", "１"),
    "superscript digits": GOLD.replace("16", "¹⁶"),
    "huge ints": GOLD.replace("16", "9" * 5000),
    "nested think tags": "<think>\n<think>\n" + FIRST + SECOND + "</think>\n</think>\nfinal: [4, 16]",
    "a second thinking": FIRST + "</think>\n<think>\n" + SECOND + END,
    "the answer before the thinking": "final: [4, 16]\n" + FIRST + SECOND + "</think>",
    "the answer within the thinking": FIRST + SECOND + "final: [4, 16]\n</think>",
    "no end of thinking": FIRST + SECOND + "final: [4, 16]",
    "cut off in a step": GOLD[: len(FIRST) + 20],
    "cut off before the answer": FIRST + SECOND + "</think>\nfinal: [4,",
    "steps of another numbering": "step 1: expand(4, -1) | [1, 16] -> [4, 16]\n" + END[:9] + "final: [16, 4]",
    "a megabyte of truth": FIRST * 20_000 + END + "\n" + END,
    "a megabyte of brackets": "step 0: " + "[" * 10**6,
    "a megabyte of answers": "final: [4, 16]\n" * 70_000,
}


@pytest.mark.parametrize("rubric", RUBRICS)
@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_the_layout_earns_nothing(name, rubric):
    start = time.process_time()
    found = score(TWO, OUTSIDE[name], rubric)
    assert (found.total, found.parsed, found.faithful, found.final_correct) == (0, False, False, False)
    assert time.process_time() - start < 2


INSIDE = {
    "a step repeated to pad": (FIRST + SECOND + "step 2: expand(4, -1) | [1, 16] -> [4, 16]\n" + END, GOLD),
    "valid steps invented to pad": (
        FIRST + SECOND + "".join(f"step {i}: relu | [4, 16] -> [4, 16]\n" for i in range(2, 30)) + END,
        GOLD,
    ),
    "a step invented in front": (
        "step 0: relu | [16] -> [16]\n" + FIRST.replace("0", "1", 1) + SECOND.replace("1", "2", 1) + END,
        "</think>\nfinal: [1]",
    ),
    "a step skipped": ("step 0: expand(4, -1) | [1, 16] -> [4, 16]\n" + END, "</think>\nfinal: [1]"),
    "all steps skipped": (END, "</think>\nfinal: [1]"),
    "the last step skipped": (FIRST + END, FIRST + "</think>\nfinal: [1]"),
    "right numbers with a wrong op": (
        FIRST + "step 1: repeat(4, 1) | [1, 16] -> [4, 16]\n" + END,
        FIRST + "</think>\nfinal: [1]",
    ),
    "right numbers with wrong ops": (
        "step 0: unsqueeze(0) | [16] -> [1, 16]\nstep 1: repeat(4, 1) | [1, 16] -> [4, 16]\n" + END,
        "</think>\nfinal: [1]",
    ),
    "a false claim that torch rejects it": (
        FIRST + "step 1: expand(4, -1) | [1, 16] -> error: no\n</think>\nfinal: error at step 1",
        FIRST + "</think>\nfinal: [1]",
    ),
}


@pytest.mark.parametrize("combine", ["prefix", "minimum", "product"])
@pytest.mark.parametrize("name", INSIDE)
def test_what_is_false_in_the_layout_earns_nothing_beyond_what_is_true(name, combine):
    """The second text is the first without what is false. No weight is on the bare final line: it can be guessed."""
    cheat, honest = INSIDE[name]
    rubric = Rubric(steps=0.4, faithful=0.4, work=0.2, combine=combine)
    assert score(TWO, cheat, rubric).total <= score(TWO, honest, rubric).total
    assert not score(TWO, cheat).faithful
    assert score(TWO, cheat).total <= score(TWO, honest).total


def test_the_rubrics_beside_each_other():
    copied = TWO.prompt() + "\n" + END
    assert (score(TWO, copied, "faithful").total, score(TWO, copied, "final-only").total) == (0.0, 1.0)
    lucky = score(TWO, INSIDE["right numbers with wrong ops"][0], "final-only")
    assert (lucky.total, lucky.lucky) == (1.0, True)
    assert score(TWO, INSIDE["right numbers with wrong ops"][0], "faithful").total == 0
    half = FIRST + "step 1: expand(4, -1) | [1, 16] -> [4, 61]\n</think>\nfinal: [4, 61]"
    assert (score(TWO, half, "faithful").total, score(TWO, half, "final-only").total) == (0.25, 0.0)
    everything = Rubric(format=0.1, final=0.2, steps=0.3, faithful=0.4)
    assert score(TWO, GOLD, everything).total == pytest.approx(1.0)
    assert score(TWO, half, everything).total == pytest.approx(0.1 + 0.3 / 2)
    short = Rubric(final=1.0, length=0.5)
    assert score(TWO, FIRST + END, short).total == pytest.approx(0.75)


def test_how_steps_combine():
    """True, then valid on its own, then false, then valid on its own."""
    valid = "step {}: relu | [3] -> [3]\n"
    text = FIRST + valid.format(1) + "step 2: relu | [3] -> [4]\n" + valid.format(3) + "</think>\nfinal: [1]"

    def rewards(combine, local=0.5):
        rubric = Rubric(steps=1.0, combine=combine, local=local)
        found = score(TWO, text, rubric)
        return rubric.step_rewards(found), found.total

    assert rewards("prefix") == ([1, 0, 0, 0], 1 / 4)
    assert rewards("minimum") == ([1, 0.5, 0, 0], 0)
    assert rewards("product") == ([1, 0.5, 0, 0], 0)
    assert rewards("sum") == ([1, 0.5, 0, 0.5], 1.0)
    assert rewards("sum", local=0.0) == ([1, 0, 0, 0], 0.5)
    padded = FIRST + SECOND + "".join(valid.format(i) for i in range(2, 12)) + END
    assert score(TWO, padded, Rubric(steps=1.0, combine="sum", local=0.5)).total == pytest.approx(3.5)
    two_valid = FIRST + valid.format(1) + END
    assert score(TWO, two_valid, Rubric(steps=1, combine="minimum", local=0.5)).total == 0.5
    outside = score(TWO, FIRST + "what?\n" + END)
    assert Rubric(steps=1.0).step_rewards(outside) == [0.0]


def test_a_target_that_needs_no_step():
    problem = rotbot.Problem("y = x", {"x": [2, 3]}, "y")
    assert score(problem, "</think>\nfinal: [2, 3]", Rubric(steps=0.3, faithful=0.3, work=0.4)).total == 1.0
    assert score(problem, "</think>\nfinal: [2, 4]", Rubric(faithful=0.6, work=0.4)).total == 0.0


def test_a_rejected_program_and_a_symbolic_one():
    broken = rotbot.Problem("y = x.relu()\nz = y @ y", {"x": [2, 3]}, "z")
    assert score(broken, broken.truth().completion()).total == 1.0
    named = rotbot.Problem("y = x[:, 1::2].flatten()", {"x": ["B", "T"]}, "y")
    assert score(named, named.truth().completion()).total == 1.0
    other = named.truth().completion().replace("-> [B, T//2]", "-> [B, T//3]")
    assert (score(named, other).true, score(named, other).locally_valid) == ((False, True), (False, True))


PIECES = st.sampled_from([
    "step ", "0", "1", ": ", " | ", " -> ", "[", "]", ", ", "16", "final: ", "</think>", "<think>", "\n", "error", "(",
    ")", "none", " x ", "error at step ", "relu", "expand(4, -1)", "-", "９", "\x00", "\ud800", FIRST, SECOND, END,
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_no_text_raises_and_totals_stay_in_bounds(text):
    found = score(TWO, text)
    assert 0 <= found.total <= 1
    assert (found.total == 1) == found.faithful
    assert found.faithful <= found.parsed
    assert found.steps_correct <= min(found.steps_claimed, found.steps_total)
    assert len(found.true) == len(found.spans) == len(found.locally_valid)
    lines = text.split("\n")
    assert all(text[a:b] in lines and text[a:b].startswith("step ") for a, b in found.spans)
    assert score(TWO, text) == found


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_time_is_linear(piece):
    """A hundred thousand characters of anything: no more than a small multiple of what gold costs by the character."""
    text = (piece * (100_000 // len(piece) + 1))[:100_000]
    start = time.process_time()
    score(TWO, text)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    "line", ["step 0: relu | [1] -> [1]\n", "step 0: x | " + "[1], " * 50 + "[1] -> [1]\n", "((", "\n"]
)
def test_ten_times_the_text_takes_about_ten_times_as_long(line):
    def seconds(count):
        best = []
        for _ in range(3):
            start = time.process_time()
            score(TWO, line * count)
            best.append(time.process_time() - start)
        return min(best)

    assert seconds(20_000) < 40 * seconds(2_000) + 0.05


def test_foreign_problems_are_scored_against_a_truth_traced_in_isolation():
    truth = rotbot.trace(TWO.code, dict(TWO.args), TWO.target, isolated=True)
    assert score_expected(expect(truth), GOLD).total == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "expected a weight above 0 for a part that can be earned, got none"),
        ({"length": 1.0}, "expected a weight above 0 for a part that can be earned, got none"),
        ({"final": -1.0}, "rubric.final: expected 0 or more, got -1.0"),
        ({"final": float("nan")}, "rubric.final: expected 0 or more, got nan"),
        ({"steps": 1.0, "combine": "mean"}, "rubric.combine: expected one of prefix, minimum, product, sum, got mean"),
        ({"steps": 1.0, "local": 2.0}, "rubric.local: expected at most 1, what a true step is worth, got 2.0"),
    ],
)
def test_rubric_errors(values, message):
    with pytest.raises(ConfigError, match=message):
        Rubric(**values)


def test_an_unknown_rubric():
    with pytest.raises(InputError, match="rubric: expected one of faithful, final-only, got 'final'"):
        score(TWO, GOLD, "final")
