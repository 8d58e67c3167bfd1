"""rotbot's problems as a Taskset of verifiers v1: single turn, exact rewards for every step, no judge."""

from __future__ import annotations

from collections.abc import Iterator

import verifiers.v1 as vf

from rotbot.problem import Problem
from rotbot.problems import sample
from rotbot.rewards import Score, score

__all__ = ["ShapesTaskset"]


class ShapesData(vf.TaskData):
    """A problem; its text is the prompt."""

    rubric: str


class ShapesConfig(vf.TasksetConfig):
    """Problem i is ``rotbot.problems.sample(seed, i, level)``."""

    seed: int = 0
    size: int = 500
    level: int = 2
    rubric: str = "faithful"


class ShapesTask(vf.Task[ShapesData]):
    """One problem, scored by :func:`rotbot.score`."""

    @property
    def problem(self) -> Problem:
        """The problem that the prompt states."""
        return Problem.parse(self.data.prompt_text)

    def judged(self, trace: vf.Trace) -> Score:
        """The score of the last reply, its reasoning and its answer together."""
        return score(self.problem, completion_of(trace), self.data.rubric)

    @vf.reward
    async def total(self, trace: vf.Trace) -> float:
        """What the completion is worth under the rubric."""
        return self.judged(trace).total

    @vf.metric
    async def steps(self, trace: vf.Trace) -> dict[str, float]:
        """Faithful, lucky and parsed (0 or 1), and the share of the truth's steps in the true prefix."""
        found = self.judged(trace)
        share = found.steps_correct / found.steps_total if found.steps_total else 1.0
        return {
            "faithful": float(found.faithful), "lucky": float(found.lucky), "parsed": float(found.parsed),
            "true_steps": share,
        }  # fmt: skip

    async def validate(self, runtime: vf.Runtime) -> bool:
        """Whether the gold completion gets everything."""
        return score(self.problem, self.problem.truth().completion(), self.data.rubric).total == 1.0


class ShapesTaskset(vf.Taskset[ShapesTask, ShapesConfig]):
    """Synthetic programs, each traced and verified; the same on any machine."""

    def load(self) -> Iterator[ShapesTask]:
        """The ``size`` problems of ``seed`` at ``level``."""
        config = self.config
        for index in range(config.size):
            prompt = sample(config.seed, index, config.level).prompt()
            data = ShapesData(id=f"{config.seed}-{config.level}-{index}", prompt=prompt, rubric=config.rubric)
            yield ShapesTask(data, config.task)


def completion_of(trace: vf.Trace) -> str:
    """The last reply as the model wrote it: a server may have split it into reasoning and answer."""
    replies = trace.assistant_messages
    if not replies:
        return ""
    reasoning, answer = replies[-1].reasoning_content, replies[-1].content or ""
    return answer if reasoning is None else f"{reasoning.rstrip()}\n</think>\n{answer.lstrip()}"
