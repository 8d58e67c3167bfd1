"""The trace text: render and parse are inverses, and parse survives any text in linear time."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotbot.shapes.text import (
    parse,
    parse_int,
    parse_outputs,
    parse_shape,
    parse_step,
    render,
    render_completion,
    render_final,
    render_outputs,
    render_step,
)
from rotbot.shapes.trace import ShapeTrace, Step, StepError

# --- strategies ------------------------------------------------------------------------------------------------------

_symbols = st.text(string.ascii_letters + string.digits + "_+-*/() ", min_size=1, max_size=12).filter(
    lambda s: s == s.strip() and any(c.isalpha() for c in s)
)
_dims = st.integers(0, 2**63 - 1) | _symbols
_shapes = st.lists(_dims, max_size=5).map(tuple)
_many = st.lists(_shapes, max_size=4).map(tuple) | st.tuples(_shapes, st.integers(2, 9)).map(lambda p: (p[0],) * p[1])
_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=30)
_ops = _line.filter(lambda s: " | " not in f"{s} ")
_reasons = _line.filter(lambda s: " | " not in f" {s}")
_numbers = st.integers(0, 999)
_work = st.lists(
    st.builds(lambda a, b: f"{a}*{b} = {a * b}", _numbers, _numbers)
    | st.builds(lambda n: f"line {n}", _numbers)
    | st.builds(lambda n, s: f"{n} = [{', '.join(map(str, s))}]", st.sampled_from("qkv"), st.lists(_numbers)),
    max_size=3,
).map(tuple)
_good_steps = st.builds(Step, op=_ops, inputs=st.lists(_shapes, max_size=3).map(tuple), outputs=_many, work=_work)


@st.composite
def traces(draw: st.DrawFn) -> ShapeTrace:
    steps = tuple(draw(st.lists(_good_steps, max_size=4)))
    if draw(st.booleans()):
        shapes = draw(_many.filter(bool))
        return ShapeTrace(steps, shapes if len(shapes) > 1 else shapes[0])
    bad = Step(draw(_ops), tuple(draw(st.lists(_shapes, max_size=2))), (), draw(_work), draw(_reasons))
    return ShapeTrace((*steps, bad), None, StepError(len(steps), bad.reason or ""))


# --- inverses --------------------------------------------------------------------------------------------------------


@given(traces())
@settings(max_examples=150, deadline=None)
def test_parse_undoes_render(trace: ShapeTrace) -> None:
    read = parse(render(trace))
    assert read == trace
    assert read.malformed == ()
    assert (read.error is None) == (trace.error is None)
    if trace.error is not None and read.error is not None:
        assert read.error.reason == trace.error.reason
    assert parse(render_completion(trace)) == trace


@given(st.text(max_size=200) | st.lists(st.text(max_size=20) | _line.map(lambda s: f"step 0: {s}")).map("\n".join))
@settings(max_examples=150, deadline=None)
def test_parse_never_raises_and_what_it_reads_renders_to_the_same_lines(text: str) -> None:
    trace = parse(text)
    lines = text.split("\n")
    for index, step in enumerate(trace.steps):
        assert render_step(index, step) in lines
    if trace.final is not None or trace.error is not None:
        assert render_final(trace) in lines
    for number, line in trace.malformed:
        assert lines[number] == line


def test_the_seed_problem_reads_as_the_design_says() -> None:
    text = (
        "step 0: add dimension at position 0 | [16] -> [1, 16]\n"
        "step 1: expand(4, -1) | [1, 16] -> [4, 16]\n</think>\nfinal: [4, 16]"
    )
    trace = parse(text)
    assert [(s.op, s.inputs, s.outputs) for s in trace.steps] == [
        ("add dimension at position 0", ((16,),), ((1, 16),)),
        ("expand(4, -1)", ((1, 16),), ((4, 16),)),
    ]
    assert trace.final == (4, 16)
    assert trace.completion() == text


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (((2, 3),), "[2, 3]"),
        (((),), "[]"),
        ((), "0 x []"),
        (((), ()), "2 x []"),
        (((2, 4),) * 3, "3 x [2, 4]"),
        (((2,), (3,)), "[2], [3]"),
        ((("B", "C//8"),), "[B, C//8]"),
        ((("2 * (C + 1)", 4),), "[2 * (C + 1), 4]"),
        ((("a x b",),), "[a x b]"),
    ],
)
def test_outputs_both_ways(outputs: tuple[tuple[int | str, ...], ...], text: str) -> None:
    assert render_outputs(outputs) == text
    assert parse_outputs(text) == outputs


def test_work_after_an_input_with_brackets_in_a_symbolic_dim() -> None:
    step = Step("view(6)", (("2 * (C + 1)", 3),), ((6,),), ("2*3 = 6", "q = [2, 3]", "line 4"))
    line = render_step(7, step)
    assert line == "step 7: view(6) | [2 * (C + 1), 3] (2*3 = 6, q = [2, 3], line 4) -> [6]"
    assert parse_step(line) == (7, step)


# --- what is not a trace ---------------------------------------------------------------------------------------------

MALFORMED = """
step 0 relu | [2] -> [2]
step 0: relu [2] -> [2]
step 0: relu | [2] => [2]
step 0: relu | 2 -> [2]
step 0: relu | [2 -> [2]
step 0: relu | [2] -> 2]
step 0: relu | [2,3] -> [2, 3]
step 0: relu | [2, 3 ] -> [2, 3]
step 0: relu | [02] -> [2]
step 0: relu | [+2] -> [2]
step 0: relu | [-2] -> [2]
step 0: relu | [²] -> [2]
step 0: relu | [٣] -> [3]
step 0: relu | [1_0] -> [10]
step 0: relu | [2.0] -> [2]
step 0: relu | [12345678901234567890] -> [2]
step 0: relu | [2] ->
step 0: relu | [2] -> error:
step 0: relu | [2] -> 1 x [2]
step 0: relu | [2] -> -1 x [2]
step 0: relu | [2] -> 02 x [2]
step 0: relu | [2] -> 0 x [2]
step 0: relu | [2] -> 100001 x [2]
step 0: relu | [2] -> [2], [2]
step 0: relu | [2] () -> [2]
step 0: relu | [2] (a, , b) -> [2]
step 0: relu | (a) -> [2]
step 0: relu |  -> [2]
step 0:  | [2] -> [2]
step 00: relu | [2] -> [2]
step -0: relu | [2] -> [2]
step 1: relu | [2] -> [2]
step ¹: relu | [2] -> [2]
 step 0: relu | [2] -> [2]
Step 0: relu | [2] -> [2]
final [2]
final: 2
final:
final: [2
final: error at step
final: error at step -1
final: error at step 1.5
final: error
 final: [2]
hello
""".strip("\n").split("\n")


@pytest.mark.parametrize("line", MALFORMED)
def test_malformed_lines_are_kept_and_do_not_count(line: str) -> None:
    trace = parse(f"{line}\nstep 0: relu | [5] -> [5]\nfinal: [5]")
    assert trace.malformed == ((0, line),)
    assert trace.steps == (Step("relu", ((5,),), ((5,),)),)
    assert trace.final == (5,)


def test_lines_after_the_final_line_are_malformed() -> None:
    text = "final: [2]\nstep 0: relu | [2] -> [2]\nfinal: [3]\n\n</think>"
    trace = parse(text)
    assert trace.final == (2,)
    assert trace.steps == ()
    assert [number for number, _ in trace.malformed] == [1, 2]


def test_a_repeated_or_skipped_step_number_is_malformed() -> None:
    text = "\n".join(f"step {i}: relu | [2] -> [2]" for i in (0, 0, 2, 1))
    trace = parse(text)
    assert len(trace.steps) == 2
    assert [number for number, _ in trace.malformed] == [1, 2]


@pytest.mark.parametrize("text", ["", "-", "²", "1_0", "+1", " 1", "1 ", "0x1", "1" * 20, "--1", "٣"])
def test_not_a_plain_number(text: str) -> None:
    assert parse_int(text) is None


@pytest.mark.parametrize("text", ["", "[", "]", "[]]", "[[]]", "[ ]", "[2,]", "[2;3]", "[a, ]", "[2\n]", "[%]"])
def test_not_a_shape(text: str) -> None:
    assert parse_shape(text) is None


# --- time and memory -------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000
ADVERSARIAL = {
    "spaces": " " * MEGABYTE,
    "newlines": "\n" * MEGABYTE,
    "step and spaces": "step 0: " + " " * MEGABYTE,
    "bars": "step 0: " + " | " * (MEGABYTE // 3),
    "arrows": "step 0: relu | [2]" + " -> " * (MEGABYTE // 4),
    "brackets": "step 0: relu | " + "[" * MEGABYTE,
    "closing": "step 0: relu | " + "]" * MEGABYTE,
    "alternating": "step 0: relu | " + "[], " * (MEGABYTE // 4) + " -> [2]",
    "parentheses": "step 0: relu | [2] " + " (" * (MEGABYTE // 2) + ") -> [2]",
    "work": "step 0: relu | [2] (" + "1, " * (MEGABYTE // 3) + "1) -> [2]",
    "open work": "step 0: relu | [2] (" + "[, " * (MEGABYTE // 3) + ") -> [2]",
    "dims": "final: [" + "2, " * (MEGABYTE // 3) + "2]",
    "long number": "final: [" + "9" * MEGABYTE + "]",
    "long symbol": "final: [" + "a" * MEGABYTE + "]",
    "long step number": "step " + "1" * MEGABYTE + ": relu | [2] -> [2]",
    "colons": "step 0" + ": " * (MEGABYTE // 2),
    "times": "step 0: relu | [2] -> " + "2 x " * (MEGABYTE // 4) + "[2]",
    "many lines": "step 0: relu | [2] -> [2\n" * (MEGABYTE // 25),
    "many finals": "final: error at step 5x\n" * (MEGABYTE // 24),
    "null bytes": "\0" * MEGABYTE,
    "surrogates": "\ud800" * MEGABYTE,
    "line separators": "\u2028" * (MEGABYTE // 3),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_megabyte_of_anything_is_read_in_linear_time(name: str) -> None:
    text = ADVERSARIAL[name]
    took = min(_cpu_seconds(text) for _ in range(3))
    assert took < (0.05 if name == "spaces" else 1.0), f"{name}: {took:.3f} s"


def _cpu_seconds(text: str) -> float:
    start = time.process_time()
    parse(text)
    return time.process_time() - start


def test_a_short_text_cannot_ask_for_gigabytes() -> None:
    lines = [f"step {i}: chunk | none -> 100000 x [{i}]" for i in range(2_000)]
    trace = parse("\n".join(lines))
    assert len(trace.steps) == 20
    assert len(trace.malformed) == 1_980
