"""The roles as Monarch actors, each in a process of its own: thin shells around plain code.

The only module that imports monarch. Names and endpoints are torchforge's: ``Generator`` (``generate``,
``update_weights``), ``Trainer`` (``train_step``, ``push_weights``), ``RewardActor`` (``evaluate_response``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any

import monarch.actor
import psutil
import torch
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
from rotbot.sft.parallel import free_port, join_world

_GRACE = 10.0
"""Seconds until the death of a process is seen by those that wait for it, at most."""


class RoleLost(RotbotError):
    """The process of a role has died; what it was asked is not answered."""


class _Process(Actor):
    """What every role can say. Actors are made at once and get ready in ``setup(port)``: so a role that is killed, or
    fails, while it loads a model has a number that is known, and an error that can be told."""

    @endpoint
    def pid(self) -> int:
        """The process's number."""
        return os.getpid()


def take_gpu(number: int) -> None:
    """Let this process see one GPU alone, of several the one with this number (from the first again after the last)."""
    count = torch.cuda.device_count()
    if count > 1:
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        visible = named if len(named) == count else [str(index) for index in range(count)]
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[number % count]


def take_cores(config: GrpoConfig) -> None:
    """Compute with as many threads as ``config`` says, else with this process's share of the cores.

    With a policy age above 0 generators and trainers compute at once, else in turn. As many threads as cores in each of
    them would be slower than either alone: OpenMP's threads wait for one another with the core in their hands.
    """
    crowd = config.generators + config.trainers if config.max_policy_age else max(config.generators, config.trainers)
    torch.set_num_threads(config.threads or max(1, torch.get_num_threads() // crowd))


class Generator(_Process):
    """The sampler; number ``number`` of several."""

    def __init__(self, config: GrpoConfig, number: int) -> None:
        self._config, self._number, self._version = config, number, 0

    @endpoint
    def setup(self, port: int) -> None:
        """Load the model."""
        del port
        take_gpu(self._number)
        take_cores(self._config)
        context = self._config.max_prompt + self._config.max_tokens
        self._engine: PolicyEngine = open_engine(self._config.model, self._config.engine, context=context)

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
    def answer(self, problems: Sequence[Problem], sampling: Sampling) -> list[Completion]:
        """Answers for validation."""
        return self._engine.generate(problems, sampling)


class RewardActor(_Process):
    """The judge."""

    def __init__(self, rubric: str) -> None:
        self._rubric = rubric

    @endpoint
    def setup(self, port: int) -> None:
        """Nothing to load."""
        del port

    @endpoint
    def evaluate_response(self, groups: Sequence[Group]) -> tuple[list[ScoredGroup], float]:
        """See :func:`~rotbot.rl.rollout.evaluate_response` → the scored groups and the seconds it took."""
        began = time.perf_counter()
        return [evaluate_response(group, self._rubric) for group in groups], time.perf_counter() - began


class Trainer(_Process):
    """The policy in training (and its reference, where the loss has one); of several each has a part of the weights."""

    def __init__(self, config: GrpoConfig) -> None:
        self._config = config

    @endpoint
    def setup(self, port: int) -> None:
        """Load the model, after meeting the other trainers at a free port of this machine."""
        rank = monarch.actor.current_rank().rank
        take_gpu(self._config.generators + rank)
        take_cores(self._config)
        if self._config.trainers > 1:
            place = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": self._config.trainers}
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in (place | meeting).items()})
        self._learner = Learner(self._config, join_world())

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
    """A role and the processes it runs in, ``size`` of them; :meth:`start` makes new ones when one has died."""

    def __init__(self, name: str, kind: type[Actor], *arguments: Any, size: int = 1) -> None:
        self.name, self._kind, self._arguments, self._size = name, kind, arguments, size
        self._mesh: monarch.actor.ProcMesh | None = None
        self._actor: Any = None
        self._processes: list[psutil.Process] = []

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [process.pid for process in self._processes]

    @property
    def alive(self) -> bool:
        """Whether all processes of the role are there."""
        return len(self._processes) == self._size and all(map(_is_alive, self._processes))

    async def start(self) -> None:
        """Processes with fresh actors; returns when they are ready.

        Raises :class:`RoleLost` if one dies before, and the role's own exceptions.
        """
        await self.stop()
        self._mesh = mesh = this_host().spawn_procs(per_host={"procs": self._size}, name=self.name)
        self._actor = mesh.spawn(self.name, self._kind, *self._arguments)
        pids = await self._ask("pid")
        try:
            self._processes = [psutil.Process(pid) for pid in pids]
        except psutil.NoSuchProcess as error:
            raise RoleLost(f"{self.name}: expected a process {error.pid}, it died") from error
        await self._ask("setup", free_port())

    async def call(self, name: str, *arguments: Any) -> Any:
        """Ask every actor of the role → the first one's answer. Raises :class:`RoleLost` if a process of it dies, and
        the actors' own exceptions."""
        return (await self._ask(name, *arguments))[0]

    async def _ask(self, name: str, *arguments: Any) -> list[Any]:
        try:
            answers = await getattr(self._actor, name).call(*arguments)
        except monarch.actor.ActorError as error:
            if not isinstance(error.exception, RotbotError) and await self._has_lost_one():
                raise RoleLost(f"{self.name}: expected an answer to {name}, one of its processes died") from error
            raise error.exception from error
        except monarch._rust_bindings.monarch_hyperactor.supervision.SupervisionError as error:
            raise RoleLost(f"{self.name}: expected an answer to {name}, its process died: {error!s:.300}") from error
        return [answer for _, answer in answers.items()]

    async def _has_lost_one(self) -> bool:
        """Whether one of several processes has died, which an error of another one may be the first to tell of."""
        deadline = time.monotonic() + (_GRACE if self._size > 1 else 0)
        while self.alive and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return not self.alive

    async def stop(self) -> None:
        """End the processes. They hold nothing that is not in a checkpoint or with who asked for it.

        Monarch is told, and returns when it has taken note: if it learnt of a death while it shuts down at the end of
        the program, its client would find nobody to report to and end the program with exit code 1, without a word.
        """
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has died before
                process.kill()
        self._processes = []
        mesh, self._mesh = self._mesh, None
        if mesh is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_stop(mesh), _GRACE)


async def _stop(mesh: monarch.actor.ProcMesh) -> None:
    await mesh.stop()


def _is_alive(process: psutil.Process) -> bool:
    """Whether it runs: not a zombie, nor another process that got its number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def bear_losses() -> None:
    """Let the death of a process reach who waits for it, instead of ending the program, as is Monarch's default."""

    def heard(failure: MeshFailure) -> None:
        del failure  # whoever calls the dead actor gets a RoleLost

    monarch.actor.unhandled_fault_hook = heard
