"""Intervals against textbook figures and against their own promise."""

from __future__ import annotations

import random

import pytest

from rotbot.errors import InputError
from rotbot.evaluation.intervals import mean, share, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # the textbook's figures: Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)
    estimate = share(successes, n)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (successes / n, *wilson(successes, n), n)


def test_wilson_of_all_ends_at_one():
    assert wilson(29, 29) == pytest.approx((1 - 0.1170, 1.0), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_needs_a_sample(successes, n):
    with pytest.raises(InputError, match=f"got {successes} of {n}"):
        wilson(successes, n)


def test_a_mean_of_yes_and_no_is_a_share():
    assert mean([1.0, 0.0, 1.0, 1.0]) == share(3, 4)


def test_the_bootstrap_covers_the_mean_about_95_times_in_100():
    rng = random.Random(5)
    covered = 0
    for _ in range(200):
        estimate = mean([rng.random() ** 2 for _ in range(60)])  # of mean 1/3
        assert estimate.low < estimate.value < estimate.high
        covered += estimate.low <= 1 / 3 <= estimate.high
    assert 180 <= covered <= 198


def test_no_values_have_no_mean():
    with pytest.raises(InputError, match="expected at least one value, got none"):
        mean([])
