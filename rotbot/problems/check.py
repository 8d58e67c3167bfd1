"""Checking a dataset from its rows alone: every promise of the card, counted again.

Truth is settled by eager execution (:mod:`rotbot.problems.witness`), not by the tracer that wrote the rows; the tracer
only has to accept a program before it is run, since rows may come from anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from math import prod, sqrt
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from rotbot.errors import InputError, LimitExceeded, RotbotError
from rotbot.problem import Problem
from rotbot.problems.canonical import program_id
from rotbot.problems.check_pool import Task, run_checks
from rotbot.problems.graphs import form_of, graph_of, op_name
from rotbot.problems.plots import LEAST_FAMILY, MOST_FAMILY
from rotbot.problems.shards import SCHEMA
from rotbot.problems.splits import CONFIGS, HELD_OUT_OPS, KINDS, Place, is_held_out_pair, place_of
from rotbot.problems.substitute import assignments, at_values, trace_at_values
from rotbot.problems.tally import upper_bound
from rotbot.problems.vocabulary import family_of, family_shares
from rotbot.problems.witness import contradiction, observe
from rotbot.rewards.compare import compare
from rotbot.rewards.work import check_work
from rotbot.shapes import trace as trace_shapes
from rotbot.shapes.trace import ShapeTrace
from rotbot.shapes.work import Mode

BATCH = 256
MAX_EXAMPLES = 5
MAX_ELEMENTS = 2**26
"""What a program may have and make to be run: a quarter of a gigabyte. Symbolic ones are then held against a trace."""

_KIND_OF = {name: name for name in ("error", "symbolic", "real")}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be: where (``sft/train row 12``) and what."""

    where: str
    what: str


@dataclass
class Report:
    """What a check found. ``faults`` counts them by kind, ``examples`` keeps some of each; the rest are counts over all
    rows: by place, steps by op and family, number of steps, level, style, outcome, and the rank and size reached."""

    rows: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, list[Fault]] = field(default_factory=dict[str, list[Fault]])
    ops: Counter[str] = field(default_factory=Counter[str])
    depths: Counter[int] = field(default_factory=Counter[int])
    levels: Counter[int] = field(default_factory=Counter[int])
    styles: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    ranks: Counter[int] = field(default_factory=Counter[int])
    sizes: Counter[int] = field(default_factory=Counter[int])
    near: int = 0
    overlaps: int = 0
    regenerated: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def families(self) -> dict[str, float]:
        """The share of steps of every family, the largest first."""
        return family_shares(self.ops)

    def blame(self, kind: str, where: str, what: str) -> None:
        """Count a fault, and keep it if it is among the first of its kind."""
        self.faults[kind] += 1
        kept = self.examples.setdefault(kind, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(Fault(where, what))


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a worker found in one row."""

    faults: tuple[tuple[str, str], ...]
    id: str
    form: bytes
    ops: tuple[str, ...]
    rank: int
    size: int


def check(
    folder: Path, workers: int = 1, sample: int = 200, progress: Callable[[int], None] = lambda done: None
) -> Report:
    """Check every row of a dataset's folder, and make ``sample`` rows of it again from their seeds.

    ``progress`` is called with the number of rows checked. Raises :class:`~rotbot.errors.InputError` if there is no
    dataset in ``folder``.
    """
    files = [
        (Place(config, split), path)
        for config, splits in CONFIGS.items()
        for split in splits
        for path in sorted(folder.glob(f"{config}/{split}-*.parquet"))
    ]
    if not files:
        raise InputError(f"expected a dataset with {', '.join(CONFIGS)} in {folder}, found no Parquet files")
    report = Report()
    ids: set[str] = set()
    forms: dict[bytes, int] = {}
    places: list[Place] = []
    done = 0
    for task, verdicts in run_checks(_tasks(files, report), check_row, _killed, workers):
        place: Place = task.origin
        if place not in places:
            places.append(place)
        for index, (row, verdict) in enumerate(zip(task.rows, verdicts, strict=True), task.start):
            _take(report, place, f"{place.config}/{place.split} row {index}", row, verdict)
            if verdict.id in ids:
                report.blame("repeated id", f"{place.config}/{place.split} row {index}", verdict.id)
            ids.add(verdict.id)
            other = forms.setdefault(verdict.form, places.index(place))
            if other != places.index(place) and verdict.form:
                report.overlaps += 1
                where = f"{place.config}/{place.split} row {index}"
                report.blame("overlap", where, f"its canonical form is in {places[other]}, too")
        done += len(task.rows)
        progress(done)
    report.near = sum(report.rows.values()) - len(forms) - report.overlaps
    _check_balance(report)
    _check_determinism(report, files, sample)
    return report


def _take(report: Report, place: Place, where: str, row: dict[str, Any], verdict: _Verdict) -> None:
    report.rows[f"{place.config}/{place.split}"] += 1
    report.ops.update(verdict.ops)
    report.depths[row["n_steps"]] += 1
    report.levels[row["level"]] += 1
    report.styles[row["style"]] += 1
    report.outcomes[row["outcome"]] += 1
    report.ranks[verdict.rank] += 1
    report.sizes[upper_bound(verdict.size)] += 1
    for kind, what in verdict.faults:
        report.blame(kind, where, what)


# --- one row ---------------------------------------------------------------------------------------------------------


def check_row(place: Place, row: dict[str, Any]) -> _Verdict:
    """Everything about one row that can be told from it alone."""
    try:
        return _check_row(place, row)
    except (RotbotError, KeyError, TypeError, ValueError, IndexError, RuntimeError, MemoryError) as error:
        return _Verdict((("unusable row", f"{type(error).__name__}: {error}"),), str(row.get("id")), b"", (), 0, 0)


def _killed(row: dict[str, Any]) -> _Verdict:
    """For a row whose program took too long, or too much memory, or broke torch."""
    what = "its check was killed: it took too much time or memory"
    return _Verdict((("unusable row", what),), str(row.get("id")), b"", (), 0, 0)


def _check_row(place: Place, row: dict[str, Any]) -> _Verdict:
    faults: list[tuple[str, str]] = []

    def expect(holds: bool, kind: str, what: str) -> None:
        if not holds:
            faults.append((kind, what))

    args = {a["name"]: f"{','.join(map(str, a['dims'] or a['shape']))}:{a['dtype']}" for a in row["args"]}
    problem = Problem(row["code"], args, row["target"])
    claimed = ShapeTrace.parse(row["trace"])
    completion = row["completion"][0]["content"]
    expect(row["prompt"] == [{"role": "user", "content": problem.prompt()}], "prompt", "not that of the columns")
    expect(not claimed.malformed and claimed.render() == row["trace"], "trace", "not in the format")
    expect(completion == claimed.completion(), "completion", "not that of the trace")
    expect(compare(claimed, completion).faithful, "gold score", "the completion does not score full marks")
    failed = claimed.error is not None
    symbolic = any(spec.symbolic for _, spec in problem.specs)
    final = None if failed or symbolic or claimed.final is None else list(claimed.final)
    expect(row["final"] == final, "final", f"{row['final']}, the trace says {final}")
    expect(row["outcome"] == ("error" if failed else "ok"), "outcome", row["outcome"])
    expect(row["n_steps"] == len(claimed.steps), "n_steps", f"{row['n_steps']} for {len(claimed.steps)} steps")
    ops = tuple([op_name(step.op) for step in claimed.steps])
    expect(tuple(row["ops"]) == ops, "ops", f"{row['ops']}, the trace has {list(ops)}")
    families = sorted({family_of(op) for op in ops})
    expect(row["families"] == families, "families", f"{row['families']}, the ops are of {families}")
    identity = program_id(problem)
    expect(row["id"] == identity, "id", f"{row['id']}, the program's is {identity}")

    traced = trace_shapes(problem.code, problem.args, problem.target)  # refuses what must not be run
    made = _elements(traced, problem)
    if made > MAX_ELEMENTS:
        raise LimitExceeded(f"expected at most {MAX_ELEMENTS:,} elements in all tensors together, got {made:,}")
    mistakes = check_work(claimed, traced).mistakes
    expect(not mistakes, "work", ", ".join(f"step {item.step}: {item.text}" for item in mistakes))
    arguments = tuple([(spec.shape, spec.dtype) for _, spec in problem.specs])
    form = form_of(claimed, arguments)
    graph = graph_of(traced, tuple([shape for shape, _ in arguments]))
    if symbolic:
        for values in assignments(traced, problem):
            problem_there, claimed_there = at_values(problem, values), trace_at_values(claimed, values)
            traced_there = problem_there.truth()  # before it is run: it refuses what must not be run
            graph = graph_of(traced_there, ())
            expect(_shapes(claimed_there) == _shapes(traced_there), "truth", f"at {values}: other shapes are traced")
            if _elements(traced_there, problem_there) <= MAX_ELEMENTS:
                found = contradiction(claimed_there, observe(problem_there, None))
                expect(found is None, "truth", f"at {values}: {found}")
    else:
        found = contradiction(claimed, observe(problem, None if traced.error is None else traced.error.line))
        expect(found is None, "truth", found or "")
    kind = _kind_of(place, row, symbolic)
    belongs = place_of(kind, graph, form)
    expect(symbolic or belongs == place, "place", f"it belongs to {belongs.config}/{belongs.split}")
    if place.config != "eval":
        expect(HELD_OUT_OPS.isdisjoint(graph.ops), "held-out op", str(sorted(HELD_OUT_OPS & set(graph.ops))))
        pairs = [pair for pair in graph.edges if is_held_out_pair(pair)]
        expect(not pairs, "held-out pair", str(pairs))
    return _Verdict(tuple(faults), row["id"], sha256(form.encode()).digest()[:16], ops, graph.rank, graph.size)


def _elements(trace: ShapeTrace, problem: Problem) -> int:
    """The elements of all tensors of a program together; named sizes do not count."""
    shapes = [*[spec.shape for _, spec in problem.specs], *[s for step in trace.steps for s in step.outputs]]
    return sum([prod([size for size in shape if isinstance(size, int)]) for shape in shapes])


def _shapes(trace: ShapeTrace) -> list[object]:
    """Every shape of a trace, without the texts of its operations."""
    return [trace.final, *[(step.inputs, step.outputs) for step in trace.steps]]


def _kind_of(place: Place, row: dict[str, Any], symbolic: bool) -> str:
    """The kind of problem a row has: by its split of the benchmark, else by its outcome and style."""
    from rotbot.problems.idioms import TEMPLATES

    if place.config == "eval" and place.split in _KIND_OF:
        return _KIND_OF[place.split]
    if symbolic or row["outcome"] == "error":
        return "symbolic" if symbolic else "error"
    kind = "idiom" if row["style"] in {template.__name__ for template in TEMPLATES} else "plain"
    assert kind in KINDS
    return kind


# --- all rows --------------------------------------------------------------------------------------------------------


def _tasks(files: list[tuple[Place, Path]], report: Report) -> Iterator[Task[dict[str, Any]]]:
    start = 0
    before: Place | None = None
    for place, path in files:
        start = start if place == before else 0
        before = place
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if schema.remove_metadata() != SCHEMA:
                missing = [f"{item.name}: {item.type}" for item in SCHEMA if item not in list(schema)]
                report.blame("schema", str(path), f"expected {', '.join(missing) or SCHEMA.names}")
                continue
            for batch in file.iter_batches(BATCH):
                rows = pa.Table.from_batches([batch]).to_pylist()
                yield Task(place, start, rows)
                start += len(rows)


def _check_balance(report: Report) -> None:
    """Blame families outside the bounds by more than chance (three standard errors of a share of so many steps)."""
    steps = max(1, report.ops.total())
    least, most = (
        bound + side * 3 * sqrt(bound * (1 - bound) / steps) for bound, side in ((LEAST_FAMILY, -1), (MOST_FAMILY, 1))
    )
    for family, share in report.families.items():
        if family == "other" or not least <= share <= most:
            bounds = f"{100 * LEAST_FAMILY:.0f}% to {100 * MOST_FAMILY:.0f}%"
            report.blame("balance", family, f"{100 * share:.1f}% of steps, expected {bounds}")


def _check_determinism(report: Report, files: list[tuple[Place, Path]], sample: int) -> None:
    """Make rows again from seed, level and kind: the generator must write the same."""
    from rotbot.problems.levels import LEVELS, OUTSIDE
    from rotbot.problems.rows import make_item, make_row

    per_file = -(-sample // len(files))
    for place, path in files if sample else ():
        with pq.ParquetFile(path) as file:
            if file.schema_arrow.remove_metadata() != SCHEMA:
                continue
            group = file.read_row_group(0)
        stride = max(1, len(group) // per_file)
        for row in group.take(list(range(0, len(group), stride))[:per_file]).to_pylist():
            kind = _kind_of(place, row, any(a["dims"] for a in row["args"]))
            levels = (*OUTSIDE.get(place.split, ()), *LEVELS)  # a row of the benchmark may be of the main stream, too
            modes: tuple[Mode | None, ...] = (None, *get_args(Mode))
            items = [make_item(row["seed"], level, kind) for level in levels if level.number == row["level"]]
            made = [make_row(item, work) for item in items for work in modes]
            report.regenerated += 1
            differences = [[name for name in SCHEMA.names if again[name] != row[name]] for again in made]
            if all(differences):
                least = min(differences, key=len, default=["level"])
                report.blame("determinism", f"{path.name} seed {row['seed']}", f"other {', '.join(least)} this time")
