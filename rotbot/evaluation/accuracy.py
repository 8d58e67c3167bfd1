"""How many problems a model solves, with every step right, and how sure that figure is."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from rotbot.errors import InputError
from rotbot.evaluation.intervals import wilson
from rotbot.rewards.compare import Comparison, compare

if TYPE_CHECKING:
    from rotbot.inference.engine import Engine, Sampling
    from rotbot.problem import Problem
    from rotbot.shapes.trace import ShapeTrace

_COLUMNS = ("problems", "faithful", "95% interval", "final", "lucky", "parsed")


@dataclass(frozen=True)
class Accuracy:
    """Counts over ``n`` problems: ``faithful`` (every step and the final shape right), ``final`` (the final shape
    right), ``lucky`` (final but not faithful), ``parsed`` (all in the format). ``by_depth`` has the same for every
    number of steps of the truth; it is empty in those."""

    n: int
    faithful: int
    final: int
    lucky: int
    parsed: int
    by_depth: Mapping[int, Accuracy] = field(default_factory=dict[int, "Accuracy"])

    @property
    def rate(self) -> float:
        """The share of problems that are faithful."""
        return self.faithful / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of :attr:`rate`."""
        return wilson(self.faithful, self.n)

    def table(self) -> str:
        """A Markdown table: one row a depth, one for all."""
        lines = [f"| steps | {' | '.join(_COLUMNS)} |", f"|{'---:|' * (len(_COLUMNS) + 1)}"]
        lines += [_row(str(depth), part) for depth, part in self.by_depth.items()]
        return "\n".join([*lines, _row("all", self)])


def _row(name: str, part: Accuracy) -> str:
    low, high = part.interval
    shares = [f"{100 * count / part.n:.1f}%" for count in (part.final, part.lucky, part.parsed)]
    return (
        f"| {name} | {part.n} | {100 * part.rate:.1f}% | {100 * low:.1f} to {100 * high:.1f}% | {' | '.join(shares)} |"
    )


def accuracy(engine: Engine, problems: Sequence[Problem], sampling: Sampling | None = None) -> Accuracy:
    """Let ``engine`` answer every problem once (greedily unless told otherwise) and count what is right.

    The truths are traced in this process: problems must be our own, not foreign code. Raises
    :class:`~rotbot.errors.InputError` for no problems.
    """
    from rotbot.inference.engine import GREEDY

    truths = [problem.truth() for problem in problems]
    completions = engine.generate(problems, sampling or GREEDY)
    return tally(
        (truth, compare(truth, completion.text)) for truth, completion in zip(truths, completions, strict=True)
    )


def tally(judged: Iterable[tuple[ShapeTrace, Comparison]]) -> Accuracy:
    """Count comparisons, in all and by the truth's number of steps. Raises as :func:`accuracy` does."""
    groups: dict[int, list[Comparison]] = {}
    for truth, comparison in judged:
        groups.setdefault(len(truth.steps), []).append(comparison)
    every = [comparison for group in groups.values() for comparison in group]
    if not every:
        raise InputError("accuracy: expected at least one problem, got none")
    return _count(every, {depth: _count(groups[depth], {}) for depth in sorted(groups)})


def _count(comparisons: Sequence[Comparison], by_depth: Mapping[int, Accuracy]) -> Accuracy:
    counts: Counter[str] = Counter()
    for c in comparisons:
        counts.update(faithful=c.faithful, final=c.final_correct, lucky=c.lucky, parsed=c.parsed)
    return Accuracy(len(comparisons), counts["faithful"], counts["final"], counts["lucky"], counts["parsed"], by_depth)


def fresh_problems(seed: int, count: int, split: str | None = None) -> list[Problem]:
    """The first ``count`` problems of the stream of ``seed``, all levels evenly.

    With ``split`` only those that belong to that split of any dataset (``test`` is 2% of the stream): a model trained
    on the split ``train`` cannot have seen the like of them, whatever the seed of its data. Raises
    :class:`~rotbot.errors.InputError` for an unknown split.
    """
    from rotbot.problems import stream
    from rotbot.problems.splits import SFT as SPLITS

    if split is None:
        return list(islice(stream(seed), count))
    if split not in SPLITS:
        raise InputError(f"split: expected one of {', '.join(SPLITS)}, got {split!r:.80}")
    return list(islice(_of_split(seed, split), count))


def _of_split(seed: int, split: str) -> Iterator[Problem]:
    """The stream's problems of one split. The others are not verified: that would take most of the time."""
    from rotbot.problems import LEVELS, level_of, sample, seeds
    from rotbot.problems.rows import place_of_problem, traced

    for index in itertools.count():
        level = level_of(seed, index, LEVELS[:6])
        _, written, truth = traced(seeds.item_seed(seed, index), level)
        if place_of_problem(written.problem, truth).split == split:
            yield sample(seed, index, level)
