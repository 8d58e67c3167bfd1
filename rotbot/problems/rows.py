"""From a seed to a verified row of the dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from rotbot.errors import LimitExceeded, UnsupportedSnippet
from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.problems.canonical import program_id
from rotbot.problems.composer import PREFERENCES, Program, compose_program
from rotbot.problems.graphs import Graph, form_of, graph_of
from rotbot.problems.idioms import draw_idiom
from rotbot.problems.levels import Level
from rotbot.problems.mistakes import make_wrong
from rotbot.problems.named import make_symbolic
from rotbot.problems.real import draw_real
from rotbot.problems.splits import Place, place_of
from rotbot.problems.verify import EagerRun, compiled, eager_run, verify, verify_target
from rotbot.problems.vocabulary import family_of
from rotbot.problems.writer import Written, draw_style, write
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.observed import Observed
from rotbot.shapes.program import trace_program
from rotbot.shapes.source import read_again
from rotbot.shapes.text import as_completion
from rotbot.shapes.trace import ShapeTrace
from rotbot.shapes.work import Mode, with_work

Row = dict[str, Any]
T = TypeVar("T")
Making = Generator[None, None, T]
"""Something in the making: it pauses between drafting, tracing and verifying."""

SYMBOLIC_IDIOMS = 0.4
"""The share of symbolic problems that are idioms."""

MAX_TRIES = 50
"""Programs tried for an item whose kind not every program has a problem of."""


@dataclass(frozen=True, slots=True)
class Item:
    """A verified problem with its truth, where it came from and where it belongs."""

    problem: Problem
    trace: ShapeTrace
    kind: str
    style: str
    level: int
    seed: int
    graph: Graph
    form: str
    place: Place


def draft(seed: int, level: Level, attempt: int = 0) -> tuple[Program, Written]:
    """The program of an item's ``seed`` at ``level`` and its text, not verified yet."""
    return _draft(seeds.stream("program", seed, level.number, *([attempt] if attempt else [])), level)


def _draft(rng: Random, level: Level) -> tuple[Program, Written]:
    style = draw_style(rng, level)
    program = compose_program(rng, level, style if style in PREFERENCES else "")
    return program, write(program, rng, level, style)


def make_item(seed: int, level: Level, kind: str = "plain") -> Item:
    """The item of ``seed`` at ``level``, of a kind of :data:`~rotbot.problems.splits.KINDS`, traced and verified.

    Raises :class:`~rotbot.problems.verify.Disagreement` if the witnesses differ.
    """
    return _finish(_MAKERS[kind](seed, level))


def make_items(orders: Iterable[tuple[int, Level, str]]) -> list[Item]:
    """The items of many seeds, each with its level and kind, made in step: first all are drafted, then all are traced.

    What one stage needs of Python and torch stays in the processor's caches: a tenth of the time of one by one.
    """
    making = {index: _MAKERS[kind](seed, level) for index, (seed, level, kind) in enumerate(orders)}
    items: dict[int, Item] = {}
    while making:
        for index in list(making):
            try:
                next(making[index])
            except StopIteration as end:
                items[index] = end.value
                del making[index]
    return [items[index] for index in sorted(items)]


def _finish(making: Making[T]) -> T:
    while True:
        try:
            next(making)
        except StopIteration as end:
            return end.value


def _plain(seed: int, level: Level) -> Making[Item]:
    program, written, truth, run = yield from _traced(seed, level)
    problem = written.problem
    verify(program, written, truth, run)
    item = _item("plain", written.style, level, seed, problem, truth)
    if item.place.split != "ood_style":
        return item
    other = write(program, seeds.stream("function", seed), level, "function")
    truth = other.problem.truth()
    verify(program, other, truth)
    return _item("plain", other.style, level, seed, other.problem, truth)


def traced(seed: int, level: Level) -> tuple[Program, Written, ShapeTrace]:
    """The first program of ``seed`` that can be traced: at sizes of thousands some are beyond the tracer's limits."""
    return _finish(_traced(seed, level))[:3]


def _traced(seed: int, level: Level) -> Making[tuple[Program, Written, ShapeTrace, EagerRun]]:
    for attempt in range(MAX_TRIES):
        program, written = draft(seed, level, attempt)
        try:
            truth, run = yield from _run_and_traced(written.problem)
        except (LimitExceeded, UnsupportedSnippet):
            continue
        return program, written, truth, run
    raise AssertionError(f"no program of level {level.number} in {MAX_TRIES} tries that can be traced")


def _run_and_traced(problem: Problem) -> Making[tuple[ShapeTrace, EagerRun]]:
    """The trace of a right program and the eager run before it, whose calls need not be made again for the trace.

    Text is parsed and compiled in a stage of its own: what :func:`read_again` and :func:`compiled` keep is used in the
    next.
    """
    yield
    read_again(problem.code)
    compiled(problem.code)
    yield
    run = eager_run(problem)
    yield
    truth = trace_program(problem.code, dict(problem.specs), problem.target, Observed(run.calls), reading=read_again)
    yield
    return truth, run


def _wrong(seed: int, level: Level) -> Making[Item]:
    rng = seeds.stream("mistake", seed, level.number)
    for _ in range(MAX_TRIES):
        program, written = _draft(rng, level)
        yield
        made = make_wrong(rng, program, written, level)
        if made is not None:
            return _item("error", made[0].style, level, seed, made[0].problem, made[1])
    raise AssertionError(f"no mistake in {MAX_TRIES} programs of level {level.number}")


def _idiom(seed: int, level: Level) -> Making[Item]:
    idiom = draw_idiom(seeds.stream("idiom", seed))
    return (yield from _given("idiom", idiom.name, level, seed, Problem(idiom.code, idiom.args, idiom.target)))


def _real(seed: int, level: Level) -> Making[Item]:
    topic, problem = draw_real(seeds.stream("real", seed))
    return (yield from _given("real", topic, level, seed, problem))


def _given(kind: str, style: str, level: Level, seed: int, problem: Problem) -> Making[Item]:
    """An item whose program was not composed: its trace is held against an eager run alone."""
    truth, run = yield from _run_and_traced(problem)
    verify_target(problem, truth, run)
    return _item(kind, style, level, seed, problem, truth)


def _symbolic(seed: int, level: Level) -> Making[Item]:
    """A right program or an idiom with names for sizes; its graph is that of the program with its own sizes."""
    rng = seeds.stream("symbolic", seed, level.number)
    for _ in range(MAX_TRIES):
        source = yield from _MAKERS["idiom" if rng.random() < SYMBOLIC_IDIOMS else "plain"](rng.getrandbits(62), level)
        made = make_symbolic(rng, source.problem)
        if made is not None:
            return _item("symbolic", source.style, level, seed, *made, source.graph)
    raise AssertionError(f"no symbolic problem in {MAX_TRIES} programs of level {level.number}")


_MAKERS: dict[str, Callable[[int, Level], Making[Item]]] = {
    "plain": _plain, "error": _wrong, "idiom": _idiom, "symbolic": _symbolic, "real": _real,
}  # fmt: skip


def place_of_problem(problem: Problem, truth: ShapeTrace) -> Place:
    """Where a right program belongs by its trace."""
    arguments = tuple([(spec.shape, spec.dtype) for _, spec in problem.specs])
    return place_of("plain", graph_of(truth, tuple([shape for shape, _ in arguments])), form_of(truth, arguments))


def _item(
    kind: str, style: str, level: Level, seed: int, problem: Problem, truth: ShapeTrace, graph: Graph | None = None
) -> Item:
    arguments = tuple([(spec.shape, spec.dtype) for _, spec in problem.specs])
    graph = graph or graph_of(truth, tuple([shape for shape, _ in arguments]))
    form = form_of(truth, arguments)
    return Item(problem, truth, kind, style, level.number, seed, graph, form, place_of(kind, graph, form))


def _argument(name: str, spec: ArgSpec) -> dict[str, Any]:
    """An argument's columns: ``shape`` where it is numbers, ``dims`` where there are names in it."""
    dims = [str(dim) for dim in spec.shape] if spec.symbolic else None
    return {"name": name, "shape": None if dims else list(spec.shape), "dtype": spec.dtype, "dims": dims}


def make_row(item: Item, work: Mode | None = None) -> Row:
    """The item in the dataset's columns (:data:`rotbot.problems.shards.SCHEMA`), with its place and its form's hash;
    its steps with their ``work``, if a mode is given."""
    problem, truth = item.problem, item.trace if work is None else with_work(item.trace, work)
    text, failed = truth.render(), truth.error is not None
    return {
        "id": program_id(problem),
        "code": problem.code,
        "args": [_argument(name, spec) for name, spec in problem.specs],
        "target": problem.target,
        "prompt": [{"role": "user", "content": problem.prompt()}],
        "completion": [{"role": "assistant", "content": as_completion(text)}],
        "trace": text,
        "final": None if failed or truth.promise is not None or truth.final is None else list(truth.final),
        "outcome": "error" if failed else "ok",
        "n_steps": len(truth.steps),
        "ops": list(item.graph.ops),
        "families": sorted({family_of(op) for op in item.graph.ops}),
        "level": item.level,
        "style": item.style,
        "seed": item.seed,
        "config": item.place.config,
        "split": item.place.split,
        "form": hashlib.sha256(item.form.encode()).digest()[:16],
        "rank": item.graph.rank,
        "size": item.graph.size,
    }
