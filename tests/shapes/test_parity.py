"""Our graph against ``torch.fx.symbolic_trace`` + ``ShapeProp`` on everything that those can trace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from torch.fx.proxy import TraceError

import rotbot
from rotbot.shapes.source import free_names
from tests.shapes import symbolic
from tests.shapes.programs import Program, programs
from tests.shapes.snippets import ALL, ARGS

DIFFERENT = {
    "w = nn.Parameter(x)\nr = w * 2": "we take a parameter for its tensor",
    "r = nn.Parameter(data=x) * 2": "we take a parameter for its tensor",
    "a, r = x": "unpacking a tensor is one unbind, not one getitem for each name",
    "r = x.to('cpu')": "a device is no part of a shape",
}
"""Snippets whose operations differ after normalization, and why."""

UNTRACEABLE = (TraceError, TypeError, RuntimeError, ValueError, AttributeError, IndexError, NameError, KeyError)


def parity(code: str, args: dict[str, str]) -> bool | None:
    """Whether fx and we record the same operations, in order, with the same shapes; None if fx cannot trace it."""
    try:
        graph = symbolic.trace(code, args, "r")
    except UNTRACEABLE:
        return None
    return symbolic.ops(graph) == symbolic.ops(rotbot.trace(code, args).graph)


def test_the_same_operations_in_the_same_order_with_the_same_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = {code: parity(code, {n: ARGS[n] for n in free_names(code) if n in ARGS}) for code in ALL}
    assert {code for code, same in verdicts.items() if same is False} == set(DIFFERENT)
    traced = sum(same is not None for same in verdicts.values())
    with capsys.disabled():
        print(f"\ntraced of {len(ALL)} everyday snippets: symbolic_trace {traced}, rotbot {len(ALL)}")
    assert 250 <= traced < len(ALL)


@settings(max_examples=100)
@given(programs(wrong=False, max_lines=5))
def test_generated_programs_have_the_graph_that_fx_gives_them(program: Program) -> None:
    result = "(" + ", ".join(name for shapes in program.shapes for name in shapes) + ",)"
    try:
        graph = symbolic.trace(program.code, program.args, result)
    except UNTRACEABLE:
        return
    assert symbolic.ops(graph) == symbolic.ops(rotbot.trace(program.code, program.args).graph), program.code
