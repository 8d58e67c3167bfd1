"""From a seed to a verified row of the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.problems.canonical import program_id, split_of
from rotbot.problems.composer import Program, compose_program
from rotbot.problems.levels import Level
from rotbot.problems.verify import verify
from rotbot.problems.writer import Written, write
from rotbot.shapes import trace as trace_shapes
from rotbot.shapes.trace import ShapeTrace

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A verified problem with its truth and where it came from."""

    problem: Problem
    trace: ShapeTrace
    program: Program
    style: str
    level: int
    seed: int


def draft(seed: int, level: Level) -> tuple[Program, Written]:
    """The program of an item's ``seed`` at ``level`` and its text, not verified yet."""
    rng = seeds.stream("program", seed, level.number)
    program = compose_program(rng, level)
    return program, write(program, rng, level)


def make_item(seed: int, level: Level) -> Item:
    """The item of ``seed`` at ``level``, traced and verified.

    Raises :class:`~rotbot.problems.verify.Disagreement` if the witnesses differ.
    """
    program, written = draft(seed, level)
    problem = written.problem
    truth = trace_shapes(problem.code, problem.args, problem.target)
    verify(program, written, truth)
    return Item(problem, truth, program, written.style, level.number, seed)


def make_row(item: Item) -> tuple[str, Row]:
    """The split an item belongs to and its row in the dataset's columns."""
    problem, text = item.problem, item.trace.render()
    live = [item.program.calls[i].op for i in sorted(item.program.live)]
    final = item.trace.final
    assert final is not None, "a verified program has a final shape"
    row: Row = {
        "id": program_id(problem),
        "code": problem.code,
        "args": [{"name": name, "shape": list(spec.shape), "dtype": spec.dtype} for name, spec in problem.specs],
        "target": problem.target,
        "prompt": [{"role": "user", "content": problem.prompt()}],
        "completion": [{"role": "assistant", "content": item.trace.completion()}],
        "trace": text,
        "final": list(final),
        "outcome": "ok",
        "n_steps": len(item.trace.steps),
        "ops": [op.name for op in live],
        "families": sorted({op.family for op in live}),
        "level": item.level,
        "style": item.style,
        "seed": item.seed,
    }
    return split_of(problem, text), row
