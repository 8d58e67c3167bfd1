import random
import subprocess
import sys
import time

import pytest

from rotbot.errors import InputError
from rotbot.models.folders import atomic_folder

FILES = 12
WRITER = f"""
import itertools, sys
from rotbot.models.folders import atomic_folder
for generation in itertools.count(1):
    with atomic_folder(sys.argv[1]) as folder:
        for i in range({FILES}):
            (folder / f"file{{i}}").write_text(str(generation))
    print(generation, flush=True)
"""


def write_and_fail(folder):
    (folder / "a").write_text("2")
    (folder / "no" / "such").write_text("2")


def contents(folder):
    return {p.name: p.read_text() for p in folder.iterdir()}


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "deep" / "out"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert contents(target) == {"a": "1"}
    with atomic_folder(target) as folder:
        (folder / "b").write_text("2")
        assert contents(target) == {"a": "1"}
    assert contents(target) == {"b": "2"}
    assert [p.name for p in target.parent.iterdir()] == ["out"]


def test_an_exception_leaves_what_was_there(tmp_path):
    target = tmp_path / "out"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        write_and_fail(folder)
    assert contents(target) == {"a": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_left_aside_by_a_killed_writer_comes_back(tmp_path):
    """Where two folders cannot be swapped in one step, a kill between the two moves leaves the old one aside."""
    aside = tmp_path / ".out.old"
    aside.mkdir()
    (aside / "a").write_text("1")
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert contents(tmp_path / "out") == {"a": "1"}
    assert not aside.exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with (
        pytest.raises(InputError, match="expected a folder to write to, got the file"),
        atomic_folder(tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_kills_at_any_moment_leave_one_generation_whole(tmp_path):
    rng = random.Random(3)
    for attempt in range(8):
        target = tmp_path / "out"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True)
        first = int(writer.stdout.readline())
        assert first == 1
        time.sleep(rng.uniform(0, 0.05))
        writer.kill()
        done = [1, *map(int, writer.stdout.read().split())]
        writer.wait()
        writer.stdout.close()
        found = contents(target)
        assert len(found) == FILES, attempt
        assert len(set(found.values())) == 1, attempt
        assert int(found["file0"]) in (done[-1], done[-1] + 1)
