"""The work of steps: what is written for each operation, that all is true, that no number comes from nowhere."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from itertools import islice
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rotbot
from rotbot.errors import InputError, SnippetError
from rotbot.problems import stream
from rotbot.rewards import check_work
from rotbot.shapes import ShapeTrace, Step, with_work, work
from rotbot.shapes.equations import Paper, holds, product_sides, quotient_sides
from rotbot.shapes.work import Mode
from tests.shapes import opinfo
from tests.shapes.programs import Program, programs

CALLS = (
    """
x.view(6, -1) | 2,3,8 | 2*3 = 6
x.view(3, -1) | 4,6 | 4*6 = 24, 24//3 = 8
x.view(-1) | 2,3,8 | 2*3 = 6, 6*8 = 48
x.view(2, 10, 8, 4) | 2,10,32 | 8*4 = 32
x.view(20, 4, 8) | 2,10,32 | 2*10 = 20, 4*8 = 32
x.view((6, 4)) | 2,3,4 | 2*3 = 6
x.reshape(8, -1, 32) | 8,2,10,32 | 2*10 = 20
torch.reshape(x, (-1, 4)) | 12 | 12//4 = 3
x.view(-1, 2, 3, 5) | 8,15 | 3*5 = 15, 8//2 = 4
x.view(2, 4, -1) | 2,12,56 | 12//4 = 3, 3*56 = 168
x.view(-1, 14, 2) | 5,28,2 | 28//14 = 2, 5*2 = 10
x.view(-1, 9) | 2,27,4,9 | 2*27 = 54, 54*4 = 216
x.view(4, -1, 6) | 8,5,12 | 8//4 = 2, 12//6 = 2, 2*5 = 10, 10*2 = 20
x.view(12, -1) | 2,9,4 | 2*9 = 18, 18*4 = 72, 72//12 = 6
x.view(16, 11, -1) | 176,3,5 | 16*11 = 160 + 16 = 176, 3*5 = 15
x.view(1, -1, 1) | 2,1,3 | 2*3 = 6
x.view(-1, 3) | 2,3 |
x.view(4, 0) | 0,4 | 0*4 = 0
x.view_as(x) | 2,3 |
x.view(torch.int32) | 2,3 |
x.flatten(1) | 2,12,16 | 12*16 = 120 + 72 = 192
torch.flatten(x, 0, 1) | 3,4,5 | 3*4 = 12
x.flatten(start_dim=-2) | 3,1,5 |
nn.Flatten()(x) | 2,48,3 | 48*3 = 144
x.ravel() | 2,3,4 | 2*3 = 6, 6*4 = 24
x.unflatten(1, (3, -1)) | 2,12 | 12//3 = 4
x.unflatten(-1, (3, 4)) | 2,12 | 3*4 = 12
nn.Unflatten(1, (2, 6))(x) | 2,12 | 2*6 = 12
F.conv1d(x, torch.ones(5, 3, 5)) | 2,3,32 | 1 - 5 = -4, 32 - 4 = 28
F.conv2d(x, torch.ones(5, 3, 3, 3), None, 2, 1) | 2,3,32,15 |\
 2*1 - 3 + 2 = 1, (32 + 1)//2 = 33//2 = 16, (15 + 1)//2 = 16//2 = 8
F.conv2d(x, torch.ones(5, 3, 3, 3), padding=1) | 2,3,8,8 | 2*1 - 3 + 1 = 0
F.conv2d(x, torch.ones(5, 3, 3, 3), padding='same') | 2,3,8,8 |
F.conv2d(x, torch.ones(5, 3, 1, 1)) | 2,3,8,8 |
nn.Conv1d(3, 8, 3, 2, dilation=2)(x) | 3,20 | 2*(3 - 1) + 1 = 5, 2 - 5 = -3, (20 - 3)//2 = 17//2 = 8
nn.Conv3d(3, 8, (1, 2, 2), 2)(x) | 3,20,20,20 | 2 - 1 = 1, (20 + 1)//2 = 21//2 = 10, 20//2 = 10
F.conv_transpose2d(x, torch.ones(3, 4, 4, 4), stride=2, padding=1) | 2,3,8,9 | 4 - 2 - 2*1 = 0, 8*2 = 16, 9*2 = 18
nn.ConvTranspose1d(3, 4, 3, 2, 1, output_padding=1)(x) | 2,3,8 | 3 - 2 - 2*1 + 1 = 0, 8*2 = 16
F.conv_transpose1d(x, torch.ones(4, 3, 2), groups=2, stride=2) | 2,4,8 | 3*2 = 6, 8*2 = 16
F.max_pool2d(x, 2) | 2,3,9,8 | 9//2 = 4, 8//2 = 4
F.avg_pool2d(x, 3, stride=1) | 2,3,32,32 | 1 - 3 = -2, 32 - 2 = 30
F.max_pool1d(x, 2, ceil_mode=True) | 2,3,9 | 2*2 - 1 - 2 = 1, (9 + 1)//2 = 10//2 = 5
F.max_pool1d(x, 2, 2, padding=1, ceil_mode=True) | 2,3,9 |\
 2*2 - 1 - 2 + 2*1 = 3, (9 + 3)//2 = 12//2 = 6, 6 - 1 = 5
F.max_pool1d(x, 2, 3, padding=1, ceil_mode=True) | 2,3,5 |\
 2*3 - 1 - 2 + 2*1 = 5, (5 + 5)//3 = 10//3 = 3, 3 - 1 = 2
nn.MaxPool2d(2)(x) | 3,224,224 | 224//2 = 200//2 + 20//2 + 4//2 = 100 + 10 + 2 = 110 + 2 = 112
F.lp_pool1d(x, 2, 3) | 2,3,9 | 9//3 = 3
F.adaptive_avg_pool2d(x, 1) | 2,3,9,9 |
x[0, 0].unfold(0, 1, 1) | 2,9 |
x.unfold(1, 3, 2) | 2,9 | 2 - 3 = -1, (9 - 1)//2 = 8//2 = 4
F.unfold(x, 3, padding=1, stride=2) | 2,4,8,10 |\
 4*3 = 12, 12*3 = 36, 2*1 - 3 + 2 = 1, (8 + 1)//2 = 9//2 = 4, (10 + 1)//2 = 11//2 = 5, 4*5 = 20
F.fold(x, (4, 6), (2, 3), stride=(2, 3)) | 2,24,4 | 2*3 = 6, 24//6 = 4
x[2:9:3] | 12,8 | 9 - 2 = 7, (7 + 2)//3 = 9//3 = 3
x[:, ::2] | 12,9 | (9 + 1)//2 = 10//2 = 5
x[::4] | 12 | 12//4 = 3
x[-3:] | 12 | 12 - 9 = 3
x[:5] | 12 |
x[None, 0] | 12 |
x.narrow(0, 2, 5) | 12 |
torch.cat([x, x], 1) | 2,6 | 6 + 6 = 12
torch.cat([x, x, x], axis=-1) | 2,6 | 6 + 6 + 6 = 12 + 6 = 18
torch.cat([x]) | 2,6 |
torch.stack([x, x]) | 2,6 |
torch.hstack([x, x]) | 6 | 6 + 6 = 12
torch.vstack([x, x]) | 6 | 1 + 1 = 2
torch.dstack([x, x]) | 2,3,4 | 4 + 4 = 8
torch.column_stack([x, x[:, 0]]) | 6,4 | 4 + 1 = 5
torch.block_diag(x, x) | 2,3 | 2 + 2 = 4, 3 + 3 = 6
torch.cartesian_prod(x, x) | 12 | 12*12 = 120 + 24 = 144
torch.combinations(x) | 5 | 5 - 1 = 4, 5*4 = 20, 20//2 = 10
x.split(4) | 10,2 | 10//4 = 2, 10 - 2*4 = 10 - 8 = 2
x.split(7) | 10,2 | 10//7 = 1, 10 - 7 = 3
x.split([3, 7]) | 10,2 |
x.chunk(3, dim=-1) | 2,192 | 192//3 = 180//3 + 12//3 = 60 + 4 = 64
x.chunk(3) | 10 | (10 + 2)//3 = 12//3 = 4, 10 - 2*4 = 10 - 8 = 2
x.tensor_split(3) | 10 | 10//3 = 3, 10 - 3*3 = 10 - 9 = 1, 3 + 1 = 4
x.tensor_split((2, 5)) | 10 | 5 - 2 = 3, 10 - 5 = 5
x.hsplit(2) | 3,8 | 8//2 = 4
x.unbind(1) | 3,8 |
F.pad(x, (1, 0, 2, 2)) | 4,10 | 4 + 2 + 2 = 6 + 2 = 8, 10 + 1 = 11
F.pad(x, (-1, 0)) | 4,10 | 10 - 1 = 9
nn.ZeroPad2d(2)(x) | 3,4,10 | 4 + 2 + 2 = 6 + 2 = 8, 10 + 2 + 2 = 12 + 2 = 14
x.repeat(2, 1, 3) | 4,12 | 12*3 = 36
x.tile((3,)) | 4,12 | 12*3 = 36
x.expand(3, -1) | 5 |
x.repeat_interleave(3, dim=1) | 2,5 | 5*3 = 15
x.repeat_interleave(3) | 2,5 | 2*5 = 10, 10*3 = 30
F.pixel_shuffle(x, 2) | 2,12,5,6 | 2*2 = 4, 12//4 = 3, 5*2 = 10, 6*2 = 12
nn.PixelUnshuffle(2)(x) | 2,3,8,6 | 2*2 = 4, 3*4 = 12, 8//2 = 4, 6//2 = 3
F.interpolate(x, scale_factor=(1.5, 2)) | 2,3,5,7 | 5*3 = 15, 15//2 = 7, 7*2 = 14
F.interpolate(x, scale_factor=1.7) | 2,3,4 | 4*17 = 68, 68//10 = 6
F.interpolate(x, size=7) | 2,3,5 |
x.diff() | 2,9 | 9 - 1 = 8
torch.diff(x, n=2, dim=0, prepend=x) | 4,9 | 4 + 4 - 2 = 8 - 2 = 6
torch.kron(x, x) | 2,13 | 2*2 = 4, 13*13 = 130 + 39 = 169
F.glu(x, dim=1) | 2,24 | 24//2 = 12
torch.fft.rfft(x) | 2,16 | 16//2 + 1 = 8 + 1 = 9
torch.fft.irfft(x) | 2,9 | 2*(9 - 1) = 2*8 = 16
torch.fft.irfft(x, 16) | 2,9 |
x.diagonal(-1) | 4,8 | 4 - 1 = 3
x.diagonal(1) | 4,8 |
torch.diag_embed(x, 2) | 4,8 | 8 + 2 = 10
torch.arange(9, -2, -3) | 1 | 9 + 2 = 11, (11 + 2)//3 = 13//3 = 4
torch.arange(2, 11, 4) | 1 | 11 - 2 = 9, (9 + 3)//4 = 12//4 = 3
nn.LSTM(8, 16, 2, bidirectional=True)(x) | 5,3,8 | 2*16 = 32, 2*2 = 4
torch.stft(x, 16, return_complex=True) | 2,100 |\
 16//2 + 1 = 8 + 1 = 9, 16//4 = 4, 2*8 - 16 + 4 = 4, (100 + 4)//4 = 104//4 = 80//4 + 24//4 = 20 + 6 = 26
x @ x.mT | 2,48,32 |
x.sum(1).topk(2) | 2,48,32 |
x.view(3, 5) | 2,6 | 2*6 = 12, 3*5 = 15
x.view(5, -1) | 2,6 | 2*6 = 12
x.reshape(4, 5, -1) | 4,6 | 4*6 = 24, 4*5 = 20
x.view(0, -1) | 2,6 |
x @ x | 2,6 |
""".replace("\\\n", "")
    .strip()
    .split("\n")
)


@pytest.mark.parametrize("case", CALLS)
def test_work_by_operation(case: str) -> None:
    code, shape, work = [part.strip() for part in case.split("|")]
    trace = with_work(rotbot.trace(f"y = {code}", {"x": shape}, "y"))
    assert ", ".join([item for step in trace.steps for item in step.work]) == work
    assert check_work(trace).mistakes == ()


@pytest.mark.parametrize(
    ("sides", "text"),
    [
        (product_sides(7, 8), "56"),
        (product_sides(48, 2), "96"),
        (product_sides(48, 20), "960"),
        (product_sides(48, 100), "4800"),
        (product_sides(100, 384), "38400"),
        (product_sides(384, 7), "2100 + 560 + 28 = 2660 + 28 = 2688"),
        (product_sides(7, 384), "2100 + 560 + 28 = 2660 + 28 = 2688"),
        (product_sides(48, 12), "480 + 96 = 576"),
        (product_sides(12, 384), "3840 + 768 = 4608"),
        (product_sides(384, 12), "3840 + 768 = 4608"),
        (product_sides(101, 12), "1010 + 202 = 1212"),
        (product_sides(0, 125), "0"),
        (quotient_sides(96, 4), "24"),
        (quotient_sides(576, 12), "480//12 + 96//12 = 40 + 8 = 48"),
        (quotient_sides(100, 7), "70//7 + 30//7 = 10 + 4 = 14"),
        (quotient_sides(512, 64), "8"),
        (quotient_sides(5120, 10), "512"),
        (quotient_sides(-3, 2), "-2"),
        (quotient_sides(1000, 3), "900//3 + 90//3 + 10//3 = 300 + 30 + 3 = 330 + 3 = 333"),
    ],
)
def test_the_spelling_of_a_calculation(sides: list[str], text: str) -> None:
    assert " = ".join(sides) == text


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**4), st.integers(-9, 9))
@settings(max_examples=200, deadline=None)
def test_any_calculation_is_true_and_returns_its_result(a: int, b: int, c: int, shift: int) -> None:
    paper = Paper()
    assert paper.product((a, b)) == a * b
    assert paper.quotient(a, c) == a // c
    assert paper.total(a, -b, shift) == a - b + shift
    assert paper.shifted_quotient(a, shift, c) == (a + shift) // c
    assert paper.ceiling(a, c) == -(-a // c)
    assert [item for item in paper.items if not holds(item) or not true_by_python(item)] == []


def true_by_python(equation: str) -> bool:
    """A second opinion: Python's own parser, a table of four operators."""
    values = [_value(ast.parse(side.strip(), mode="eval").body) for side in equation.split("=")]
    return all(value == values[0] for value in values)


def _value(node: ast.AST) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _value(left), _value(right)
            return {ast.Add: a + b, ast.Sub: a - b, ast.Mult: a * b, ast.FloorDiv: a // b if b else 0}[type(operator)]
    raise AssertionError(ast.dump(node))


# --- over generated programs -----------------------------------------------------------------------------------------

COUNTED = (
    "stack", "unbind", "meshgrid", "tril_indices", "triu_indices", "cartesian_prod", "histogram", "cov", "view_as_real",
)  # fmt: skip
"""Sizes that are counted (how many tensors, how many dims), not calculated."""


@pytest.fixture(scope="module")
def traces() -> list[ShapeTrace]:
    return [problem.truth() for problem in islice(stream(11), 200)]


def test_every_equation_of_generated_programs_is_true(traces: list[ShapeTrace]) -> None:
    equations = [item for trace in traces for step in with_work(trace).steps for item in step.work]
    assert len(equations) > 150
    assert [item for item in equations if not true_by_python(item)] == []
    for trace in traces:
        for mode in get_args(Mode):
            assert check_work(with_work(trace, mode)).mistakes == ()


def from_nowhere(step: Step) -> set[str]:
    """The sizes of a step's outputs that are neither in its inputs and arguments nor the result of an equation."""
    results = {item.rpartition(" = ")[2] for item in step.work}
    seen = {str(dim) for shape in step.inputs for dim in shape} | set(re.findall(r"\d+", step.op)) | {"1"}
    return {str(dim) for shape in step.outputs for dim in shape} - seen - results


def test_every_new_number_of_an_output_is_the_result_of_an_equation(traces: list[ShapeTrace]) -> None:
    steps = [step for trace in traces for step in with_work(trace).steps]
    assert [step for step in steps if from_nowhere(step) and not step.op.startswith(COUNTED)] == []


@pytest.mark.slow
def test_torchs_own_samples_have_true_work() -> None:
    names = {name.rpartition(".")[2] for name in work._RULES}
    steps: list[Step] = []
    for op in opinfo.op_db:
        if op.name.rpartition(".")[2] not in names:
            continue
        for sample in islice(op.sample_inputs("cpu", torch.float32), 4):
            try:
                snippets = list(opinfo.snippets(op, sample))
            except opinfo.NotExpressible:
                continue
            for snippet in snippets:
                try:
                    trace = with_work(rotbot.trace(snippet.code, snippet.args), "full")
                except SnippetError:  # a result that depends on values
                    continue
                assert check_work(trace).mistakes == (), snippet
                steps += trace.steps
    assert sum(len(step.work) > 2 for step in steps) > 100
    unexplained = [step for step in steps if from_nowhere(step) - {"0"} and not step.op.startswith(COUNTED)]
    assert [step for step in unexplained if step.reason is None] == []


def test_work_reads_back_and_changes_nothing_else(traces: list[ShapeTrace]) -> None:
    for trace in traces[:60]:
        for mode in get_args(Mode):
            worked = with_work(trace, mode)
            assert ShapeTrace.parse(worked.render()) == worked
            assert ShapeTrace.parse(worked.completion()).completion() == worked.completion()
            bare = [(step.op, step.inputs, step.outputs, step.span, step.name) for step in worked.steps]
            assert bare == [(step.op, step.inputs, step.outputs, step.span, step.name) for step in trace.steps]
            assert (worked.final, worked.nodes, worked.target) == (trace.final, trace.nodes, trace.target)


@settings(max_examples=100, deadline=None)
@given(programs(), st.sampled_from(get_args(Mode)))
def test_right_and_wrong_programs_have_true_work_that_reads_back(program: Program, mode: Mode) -> None:
    worked = with_work(rotbot.trace(program.code, program.args), mode)
    assert ShapeTrace.parse(worked.render()) == worked
    assert check_work(worked).mistakes == ()


# --- full work -------------------------------------------------------------------------------------------------------


def test_full_work_says_where_a_step_stands() -> None:
    code = "q, k = x.chunk(2, dim=1)\nx = q @ k.mT\n\ny = (x + x)[None, ::2]\ny.unsqueeze_(0)\nz = y.flatten()"
    trace = with_work(rotbot.trace(code, {"x": [2, 10, 32]}, "z"), "full")
    assert [", ".join(step.work) for step in trace.steps] == [
        "line 1, x = [2, 10, 32], 10//2 = 5",
        "line 2, k = [2, 5, 32]",
        "line 2, q = [2, 5, 32]",
        "line 4, x = [2, 5, 5]",
        "line 4",
        "line 4, 2//2 = 1",
        "line 5, y = [1, 1, 5, 5]",
        "line 6, y = [1, 1, 1, 5, 5], 5*5 = 25",
    ]


def test_variables_of_functions_and_loops() -> None:
    lines = "def f(x):", "    h = x.relu()", "    return h + b", "for i in range(2):", "    x = f(x).repeat(2)"
    code = "\n".join([*lines, "y = x = x.abs()", "w = 3"])
    trace = with_work(rotbot.trace(code, {"x": [4], "b": [1]}), "full")
    assert [", ".join(step.work) for step in trace.steps] == [
        "line 2, x = [4]",
        "line 3, b = [1]",
        "line 5, 4*2 = 8",
        "line 2, x = [8]",
        "line 3, b = [1]",
        "line 5, 8*2 = 16",
        "line 6, x = [16]",
    ]


def test_named_work_ends_with_the_variables_that_get_the_result() -> None:
    code = "q, k = x.chunk(2, dim=1)\nx = q @ k.mT\ny = (x + x)[None, ::2]\ny.unsqueeze_(0)\nz = y.flatten()\nw = z"
    code += "\nq[0] = 1"
    trace = with_work(rotbot.trace(code, {"x": [2, 10, 32]}), "named")
    assert [", ".join(step.work) for step in trace.steps] == [
        "10//2 = 5, q = [2, 5, 32], k = [2, 5, 32]",
        "",
        "x = [2, 5, 5]",
        "",
        "",
        "2//2 = 1, y = [1, 1, 5, 5]",
        "",
        "5*5 = 25, z = [25], w = [25]",
        "",
    ]


def test_a_result_is_judged_by_what_its_variable_gets() -> None:
    trace = rotbot.trace("x = x.flatten()\ny = x[:2]", {"x": [2, 3]})
    for item, right in (("x = [6]", True), ("x = [2, 3]", True), ("x = [3]", False), ("y = [6]", False)):
        claimed = replace(trace, steps=(replace(trace.steps[0], work=(item,)), *trace.steps[1:]))
        assert (check_work(claimed, trace).mistakes == ()) == right, item
    claimed = replace(trace, steps=(trace.steps[0], replace(trace.steps[1], work=("x = [2, 3]",))))
    assert len(check_work(claimed, trace).mistakes) == 1, "what x was before it was bound anew"


def test_rejected_steps_and_modes() -> None:
    trace = rotbot.trace("y = x.relu()\nz = y.view(4, -1)", {"x": [2, 7]})
    assert with_work(trace, "full").render().splitlines()[1] == (
        "step 1: view(4, -1) | [2, 7] (line 2, 2*7 = 14) -> error: 14 is not divisible by 4"
    )
    read = ShapeTrace.parse(trace.render())
    assert with_work(read) is read
    with pytest.raises(InputError, match="work: expected one of arithmetic, full, named, got 'all'"):
        with_work(trace, "all")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("mode", "work"),
    [("arithmetic", ["5 - 1 = 4", ""]), ("named", ["5 - 1 = 4", ""]), ("full", ["line 1, 5 - 1 = 4", "line 1"])],
)
def test_an_index_that_fails_midway(mode: Mode, work: list[str]) -> None:
    trace = with_work(rotbot.trace("y = x[1:, 7]", {"x": [5, 3]}, "y"), mode)
    assert trace.error is not None
    assert [", ".join(step.work) for step in trace.steps] == work
    assert check_work(trace).mistakes == ()


def test_symbolic_dims_have_no_equations() -> None:
    trace = rotbot.trace("y = x.flatten(1)", {"x": ["B", 3, "C"]})
    assert [step.work for step in with_work(trace).steps] == [()]
