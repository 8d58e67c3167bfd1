"""The mixture of datasets that later stages of the embedded model are trained on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "mix.py"


@pytest.fixture
def folders(tmp_path):
    for name, rows in (("a", 300), ("b", 50)):
        (tmp_path / name / "sft").mkdir(parents=True)
        (tmp_path / name / "README.md").write_text(name)
        table = pa.table({"id": [f"{name}{i}" for i in range(rows)], "level": [i % 6 for i in range(rows)]})
        for split in ("train", "validation", "test"):
            pq.write_table(table, tmp_path / name / "sft" / f"{split}-00000-of-00001.parquet")
    return tmp_path


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def ids(folder, split="train"):
    return pq.read_table(folder / "sft" / f"{split}-00000-of-00001.parquet")["id"].to_pylist()


def test_all_of_the_first_and_some_of_the_other(folders):
    assert run(folders / "out", folders / "a", f"{folders / 'b'}:20").stdout == "320 rows\n"
    found = ids(folders / "out")
    assert found[:300] == ids(folders / "a")
    assert len(set(found[300:])) == 20
    assert set(found[300:]) < set(ids(folders / "b"))
    assert ids(folders / "out", "validation") == ids(folders / "a", "validation")


def test_easy_rows_are_thinned_and_a_seed_gives_the_same(folders):
    for out in ("one", "two"):
        assert run(folders / out, folders / "a", f"{folders / 'b'}:5", "--easy", 0.25, "--seed", 3).returncode == 0
    assert ids(folders / "one") == ids(folders / "two")
    levels = pq.read_table(folders / "one" / "sft" / "train-00000-of-00001.parquet")["level"].to_pylist()[:-5]
    assert sum(level >= 2 for level in levels) == 200
    assert 10 <= sum(level < 2 for level in levels) <= 42


@pytest.mark.parametrize(
    ("other", "said"), [("b", "expected FOLDER:ROWS"), ("b:51", "at most 50 rows"), ("none:5", "found none")]
)
def test_what_cannot_be_mixed_leaves_nothing(folders, other, said):
    ended = run(folders / "out", folders / "a", f"{folders}/{other}" if ":" in other else other)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert not (folders / "out").exists()
