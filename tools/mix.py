"""Mixes the training rows of datasets, for the later stages of the embedded model (its card has the commands).

    python tools/mix.py OUT FIRST OTHER:ROWS [--easy SHARE] [--seed N] [--work MODE] [--validation ROWS]

OUT gets the training rows of FIRST (of those of levels 0 and 1 only the share ``--easy``), ROWS random ones of OTHER,
and the validation and test rows of FIRST (with ``--validation`` so many of the validation rows of both). With
``--work`` all completions are written again, by the present package, with the work of their steps.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_HARD_LEVEL = 2


def split_rows(folder: Path, split: str = "train") -> Any:
    """All rows of a split of a dataset folder, in order."""
    files = sorted((folder / "sft").glob(f"{split}-*.parquet"))
    if not files:
        raise SystemExit(f"expected sft/{split}-*.parquet in {folder}, found none")
    return pa.concat_tables([pq.read_table(file) for file in files])


def with_work_of(prompt: str, mode: str) -> str:
    """The gold completion of a problem, with work."""
    from rotbot.problem import Problem
    from rotbot.shapes import with_work

    return with_work(Problem.parse(prompt).truth(), mode).completion()  # pyright: ignore[reportArgumentType]


def written_again(table: Any, mode: str | None) -> Any:
    """The table with all completions in work mode ``mode``; as it is without one."""
    if mode is None:
        return table
    prompts = [messages[-1]["content"] for messages in table["prompt"].to_pylist()]
    with Pool() as pool:
        texts = pool.map(partial(with_work_of, mode=mode), prompts, chunksize=500)
    column = [
        [{**messages[0], "content": text}]
        for messages, text in zip(table["completion"].to_pylist(), texts, strict=True)
    ]
    at = table.schema.get_field_index("completion")
    return table.set_column(at, table.schema.field(at), pa.array(column, table.schema.field(at).type))


def mix(
    out: Path, first: Path, other: Path, rows: int, easy: float, seed: int, work: str | None, validation: int
) -> int:
    """Write the mixture; returns its number of training rows. ``out`` must not exist."""
    rng = np.random.default_rng(seed)
    base, more = split_rows(first), split_rows(other)
    if rows > more.num_rows:
        raise SystemExit(f"expected at most {more.num_rows} rows of {other}, got {rows}")
    if easy < 1:
        hard = np.array(base["level"].to_pylist()) >= FIRST_HARD_LEVEL
        base = base.take(np.nonzero(hard | (rng.random(base.num_rows) < easy))[0])
    picked = more.take(np.sort(rng.choice(more.num_rows, rows, replace=False))).cast(base.schema)
    (out / "sft").mkdir(parents=True)
    mixture = written_again(pa.concat_tables([base, picked]), work)
    pq.write_table(mixture, out / "sft" / "train-00000-of-00001.parquet", row_group_size=10_000)
    for split in ("validation", "test"):
        table = split_rows(first, split)
        if split == "validation" and validation:
            other_table = split_rows(other, split).cast(table.schema)
            table = pa.concat_tables([table[: validation // 2], other_table[: validation - validation // 2]])
        pq.write_table(written_again(table, work), out / "sft" / f"{split}-00000-of-00001.parquet")
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
    parser.add_argument("--work", help="a work mode to write all completions in: arithmetic, full or named")
    parser.add_argument("--validation", type=int, default=0, help="validation rows, half of each; 0 keeps FIRST's")
    given = parser.parse_args()
    folder, _, rows = given.other.rpartition(":")
    if not folder or not rows.isdigit():
        raise SystemExit(f"expected FOLDER:ROWS, got {given.other!r}")
    if given.out.exists():
        raise SystemExit(f"expected a new folder, {given.out} exists")
    made = mix(given.out, given.first, Path(folder), int(rows), given.easy, given.seed, given.work, given.validation)
    print(f"{made} rows")


if __name__ == "__main__":
    main()
