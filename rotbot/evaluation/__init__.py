"""Measuring models: exact counts with confidence intervals."""

from __future__ import annotations

from rotbot.evaluation.accuracy import Accuracy, accuracy, fresh_problems, wilson

__all__ = ["Accuracy", "accuracy", "fresh_problems", "wilson"]
