"""A reward function for TRL's trainers: ``GRPOTrainer(reward_funcs=reward_function("faithful"), …)``.

TRL calls it with the batch's completions and the dataset's columns as keyword arguments; no more of TRL is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rotbot.rewards.columns import problem_of, text_of
from rotbot.rewards.rubric import Rubric
from rotbot.rewards.score import score


def reward_function(rubric: Rubric | str = "faithful") -> Callable[..., list[float]]:
    """``f(completions, **columns) -> [total, …]`` under ``rubric``.

    Columns are lists of the completions' length: those of the ``rl`` configuration (``code``, ``args``, ``target``), or
    ``prompts`` that are a problem's text. Completions are texts or chat messages.
    """

    def rotbot_reward(completions: Sequence[Any], **columns: Any) -> list[float]:
        lists = {"prompt": columns.get("prompts"), **{name: columns.get(name) for name in ("code", "args", "target")}}
        given = {name: values for name, values in lists.items() if values is not None}
        return [
            score(problem_of({name: values[i] for name, values in given.items()}), text_of(completion), rubric).total
            for i, completion in enumerate(completions)
        ]

    return rotbot_reward
