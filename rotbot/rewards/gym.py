"""The problems as a reasoning-gym dataset: ``reasoning_gym.create_dataset("shape_inference", seed=1, level=3)``.

Importing this module registers it. ``score_answer`` takes a whole completion (steps, ``</think>``, final line).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reasoning_gym.factory import ProceduralDataset, register_dataset

from rotbot.problems import LEVELS, sample
from rotbot.rewards.columns import problem_of
from rotbot.rewards.rubric import rubric_named
from rotbot.rewards.score import score

NAME = "shape_inference"


@dataclass
class ShapeInferenceConfig:
    """``level`` is a difficulty of :data:`rotbot.problems.LEVELS`, ``rubric`` a preset."""

    seed: int | None = None
    size: int = 500
    level: int = 2
    rubric: str = "faithful"

    def validate(self) -> None:
        """Raises ``AssertionError``, as reasoning-gym's own do, and rotbot's errors for an unknown rubric."""
        assert self.size > 0, f"size: expected at least 1, got {self.size}"
        assert 0 <= self.level < len(LEVELS), f"level: expected 0 to {len(LEVELS) - 1}, got {self.level}"
        rubric_named(self.rubric)


class ShapeInferenceDataset(ProceduralDataset):
    """Problem i is ``rotbot.problems.sample(seed, i, level)``, the same on any machine."""

    def __init__(self, config: ShapeInferenceConfig) -> None:
        super().__init__(config=config, seed=config.seed, size=config.size)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """``question`` (the prompt), ``answer`` (the gold completion) and ``metadata`` with the problem."""
        problem = sample(self.seed, idx, self.config.level)
        return {
            "question": problem.prompt(),
            "answer": problem.truth().completion(),
            "metadata": {
                "source_dataset": NAME,
                "source_index": idx,
                "code": problem.code,
                "args": dict(problem.args),
                "target": problem.target,
                "difficulty": {"level": self.config.level},
            },
        }

    def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
        """The total of ``answer`` under the configuration's rubric."""
        return score(problem_of(entry["metadata"]), answer or "", self.config.rubric).total


register_dataset(NAME, ShapeInferenceDataset, ShapeInferenceConfig)
