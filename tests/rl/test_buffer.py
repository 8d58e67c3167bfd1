"""The bound on policy age: generation is held back, and what is too old is refused with the numbers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from rotbot.inference import Completion
from rotbot.rl.buffer import ReplayBuffer, StaleGroup, StepGroups
from rotbot.rl.episodes import Group, Task
from rotbot.rl.rollout import evaluate_response
from tests.memorized import ANSWERS, RIGHT


def run_alone(coroutine):
    """In a thread of its own: this one may still carry the event loop of the browser tests' Playwright."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def group(version=0, number=0, texts=(ANSWERS[RIGHT], "no idea")):
    completions = tuple(Completion(text, (1, 2), "stop", 0.0, (-0.1, -0.2)) for text in texts)
    return evaluate_response(Group(Task(RIGHT, (1,), 0, number), completions, version), "faithful")


def step_of(*groups):
    made = StepGroups(len(groups), 0)
    made.add(groups)
    return made


def test_groups_without_signal_are_replaced_for_so_many_rounds():
    same = group(texts=("no idea", "no idea"))
    drawn = StepGroups(wanted=3, replace=1)
    assert drawn.missing == 3
    drawn.add([group(), same, same])
    assert drawn.missing == 2
    drawn.add([group(), same])
    assert drawn.missing == 0
    assert len(drawn.useful) == 2
    assert len(drawn.groups) == 5
    assert drawn.tokens == 5 * 4


@pytest.mark.parametrize("age", [0, 1, 3])
def test_no_more_steps_are_open_than_the_age_allows_and_none_is_older(age):
    """A drawer as fast as can be, a learner that takes its time: the oldest group is just as old as allowed."""

    async def run():
        buffer, version, open_steps, ages, most = ReplayBuffer(age), 0, 0, [], 0

        async def draw():
            nonlocal open_steps, most
            for number in range(12):
                await buffer.reserve()
                open_steps += 1
                most = max(most, open_steps)
                buffer.add(step_of(group(version, number)))

        drawing = asyncio.create_task(draw())
        for number in range(12):
            drawn = await buffer.sample(version)
            assert [scored.group.task.number for scored in drawn.groups] == [number]
            ages.append(version - drawn.groups[0].group.version)
            for _ in range(5):
                await asyncio.sleep(0)
            version += 1
            open_steps -= 1
            buffer.release()
        await drawing
        return max(ages), most

    assert run_alone(run()) == (age, age + 1)


@pytest.mark.parametrize(("drawn", "now"), [(2, 4), (5, 4)])
def test_what_is_too_old_or_from_the_future_is_refused_with_the_numbers(drawn, now):
    async def run():
        buffer = ReplayBuffer(1)
        buffer.add(step_of(group(drawn, number=9)))
        await buffer.sample(now)

    message = (
        rf"expected 0 to 1 updates, got {now - drawn}: group 9 was drawn at version {drawn}, the policy is at {now}"
    )
    with pytest.raises(StaleGroup, match=message):
        run_alone(run())
