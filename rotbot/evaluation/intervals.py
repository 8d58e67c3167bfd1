"""Estimates with 95% intervals: Wilson's for a share of problems, the bootstrap's for a mean of shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from rotbot.errors import InputError

_Z95 = 1.959963984540054
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ``value`` from 0 to 1 measured on ``n`` problems (or steps), and its 95% interval from ``low`` to ``high``."""

    value: float
    low: float
    high: float
    n: int

    def data(self) -> dict[str, float | int]:
        """The fields, for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a share (Wilson, 1927). Raises :class:`~rotbot.errors.InputError` if ``n`` is 0."""
    if not 0 <= successes <= n or n == 0:
        raise InputError(f"interval: expected 0 to n successes of n > 0, got {successes} of {n}")
    share, z2 = successes / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def share(successes: int, n: int) -> Estimate:
    """``successes`` of ``n`` with Wilson's interval. Raises as :func:`wilson` does."""
    return Estimate(successes / n if n else 0.0, *wilson(successes, n), n)


def mean(values: Sequence[float]) -> Estimate:
    """The mean of one value a problem, with the percentile bootstrap's interval over problems (Efron, 1979).

    Where every value is 0 or 1 it is a share, and the interval is Wilson's: the bootstrap of a sample without a spread
    has none either. Deterministic. Raises :class:`~rotbot.errors.InputError` for no values.
    """
    import numpy as np

    if not values:
        raise InputError("mean: expected at least one value, got none")
    if all(value in (0.0, 1.0) for value in values):
        return share(round(sum(values)), len(values))
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(0).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.quantile(sample[picks].mean(axis=1), (0.025, 0.975))
    return Estimate(float(sample.mean()), float(low), float(high), len(sample))
