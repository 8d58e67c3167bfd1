"""Generated programs, right and wrong: our steps against eager torch, the text, liveness, determinism."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

import rotbot
from rotbot.shapes import evaluate
from tests.shapes.programs import Program, programs


@settings(max_examples=300)
@given(programs())
def test_every_named_step_and_the_verdict_are_torchs(program: Program) -> None:
    trace = rotbot.trace(program.code, program.args)
    if program.failed:
        assert trace.error is not None, program.code
        assert trace.error.line == len(program.lines)
        assert trace.final is None
        assert trace.error.reason
    else:
        assert trace.error is None, f"{program.code}\n{trace.error}"
    named = {(step.line, step.name): step.outputs for step in trace.steps if step.name is not None}
    for (line, name), outputs in named.items():
        assert line is not None
        assert outputs == (program.shapes[line - 1][name],), program.code
    for number, (line, shapes) in enumerate(zip(program.lines, program.shapes, strict=False), start=1):
        for name in shapes:
            single = not line.startswith(f"{name}, ") and "2 = " not in line and not line.endswith(".values")
            assert not single or (number, name) in named, f"{name} has no step in\n{program.code}"


@settings(max_examples=150)
@given(programs(wrong=False, max_lines=4))
def test_every_variable_as_the_target_has_torchs_shape(program: Program) -> None:
    assert not program.failed, program.code
    last: dict[str, tuple[int, ...]] = {}
    for shapes in program.shapes:
        last |= shapes
    for name, shape in last.items():
        assert rotbot.trace(program.code, program.args, name).final == shape


@settings(max_examples=150)
@given(programs())
def test_the_text_reads_back_as_the_same_trace(program: Program) -> None:
    trace = rotbot.trace(program.code, program.args)
    assert rotbot.ShapeTrace.parse(trace.render()) == trace
    assert rotbot.ShapeTrace.parse(trace.completion()) == trace
    assert rotbot.ShapeTrace.parse(trace.render()).render() == trace.render()


@settings(max_examples=150)
@given(programs(), st.data())
def test_steps_are_those_that_the_target_depends_on(program: Program, data: st.DataObject) -> None:
    assigned = [name for shapes in program.shapes for name in shapes]
    target = data.draw(st.sampled_from(assigned or [*program.args]))
    whole, trace = rotbot.trace(program.code, program.args), rotbot.trace(program.code, program.args, target)
    wanted = {len(program.lines)} if program.failed else {target}
    needed = _slice(program, wanted)
    expected = [step for step in whole.steps if step.line in needed]
    assert [(step.line, step) for step in trace.steps] == [(step.line, step) for step in expected], program.code


def _slice(program: Program, wanted: set[int] | set[str]) -> set[int]:
    """The lines a target depends on, found by names alone: each line uses the names it reads, shapes included."""
    needed = {name for name in wanted if isinstance(name, str)}
    kept: set[int] = set()
    for number in range(len(program.lines), 0, -1):
        nodes = list(ast.walk(ast.parse(program.lines[number - 1])))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        updated = {
            node.target.id for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
        }
        if number in wanted or stored & needed:
            kept.add(number)
            needed = (needed - stored) | {node.id for node in names if isinstance(node.ctx, ast.Load)} | updated
    return kept


@settings(max_examples=60)
@given(programs())
def test_the_same_program_has_the_same_trace_with_and_without_the_cache(program: Program) -> None:
    first = rotbot.trace(program.code, program.args)
    again = rotbot.trace(program.code, program.args)
    evaluate.clear_cache()
    fresh = rotbot.trace(program.code, program.args)
    assert first.steps == again.steps == fresh.steps
    assert first.nodes == again.nodes == fresh.nodes
    assert [step.span for step in first.steps] == [step.span for step in fresh.steps]
