"""Parts of a dataset under construction: one file a chunk of items, each whole or absent.

A chunk depends on the recipe, its stream and its number alone, so any process on any machine may make it, and what a
killed build has made is there for the next one. The streams are ``main`` and one for every benchmark split that
training must not see.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rotbot import __version__
from rotbot.errors import InputError
from rotbot.problems import level_of, seeds
from rotbot.problems.levels import LEVELS, OUTSIDE, Level
from rotbot.problems.rows import make_items, make_row
from rotbot.problems.shards import PART_SCHEMA, Table
from rotbot.shapes.running import onednn, undisturbed
from rotbot.shapes.work import MODES, Mode

CHUNK, EVAL_CHUNK = 64, 16
"""Items a worker makes at a time: of the main stream, and of a stream for the benchmark."""

_RECIPE = "recipe.json"
MAIN = "main"
STREAMS = (MAIN, *OUTSIDE, "error", "symbolic", "real")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a dataset is made from.

    ``rows`` counts those for training, validation, test and reinforcement learning; every benchmark split has at most
    ``eval_rows`` more (None: a hundredth of ``rows``, at most 1000). ``wrong``, ``idioms`` and ``symbolic`` are
    the shares of wrong programs, of idioms of real model code, and of problems with named sizes. ``work`` writes the
    arithmetic of every step beside it (:func:`rotbot.shapes.with_work`). Raises :class:`~rotbot.errors.InputError` for
    what makes no dataset.
    """

    rows: int = 20_000
    seed: int = 0
    levels: tuple[Level, ...] = LEVELS[:6]
    wrong: float = 0.1
    idioms: float = 0.05
    symbolic: float = 0.01
    eval_rows: int | None = None
    work: Mode | None = None

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError(f"rows: expected at least 1, got {self.rows}")
        if self.seed < 0:
            raise InputError(f"seed: expected 0 or more, got {self.seed}")
        if not self.levels:
            raise InputError("levels: expected at least one, got none")
        for name in ("wrong", "idioms", "symbolic"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        if self.eval_rows is not None and self.eval_rows < 0:
            raise InputError(f"eval_rows: expected 0 or more, got {self.eval_rows}")
        if self.work is not None and self.work not in MODES:
            raise InputError(f"work: expected one of {', '.join(MODES)}, got {self.work!r:.40}")
        together = self.wrong + self.idioms + self.symbolic
        if together > 1:
            raise InputError(f"wrong, idioms and symbolic: expected at most 1 together, got {together}")

    @property
    def benchmark_rows(self) -> int:
        """Rows of each benchmark split."""
        return min(1000, max(1, self.rows // 100)) if self.eval_rows is None else self.eval_rows

    def identity(self) -> dict[str, object]:
        """What two builds must share to share parts: everything but how many rows are wanted."""
        fields = asdict(self)
        del fields["rows"], fields["eval_rows"]
        return json.loads(json.dumps({"version": __version__, "chunks": [CHUNK, EVAL_CHUNK], **fields}))


def chunk_items(stream: str) -> int:
    """How many items a chunk of ``stream`` has."""
    return CHUNK if stream == MAIN else EVAL_CHUNK


def make_chunk(recipe: Recipe, stream: str, number: int, count: int | None = None) -> Table:
    """Chunk ``number`` of a stream (or its first ``count`` items), as rows with their places."""
    start = number * chunk_items(stream)
    with undisturbed(), onednn(enabled=False):
        # the rows are gone when the pause of the collector ends, so that it need not look through them
        return _as_table(recipe, [_order(recipe, stream, start + i) for i in range(count or chunk_items(stream))])


def _as_table(recipe: Recipe, orders: list[tuple[int, Level, str]]) -> Table:
    rows = [make_row(item, recipe.work) for item in make_items(orders)]
    return pa.table({name: [row[name] for row in rows] for name in PART_SCHEMA.names}, schema=PART_SCHEMA)


def _order(recipe: Recipe, stream: str, index: int) -> tuple[int, Level, str]:
    """Seed, level and kind of an item."""
    if stream == MAIN:
        seed, levels = seeds.item_seed(recipe.seed, index), recipe.levels
        kind = _kind(recipe, seed)
    else:
        seed = seeds.derive("item", stream, recipe.seed, index)
        levels = OUTSIDE.get(stream, recipe.levels)
        kind = {name: name for name in ("error", "symbolic", "real")}.get(stream, "plain")
    return seed, level_of(recipe.seed, index, levels), kind


def _kind(recipe: Recipe, seed: int) -> str:
    roll = seeds.stream("kind", seed).random()
    for kind, share in (("error", recipe.wrong), ("idiom", recipe.idioms), ("symbolic", recipe.symbolic)):
        if roll < share:
            return kind
        roll -= share
    return "plain"


@dataclass(frozen=True, slots=True)
class Parts:
    """A folder of chunk files, and folders of others to read from."""

    folder: Path
    more: tuple[Path, ...] = ()

    def open(self, recipe: Recipe) -> None:
        """Make the folder, or check that it and the others are of the same recipe. Raises :class:`InputError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self.folder / _RECIPE
        if not mine.exists():
            _write(mine, json.dumps(recipe.identity()).encode())
        for folder in (self.folder, *self.more):
            path = folder / _RECIPE
            if not path.is_file():
                raise InputError(f"expected parts of a dataset, found no {_RECIPE} in {folder}")
            theirs, ours = json.loads(path.read_text()), recipe.identity()
            if theirs != ours:
                keys = [key for key in ours if theirs.get(key) != ours[key]]
                said = ", ".join(f"{key} {theirs.get(key)!r:.40} there, {ours[key]!r:.40} here" for key in keys)
                raise InputError(f"expected parts of this recipe in {folder}, got another's: {said}")

    def path(self, stream: str, number: int) -> Path:
        """Where this build writes a chunk."""
        return self.folder / f"{stream}-{number:07d}.arrow"

    def find(self, stream: str, number: int) -> Path | None:
        """The chunk's file if it has been made, here or in the other folders."""
        name = self.path(stream, number).name
        return next((path for folder in (self.folder, *self.more) if (path := folder / name).is_file()), None)

    def read(self, stream: str, number: int) -> Table:
        """A chunk that has been made. Raises :class:`InputError` for a file that cannot be read."""
        path = self.find(stream, number)
        assert path is not None
        try:
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                return reader.read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"expected a part of a dataset in {path}, it cannot be read: delete it ({error})"
            ) from error

    def missing(self, stream: str, numbers: Iterable[int]) -> Iterator[int]:
        """Which of these chunks have not been made."""
        return (number for number in numbers if self.find(stream, number) is None)


def write_chunk(path: Path, table: Table) -> None:
    """Write a chunk's file; it is whole or not there, whenever this process is killed. (That it is on the disk is not
    waited for: it takes a fifth of the time of making it.)"""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    _write(path, sink.getvalue())


def _write(path: Path, content: Any) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(content)
    os.replace(fresh, path)
