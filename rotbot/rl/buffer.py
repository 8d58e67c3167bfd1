"""Between drawing and learning: the groups of one step in the making, and the queue of whole steps.

Staleness is bounded by holding generation back, not by throwing completions away. Those of a step may be drawn
when all but ``max_policy_age`` of the steps before it are done and their weights have reached the sampler: so at most
``max_policy_age + 1`` steps are open, and what is drawn is never more than ``max_policy_age`` updates behind when it is
learnt from. 0 is synchronous.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from rotbot.errors import RotbotError
from rotbot.rl.episodes import ScoredGroup


class StaleGroup(RotbotError):
    """A group was drawn from a policy older than allowed. Backpressure makes this impossible: it is a fault of ours."""


@dataclass(slots=True)
class StepGroups:
    """The groups drawn for one step. Those without signal are replaced in up to ``replace`` more rounds."""

    wanted: int
    replace: int
    groups: list[ScoredGroup] = field(default_factory=list[ScoredGroup])
    rounds: int = 0

    @property
    def useful(self) -> list[ScoredGroup]:
        """The groups whose rewards differ: those that are learnt from."""
        return [scored for scored in self.groups if scored.has_signal]

    @property
    def missing(self) -> int:
        """How many tasks the next round is made of; 0 when the step is complete."""
        return self.wanted - len(self.useful) if self.rounds <= self.replace else 0

    @property
    def tokens(self) -> int:
        """How many tokens were drawn."""
        return sum(scored.group.tokens for scored in self.groups)

    def add(self, scored: Sequence[ScoredGroup]) -> None:
        """Take in a round."""
        self.groups += scored
        self.rounds += 1


class ReplayBuffer:
    """Whole steps in the order in which they were drawn, each given out once."""

    def __init__(self, max_policy_age: int) -> None:
        self._most = max_policy_age
        self._open = asyncio.Semaphore(max_policy_age + 1)
        self._ready: asyncio.Queue[StepGroups] = asyncio.Queue()

    async def reserve(self) -> None:
        """Wait until one more step may be open."""
        await self._open.acquire()

    def add(self, drawn: StepGroups) -> None:
        """A step that was reserved and is complete."""
        self._ready.put_nowait(drawn)

    async def sample(self, version: int) -> StepGroups:
        """The oldest step, to be learnt from by the policy of ``version``; waits for it.

        Raises :class:`StaleGroup` with the numbers if a group in it is too old.
        """
        drawn = await self._ready.get()
        for scored in drawn.groups:
            age = version - scored.group.version
            if not 0 <= age <= self._most:
                raise StaleGroup(
                    f"policy age: expected 0 to {self._most} updates, got {age}: group {scored.group.task.number} was "
                    f"drawn at version {scored.group.version}, the policy is at {version}"
                )
        return drawn

    def release(self) -> None:
        """The step is learnt from and its weights have reached the sampler."""
        self._open.release()
