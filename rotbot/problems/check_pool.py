"""Checking rows in processes that can be killed: rows may come from anywhere, and checking one runs its program.

A worker ends itself when one row takes longer than :data:`ROW_SECONDS`, or when it is out of memory. The rows it had
are then checked one by one in new workers, so that the one row at fault is known and all others are judged.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ROW_SECONDS = 30.0
"""How long the check of one row may take."""

MEMORY_BYTES = 3_000_000_000
"""What a worker may allocate beyond what it has at its start."""

AHEAD = 3
"""Batches waiting for every worker."""

T = TypeVar("T")
V = TypeVar("V")
_row_started: list[float] = []


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """Rows that are checked together, and where they come from."""

    origin: Any
    start: int
    rows: list[T]


def run_checks(
    tasks: Iterator[Task[T]], check_row: Callable[[Any, T], V], killed: Callable[[T], V], workers: int
) -> Iterator[tuple[Task[T], list[V]]]:
    """Call ``check_row(origin, row)`` for every row, in ``workers`` processes; the tasks come back in order.

    ``killed`` says what to answer for a row whose check had to be killed.
    """
    waiting: deque[tuple[Task[T], Future[list[V]]]] = deque()
    pool = _pool(workers)
    try:
        for task in tasks:
            waiting.append((task, _submit(pool, check_row, task)))
            if len(waiting) > AHEAD * workers:
                pool = yield from _next(waiting, pool, workers, check_row, killed)
        while waiting:
            pool = yield from _next(waiting, pool, workers, check_row, killed)
    finally:
        pool.shutdown(cancel_futures=True)


def _next(
    waiting: deque[tuple[Task[T], Future[list[V]]]],
    pool: ProcessPoolExecutor,
    workers: int,
    check_row: Callable[[Any, T], V],
    killed: Callable[[T], V],
) -> Generator[tuple[Task[T], list[V]], None, ProcessPoolExecutor]:
    """Yield the first of the waiting tasks; return the pool, which is another one if a worker died."""
    task, future = waiting.popleft()
    try:
        yield task, future.result()
    except BrokenProcessPool:
        pool.shutdown(cancel_futures=True)
        yield task, [_alone(task.origin, row, check_row, killed) for row in task.rows]
        pool = _pool(workers)
        for index, (later, _) in enumerate(waiting):
            waiting[index] = later, _submit(pool, check_row, later)
    return pool


def _submit(pool: ProcessPoolExecutor, check_row: Callable[[Any, T], V], task: Task[T]) -> Future[list[V]]:
    """The task's future; one that has failed if a worker has died meanwhile."""
    try:
        return pool.submit(_check_task, check_row, task)
    except BrokenProcessPool as error:
        failed: Future[list[V]] = Future()
        failed.set_exception(error)
        return failed


def _alone(origin: Any, row: T, check_row: Callable[[Any, T], V], killed: Callable[[T], V]) -> V:
    with _pool(1) as pool:
        try:
            return pool.submit(_check_task, check_row, Task(origin, 0, [row])).result()[0]
        except BrokenProcessPool:
            return killed(row)


def _pool(workers: int) -> ProcessPoolExecutor:
    import torch

    torch.set_num_threads(1)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _start_worker, (os.getpid(),))


def _check_task(check_row: Callable[[Any, T], V], task: Task[T]) -> list[V]:
    verdicts: list[V] = []
    for row in task.rows:
        _row_started[:] = [time.monotonic()]
        verdicts.append(check_row(task.origin, row))
    _row_started.clear()
    return verdicts


def _start_worker(parent: int) -> None:
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))

    def watch() -> None:
        while os.getppid() == parent and (not _row_started or time.monotonic() - _row_started[0] < ROW_SECONDS):
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
