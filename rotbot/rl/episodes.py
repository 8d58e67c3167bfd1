"""The data of a run: a task, the completions drawn for it, and what they were found to be worth."""

from __future__ import annotations

from dataclasses import dataclass

from rotbot.inference.engine import Completion
from rotbot.problem import Problem
from rotbot.rewards.score import Score


@dataclass(frozen=True, slots=True)
class Task:
    """A problem to draw completions for: the ``number``-th of its run, of a ``level`` of the curriculum."""

    problem: Problem
    prompt_ids: tuple[int, ...]
    level: int
    number: int


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one task, with log-probabilities, drawn from the policy after ``version`` updates."""

    task: Task
    completions: tuple[Completion, ...]
    version: int

    @property
    def tokens(self) -> int:
        """How many tokens were drawn."""
        return sum(len(completion.tokens) for completion in self.completions)


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """A group and the score of each of its completions."""

    group: Group
    scores: tuple[Score, ...]

    @property
    def rewards(self) -> tuple[float, ...]:
        """What each completion is worth under the run's rubric."""
        return tuple([score.total for score in self.scores])

    @property
    def has_signal(self) -> bool:
        """Whether the rewards differ: a group of equal rewards teaches nothing."""
        return min(self.rewards) < max(self.rewards)

    @property
    def pass_rate(self) -> float:
        """The share of faithful completions."""
        return sum(score.faithful for score in self.scores) / len(self.scores)
