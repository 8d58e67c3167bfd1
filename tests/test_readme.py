"""What the README and the pages of ``docs`` tell people to type: it parses, it exists, and it prints what they show."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from rotbot import Problem
from rotbot.cli.main import app
from rotbot.config import apply_overrides, build, read_yaml
from rotbot.recipes import find_recipe
from rotbot.rl.settings import GrpoConfig
from rotbot.sft.config import SftConfig, expand_keys

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "docs/fine-tuning.md", "docs/grpo.md", "docs/grpo-loss.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"\d+ tokens in \d+\.\d+ s \(\d+ tokens/s\)")
SHOWN = {
    "rotbot trace --arg x=2,10,64 -c": 145,
    "rotbot trace docs/model.py::Block --init dim=64 --arg x=2,10,64 --format github": 145,
    "rotbot trace --arg x=B,T,C -c": 170,
    "rotbot predict -c 'y = (x @ w).relu()'": 120,
    "rotbot chat --engine transformers": 120,
}
"""Commands whose output the README shows in the block that follows, by how they begin, and the terminal's columns."""


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """The page's blocks of a language, each with the block without a language that follows it ("" if none does)."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    pairs = zip_longest(found, found[1:], fillvalue=("", ""))
    return [(text, "" if next_kind else after) for (kind, text), (next_kind, after) in pairs if kind == language]


def commands(text: str) -> list[str]:
    """The commands of a shell block: a line each, or several where a quote or a backslash goes on."""
    found, kept = [], ""
    for line in text.splitlines():
        kept = f"{kept}\n{line}" if kept else line
        if kept.endswith("\\"):
            kept = kept[:-1]
            continue
        try:
            shlex.split(kept, comments=True)
        except ValueError:  # a quote that is still open
            continue
        if shlex.split(kept, comments=True):
            found.append(kept)
        kept = ""
    assert not kept, f"an open quote in {kept!r}"
    return found


def words(command: str) -> list[str]:
    """A command's words without comments and redirections; the last of a pipeline's."""
    split = shlex.split(command, comments=True)
    if "|" in split:
        split = split[split.index("|") + 1 :]
    return split[: split.index(">")] if ">" in split else split


ALL = [(page, command) for page in PAGES for text, _ in blocks(page, "bash") for command in commands(text)]


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{page}: {command.strip()[:60]}" for page, command in ALL])
def test_every_command_can_be_given(page: str, command: str) -> None:
    """Its program exists, and takes these arguments, options and settings."""
    program, *rest = words(command)
    if Path(program).name == "rotbot":
        group = typer.main.get_command(app)
        assert isinstance(group, TyperGroup)
        name, sub, given = group.resolve_command(group.make_context("rotbot", [], resilient_parsing=True), rest)
        assert sub is not None
        parsed = sub.make_context(name, list(given)).params
        if name in ("sft", "grpo"):
            recipe = find_recipe(parsed["config"], "grpo" if name == "grpo" else "training")
            overrides = parsed["overrides"] or []
            values = apply_overrides(read_yaml(recipe), expand_keys(overrides) if name == "sft" else overrides)
            build(SftConfig if name == "sft" else GrpoConfig, values)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in rest if "=" not in word and word not in targets] == []
    elif program in ("python", ".venv/bin/python"):
        script = rest[rest.index("-m") + 1] if "-m" in rest else rest[0]
        assert (ROOT / script).is_file() or script in ("pytest", "build", "rotbot.problems.families"), script
    else:
        assert program in ("pipx", "git", "inspect", "torchrun"), f"nothing is known of {program} in {page}"


SPANS = [
    (page, span.replace("\\|", "|"))
    for page in PAGES
    if page != "CONTRIBUTING.md"  # whose figures are none
    for span in re.findall(r"`([^`\n]+)`", (ROOT / page).read_text(encoding="utf-8"))
    if re.match(r"(\.venv/bin/)?(python -m )?pytest |make bench ", span)
]


@pytest.mark.parametrize(("page", "span"), SPANS, ids=[f"{page}: {span}" for page, span in SPANS])
def test_every_figures_command_finds_tests(page: str, span: str) -> None:
    """The files that it names exist, and what ``-k`` asks for is the name of a test in them."""
    split = shlex.split(span)
    if split[0] == "make":
        split = shlex.split(split[-1].removeprefix("ARGS=")) if "ARGS" in span else []
        files = sorted((ROOT / "tests" / "benchmarks").glob("bench_*.py"))
    else:
        files = [ROOT / word for word in split if word.startswith("tests/")]
    assert files, f"{page}: {span}"
    assert [file for file in files if not file.exists()] == [], f"{page}: {span}"
    if "-k" in split:
        wanted = split[split.index("-k") + 1]
        sources = [f for file in files for f in (file.rglob("*.py") if file.is_dir() else [file])]
        names = [f"{file.name} {name}" for file in sources for name in re.findall(r"def (test_\w+)", file.read_text())]
        assert [name for name in names if wanted in name], f"{page}: no test is called like {wanted}"


@pytest.mark.slow
@pytest.mark.parametrize(("start", "columns"), SHOWN.items(), ids=SHOWN)
def test_the_readme_shows_what_is_printed(start: str, columns: int) -> None:
    """Figures of time apart."""
    ((command, shown),) = [
        (text, output)
        for text, output in blocks("README.md", "bash")
        if output and start in text.replace(".venv/bin/", "")
    ]
    command = next(each for each in commands(command) if start in each.replace(".venv/bin/", ""))
    script = command.replace(".venv/bin/rotbot", f"{shlex.quote(sys.executable)} -m rotbot")
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300, check=False
    )
    said = done.stdout if done.stdout.strip() else done.stderr
    assert tidy(said) == tidy(shown), done.stderr[-2000:]


def tidy(text: str) -> list[str]:
    """Its lines without trailing spaces, empty lines at both ends, and times."""
    return [SECONDS.sub("N tokens", line.rstrip()) for line in text.strip("\n").splitlines()]


EXAMPLES = [text for text, _ in blocks("README.md", "python") if "gradio_client" not in text]
"""The page's API is tested where a page is served: tests/space/test_api.py."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.strip().splitlines()[0])
def test_python_examples_give_what_their_comments_say(example: str) -> None:
    """A line ``expression  # literal`` has that value; all other lines run."""
    problem = Problem("y = x.T", {"x": [2, 3]}, "y")
    known = {"problem": problem, "completion": problem.truth().completion(), "code": "y = x.T", "args": {"x": [2, 3]}}
    lines = f"import rotbot\n{example}".splitlines()
    for node in ast.parse("\n".join(lines)).body:
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        exec(source, known)
        comment = source.rpartition("  # ")[2]
        if isinstance(node, ast.Expr) and re.fullmatch(r"\(.*\)|'.*'|\[.*\]|\d+|True|False", comment):
            assert eval(ast.unparse(node.value), known) == ast.literal_eval(comment), source


def test_there_are_commands_figures_and_examples_to_test() -> None:
    assert len(ALL) > 30
    assert len(SPANS) > 15
    assert len(EXAMPLES) >= 2
