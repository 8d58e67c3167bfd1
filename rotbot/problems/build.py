"""Building a dataset: verified rows from several processes, in the order of their index, into sharded Parquet.

Item i depends on the seed and i alone, the parent process takes the rows in order, drops those whose program it has
seen, and writes row groups of fixed size: the files are the same, byte for byte, for any number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rotbot.errors import InputError, RotbotError
from rotbot.models.folders import atomic_folder
from rotbot.problems import level_of, seeds
from rotbot.problems.canonical import SPLITS
from rotbot.problems.card import write_card
from rotbot.problems.levels import LEVELS, Level
from rotbot.problems.rows import Row, make_item, make_row
from rotbot.problems.shards import SplitWriter, Tally

CHUNK = 128
"""Items a worker makes at a time."""

MAX_DUPLICATE_CHUNKS = 10
"""After so many chunks without a single new program the levels are taken to be exhausted."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a dataset is made from: ``rows`` over all splits together, the seed, the levels and nothing else."""

    rows: int
    seed: int = 0
    levels: tuple[Level, ...] = LEVELS

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError(f"rows: expected at least 1, got {self.rows}")
        if self.seed < 0:
            raise InputError(f"seed: expected 0 or more, got {self.seed}")
        if not self.levels:
            raise InputError("levels: expected at least one, got none")


class WorkerDied(RotbotError):
    """A worker process of a build ended without an answer (killed, or out of memory)."""


def build(
    out: str | Path,
    recipe: Recipe,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Write the dataset of ``recipe`` to the folder ``out`` and return its counts.

    ``load_dataset(out, "sft")`` loads it. ``progress`` is called with the number of rows written so far.
    ``out`` appears whole or not at all. Raises :class:`InputError` if ``out`` is not empty and ``overwrite`` is not
    set, if ``workers`` is below 1, or if the levels have fewer programs than rows asked for; :class:`WorkerDied`;
    :class:`~rotbot.problems.verify.Disagreement` if a row's truth is in doubt.
    """
    target = Path(out).absolute()
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not overwrite):
        raise InputError(
            f"expected an empty or new folder, got {target} with something in it (--overwrite replaces it)"
        )
    if target.parent.exists() and not target.parent.is_dir():
        raise InputError(f"expected a folder to write into, got the file {target.parent}")
    with atomic_folder(target) as folder:
        tally = _write_rows(folder / "sft", recipe, workers, progress)
        write_card(folder, recipe.seed, recipe.levels, tally)
    return tally


def _write_rows(folder: Path, recipe: Recipe, workers: int, progress: Callable[[int], None]) -> Tally:
    tally = Tally()
    writers = {split: SplitWriter(folder, split) for split in SPLITS}
    seen: set[bytes] = set()
    barren = 0
    try:
        for chunk in _chunks(recipe, workers):
            before = tally.rows
            for split, row in chunk:
                key = bytes.fromhex(row["id"])[:16]
                if key in seen:
                    tally.duplicates += 1
                    continue
                seen.add(key)
                writers[split].add(row)
                tally.count(split, row)
                if tally.rows == recipe.rows:
                    break
            progress(tally.rows)
            if tally.rows == recipe.rows:
                break
            barren = barren + 1 if tally.rows == before else 0
            if barren > MAX_DUPLICATE_CHUNKS:
                raise InputError(f"rows: these levels have about {tally.rows} programs, expected {recipe.rows}")
    finally:
        for writer in writers.values():
            writer.close()
    for writer in writers.values():
        writer.finish()
    return tally


def _chunks(recipe: Recipe, workers: int) -> Iterator[list[tuple[str, Row]]]:
    """Chunks of rows in the order of their index, without end; a few chunks ahead of the reader, so memory is flat."""
    make = partial(make_chunk, recipe.seed, recipe.levels)
    if workers == 1:
        start = 0
        while True:
            yield make(start)
            start += CHUNK
    _warm_up(recipe)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _end_with_parent, (os.getpid(),)) as pool:
        waiting: deque[Future[list[tuple[str, Row]]]] = deque()
        start = 0
        try:
            while True:
                while len(waiting) < 3 * workers:
                    waiting.append(pool.submit(make, start))
                    start += CHUNK
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a worker process died (killed, or out of memory); nothing was written: run it again"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _warm_up(recipe: Recipe) -> None:
    """Import torch and trace once before forking: the first meta op of a process takes more than a second."""
    import torch

    torch.set_num_threads(1)
    make_chunk(recipe.seed, recipe.levels, 0, 1)


def _end_with_parent(parent: int) -> None:
    """In a worker: end when the parent is gone. A killed parent sends no word, and its workers would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def make_chunk(seed: int, levels: tuple[Level, ...], start: int, count: int = CHUNK) -> list[tuple[str, Row]]:
    """Rows ``start`` to ``start + count`` of a dataset, each with its split."""
    return [
        make_row(make_item(seeds.item_seed(seed, index), level_of(seed, index, levels)))
        for index in range(start, start + count)
    ]
