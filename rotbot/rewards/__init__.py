"""Judging what a model wrote against the truth. Exact: no judge model, no credit for a substring."""

from __future__ import annotations

from rotbot.rewards.compare import Comparison, StepPair, compare, explain
from rotbot.rewards.work import Work, WorkItem, check_work

__all__ = ["Comparison", "StepPair", "Work", "WorkItem", "check_work", "compare", "explain"]
