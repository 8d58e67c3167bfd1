"""Drawing completions for tasks, and scoring them."""

from __future__ import annotations

from collections.abc import Sequence

from rotbot.inference.engine import Engine, Sampling
from rotbot.problems.seeds import derive
from rotbot.rewards.score import score
from rotbot.rl.episodes import Group, ScoredGroup, Task
from rotbot.rl.settings import GrpoConfig


def rollout(engine: Engine, tasks: Sequence[Task], config: GrpoConfig, version: int) -> list[Group]:
    """``config.samples`` completions of each task from the policy of ``version``, with log-probabilities.

    Tasks come in the order of their numbers; what is drawn depends on the run's seed, the first number and the weights.
    """
    sampling = Sampling(
        config.max_tokens, config.temperature, seed=derive("rollout", config.seed, tasks[0].number), n=config.samples,
        logprobs=True,
    )  # fmt: skip
    completions = engine.generate([task.problem for task in tasks], sampling)
    return [
        Group(task, tuple(completions[i * config.samples : (i + 1) * config.samples]), version)
        for i, task in enumerate(tasks)
    ]


def evaluate_response(group: Group, rubric: str) -> ScoredGroup:
    """The scores of a group under a preset. Never raises on a completion: a failed one is worth nothing."""
    return ScoredGroup(group, tuple([score(group.task.problem, c.text, rubric) for c in group.completions]))
