"""Several processes on one run: each takes its share of every step's packs, and the gradients are summed.

Weights and optimizer state are whole in every process and stay equal, since all apply the same sum; process 0 alone
writes and reports. On a CPU one process a core is faster than one process with as many threads: most of a small
model's time goes to short kernels, which threads share badly.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from rotbot.errors import RotbotError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """Which process this is (``rank``, from 0) of how many (``size``)."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items that fall to this process: every ``size``-th."""
        return items[self.rank :: self.size]

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.size > 1:
            dist.barrier()

    def sum(self, *values: float) -> list[float]:
        """Each value summed over the processes, in float64."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def collect(self, value: T) -> list[T]:
        """Every process's ``value``, in the order of the processes."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the processes, in one message."""
        if self.size == 1:
            return
        parameters = list(parameters)
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([grad.numel() for grad in grads]), strict=True):
            parameter.grad = part.view_as(parameter)


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def join_world() -> World:
    """This process's place among those that ``torchrun`` or :func:`helpers` started; alone without them."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(own_device())
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, init_method="env://")
        atexit.register(dist.destroy_process_group)
    return World(dist.get_rank(), dist.get_world_size())


def own_device() -> torch.device:
    """Where this process computes: its GPU (torchrun's ``LOCAL_RANK``) where there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


class ProcessDied(RotbotError):
    """One of several processes of a run ended before the others."""


@contextmanager
def helpers(processes: int, command: Sequence[str], logs: Path) -> Generator[None]:
    """Run the block as process 0 of ``processes``; the others run ``command`` (arguments of ``python``) meanwhile.

    What they print goes to ``process-1.log``, ... in the folder ``logs``. They end with the block, and with this
    process however it ends. Raises :class:`ProcessDied` if the block failed because one of them did.
    """
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(processes)}
    logs.mkdir(parents=True, exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    for rank in range(1, processes):
        with (logs / f"process-{rank}.log").open("wb") as log:
            environment = os.environ | world | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            started.append(
                subprocess.Popen(
                    [sys.executable, *command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )
    os.environ.update(world, RANK="0", LOCAL_RANK="0")
    try:
        yield
    except RotbotError:
        raise
    except RuntimeError as error:  # what a collective call raises whose partner is gone
        time.sleep(1)
        for rank, process in enumerate(started, 1):
            if process.poll():
                raise ProcessDied(
                    f"process {rank} of {processes} ended with code {process.returncode}, expected it to go on; "
                    f"its last words are in {logs / f'process-{rank}.log'}"
                ) from error
        raise
    else:
        for process in started:
            process.wait(60)
    finally:
        for process in started:
            process.kill()
            process.wait()
