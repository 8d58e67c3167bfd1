"""Where the benchmark's problems come from: the ``eval`` configuration of a dataset, or fresh ones of a seed.

Fresh problems are drawn as ``rotbot generate`` draws the benchmark's. Those of ``id`` and ``ood_style`` come from the
main stream, but only what its hash keeps from training counts: no model can have seen one, whatever the seed of its
data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any

from rotbot.errors import InputError
from rotbot.evaluation.judge import Case
from rotbot.problem import Problem
from rotbot.problems import LEVELS, level_of, seeds
from rotbot.problems.levels import OUTSIDE
from rotbot.problems.rows import make_item, place_of_problem, traced
from rotbot.problems.splits import EVAL, Place
from rotbot.problems.verify import verify
from rotbot.problems.writer import write
from rotbot.shapes import trace as trace_shapes

TRAINED = LEVELS[:6]
"""The levels of training."""

_UNSEEN = (Place("eval", "id"), Place("sft", "test"), Place("eval", "ood_style"))
_KIND = {"error": "error", "symbolic": "symbolic"}


def check_splits(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if they are all splits of the benchmark. Raises :class:`~rotbot.errors.InputError`."""
    for name in names:
        if name not in EVAL:
            raise InputError(f"splits: expected some of {', '.join(EVAL)}, got {name!r:.80}")
    if not names:
        raise InputError(f"splits: expected some of {', '.join(EVAL)}, got none")
    return tuple(dict.fromkeys(names))


def fresh_cases(split: str, rows: int, seed: int, progress: Callable[[int], None] = lambda done: None) -> list[Case]:
    """``rows`` problems of a split of the benchmark, made from ``seed``, each traced and confirmed by running it.

    The first of more rows are the same ones. ``progress`` is called with the number made so far. Raises
    :class:`~rotbot.errors.InputError` for an unknown split.
    """
    check_splits([split])
    cases: list[Case] = []
    for case in islice(_stream(split, seed), rows):
        cases.append(case)
        progress(len(cases))
    return cases


def _stream(split: str, seed: int) -> Iterator[Case]:
    if split == "real":
        from rotbot.problems.real import real_problems

        for problem in real_problems(seed):
            yield Case(split, problem, problem.truth())
    elif split in ("id", "ood_style"):
        yield from _unseen(split, seed)
    else:
        for index in count():
            level = level_of(seed, index, OUTSIDE.get(split, TRAINED))
            item = make_item(seeds.derive("item", split, seed, index), level, _KIND.get(split, "plain"))
            if item.place == Place("eval", split):
                yield Case(split, item.problem, item.trace)


def _unseen(split: str, seed: int) -> Iterator[Case]:
    """Programs of the main stream that training does not see; for ``ood_style`` they are written in the style that is
    kept for it. The others are not verified: that would take most of the time."""
    for index in count():
        level = level_of(seed, index, TRAINED)
        item = seeds.item_seed(seed, index)
        program, written, truth = traced(item, level)
        place = place_of_problem(written.problem, truth)
        if place not in _UNSEEN or (split == "id" and place.split == "ood_style"):
            continue
        if split == "ood_style":
            written = write(program, seeds.stream("function", item), level, "function")
            problem = written.problem
            truth = trace_shapes(problem.code, problem.args, problem.target)
        verify(program, written, truth)
        yield Case(split, written.problem, truth)


def dataset_splits(dataset: str) -> tuple[str, ...]:
    """The splits that the ``eval`` configuration of a dataset (folder or Hub ID) has.

    Raises :class:`~rotbot.errors.InputError` if it has no such configuration, :class:`~rotbot.errors.HubError` where
    the Hub does not deliver.
    """
    from datasets import get_dataset_split_names

    from rotbot.hub.fetch import dataset_folder

    folder = dataset_folder(dataset, "eval")
    try:
        found = {str(name) for name in get_dataset_split_names(str(folder), "eval")}
    except (ValueError, OSError) as error:
        raise InputError(f"dataset: expected a configuration 'eval' in {dataset}: {error}") from error
    return tuple([split for split in EVAL if split in found])


def dataset_cases(
    dataset: str, split: str, rows: int, progress: Callable[[int], None] = lambda done: None
) -> list[Case]:
    """The first ``rows`` problems of a split of a dataset's ``eval`` configuration.

    They may be anyone's: their truths are traced anew, in a worker with limits. Raises as :func:`dataset_splits` does,
    and the family of :class:`~rotbot.errors.SnippetError` for a row that cannot be traced.
    """
    from rotbot.sft.data import open_split
    from rotbot.shapes.isolation import trace_isolated

    cases: list[Case] = []
    data: Any = open_split(dataset, "eval", split, rows)
    for row in data:
        problem = Problem.parse(row["prompt"][-1]["content"])
        cases.append(Case(split, problem, trace_isolated(problem.code, dict(problem.specs), problem.target)))
        progress(len(cases))
    return cases
