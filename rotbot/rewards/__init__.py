"""Judging what a model wrote against the truth. Exact: no judge model, no credit for a substring.

A completion is read (:mod:`~rotbot.rewards.reading`), held against the truth (:mod:`~rotbot.rewards.compare`), and
scored (:mod:`~rotbot.rewards.score`) under a rubric (:mod:`~rotbot.rewards.rubric`).
"""

from __future__ import annotations

from rotbot.rewards.compare import Comparison, StepPair, compare, explain
from rotbot.rewards.reading import Expected, expect
from rotbot.rewards.rubric import RUBRICS, Rubric, rubric_named
from rotbot.rewards.score import Score, score, score_expected
from rotbot.rewards.validity import is_locally_valid
from rotbot.rewards.work import Work, WorkItem, check_work

__all__ = [
    "RUBRICS", "Comparison", "Expected", "Rubric", "Score", "StepPair", "Work", "WorkItem", "check_work",
    "compare", "expect", "explain", "is_locally_valid", "rubric_named", "score", "score_expected",
]  # fmt: skip
