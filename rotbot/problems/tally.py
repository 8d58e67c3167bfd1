"""What a dataset holds, counted while it is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute

from rotbot.problems.shards import Table
from rotbot.problems.vocabulary import family_shares

pc: Any = pyarrow.compute


@dataclass
class Tally:
    """Rows by configuration and split (``sft/train``), and over all of them: rows by level, style, outcome and number
    of steps, steps by op. ``duplicates`` and ``surplus`` count the rows left out: because the program was there, and
    because the benchmark split was full. ``near`` counts, by split, the rows whose canonical form another row of the
    split has, ``overlaps`` those whose form is in another split. ``ranks`` and ``sizes`` count rows by the greatest
    rank and size in them, sizes up to a power of two. ``sample`` is a row of the training split for the card."""

    splits: Counter[str] = field(default_factory=Counter[str])
    levels: Counter[int] = field(default_factory=Counter[int])
    ops: Counter[str] = field(default_factory=Counter[str])
    styles: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    depths: Counter[int] = field(default_factory=Counter[int])
    duplicates: int = 0
    surplus: int = 0
    ranks: Counter[int] = field(default_factory=Counter[int])
    sizes: Counter[int] = field(default_factory=Counter[int])
    near: Counter[str] = field(default_factory=Counter[str])
    overlaps: Counter[str] = field(default_factory=Counter[str])
    sample: dict[str, Any] | None = None

    @property
    def rows(self) -> int:
        """The number of rows in all splits."""
        return self.splits.total()

    @property
    def families(self) -> dict[str, float]:
        """The share of steps of every family, the largest first."""
        return family_shares(self.ops)

    def count(self, place: str, rows: Table) -> None:
        """Take rows of one split in."""
        self.splits[place] += len(rows)
        for counter, name in (
            (self.levels, "level"), (self.styles, "style"), (self.outcomes, "outcome"), (self.depths, "n_steps"),
            (self.ranks, "rank"),
        ):  # fmt: skip
            counter.update(rows[name].to_pylist())
        self.sizes.update(map(upper_bound, rows["size"].to_pylist()))
        self.ops.update(pc.list_flatten(rows["ops"]).to_pylist())
        if self.sample is None and place == "sft/train":
            fits = pc.and_(pc.equal(rows["outcome"], "ok"), pc.is_in(rows["level"], pa.array([2, 3], pa.int32())))
            found = rows.filter(fits)
            if len(found):
                self.sample = found.slice(0, 1).to_pylist()[0]


def upper_bound(size: int) -> int:
    """The power of two that ``size`` goes up to: 1, 2, 4, 8, …"""
    return 1 << max(0, size - 1).bit_length()
