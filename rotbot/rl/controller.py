"""The asynchronous runner: one loop draws and scores, another learns; :mod:`~rotbot.rl.buffer` keeps them close.

What each waits for, and what it sets free:

- ``_draw`` waits for the buffer to allow one more step, then for generators and judge; it gives the buffer a whole
  step. Several generators each draw a share of a step's tasks.
- ``_learn`` waits for a step, then for the trainer, then until every generator has the new weights and its answer to
  the probe proves it; then one more step may be open.

A generator or a judge that dies is started again, gets the newest weights, and is asked again: groups under way are
counted as lost. If the trainer dies, what it learnt since its last checkpoint is gone: the run goes back there. A
process that dies while it starts is started again, too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rotbot.config import expect
from rotbot.errors import RotbotError
from rotbot.inference.engine import Completion, Sampling
from rotbot.problem import Problem
from rotbot.rl.actors import Generator, RewardActor, RoleLost, Seat, Trainer, bear_losses
from rotbot.rl.buffer import ReplayBuffer, StepGroups
from rotbot.rl.curriculum import Curriculum, Prompts, load_prompts
from rotbot.rl.episodes import Group, Task
from rotbot.rl.figures import Clock, Figures, group_figures, update_figures
from rotbot.rl.local import GrpoResult, Watch, validation_figures, validation_samplings
from rotbot.rl.marks import save_samples
from rotbot.rl.record import last_position, rate_figures
from rotbot.rl.settings import GrpoConfig
from rotbot.sft.metrics import Metrics

T = TypeVar("T")
R = TypeVar("R")

MOST_LOSSES = 10
"""Processes lost in a run before it gives up: something is wrong that starting anew does not cure."""


class TooManyLosses(RotbotError):
    """Processes of a run die again and again. The checkpoints are whole."""


@dataclass
class _Run:
    """What both loops share; ``losses`` counts processes by role, ``weights`` are the newest that were sent.

    ``seats`` are named by their roles; further generators are ``generator-1`` and so on. A generator does one thing at
    a time (``locks``)."""

    config: GrpoConfig
    prompts: Prompts
    watch: Watch | None
    seats: dict[str, Seat]
    losses: Counter[str] = field(default_factory=Counter[str])
    lost_groups: int = 0
    clock: Clock = field(default_factory=Clock)
    weights: tuple[dict[str, Any], int] | None = None
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def generators(self) -> list[str]:
        return [name for name in self.seats if _role(name) == "generator"]

    def count(self, name: str) -> None:
        self.losses[_role(name)] += 1
        if sum(self.losses.values()) > MOST_LOSSES:
            raise TooManyLosses(f"processes: expected at most {MOST_LOSSES} to be lost, got {dict(self.losses)}")


def _role(name: str) -> str:
    return name.partition("-")[0]


def train_monarch(config: GrpoConfig, resume: bool = False, watch: Watch | None = None) -> GrpoResult:
    """Train to the end and write ``model/``; with ``resume`` from the last checkpoint, if there is one.

    Raises as :func:`~rotbot.rl.local.train_local` does, and :class:`TooManyLosses`. Leaves no process behind.
    """
    last_position(config, resume)
    return asyncio.run(_train(config, resume, watch))


async def _train(config: GrpoConfig, resume: bool, watch: Watch | None) -> GrpoResult:
    began = time.monotonic()
    bear_losses()
    _check_gpus(config)
    names = ["generator", *[f"generator-{number}" for number in range(1, config.generators)]]
    seats = {name: Seat(name, Generator, config, number) for number, name in enumerate(names)}
    seats |= {
        "reward": Seat("reward", RewardActor, config.rubric),
        "trainer": Seat("trainer", Trainer, config, size=config.trainers),
    }
    run = _Run(config, load_prompts(config.dataset, config.eval_rows), watch, seats)
    try:
        await asyncio.gather(*[_start(run, name) for name in seats])
        while True:
            try:
                step, tokens, figures = await _session(run, resume)
                await run.seats["trainer"].call("write_model")
                break
            except RoleLost:
                await _revive(run, "trainer")
                resume = True
    finally:
        await asyncio.gather(*[seat.stop() for seat in seats.values()])
    return GrpoResult(Path(config.output) / "model", step, _version(run), tokens, figures, time.monotonic() - began)


def _check_gpus(config: GrpoConfig) -> None:
    import torch

    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        expect(config.trainers <= count, "trainers", f"at most {count}, the GPUs of this machine", config.trainers)


async def _session(run: _Run, resume: bool) -> tuple[int, int, Figures]:
    """From the last checkpoint to the end → steps, tokens, the last figures. Raises :class:`RoleLost` if the trainer
    dies."""
    config, run.clock = run.config, Clock()
    position = last_position(config, resume)
    step = tokens = 0
    tokenizer = await asyncio.to_thread(_tokenizer, config)
    curriculum = Curriculum(run.prompts, tokenizer, config.curriculum, config.max_prompt, config.seed)
    if position is not None:
        step, tokens = position.step, position.tokens
        curriculum.load_state_dict(await run.seats["trainer"].call("restore", position))
    await _sync(run)
    buffer = ReplayBuffer(config.max_policy_age)
    with Metrics(Path(config.output), step, config.tensorboard, config.trackio) as metrics:
        if step == 0 and run.prompts.validation:
            metrics.log(0, await _validate(run))
        drawing = asyncio.create_task(_draw(run, curriculum, buffer, config.steps - step))
        learning = asyncio.create_task(_learn(run, curriculum, buffer, metrics, step, tokens))
        try:
            await asyncio.wait((drawing, learning), return_when=asyncio.FIRST_EXCEPTION)
            for task in (drawing, learning):
                if task.done():
                    task.result()
            return await learning
        finally:
            for task in (drawing, learning):
                task.cancel()
            await asyncio.gather(drawing, learning, return_exceptions=True)


def _tokenizer(config: GrpoConfig) -> Any:
    from rotbot.models.loading import resolve
    from rotbot.models.tokenizer import load_tokenizer

    return load_tokenizer(resolve(config.model))


async def _draw(run: _Run, curriculum: Curriculum, buffer: ReplayBuffer, steps: int) -> None:
    for _ in range(steps):
        await buffer.reserve()
        drawn = StepGroups(run.config.groups, run.config.curriculum.replace)
        while drawn.missing:
            tasks = [curriculum.sample() for _ in range(drawn.missing)]
            scored = await _ask_judge(run, await _generate(run, tasks))
            for one in scored:
                curriculum.learn(one)
            drawn.add(scored)
        buffer.add(drawn)


async def _learn(
    run: _Run, curriculum: Curriculum, buffer: ReplayBuffer, metrics: Metrics, step: int, tokens: int
) -> tuple[int, int, Figures]:
    config, figures = run.config, Figures()
    version = _version(run)
    while step < config.steps:
        drawn = await buffer.sample(version)
        figures = group_figures(drawn.groups, version)
        if drawn.useful:
            update, seconds = await run.seats["trainer"].call("train_step", drawn.useful)
            run.clock.add("trainer", seconds)
            figures |= update_figures(update) | {"probe": await _sync(run)}
            version = _version(run)
        state = curriculum.state_dict()  # before the next step may draw: a resumed run draws it again
        buffer.release()
        step, tokens = step + 1, tokens + drawn.tokens
        figures |= run.clock.lap(drawn.tokens, sum(scored.group.tokens for scored in drawn.useful))
        figures |= rate_figures(curriculum) | {"version": version, "tokens": tokens, "lost_groups": run.lost_groups}
        figures |= {f"lost_{role}": run.losses[role] for role in map(_role, run.seats)}
        last = step == config.steps
        if run.prompts.validation and (last or step % config.eval_every == 0):
            figures |= await _validate(run)
        if last or step % config.sample_every == 0:
            save_samples(Path(config.output), step, drawn.groups)
        metrics.log(step, figures)
        if last or step % config.save_every == 0:
            await run.seats["trainer"].call("save", step, tokens, state)
        if run.watch is not None:
            run.watch(step, figures)
    return step, tokens, figures


def _version(run: _Run) -> int:
    assert run.weights is not None  # a session starts with a sync
    return run.weights[1]


async def _sync(run: _Run) -> float:
    """Bring the trainer's weights to the generators, and see that they are there → the probe's largest difference."""
    began = time.perf_counter()
    weights, version = await run.seats["trainer"].call("push_weights")
    run.weights = weights, version
    answers = await asyncio.gather(
        *[_ask_generator(run, name, "update_weights", weights, version) for name in run.generators]
    )
    difference = max([await run.seats["trainer"].call("check_answer", answer) for answer in answers])
    run.clock.add("sync", time.perf_counter() - began)
    return difference


async def _generate(run: _Run, tasks: list[Task]) -> list[Group]:
    """The groups of the tasks, in their order; each generator draws those of its share."""

    async def draw(name: str, share: list[Task]) -> list[Group]:
        groups, seconds = await _ask_generator(run, name, "generate", share, lost=len(share))
        run.clock.add("generator", seconds / len(run.generators))
        return groups

    return await _shared(run, draw, tasks)


async def _validate(run: _Run) -> Figures:
    problems, figures = list(run.prompts.validation), Figures()
    for name, sampling in validation_samplings(run.config).items():
        completions = await _answer(run, problems, sampling)
        figures |= validation_figures(name, problems, completions, run.config)
    return figures


async def _answer(run: _Run, problems: list[Problem], sampling: Sampling) -> list[Completion]:
    async def answer(name: str, share: list[Problem]) -> list[Completion]:
        return await _ask_generator(run, name, "answer", share, sampling)

    return await _shared(run, answer, problems)


async def _shared(run: _Run, ask: Callable[[str, list[T]], Awaitable[list[R]]], items: list[T]) -> list[R]:
    """Ask every generator for a share of ``items``, at the same time → the answers in the order of the items."""
    size = -(-len(items) // len(run.generators))
    shares = [items[at : at + size] for at in range(0, len(items), size)]
    answers = await asyncio.gather(*[ask(name, share) for name, share in zip(run.generators, shares, strict=False)])
    return [one for share in answers for one in share]


async def _ask_generator(run: _Run, name: str, method: str, *arguments: Any, lost: int = 0) -> Any:
    """Ask until there is an answer; a generator that dies is replaced by one with the newest weights."""
    async with run.locks[name]:
        while True:
            under_way = lost if run.seats[name].alive else 0
            try:
                return await run.seats[name].call(method, *arguments)
            except RoleLost:
                run.lost_groups += under_way
                await _revive(run, name)


async def _revive(run: _Run, name: str) -> None:
    """A new process for one that was lost."""
    run.count(name)
    await _start(run, name)


async def _start(run: _Run, name: str) -> None:
    """Processes for a role, and new ones until all are ready; a generator gets the newest weights."""
    seat = run.seats[name]
    while True:
        try:
            await seat.start()
            if _role(name) == "generator" and run.weights is not None:
                await seat.call("update_weights", *run.weights)
        except RoleLost:
            run.count(name)
        else:
            _note_processes(run)
            return


def _note_processes(run: _Run) -> None:
    """``processes.json``: their numbers by role, for whoever wants to look at it (or to kill it)."""
    path = Path(run.config.output) / "processes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: seat.pids for name, seat in run.seats.items()}))


async def _ask_judge(run: _Run, groups: list[Group]) -> Any:
    while True:
        try:
            scored, seconds = await run.seats["reward"].call("evaluate_response", groups)
        except RoleLost:
            await _revive(run, "reward")
            continue
        run.clock.add("reward", seconds)
        return scored
