"""For torchforge: a reward and samples of the two forms that its GRPO app takes.

torchforge's ``RewardActor`` calls each reward function as ``(prompt, response, target) -> float`` and takes their plain
mean, so hand it this one composite. Its dataset actor yields samples with ``request`` (the prompt's text) and
``target`` (which reaches the reward function as it is). This has not run inside torchforge: it cannot share an
environment with the releases used here. The tests hold it against these two signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.rewards.columns import problem_of
from rotbot.rewards.rubric import Rubric, rubric_named
from rotbot.rewards.score import score


@dataclass(frozen=True, slots=True)
class ShapeReward:
    """``reward(prompt, response, target) -> float``: the total of ``response`` under the rubric.

    ``target`` is a sample's (:func:`samples`), the problem's text; the prompt may be wrapped in a chat template and is
    not looked at. Raises :class:`~rotbot.errors.InputError` for a target that is no problem.
    """

    rubric: Rubric

    def __call__(self, prompt: str, response: str, target: str) -> float:
        """One response's total."""
        return score(Problem.parse(target), response, self.rubric).total

    @property
    def __name__(self) -> str:
        """What torchforge names the reward's metric after."""
        return "shape_reward"


def shape_reward(rubric: str = "faithful") -> ShapeReward:
    """The reward under a preset. Raises :class:`~rotbot.errors.InputError` for an unknown one."""
    return ShapeReward(rubric_named(rubric))


def samples(
    rows: Iterable[Mapping[str, Any]], template: Callable[[str], str] = lambda text: text
) -> Iterator[dict[str, str]]:
    """``{"request", "target"}`` for each row of a dataset; ``template`` puts a problem's text into a chat template.

    Raises :class:`~rotbot.errors.InputError` for a row without a problem, with its number.
    """
    for number, row in enumerate(rows):
        try:
            text = problem_of(row).prompt()
        except InputError as error:
            raise InputError(f"row {number}: {error}") from error
        yield {"request": template(text), "target": text}
