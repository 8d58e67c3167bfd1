"""``docs/cli.md`` is what the commands say of themselves, and every command's help has an example."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rotbot.cli.manual import manual

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual(), "run: python -m rotbot.cli.manual > docs/cli.md"


def test_every_command_has_an_example_that_calls_it() -> None:
    sections = manual().split("\n## rotbot ")[1:]
    assert len(sections) >= 15
    for section in sections:
        name = section.partition("\n")[0]
        assert f"```\nrotbot {name}" in section, f"rotbot {name} --help has no example"


def test_every_option_says_what_it_is() -> None:
    rows = [line for line in manual().split("\n") if line.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []
    assert any(row.startswith("| `--arg, -a NAME=SHAPE` |") for row in rows)


@pytest.mark.parametrize(("words", "offered"), [("rotbot pre", "predict"), ("rotbot trace --ar", "--arg")])
def test_a_shell_completes_commands_and_options(words, offered):
    environment = {"_ROTBOT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = str(Path(sys.executable).with_name("rotbot"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert offered in done.stdout.split()
