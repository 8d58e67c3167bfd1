"""Mixes the training rows of datasets, for the later stages of the embedded model (its card has the commands).

    python tools/mix.py OUT FIRST OTHER:ROWS [--easy SHARE] [--seed N]

OUT gets the training rows of FIRST (of those of levels 0 and 1 only the share ``--easy``), ROWS random ones of OTHER,
and the validation and test rows of FIRST.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_HARD_LEVEL = 2


def train_rows(folder: Path) -> Any:
    """All training rows of a dataset folder, in order."""
    files = sorted((folder / "sft").glob("train-*.parquet"))
    if not files:
        raise SystemExit(f"expected sft/train-*.parquet in {folder}, found none")
    return pa.concat_tables([pq.read_table(file) for file in files])


def mix(out: Path, first: Path, other: Path, rows: int, easy: float, seed: int) -> int:
    """Write the mixture; returns its number of training rows. ``out`` must not exist."""
    rng = np.random.default_rng(seed)
    base, more = train_rows(first), train_rows(other)
    if rows > more.num_rows:
        raise SystemExit(f"expected at most {more.num_rows} rows of {other}, got {rows}")
    if easy < 1:
        hard = np.array(base["level"].to_pylist()) >= FIRST_HARD_LEVEL
        base = base.take(np.nonzero(hard | (rng.random(base.num_rows) < easy))[0])
    picked = more.take(np.sort(rng.choice(more.num_rows, rows, replace=False))).cast(base.schema)
    (out / "sft").mkdir(parents=True)
    mixture = pa.concat_tables([base, picked])
    pq.write_table(mixture, out / "sft" / "train-00000-of-00001.parquet", row_group_size=10_000)
    for split in ("validation", "test"):
        for file in sorted((first / "sft").glob(f"{split}-*.parquet")):
            shutil.copy(file, out / "sft")
    shutil.copy(first / "README.md", out)
    return mixture.num_rows


def main() -> None:
    """Read the command line and mix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("first", type=Path)
    parser.add_argument("other", help="FOLDER:ROWS")
    parser.add_argument("--easy", type=float, default=1.0, help="share of the rows of levels 0 and 1 to keep")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder, _, rows = given.other.rpartition(":")
    if not folder or not rows.isdigit():
        raise SystemExit(f"expected FOLDER:ROWS, got {given.other!r}")
    if given.out.exists():
        raise SystemExit(f"expected a new folder, {given.out} exists")
    print(f"{mix(given.out, given.first, Path(folder), int(rows), given.easy, given.seed)} rows")


if __name__ == "__main__":
    main()
