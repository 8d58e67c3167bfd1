"""Majority vote over several completions of one problem (self-consistency: Wang et al., 2022, arXiv 2203.11171)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rotbot.rewards.compare import Comparison
from rotbot.shapes.text import render_final


@dataclass(frozen=True, slots=True)
class Vote:
    """The first completion that ends as most do, how many end like it, and how many there are."""

    chosen: int
    agreeing: int
    total: int


def majority(comparisons: Sequence[Comparison]) -> Vote:
    """Vote by final line; one without a final line has no vote, and of two that tie the earlier wins.

    Among those that end alike, the steps of the first are chosen. ``comparisons`` must not be empty.
    """
    endings = [
        None if c.claimed.final is None and c.claimed.error is None else render_final(c.claimed) for c in comparisons
    ]
    counts = Counter([ending for ending in endings if ending is not None])
    if not counts:
        return Vote(0, 0, len(comparisons))
    winner, agreeing = max(counts.items(), key=lambda item: item[1])
    return Vote(endings.index(winner), agreeing, len(comparisons))
