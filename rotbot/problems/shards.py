"""Parquet shards of a split, written as rows come, and the counts that the card prints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rotbot.problems.rows import Row

GROUP_ROWS = 2_000
"""Rows in a row group: what a writer keeps in memory."""

SHARD_ROWS = 100_000
"""Rows in a file."""

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("code", pa.string()),
        ("args", pa.list_(pa.struct([("name", pa.string()), ("shape", pa.list_(pa.int64())), ("dtype", pa.string())]))),
        ("target", pa.string()),
        ("prompt", _MESSAGES),
        ("completion", _MESSAGES),
        ("trace", pa.string()),
        ("final", pa.list_(pa.int64())),
        ("outcome", pa.string()),
        ("n_steps", pa.int32()),
        ("ops", pa.list_(pa.string())),
        ("families", pa.list_(pa.string())),
        ("level", pa.int32()),
        ("style", pa.string()),
        ("seed", pa.int64()),
    ]
)
"""The columns of a dataset."""


@dataclass
class Tally:
    """What a dataset holds, counted while it is written: rows by split and level, calls by op and family."""

    splits: Counter[str] = field(default_factory=Counter[str])
    levels: Counter[int] = field(default_factory=Counter[int])
    ops: Counter[str] = field(default_factory=Counter[str])
    styles: Counter[str] = field(default_factory=Counter[str])
    duplicates: int = 0
    sample: Row | None = None

    @property
    def rows(self) -> int:
        """The number of rows in all splits."""
        return self.splits.total()

    def count(self, split: str, row: Row) -> None:
        """Take one row in."""
        self.splits[split] += 1
        self.levels[row["level"]] += 1
        self.ops.update(row["ops"])
        self.styles[row["style"]] += 1
        if self.sample is None and split == "train" and row["level"] in (2, 3):
            self.sample = row


class SplitWriter:
    """Writes the rows of one split to ``split-00000-of-00002.parquet`` and so on.

    An empty split has no file: ``load_dataset`` refuses splits without rows.
    """

    def __init__(self, folder: Path, split: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.split = folder, split
        self.shards = 0
        self.in_shard = 0
        self.group: list[Row] = []
        self.writer: pq.ParquetWriter | None = None

    def add(self, row: Row) -> None:
        """Take one row; write a row group when it is full."""
        self.group.append(row)
        if len(self.group) == GROUP_ROWS:
            self._flush()
            if self.in_shard >= SHARD_ROWS:
                self._end_shard()

    def close(self) -> None:
        """Write what is left and close the file."""
        if self.group:
            self._flush()
        self._end_shard()

    def finish(self) -> None:
        """Give the closed shards the names that tell how many there are."""
        for number in range(self.shards):
            final = f"{self.split}-{number:05d}-of-{self.shards:05d}.parquet"
            self._path(number).rename(self.folder / final)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number:05d}.part"

    def _flush(self) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self._path(self.shards), SCHEMA, compression="zstd")
            self.shards += 1
            self.in_shard = 0
        columns: dict[str, list[Any]] = {name: [row[name] for row in self.group] for name in SCHEMA.names}
        self.writer.write_table(pa.table(columns, schema=SCHEMA))
        self.in_shard += len(self.group)
        self.group = []

    def _end_shard(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None
