"""Seats: roles whose processes die, or whose set-up fails, before they are ready."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import torch
from monarch.actor import endpoint

from rotbot.errors import ConfigError
from rotbot.rl.actors import RoleLost, Seat, _Process, bear_losses, take_cores
from rotbot.rl.settings import GrpoConfig


class Dying(_Process):
    """Dies while it gets ready."""

    @endpoint
    def setup(self, port: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Failing(_Process):
    """Cannot get ready."""

    @endpoint
    def setup(self, port: int) -> None:
        raise ConfigError("model: expected a folder, got nothing")


class Slow(_Process):
    """Gets ready when it is too late."""

    @endpoint
    def setup(self, port: int) -> None:
        time.sleep(600)


class Counting(_Process):
    """Says how many threads it computes with."""

    def __init__(self, config: GrpoConfig) -> None:
        self._config = config

    @endpoint
    def setup(self, port: int) -> None:
        take_cores(self._config)

    @endpoint
    def threads(self) -> int:
        return torch.get_num_threads()


def run(work):
    """What the coroutine returns or raises, in a thread that has no event loop yet."""
    bear_losses()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result(300)


def there(pids):
    """Those that are there still, be it as a zombie: as long as Monarch has not taken note of a death, its report can
    meet the end of the program, which then ends with 1."""
    return [pid for pid in pids if psutil.pid_exists(pid)]


async def wait_for_pids(seat):
    while not seat.pids:
        await asyncio.sleep(0.05)
    return seat.pids


@pytest.mark.parametrize("size", [1, 2])
def test_a_process_that_dies_while_it_starts_is_a_lost_role(size):
    seat = Seat("dying", Dying, size=size)
    with pytest.raises(RoleLost, match="dying: expected an answer to setup"):
        run(seat.start())
    assert not seat.alive


def test_of_two_processes_one_killed_while_they_start():
    async def work():
        seat = Seat("slow", Slow, size=2)
        starting = asyncio.create_task(seat.start())
        pids = await wait_for_pids(seat)
        os.kill(pids[1], signal.SIGKILL)
        with pytest.raises(RoleLost):
            await starting
        await seat.stop()
        return pids, there(pids)

    pids, left = run(work())
    assert (len(pids), left) == (2, [])


def test_what_a_role_says_of_its_settings_is_not_a_loss():
    seat = Seat("failing", Failing)
    with pytest.raises(ConfigError, match="expected a folder"):
        run(seat.start())
    assert seat.alive
    run(seat.stop())
    assert not seat.alive


def test_a_start_that_is_given_up_leaves_no_process():
    async def work():
        seat = Seat("slow", Slow)
        starting = asyncio.create_task(seat.start())
        pids = await wait_for_pids(seat)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await seat.stop()
        return there(pids)

    assert run(work()) == []


@pytest.mark.parametrize(
    ("options", "share"),
    [({"max_policy_age": 0}, 1), ({"max_policy_age": 1}, 2), ({"max_policy_age": 2, "generators": 2}, 3)],
)
def test_processes_that_compute_at_once_share_the_cores(options, share):
    async def work(config):
        seat = Seat("counting", Counting, config)
        await seat.start()
        threads = await seat.call("threads")
        await seat.stop()
        return threads

    assert run(work(GrpoConfig(dataset="data", **options))) == max(1, torch.get_num_threads() // share)
    assert run(work(GrpoConfig(dataset="data", threads=2, **options))) == 2
