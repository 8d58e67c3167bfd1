"""The benchmark: splits inside and outside of what was trained on, metrics with 95% intervals, reports and plots."""

from __future__ import annotations

from rotbot.evaluation.accuracy import Accuracy, accuracy, fresh_problems
from rotbot.evaluation.intervals import Estimate, wilson

__all__ = ["Accuracy", "Estimate", "accuracy", "fresh_problems", "wilson"]
