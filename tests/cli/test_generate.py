"""``rotbot generate`` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def rotbot(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rotbot", *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_generate_writes_and_counts(tmp_path):
    out = tmp_path / "out"
    done = rotbot("generate", out, "--rows", 20, "--seed", 4, "--level", "1-2", "--workers", 1, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["rows"] == sum(counts["splits"].values())
    assert sum(count for place, count in counts["splits"].items() if not place.startswith("eval/")) == 20
    assert all(count == 1 for place, count in counts["splits"].items() if place.startswith("eval/"))
    assert f"{counts['rows']}/{counts['rows']}" in done.stderr
    again = rotbot("generate", out, "--rows", 20)
    assert again.returncode == 2
    assert "expected an empty or new folder, got" in again.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rows", 0], "'--rows'"),
        (["--rows", "many"], "'--rows'"),
        (["--seed", -1], "'--seed'"),
        (["--workers", -2], "'--workers'"),
        (["--level", "17"], "level: expected 0 to 9, got 17"),
        (["--level", "5-1"], "level: expected a range that rises, got '5-1'"),
        (["--levels", "1"], "--levels"),
        (["--wrong", "1.5"], "'--wrong'"),
        (["--wrong", "0.8", "--idioms", "0.3"], "expected at most 1 together, got 1.1"),
        (["--shard", "2"], "shard: expected I/N such as 0/4, got '2'"),
        (["--shard", "4/4"], "shard: expected i/n with i from 0 to n - 1, got 4/4"),
    ],
)
def test_bad_flags_exit_with_2(tmp_path, flags, message):
    done = rotbot("generate", tmp_path / "out", *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_out_must_not_be_a_file(tmp_path):
    (tmp_path / "out").write_text("a file")
    done = rotbot("generate", tmp_path / "out", "--rows", 5, "--overwrite")
    assert done.returncode == 2
    assert (tmp_path / "out").read_text() == "a file"
