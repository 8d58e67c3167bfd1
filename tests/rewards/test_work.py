"""Verdicts on claimed work: exact, and unmoved by anything a model writes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rotbot
from rotbot.rewards import check_work, compare
from rotbot.shapes import ShapeTrace, with_work
from rotbot.shapes.equations import holds

CODE = "y = x.flatten(1)\na, b = y.chunk(2, dim=1)\nz = torch.cat([a, y], dim=1)"
STEPS = """\
step 0: flatten(1) | [2, 3, 8] ({}) -> [2, 24]
step 1: chunk(2, dim=1) | [2, 24] ({}) -> 2 x [2, 12]
step 2: cat(dim=1) | [2, 12], [2, 24] ({}) -> [2, 36]
</think>
final: [2, 36]"""


@pytest.fixture(scope="module")
def truth() -> ShapeTrace:
    return rotbot.trace(CODE, {"x": [2, 3, 8]}, "z")


# --- equations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("3*8 = 24", True),
        ("3*8=24", True),
        ("24 = 3*8", True),
        ("48*12 = 480 + 96 = 576", True),
        ("(9 - 2 + 2)//3 = 3", True),
        ("2*(9 - 1) = 16", True),
        ("1 - 5 = -4", True),
        ("-7//2 = -4", True),
        ("2 + 3*4 = 14", True),
        ("20//3//2 = 3", True),
        ("10 - 3 - 2 = 5", True),
        ("((((1)))) + 1 = 2", True),
        ("3*8 = 25", False),
        ("3*8 = 24 = 25", False),
        ("2 + 3*4 = 20", False),
        ("5//0 = 0", False),
        ("5//0 = 5//0", False),
        ("0*(1//0) = 0", False),
        ("24", None),
        ("24 = 24", None),
        ("", None),
        ("=", None),
        ("3*8 =", None),
        ("= 24", None),
        ("3*8 == 24", None),
        ("3**2 = 9", None),
        ("3/1 = 3", None),
        ("7%4 = 3", None),
        ("3x8 = 24", None),
        ("3*8 = 24.0", None),
        ("3*8 = +24", None),
        ("3*8 = 024", None),
        ("3*8 = 2 4", None),
        ("3*8 = 1_0", None),
        ("2*2 = ²", None),
        ("2*2 = ４", None),
        ("2*a = 4", None),
        ("--1 + 1 = 2", None),
        ("(1 + 1 = 2", None),
        ("1 + 1) = 2", None),
        ("() + 1 = 1", None),
        ("2(3) = 6", None),
        ("1 +\t1 = 2", None),
        ("0x2 + 0 = 2", None),
        ("1e1 + 0 = 10", None),
        ("__import__('os') = 1 + 1", None),
        ("9" * 20 + " + 1 = 1", None),
        ("9" * 19 + "*" + "9" * 19 + " = 0", False),
        ("(" * 9 + "1" + ")" * 9 + " + 1 = 2", None),
        ("(" * 140 + "1" + ")" * 140 + " + 1 = 2", None),
        ("1" + " + 1" * 80 + " = 81", None),
        ("1" + "*9999999999999999999" * 14 + " = 1", False),
    ],
)
def test_equations(text: str, verdict: bool | None) -> None:
    assert holds(text) is verdict


_expressions = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: (
        st.builds("{} {} {}".format, inner, st.sampled_from("+-"), inner)
        | st.builds("{}{}({})".format, st.integers(1, 9).map(str), st.sampled_from(["*", "//"]), inner)
    ),
    max_leaves=6,
)


@given(_expressions, st.integers(-2, 2))
@settings(max_examples=200, deadline=None)
def test_equations_are_as_python_reads_them(text: str, off: int) -> None:
    try:
        value = eval(text)
    except ZeroDivisionError:
        assert holds(f"{text} = 0 + 0") is False
        return
    assert holds(f"{text} = 0 + {value + off}".replace("+ -", "- ")) is (off == 0)


@given(st.text("0123456789+-*/()= []line xy,", max_size=40) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_raises(text: str) -> None:
    assert holds(text) in (True, False, None)


# --- items of a trace ------------------------------------------------------------------------------------------------


def verdicts(truth: ShapeTrace, *work: str) -> list[list[str]]:
    claimed = ShapeTrace.parse(STEPS.format(*work))
    assert claimed.malformed == ()
    found = check_work(claimed, truth).items
    return [[f"{item.kind} {item.verdict}" for item in found if item.step == step] for step in range(3)]


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        ("line 2", "line right"),
        ("line 1", "line wrong"),
        ("line 02", "None unreadable"),
        ("line -2", "line wrong"),
        ("line ²", "None unreadable"),
        ("line two", "None unreadable"),
        ("y = [2, 24]", "binding right"),
        ("x = [2, 3, 8]", "binding right"),
        ("y = [2, 12]", "binding wrong"),
        ("a = [2, 12]", "binding right"),
        ("z = [2, 36]", "binding wrong"),
        ("nobody = [2]", "binding wrong"),
        ("y = [2,24]", "None unreadable"),
        ("y = 24", "None unreadable"),
        ("y.T = [24, 2]", "None unreadable"),
        ("1 = [2]", "None unreadable"),
        ("24//2 = 12", "equation right"),
        ("24//2 = 13", "equation wrong"),
        ("half of it", "None unreadable"),
    ],
)
def test_items(truth: ShapeTrace, item: str, verdict: str) -> None:
    assert verdicts(truth, "line 1", item, "line 3")[1] == [verdict]


def test_a_variable_holds_a_shape_from_the_step_on_that_it_gets_it_by(truth: ShapeTrace) -> None:
    found = verdicts(truth, "y = [2, 24]", "y = [2, 24], a = [2, 12]", "b = [2, 12], a = [2, 12], y = [2, 24]")
    assert found == [["binding right"], ["binding right"] * 2, ["binding right"] * 3]
    early = verdicts(truth, "a = [2, 12]", "z = [2, 36]", "z = [2, 36]")
    assert early == [["binding wrong"], ["binding wrong"], ["binding right"]]


def test_counts_stand_beside_the_verdict_on_steps(truth: ShapeTrace) -> None:
    right = compare(truth, with_work(truth, "full").completion())
    assert (right.faithful, right.work_items, right.work_correct) == (True, 10, 10)
    wrong = compare(truth, STEPS.format("3*8 = 25, 1 + 1 = 2", "line 9", "what"))
    assert (wrong.faithful, wrong.work_items, wrong.work_correct) == (True, 4, 1)
    assert [item.text for item in wrong.work.mistakes] == ["3*8 = 25", "line 9", "what"]
    bare = compare(truth, truth.completion())
    assert (bare.faithful, bare.work_items, bare.work_correct) == (True, 0, 0)


def test_steps_that_the_truth_does_not_have(truth: ShapeTrace) -> None:
    text = "\n".join([f"step {i}: relu | [2] (line 3, x = [2, 3, 8], 1 + 1 = 2) -> [2]" for i in range(5)])
    found = check_work(ShapeTrace.parse(text), truth).items
    assert [item.verdict for item in found if item.step == 2] == ["right"] * 3
    assert [item.verdict for item in found if item.step == 4] == ["wrong", "wrong", "right"]


def test_a_truth_without_nodes_knows_no_lines_and_variables(truth: ShapeTrace) -> None:
    worked = with_work(truth, "full")
    read = ShapeTrace.parse(worked.render())
    assert {item.verdict for item in check_work(read).items if item.kind != "equation"} == {"wrong"}
    assert check_work(read, truth).mistakes == ()
    assert check_work(worked).mistakes == ()


MEGABYTE = 10**6


@pytest.mark.parametrize(
    "work",
    [
        "1 + 1 = 2, " * (MEGABYTE // 11) + "1 + 1 = 2",
        "9" * MEGABYTE + " + 1 = 1",
        "1" + " + 1" * (MEGABYTE // 4) + " = 7",
        "(" * MEGABYTE + "1" + ")" * 3,
        "1 = " * (MEGABYTE // 4) + "1",
        "x = [2, " * (MEGABYTE // 8),
        "x = [" + "2, " * (MEGABYTE // 3) + "2]",
        "x" * MEGABYTE + " = [2]",
        "line " + "3" * MEGABYTE,
        " " * MEGABYTE,
    ],
    ids=range(10),
)
def test_a_megabyte_of_work_is_judged_at_once(truth: ShapeTrace, work: str) -> None:
    start = time.process_time()
    comparison = compare(truth, STEPS.format(work, "line 2", "line 3"))
    assert comparison.work_correct <= comparison.work_items <= MEGABYTE
    assert time.process_time() - start < 3.0
