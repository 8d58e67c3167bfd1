"""``docs/cli.md`` is what the commands say of themselves, and every command's help has an example."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from rotbot.cli.helptext import paragraphs
from rotbot.cli.main import app
from rotbot.cli.manual import manual

COMMANDS = typer.main.get_command(app).commands
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


def _help(name: str, columns: int) -> str:
    """What ``rotbot NAME --help`` shows, its lines joined and the frames taken off."""
    environment = os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "rotbot", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert all(len(line) <= columns for line in done.stdout.splitlines())
    return " ".join(done.stdout.translate(dict.fromkeys(map(ord, "│╭╮╰╯─"), " ")).split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_shows_all_that_the_command_says_of_itself_and_reads_none_of_it_as_markup(name):
    command = COMMANDS[name]
    shown = _help(name, 400)
    for each in paragraphs(inspect.getdoc(command.callback)):
        assert f"$ {each.text}" in shown if each.example else each.text in shown
    for parameter in command.params:
        assert parameter.help in shown
    assert "<bool>" not in shown


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_is_whole_in_a_narrow_terminal(name):
    command, shown = COMMANDS[name], _help(name, 40).replace(" ", "")  # a long word may be in two lines
    for each in paragraphs(inspect.getdoc(command.callback)):
        assert (f"$ {each.text}" if each.example else each.text).replace(" ", "") in shown
    for parameter in command.params:
        assert parameter.help.replace(" ", "") in shown
        assert parameter.param_type_name == "argument" or all(option in shown for option in parameter.opts)


def test_the_list_of_commands_has_each_with_its_first_sentence():
    listed = subprocess.run(
        [sys.executable, "-m", "rotbot", "--help"], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "400"},
    ).stdout  # fmt: skip
    for name, command in COMMANDS.items():
        assert f"│ {name} " in listed
        assert paragraphs(inspect.getdoc(command.callback))[0].text in listed
    assert "<bool>" not in listed


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rotbot pre", "predict"),
        ("rotbot trace --ar", "--arg"),
        ("rotbot trace --format s", "sarif"),
        ("rotbot predict --engine e", "endpoint"),
        ("rotbot sft --config qwen3-0", "qwen3-0.6b"),
        ("rotbot grpo --config t", "tiny-grpo"),
        ("rotbot generate --config s", "shapes"),
    ],
)
def test_a_shell_completes_commands_options_and_their_values(words, offered):
    environment = {"_ROTBOT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = str(Path(sys.executable).with_name("rotbot"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert offered in done.stdout.split()
