"""Judging what a model wrote against the truth. Exact: no judge model, no credit for a substring."""

from __future__ import annotations

from rotbot.rewards.compare import Comparison, StepPair, compare, explain

__all__ = ["Comparison", "StepPair", "compare", "explain"]
