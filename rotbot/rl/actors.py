"""The roles as Monarch actors, each in a process of its own: thin shells around plain code.

The only module that imports monarch. Names and endpoints are torchforge's: ``Generator`` (``generate``,
``update_weights``), ``Trainer`` (``train_step``, ``push_weights``), ``RewardActor`` (``evaluate_response``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import monarch.actor
from monarch.actor import Actor, MeshFailure, endpoint, this_host
from torch import Tensor

from rotbot.errors import RotbotError
from rotbot.inference.engine import Completion, PolicyEngine, Sampling, open_engine
from rotbot.problem import Problem
from rotbot.rl.episodes import Group, ScoredGroup, Task
from rotbot.rl.learner import Learner, StepFigures
from rotbot.rl.local import write_model
from rotbot.rl.probe import ask, check_answer
from rotbot.rl.record import restore, save
from rotbot.rl.rollout import evaluate_response, rollout
from rotbot.rl.settings import GrpoConfig
from rotbot.sft.checkpoint import Position


class RoleLost(RotbotError):
    """The process of a role has died; what it was asked is not answered."""


class _Process(Actor):
    """What every role can say."""

    @endpoint
    def pid(self) -> int:
        """The process's number."""
        return os.getpid()


class Generator(_Process):
    """The sampler."""

    def __init__(self, config: GrpoConfig) -> None:
        self._config, self._version = config, 0
        context = config.max_prompt + config.max_tokens
        self._engine: PolicyEngine = open_engine(config.model, config.engine, context=context)

    @endpoint
    def generate(self, tasks: Sequence[Task]) -> tuple[list[Group], float]:
        """See :func:`~rotbot.rl.rollout.rollout` → the groups and the seconds it took."""
        began = time.perf_counter()
        groups = rollout(self._engine, tasks, self._config, self._version)
        return groups, time.perf_counter() - began

    @endpoint
    def update_weights(self, state: dict[str, Tensor], version: int) -> Completion:
        """Take over weights, which never touch a disk → the answer to the probe."""
        self._engine.update_weights(state)
        self._version = version
        return ask(self._engine)

    @endpoint
    def answer(self, problems: Sequence[Problem]) -> list[Completion]:
        """Greedy answers, for validation."""
        return self._engine.generate(problems, Sampling(self._config.max_tokens))


class RewardActor(_Process):
    """The judge."""

    def __init__(self, rubric: str) -> None:
        self._rubric = rubric

    @endpoint
    def evaluate_response(self, groups: Sequence[Group]) -> tuple[list[ScoredGroup], float]:
        """See :func:`~rotbot.rl.rollout.evaluate_response` → the scored groups and the seconds it took."""
        began = time.perf_counter()
        return [evaluate_response(group, self._rubric) for group in groups], time.perf_counter() - began


class Trainer(_Process):
    """The policy in training (and its reference, where the loss has one)."""

    def __init__(self, config: GrpoConfig) -> None:
        self._config, self._learner = config, Learner(config)

    @endpoint
    def train_step(self, groups: Sequence[ScoredGroup]) -> tuple[StepFigures, float]:
        """See :meth:`~rotbot.rl.learner.Learner.train_step` → its figures and the seconds it took."""
        began = time.perf_counter()
        return self._learner.train_step(groups), time.perf_counter() - began

    @endpoint
    def push_weights(self) -> tuple[dict[str, Tensor], int]:
        """The weights under transformers' names, and their version."""
        return self._learner.weights(), self._learner.version

    @endpoint
    def check_answer(self, answer: Completion) -> float:
        """See :func:`~rotbot.rl.probe.check_answer`."""
        return check_answer(self._learner, answer)

    @endpoint
    def save(self, step: int, tokens: int, curriculum: dict[str, Any]) -> None:
        """A checkpoint."""
        save(self._config, step, tokens, self._learner, curriculum)

    @endpoint
    def restore(self, position: Position) -> dict[str, Any]:
        """Go back to a checkpoint → the curriculum's state there."""
        return restore(self._config, position, self._learner)

    @endpoint
    def write_model(self) -> None:
        """The policy as a model folder."""
        write_model(self._config, self._learner)


class Seat:
    """A role and the process it runs in; :meth:`start` makes a new one when that has died."""

    def __init__(self, name: str, kind: type[Actor], *arguments: Any) -> None:
        self.name, self._kind, self._arguments = name, kind, arguments
        self._actor: Any = None
        self.pid = 0

    async def start(self) -> None:
        """A process with a fresh actor; returns when it is ready. Raises :class:`RoleLost` if it dies before."""
        self._actor = this_host().spawn_procs(name=self.name).spawn(self.name, self._kind, *self._arguments)
        self.pid = await self.call("pid")

    async def call(self, name: str, *arguments: Any) -> Any:
        """Ask the actor. Raises :class:`RoleLost` if its process dies, and the actor's own exceptions."""
        try:
            return await getattr(self._actor, name).call_one(*arguments)
        except monarch.actor.ActorError as error:
            raise error.exception from error
        except monarch._rust_bindings.monarch_hyperactor.supervision.SupervisionError as error:
            raise RoleLost(f"{self.name}: expected an answer to {name}, its process died: {error!s:.300}") from error

    def stop(self) -> None:
        """End the process. It holds nothing that is not in a checkpoint or with who asked for it."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):  # it has died before
                os.kill(self.pid, signal.SIGKILL)


def bear_losses() -> None:
    """Let the death of a process reach who waits for it, instead of ending the program, as is Monarch's default."""

    def heard(failure: MeshFailure) -> None:
        del failure  # whoever calls the dead actor gets a RoleLost

    monarch.actor.unhandled_fault_hook = heard
