"""Which problem comes next: levels by how much there is to learn, harder ones composed when all are mastered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotbot.errors import InputError, RotbotError
from rotbot.models.tokenizer import encode_prompt
from rotbot.problem import Problem
from rotbot.problems.compose import compose
from rotbot.problems.seeds import stream
from rotbot.rewards.columns import problem_of
from rotbot.rl.episodes import ScoredGroup, Task
from rotbot.rl.settings import CurriculumSection
from rotbot.sft.data import open_split

if TYPE_CHECKING:
    from random import Random

    from transformers import PreTrainedTokenizerBase

TRIES = 200
"""Draws from a level, among which there is a problem that fits."""

UNKNOWN = 0.5
"""The pass rate of a level of which no group has been seen."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The problems of a dataset's configuration ``rl``: to train on, by level, and to validate with."""

    train: Mapping[int, Sequence[Problem]]
    validation: Sequence[Problem]


def load_prompts(dataset: str, validation_rows: int) -> Prompts:
    """Read them from a folder or Hub ID, ``validation_rows`` at most to validate with.

    Raises :class:`~rotbot.errors.InputError` that says what is missing.
    """
    levels: dict[int, list[Problem]] = {}
    for row in _rows(dataset, "train", None):
        levels.setdefault(row["level"], []).append(problem_of(row))
    validation = _rows(dataset, "validation", validation_rows) if validation_rows else []
    return Prompts(dict(sorted(levels.items())), [problem_of(row) for row in validation])


def _rows(dataset: str, split: str, rows: int | None) -> Any:
    return open_split(dataset, "rl", split, rows, ("prompt", "level"))


class Curriculum:
    """An endless sequence of tasks that follows the pass rates it is told. The same rates give the same tasks."""

    def __init__(
        self,
        prompts: Prompts,
        tokenizer: PreTrainedTokenizerBase,
        section: CurriculumSection,
        max_prompt: int,
        seed: int,
    ) -> None:
        self._prompts, self._tokenizer, self._section = prompts, tokenizer, section
        self._max_prompt, self._seed = max_prompt, seed
        self._base = list(prompts.train)
        self.drawn = 0
        self.rates: dict[int, float] = dict.fromkeys(self._base, UNKNOWN)

    def sample(self) -> Task:
        """The next task. Raises :class:`~rotbot.errors.InputError` if no problem of its level fits ``max_prompt``."""
        rng = stream("curriculum", self._seed, self.drawn)
        levels = list(self.rates)
        weights = [rate * (1 - rate) + self._section.floor for rate in self.rates.values()]
        level = rng.choices(levels, weights)[0]
        for _ in range(TRIES):
            problem = self._draw(rng, level)
            if problem is None:
                continue
            ids = tuple(encode_prompt(self._tokenizer, [{"role": "user", "content": problem.prompt()}]))
            if len(ids) <= self._max_prompt:
                self.drawn += 1
                return Task(problem, ids, level, self.drawn - 1)
        raise InputError(f"max_prompt: expected room for problems of level {level}, got {self._max_prompt} tokens")

    def learn(self, scored: ScoredGroup) -> None:
        """Take a group's pass rate into its level's, and open a harder level when all are mastered."""
        level, memory = scored.group.task.level, self._section.memory
        self.rates[level] += memory * (scored.pass_rate - self.rates[level])
        if (
            min(self.rates.values()) > self._section.saturated
            and self._parts(max(self.rates)) < self._section.most_parts
        ):
            self.rates[max(self.rates) + 1] = UNKNOWN

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"drawn": self.drawn, "rates": dict(self.rates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.drawn, self.rates = state["drawn"], dict(state["rates"])

    def _parts(self, level: int) -> int:
        """How many problems of the dataset one of this level is composed of."""
        return 1 + max(0, level - self._base[-1])

    def _draw(self, rng: Random, level: int) -> Problem | None:
        """A problem of the level whose truth can be traced; None if this draw gave none."""
        parts = [
            rng.choice(self._prompts.train[level if level in self._base else rng.choice(self._base)])
            for _ in range(self._parts(level))
        ]
        try:
            problem = compose(parts) if len(parts) > 1 else parts[0]
            problem.truth()
        except RotbotError:  # these parts do not fit together, or the whole is beyond the tracer's limits
            return None
        return problem
