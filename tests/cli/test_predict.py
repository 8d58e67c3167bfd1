"""``rotbot predict`` and ``rotbot demo``, from arguments to exit code, on a model that knows three answers."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from rotbot.cli.demo import problems
from rotbot.cli.main import main
from rotbot.cli.versus import answer, versus_table
from rotbot.inference import GREEDY, open_engine
from rotbot.rewards import compare
from tests.memorized import ANSWERS, LUCKY, RIGHT, WRONG


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*argv, stdin=None):
        monkeypatch.setenv("COLUMNS", "120")  # wide enough for a step's line whatever terminal the tests run in
        monkeypatch.setattr(sys, "argv", ["rotbot", *map(str, argv)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return end.value.code or 0, output.out, output.err

    return call


def options(problem, target=True):
    args = [f"--arg={name}={','.join(map(str, spec.shape))}" for name, spec in problem.specs]
    return ["-c", problem.code, *args, *(["--target", problem.target] if target else []), "--engine=transformers"]


def test_a_right_answer(run, memorized_folder):
    code, out, err = run("predict", memorized_folder, *options(RIGHT))
    assert code == 0
    lines = [" ".join(line.split()) for line in out.split("\n")]
    assert "0 add dimension at position 0 [16] → [1, 16] ✓ add dimension at position 0 [16] → [1, 16]" in lines
    assert "1 expand(4, -1) [1, 16] → [4, 16] ✓ expand(4, -1) [1, 16] → [4, 16]" in lines
    assert "final [4, 16] ✓ [4, 16]" in lines
    assert "✓ all 2 steps and the final shape are right" in lines
    assert "tokens/s) · transformers" in out
    assert err == ""


@pytest.mark.parametrize("width", [20, 30, 47])
def test_in_a_very_narrow_terminal_the_truth_stands_below_what_differs(width):
    seen = io.StringIO()
    screen = Console(file=seen, width=width)
    screen.print(versus_table(compare(WRONG.truth(), ANSWERS[WRONG]), "embedded", width))
    lines = seen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(seen.getvalue().split())
    assert "torch.fx" in words
    assert "✗" in words
    assert min(len(line.strip()) for line in lines if line.strip()) >= 1
    whole = [line for line in lines if "→" in line]
    assert len(whole) >= len(WRONG.truth().steps)  # no step is folded into a column of single letters


def test_colours_are_for_those_who_want_them(memorized_folder):
    def shown(**environment):
        parent, child = pty.openpty()
        command = [sys.executable, "-m", "rotbot", "predict", memorized_folder, *options(RIGHT)]
        done = subprocess.Popen(
            list(map(str, command)), stdout=child, stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        )  # fmt: skip
        os.close(child)
        text = b""
        while True:
            try:
                text += os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
        done.wait()
        os.close(parent)
        return text.decode()

    environment = {name: os.environ.pop(name) for name in ("NO_COLOR", "FORCE_COLOR") if name in os.environ}
    try:
        coloured, plain = shown(), shown(NO_COLOR="1")
    finally:
        os.environ.update(environment)
    green = re.compile(r"\x1b\[[0-9;]*32m")
    assert green.search(coloured)
    assert not green.search(plain)
    assert "✓" in plain


def test_a_lucky_answer_is_not_right(run, memorized_folder):
    code, out, _ = run("predict", memorized_folder, *options(LUCKY))
    assert code == 1
    lines = [" ".join(line.split()) for line in out.split("\n")]
    assert "0 view(2, 15) [6, 5] → [2, 13] ✗ view(2, 15) [6, 5] → [2, 15]" in lines
    assert "final [15, 2] ✓ [15, 2]" in lines
    says = "step 0 is wrong: view(2, 15) gives [2, 15], the model wrote [2, 13]"
    assert f"✗ lucky: the final shape is right, but {says}" in lines


def test_a_wrong_answer_says_where(run, memorized_folder):
    code, out, _ = run("predict", memorized_folder, *options(WRONG))
    assert code == 1
    assert "✗ step 1 is wrong: relu gives [2, 7], the model wrote [7, 2]" in out


def test_without_a_target_the_last_tensor_is_meant(run, memorized_folder):
    # were another name asked for, the model would see another prompt than the one it knows
    code, out, _ = run("predict", memorized_folder, *options(RIGHT, target=False), "--json")
    data = json.loads(out)
    assert (code, data["problem"]["target"]) == (0, "f")


def test_json(run, memorized_folder):
    code, out, err = run("predict", memorized_folder, *options(WRONG), "--json")
    data = json.loads(out)
    assert code == 1
    assert data["problem"] == {
        "code": WRONG.code, "args": {"a": [2, 3], "b": [3, 7]}, "target": "z", "prompt": WRONG.prompt(),
    }  # fmt: skip
    assert data["completion"]["text"] == ANSWERS[WRONG]
    assert data["completion"]["finish_reason"] == "stop"
    assert data["completion"]["tokens"] > 20
    assert data["completion"]["seconds"] > 0
    assert (data["model"], data["engine"]) == (str(memorized_folder), "transformers")
    assert [step["match"] for step in data["steps"]] == [True, False]
    assert data["steps"][1]["model"] == {"op": "relu", "inputs": [[2, 7]], "outputs": [[7, 2]], "reason": None}
    assert data["steps"][1]["truth"]["outputs"] == [[2, 7]]
    assert data["final"] == {
        "match": False,
        "model": {"shape": [7, 2], "error_step": None},
        "truth": {"shape": [2, 7], "error_step": None},
    }
    assert data["verdict"]["kind"] == "wrong"
    assert data["verdict"]["step"] == 1
    assert data["scores"] == {
        "parsed": True, "final_correct": False, "steps_correct": 1, "steps_total": 2, "steps_claimed": 2,
        "faithful": False, "lucky": False,
    }  # fmt: skip
    assert "the model wrote [7, 2]" in err  # people's text goes there


def test_code_from_a_file_and_from_standard_input(run, memorized_folder, tmp_path):
    file = tmp_path / "snippet.py"
    file.write_text(RIGHT.code + "\n")  # the last line end is the file's, not the prompt's
    rest = options(RIGHT)[2:]
    assert run("predict", memorized_folder, "--file", file, *rest)[0] == 0
    assert run("predict", memorized_folder, *rest, stdin=RIGHT.code + "\n")[0] == 0
    assert run("predict", memorized_folder, "-f", "-", *rest, stdin=RIGHT.code)[0] == 0


def test_a_completion_cut_off_says_so(run, memorized_folder):
    code, out, _ = run("predict", memorized_folder, *options(RIGHT), "--max-tokens", 12)
    assert code == 1
    assert "(cut off after 12 tokens: --max-tokens)" in out


def test_a_program_torch_rejects_has_a_truth_too(run, memorized_folder):
    argv = ["-c", "y = a @ a", "--arg=a=2,3", "--engine=transformers", "--json", "--max-tokens=40"]
    code, out, _ = run("predict", memorized_folder, *argv)
    data = json.loads(out)
    assert code == 1
    assert data["problem"]["target"] == "y"
    assert data["final"]["truth"] == {"shape": None, "error_step": 0}
    assert data["steps"][0]["truth"]["reason"]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-c", "y = x + 1"], "no shape is given for x"),
        (["-c", "x + 1", "-a", "x=2"], "expected code that assigns its result to a variable"),
        (["-c", "y = open('f')"], "line 1"),
        (["-c", "y = x.relu()", "-a", "x=2", "-t", "q"], "the target 'q' is never assigned"),
        (["-c", "y = x.relu()", "-a", "x=2", "--max-tokens", "0"], "max_tokens: expected 1 or more, got 0"),
        (["-c", "y = x.relu()", "-a", "x=2", "--engine", "tgi"], "engine: expected one of auto, vllm, transformers"),
    ],
)
def test_unusable_input(run, memorized_folder, argv, text):
    code, out, err = run("predict", memorized_folder, *argv)
    assert (code, out) == (2, "")
    assert text in err


def test_a_model_that_is_not_there(run):
    code, _, err = run("predict", "no-such-model", "-c", "y = x.relu()", "-a", "x=2")
    assert code == 2
    assert "got 'no-such-model'" in err


def test_steps_appear_while_the_model_writes(memorized_folder):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with open_engine(memorized_folder, "transformers") as engine:
        _, comparison, _ = answer(engine, WRONG, WRONG.truth(), GREEDY, "tiny", terminal, live=True)
    assert not comparison.faithful
    frames = terminal.file.getvalue().split("torch.fx")[1:]
    assert len(frames) > 2
    assert frames[0].count("[2, 3], [3, 7] → [2, 7]") == 1
    assert frames[-1].count("[2, 3], [3, 7] → [2, 7]") == 2
    assert frames[-1].count("✓") == 1
    assert frames[0].count("✓") + frames[0].count("✗") == 0


def test_a_narrow_terminal_gets_two_lines_a_step():
    narrow = Console(file=io.StringIO(), width=80, color_system=None)
    narrow.print(versus_table(compare(RIGHT.truth(), ANSWERS[RIGHT]), "tiny", narrow.width))
    lines = [" ".join(line.split()) for line in narrow.file.getvalue().split("\n")]
    at = lines.index("0 add dimension at position 0 ✓ add dimension at position 0")
    assert lines[at + 1] == "[16] → [1, 16] [16] → [1, 16]"


def test_what_a_model_writes_cannot_steer_the_terminal():
    text = "\x1b[2Jstep 0: [red]x[/red]\n" + "step 0: \x1b]0;title\x07 | [16] -> [1]\nfinal: [\x1b]"
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(versus_table(compare(RIGHT.truth(), text), "ti\x1bny", console.width))
    shown = console.file.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]x[/red]" in shown


def test_demo_shows_four_problems(run, memorized_folder):
    code, out, err = run("demo", memorized_folder, "--engine=transformers")
    assert (code, err) == (0, "")
    assert out.count("torch.fx") == 4
    assert "✓ all 2 steps and the final shape are right" in out  # the seed's problem is one it knows
    assert out.rstrip().split("\n")[-1].startswith("1 of 4 problems with every step and the final shape right: ")


def test_the_demo_s_problems_are_sound():
    truths = [problem.truth() for _, problem in problems()]
    assert problems()[0][1] == RIGHT
    assert [truth.error for truth in truths] == [None] * 4
    assert [truth.final for truth in truths] == [(4, 16), (2, 4, 10, 10), (4, 384), (2, 8)]
    assert [len(truth.steps) for truth in truths] == [2, 4, 4, 5]
    assert {len(problem.specs) for _, problem in problems()} == {1, 2, 3}


@pytest.mark.slow
def test_a_terminal_sees_no_noise(memorized_folder):
    """The whole command in a process of its own, on a terminal: vLLM loads without a word, the steps are there."""
    command = [sys.executable, "-m", "rotbot", "predict", str(memorized_folder), *options(RIGHT)[:-1], "--engine=vllm"]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40", "NO_COLOR": "1"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # Linux: the other side has closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, errors
    assert errors == ""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "✓ all 2 steps and the final shape are right" in text
    assert "tokens/s) · vllm" in text
    assert "WARNING" not in text
    assert "Warning" not in text
