"""Building a dataset: workers make parts, the parent merges them in order into sharded Parquet.

Item i of a stream depends on the seed and i alone. The parent takes the parts in the order of their number, leaves out
programs it has seen and what a full benchmark split has no room for, and writes row groups of fixed size: the files are
the same, byte for byte, for any number of workers, however often the build was broken, and whoever made the parts.
"""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from rotbot.errors import InputError, RotbotError
from rotbot.models.folders import atomic_folder
from rotbot.problems.card import write_card
from rotbot.problems.parts import CHUNK, MAIN, STREAMS, Parts, Recipe, chunk_items, make_chunk, write_chunk
from rotbot.problems.shards import SCHEMA, SplitWriter, Table
from rotbot.problems.splits import CONFIGS
from rotbot.problems.tally import Tally

AHEAD = 3
"""Chunks that every worker may be ahead of the merger."""

COLLECT_AFTER = 50_000
"""New objects before the collector looks through them: a chunk leaves some thousand, hardly any of them garbage."""

MAX_BARREN_CHUNKS = 40
"""After so many chunks in a row without a single new row a stream is taken to be exhausted."""

REAL, REAL_PLACE = "real", "eval/real"
"""The stream of programs written by hand, and the split it is for."""

Progress = Callable[[int], None]


class WorkerDied(RotbotError):
    """A worker process of a build ended without an answer (killed, or out of memory)."""


def parts_folder(out: Path) -> Path:
    """Where the parts of ``out`` are while it is built."""
    return out.parent / f".{out.name}.parts"


def build(
    out: str | Path,
    recipe: Recipe,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda done: None,
    parts: tuple[Path, ...] = (),
) -> Tally:
    """Write the dataset of ``recipe`` to the folder ``out`` and return its counts.

    ``load_dataset(out, "sft")`` loads it. ``progress`` is called with the number of rows merged so far. ``out`` appears
    whole or not at all; a build that was broken continues where it was, from the parts beside ``out``. ``parts`` are
    folders of parts from elsewhere (see :func:`build_shard`). Raises :class:`InputError` if ``out`` is not empty and
    ``overwrite`` is not set, if ``workers`` is below 1, if there are parts of another recipe, or if the levels have
    fewer programs than rows asked for; :class:`WorkerDied`; :class:`~rotbot.problems.verify.Disagreement` if a row's
    truth is in doubt.
    """
    target = _target(out, workers, overwrite)
    store = Parts(parts_folder(target), parts)
    store.open(recipe)
    with atomic_folder(target) as folder:
        tally = _merge(folder, recipe, store, workers, progress)
        write_card(folder, recipe, tally)
    shutil.rmtree(store.folder)
    return tally


def build_shard(
    out: str | Path, recipe: Recipe, shard: tuple[int, int], workers: int = 1, progress: Progress = lambda done: None
) -> int:
    """Make this machine's share of the parts and leave them in the folder ``out``; ``shard`` is (which, of how many).

    :func:`build` with all the folders as ``parts`` then writes the dataset that one machine would have written. Returns
    the number of items made. Raises as :func:`build` does.
    """
    which, of = shard
    if not 0 <= which < of:
        raise InputError(f"shard: expected i/n with i from 0 to n - 1, got {which}/{of}")
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    store = Parts(Path(out).absolute())
    store.open(recipe)
    numbers = range(which, -(-recipe.rows // CHUNK), of)
    with _making(recipe, store, workers) as maker:
        for done, number in enumerate(numbers):
            maker.ahead(MAIN, numbers[done : done + AHEAD * workers])
            maker.wait(MAIN, number)
            progress((done + 1) * CHUNK)
    return len(numbers) * CHUNK


def _target(out: str | Path, workers: int, overwrite: bool) -> Path:
    target = Path(out).absolute()
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    if target.is_file():
        raise InputError(f"expected an empty or new folder, got the file {target}")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise InputError(
            f"expected an empty or new folder, got {target} with something in it (--overwrite replaces it)"
        )
    if target.parent.exists() and not target.parent.is_dir():
        raise InputError(f"expected a folder to write into, got the file {target.parent}")
    return target


# --- merging ---------------------------------------------------------------------------------------------------------


class _Merger:
    """Takes parts in order and writes what is new and has room."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.recipe, self.tally = recipe, Tally()
        self.writers = {
            (config, split): SplitWriter(folder / config, split) for config, names in CONFIGS.items() for split in names
        }
        self.seen: set[bytes] = set()
        self.forms: dict[bytes, str] = {}
        self.rows = 0
        """Rows that are not of the benchmark."""

    def room(self, stream: str) -> int:
        """How many rows the stream is still wanted for."""
        if stream == MAIN:
            return self.recipe.rows - self.rows
        return self.recipe.benchmark_rows - self.tally.splits[f"eval/{stream}"]

    def add(self, table: Table, stream: str) -> int:
        """Take a part in; returns how many of its rows are new in the splits that the stream is for."""
        before = self.room(stream)
        found: dict[tuple[str, str], list[int]] = {}
        places = list(zip(table["config"].to_pylist(), table["split"].to_pylist(), strict=True))
        for row in self._fresh(table, stream):
            if stream == MAIN or places[row] == ("eval", stream):
                found.setdefault(places[row], []).append(row)
        for (config, split), writer in self.writers.items():
            numbers, place = found.get((config, split), []), f"{config}/{split}"
            if config == "eval":
                kept = numbers[: max(0, self.recipe.benchmark_rows - self.tally.splits[place])]
                self.tally.surplus += len(numbers) - len(kept)
                numbers = kept
            if not numbers:
                continue
            rows = table.take(pa.array(numbers))
            self.seen.update([bytes.fromhex(key)[:16] for key in rows["id"].to_pylist()])
            for form in rows["form"].to_pylist():
                other = self.forms.get(form)
                if other is None:
                    self.forms[form] = place
                else:
                    (self.tally.near if other == place else self.tally.overlaps)[place] += 1
            writer.add(rows.select(SCHEMA.names))
            self.tally.count(place, rows)
        return before - self.room(stream)

    def _fresh(self, table: Table, stream: str) -> list[int]:
        """The numbers of the rows whose program has not been taken; of the main stream no more than are wanted, of
        programs written by hand those whose form no other split has (the forms of the others cannot be in two)."""
        keep, here = list[int](), set[bytes]()
        columns = (table[name].to_pylist() for name in ("id", "config", "form"))
        for row, (key, config, form) in enumerate(zip(*columns, strict=True)):
            short = bytes.fromhex(key)[:16]
            taken = stream == REAL and self.forms.get(form, REAL_PLACE) != REAL_PLACE
            if taken or short in self.seen or short in here:
                self.tally.duplicates += 1
                continue
            if config != "eval":
                if self.rows == self.recipe.rows:
                    continue
                self.rows += 1
            here.add(short)
            keep.append(row)
        return keep

    def close(self) -> None:
        """Close all files."""
        for writer in self.writers.values():
            writer.close()

    def finish(self) -> None:
        """Name all files, and remove the folders of configurations that have none."""
        for writer in self.writers.values():
            writer.finish()
        for folder in {writer.folder for writer in self.writers.values()}:
            if not any(folder.iterdir()):
                folder.rmdir()


def _merge(folder: Path, recipe: Recipe, store: Parts, workers: int, progress: Progress) -> Tally:
    merger = _Merger(folder, recipe)
    with ExitStack() as stack:
        stack.callback(merger.close)
        maker = stack.enter_context(_making(recipe, store, workers))
        for stream in _streams(recipe):
            number = barren = taken = 0
            while (room := merger.room(stream)) > 0:
                expected = -(
                    -room * (number + 1) // (taken + chunk_items(stream))
                )  # chunks, if they give as much as those before
                maker.ahead(stream, range(number, number + min(expected, AHEAD * workers)))
                maker.wait(stream, number)
                new = merger.add(store.read(stream, number), stream)
                progress(merger.tally.rows)
                taken, barren, number = taken + new, 0 if new else barren + 1, number + 1
                if barren > MAX_BARREN_CHUNKS and stream == MAIN:
                    raise InputError(f"rows: these levels have about {merger.rows} programs, expected {recipe.rows}")
                if barren > MAX_BARREN_CHUNKS:
                    break  # a benchmark split that these levels cannot fill: the card shows how many rows it has
    merger.finish()
    return merger.tally


def _streams(recipe: Recipe) -> Iterator[str]:
    """The streams of a recipe: the benchmark's only where it wants rows, and kinds only where they are asked for."""
    asked = {"error": recipe.wrong > 0, "symbolic": recipe.symbolic > 0}
    return (stream for stream in STREAMS if asked.get(stream, True))


# --- making ----------------------------------------------------------------------------------------------------------


class _Maker:
    """Makes chunks in this process, when they are waited for."""

    def __init__(self, recipe: Recipe, store: Parts) -> None:
        self.recipe, self.store = recipe, store

    def ahead(self, stream: str, numbers: Iterable[int]) -> None:
        """Say which chunks will be wanted next."""

    def wait(self, stream: str, number: int) -> None:
        """Return when the chunk's file is there."""
        _make_file(self.recipe, self.store, stream, number)


class _PoolMaker(_Maker):
    """Makes chunks in worker processes, ahead of who waits for them."""

    def __init__(self, recipe: Recipe, store: Parts, pool: ProcessPoolExecutor) -> None:
        super().__init__(recipe, store)
        self.pool = pool
        self.pending: dict[tuple[str, int], Future[None]] = {}

    def ahead(self, stream: str, numbers: Iterable[int]) -> None:
        for number in numbers:
            if (stream, number) not in self.pending:
                self.pending[stream, number] = self.pool.submit(_make_file, self.recipe, self.store, stream, number)

    def wait(self, stream: str, number: int) -> None:
        self.ahead(stream, [number])
        self.pending.pop((stream, number)).result()


@contextmanager
def _making(recipe: Recipe, store: Parts, workers: int) -> Generator[_Maker]:
    thresholds = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        if workers == 1:
            yield _Maker(recipe, store)
        else:
            yield from _pool_maker(recipe, store, workers)
    finally:
        gc.set_threshold(*thresholds)


def _pool_maker(recipe: Recipe, store: Parts, workers: int) -> Generator[_PoolMaker]:
    _warm_up(recipe)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),)) as pool:
        try:
            yield _PoolMaker(recipe, store, pool)
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a worker process died (killed, or out of memory); run the same command again: it continues"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            gc.unfreeze()


def _make_file(recipe: Recipe, store: Parts, stream: str, number: int) -> None:
    if store.find(stream, number) is None:
        write_chunk(store.path(stream, number), make_chunk(recipe, stream, number))


def _warm_up(recipe: Recipe) -> None:
    """Pay before forking what a process pays at its first rows: imports, and the first call of what most programs call.

    The first meta kernel that is written in Python imports ``torch._dynamo``, which takes seconds.
    """
    import torch

    import_module("torch._dynamo")
    torch.set_num_threads(1)
    make_chunk(recipe, MAIN, 0)
    gc.collect()
    gc.freeze()  # what is imported is never garbage: workers need not look through it


def _start_worker(parent: int) -> None:
    """In a worker: end when the parent is gone. A killed parent sends no word, and its workers would wait for ever."""

    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a worker that dies in C++ says where

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
