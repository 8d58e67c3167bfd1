"""Parquet shards of a split, written as tables come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 2_000
"""Rows in a row group: what a writer keeps in memory."""

SHARD_ROWS = 100_000
"""Rows in a file, a multiple of a group's."""

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ARGUMENT = pa.struct(
    [
        ("name", pa.string()), ("shape", pa.list_(pa.int64())), ("dtype", pa.string()),
        ("dims", pa.list_(pa.string())),
    ]
)  # fmt: skip
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("code", pa.string()),
        ("args", pa.list_(_ARGUMENT)),
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

PART_SCHEMA = pa.schema(
    [
        *SCHEMA,
        ("config", pa.string()),
        ("split", pa.string()),
        ("form", pa.binary(16)),
        ("rank", pa.int32()),
        ("size", pa.int64()),
    ]
)
"""The columns of a part: where each row belongs, the hash of its canonical form, its greatest rank and size."""


Table = Any
"""A ``pyarrow.Table`` (pyarrow has no types)."""


class SplitWriter:
    """Writes the rows of one split to ``split-00000-of-00002.parquet`` and so on, in groups of fixed size.

    An empty split has no file: ``load_dataset`` refuses splits without rows.
    """

    def __init__(self, folder: Path, split: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.split = folder, split
        self.shards = 0
        self.in_shard = 0
        self.waiting: list[Table] = []
        self.rows_waiting = 0
        self.writer: pq.ParquetWriter | None = None

    def add(self, table: Table) -> None:
        """Take rows; write the row groups that are full."""
        self.waiting.append(table)
        self.rows_waiting += len(table)
        if self.rows_waiting < GROUP_ROWS:
            return
        rows = pa.concat_tables(self.waiting)
        start = 0
        while len(rows) - start >= GROUP_ROWS:
            self._write(rows.slice(start, GROUP_ROWS))
            start += GROUP_ROWS
        self.waiting, self.rows_waiting = [rows.slice(start)], len(rows) - start

    def close(self) -> None:
        """Write what is left and close the file."""
        if self.rows_waiting:
            self._write(pa.concat_tables(self.waiting))
        self.waiting, self.rows_waiting = [], 0
        self._end_shard()

    def finish(self) -> None:
        """Give the closed shards the names that tell how many there are."""
        for number in range(self.shards):
            final = f"{self.split}-{number:05d}-of-{self.shards:05d}.parquet"
            self._path(number).rename(self.folder / final)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number:05d}.part"

    def _write(self, group: Table) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self._path(self.shards), SCHEMA, compression="zstd")
            self.shards += 1
            self.in_shard = 0
        self.writer.write_table(group.combine_chunks())
        self.in_shard += len(group)
        if self.in_shard >= SHARD_ROWS:
            self._end_shard()

    def _end_shard(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None
