"""The benchmark's figures, each with its 95% interval.

With several samples a problem the unit stays the problem: a problem counts by the mean of its samples, and intervals
are over problems. Splits, depths and ranks are groups of problems; families and ops are looked at step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb

from rotbot.errors import InputError
from rotbot.evaluation.intervals import Estimate, mean, share
from rotbot.evaluation.judge import Case, Judged, Verdict
from rotbot.problems.graphs import op_name
from rotbot.problems.vocabulary import family_of
from rotbot.shapes.trace import Step

MEANINGS: Mapping[str, str] = {
    "faithful": "every step and the final shape right",
    "final": "the final shape right",
    "steps": "share of steps right, up to the first wrong one",
    "lucky": "the final shape right, a step not",
    "parsed": "all in the format",
    "error_step": "wrong programs rejected at the right step",
    "error_kind": "wrong programs rejected at the right step for the right kind of reason",
}
"""The metrics of single samples and what they count."""

_OF_VERDICT: Mapping[str, Callable[[Verdict], float]] = {
    "faithful": lambda v: v.faithful,
    "final": lambda v: v.final,
    "steps": lambda v: v.steps,
    "lucky": lambda v: v.lucky,
    "parsed": lambda v: v.parsed,
}
_OF_ERROR: Mapping[str, Callable[[Verdict], float]] = {
    "error_step": lambda v: v.error_step,
    "error_kind": lambda v: v.error_kind,
}


def measure(judged: Sequence[Judged]) -> dict[str, Estimate]:
    """Every metric of a group of problems: those of :data:`MEANINGS` (the error's only over wrong programs, where there
    are some), and with several samples ``pass@k`` and ``cot_pass@k`` for k = 1, 2, 4, … and all.

    Raises :class:`~rotbot.errors.InputError` for no problems.
    """
    if not judged:
        raise InputError("measure: expected at least one problem, got none")
    figures = {name: _average(judged, metric) for name, metric in _OF_VERDICT.items()}
    wrong = [item for item in judged if item.case.truth.error is not None]
    if wrong:
        figures |= {name: _average(wrong, metric) for name, metric in _OF_ERROR.items()}
    samples = min([len(item.verdicts) for item in judged])
    for k in _ks(samples):
        figures[f"pass@{k}"] = _passed(judged, k, _OF_VERDICT["final"])
        figures[f"cot_pass@{k}"] = _passed(judged, k, _OF_VERDICT["faithful"])
    return figures


def _average(judged: Sequence[Judged], metric: Callable[[Verdict], float]) -> Estimate:
    return mean([sum(map(metric, item.verdicts)) / len(item.verdicts) for item in judged])


def _ks(samples: int) -> list[int]:
    """1, 2, 4, … and ``samples``; none for a single sample, where pass@1 is the metric itself."""
    return sorted({2**i for i in range(samples.bit_length()) if 2**i <= samples} | {samples}) if samples > 1 else []


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """The chance that one of ``k`` samples drawn from ``samples`` is among the ``correct`` ones: the unbiased
    estimator of Chen et al., 2021 (arXiv:2107.03374). With faithful samples as the correct ones it is CoT-pass@k (Wen
    et al., 2025, arXiv:2506.14245). Raises :class:`~rotbot.errors.InputError` for numbers out of range."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise InputError(
            f"pass@k: expected 1 <= k <= samples and 0 <= correct <= samples, got {k}, {samples}, {correct}"
        )
    return 1.0 - comb(samples - correct, k) / comb(samples, k)


def _passed(judged: Sequence[Judged], k: int, right: Callable[[Verdict], float]) -> Estimate:
    return mean([pass_at_k(len(i.verdicts), sum([bool(right(v)) for v in i.verdicts]), k) for i in judged])


def by(judged: Iterable[Judged], key: Callable[[Case], int]) -> dict[int, dict[str, Estimate]]:
    """:func:`measure` for every group of problems with the same key (depth, rank), in the order of the keys."""
    groups: dict[int, list[Judged]] = {}
    for item in judged:
        groups.setdefault(key(item.case), []).append(item)
    return {found: measure(groups[found]) for found in sorted(groups)}


def by_step(judged: Iterable[Judged], key: Callable[[Step], str]) -> dict[str, Estimate]:
    """How often a step is right when all before it are, by a key of the true step; the commonest first.

    That is over the steps that a model's first sample reached on a true path, so that no op is blamed for the mistake
    of another before it.
    """
    right: dict[str, int] = {}
    reached: dict[str, int] = {}
    for item in judged:
        comparison = item.verdicts[0].comparison
        last = len(comparison.pairs) if comparison.divergence is None else comparison.divergence + 1
        for pair in comparison.pairs[:last]:
            if pair.true is not None:
                name = key(pair.true)
                reached[name] = reached.get(name, 0) + 1
                right[name] = right.get(name, 0) + pair.match
    ordered = sorted(reached, key=lambda name: (-reached[name], name))
    return {name: share(right[name], reached[name]) for name in ordered}


def op_of(step: Step) -> str:
    """The operation of a step, by its torch name."""
    return op_name(step.op)


def family_of_step(step: Step) -> str:
    """The family of a step's operation."""
    return family_of(op_name(step.op))
