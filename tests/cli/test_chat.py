"""``rotbot chat``: what counts as a statement, what a session keeps, and the whole command on pipes and a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from rotbot.cli.completion import candidates
from rotbot.cli.session import Session, declaration, declared, extended, is_whole, missing, older_steps, undone
from rotbot.errors import InputError, SnippetSyntaxError, UnsafeSnippet
from rotbot.shapes import isolation, parse_arg
from rotbot.shapes.isolation import trace_isolated
from tests.memorized import RIGHT


@pytest.fixture(scope="module", autouse=True)
def _one_worker():
    yield
    isolation.stop_worker()


# --- what was typed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("y = x", True),
        ("y = x.view(", False),
        ("y = x.view(\n  2, 3)", True),
        ("y = x.view(\n", True),  # a blank line ends everything
        ("y = x[1:]", True),
        ("y = {1: 2}", True),
        ("y = x + \\", False),
        ('y = """a', False),
        ("def f(x):", False),
        ("def f(x):  # why", False),
        ("def f(x):\n    return x", False),
        ("def f(x):\n    return x\n", True),
        ("for a in range(2): y = x", True),
        ("f = lambda: 3", True),
        ("@f", False),
        ("if x:\n    y = 1\n  z = 2", True),
        ("y = x +", True),
    ],
)
def test_where_a_statement_ends(text, whole):
    assert is_whole(text.split("\n")) is whole


@pytest.mark.parametrize(
    ("text", "shape"),
    [("x: 2,3", (2, 3)), (" x : [2, 3] ", (2, 3)), ("x: []", ()), ("x: B,T,3*C", ("B", "T", "3*C"))],
)
def test_a_declaration(text, shape):
    assert declaration(text) == ("x", parse_arg(list(shape)))


@pytest.mark.parametrize("text", ["x = 2", "x: int = 3", "else: y", "lambda: x", "x[1:]", "x.y: 3", "x:", "f(a, b)"])
def test_no_declaration(text):
    assert declaration(text) is None


def test_a_declaration_of_nonsense_says_what_is_expected():
    with pytest.raises(InputError, match="x: expected dimensions"):
        declaration("x: 2 3")


# --- a session -------------------------------------------------------------------------------------------------------


def after(*statements, **shapes):
    session = Session({name: parse_arg(shape) for name, shape in shapes.items()})
    for statement in statements:
        session = extended(session, statement).session
    return session


def test_a_turn_has_the_statement_s_own_steps_and_target():
    session = after("n = 3", "h = x.relu()", x="2,3")
    assert session.steps == 1
    turn = extended(session, "y, z = (h @ h.mT).chunk(2)")
    assert [step.op for step in turn.steps] == ["mT", "matmul", "chunk(2)"]
    assert (turn.since, turn.target, turn.trace.error) == (1, "z", None)
    assert turn.session.code == "n = 3\nh = x.relu()\ny, z = (h @ h.mT).chunk(2)"


def test_an_expression_is_kept_in_a_variable_and_a_look_is_not_kept():
    turn = extended(after("h = x.relu()", x="2,3"), "h.mT @ h")
    assert (turn.session.statements[-1], turn.target) == ("_ = h.mT @ h", "_")
    looked = extended(turn.session, "_")
    assert (looked.session, looked.steps, looked.target) == (turn.session, (), "_")
    assert trace_isolated(looked.code, dict(turn.session.specs), "_").final == (3, 3)
    module = after("layers = nn.ModuleList()", "layers.append(nn.ReLU())", x="2,3")
    assert extended(module, "y = layers[0](x)").steps[0].op == "ReLU()"


def test_what_torch_rejects_is_not_kept():
    session = after("h = x.relu()", x="2,3")
    turn = extended(session, "y = h.view(4)")
    assert turn.session is session
    assert (turn.trace.error.step, turn.trace.error.line) == (1, 2)


def test_what_is_missing_and_what_cannot_be_read():
    session = after("h = x.relu()", x="2,3")
    assert missing(session, "y = h @ w + x + b") == ["w", "b"]
    with pytest.raises(SnippetSyntaxError, match="line 1: not Python"):
        missing(session, "y = +")
    with pytest.raises(UnsafeSnippet, match="line 2: import of os"):
        extended(session, "import os")


def test_a_new_shape_is_traced_or_refused():
    session = after("h = x.view(2, -1)", x="2,3")
    assert declared(session, "x", parse_arg("4,3")).specs["x"].shape == (4, 3)
    with pytest.raises(InputError, match="x stays as it was: in line 1, 15 is not divisible by 2"):
        declared(session, "x", parse_arg("5,3"))
    assert declared(Session(), "i", parse_arg("3:int64")).specs["i"].dtype == "int64"


def test_undo_takes_back_one_statement():
    session = after("h = x.relu()", "y = h.mT @ h", x="2,3")
    assert (undone(session).code, undone(session).steps) == ("h = x.relu()", 1)
    assert undone(undone(session)) == after(x="2,3")
    with pytest.raises(InputError, match="expected a statement to take back, got none"):
        undone(Session())


def test_older_steps_are_told_by_their_node_and_not_by_their_line():
    session = after("def f(x):\n    return x.relu()\n", "h = f(x)", "dead = h.exp()", x="2,3")
    turn = extended(session, "y = f(h).sum()")
    truth = trace_isolated(turn.code, dict(session.specs), "y")
    assert [step.op for step in truth.steps] == ["relu", "relu", "sum"]
    assert older_steps(turn, truth) == 1
    named = after("h = x.relu()", x="B,3")
    turn = extended(named, "y = h.sum()")
    assert turn.steps[0].op == "sum"
    assert older_steps(turn, trace_isolated(turn.code, dict(named.specs), "y")) == 0


@pytest.mark.parametrize(
    ("word", "some"),
    [
        ("torch.rel", ["torch.relu", "torch.relu_"]),
        ("F.gel", ["F.gelu"]),
        ("nn.Linea", ["nn.Linear"]),
        ("torch.nn.functional.gel", ["torch.nn.functional.gelu"]),
        ("torch.lin", ["torch.linalg", "torch.linspace"]),
        ("torch.linalg.sv", ["torch.linalg.svd", "torch.linalg.svdvals"]),
        ("hid", ["hidden"]),
        ("hidden.unsq", ["hidden.unsqueeze", "hidden.unsqueeze_"]),
        ("hidden.sha", ["hidden.shape"]),
        ("to", ["torch"]),
        ("torch.os", []),
        ("torch.__", []),
    ],
)
def test_completion_offers_what_is_allowed(word, some):
    assert candidates(word, ["hidden"]) == some


# --- the command -----------------------------------------------------------------------------------------------------


def chat(typed, *options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    command = [sys.executable, "-m", "rotbot", "chat", *map(str, options)]
    return subprocess.run(command, input=typed, env=env, capture_output=True, text=True, check=False, timeout=300)


def test_a_conversation_without_a_model(tmp_path):
    canary = tmp_path / "canary"
    done = chat(
        "y = x @ w\nx: 2,3\nw: 3,4\n"
        f"open({str(canary)!r}, 'w')\ndef f(a):\n    return a.mT\n\nz = f(y)\nz\n"
        "n = z.size(0)\nn\n/undo\nz.view(3)\n/undo\n/what\n/show\n"
        "/clear\nz\n/quit\nnever",
        "--no-model",
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.split("\n")]
    assert lines[:4] == [
        "no shape is given for x, w; give it like x: 2,3, w: 2,3",
        "no shape is given for w; give it like w: 2,3",
        "0 matmul: [2, 3], [3, 4] → [2, 4] (line 1)",
        "rotbot: line 2: open is not allowed in a shape program",
    ]
    assert lines[4:6] == ["1 mT: [2, 4] → [4, 2] (line 3)", "z: [4, 2]"]
    assert "rotbot: n is a value of type int, not a tensor" in lines
    assert "3 statements are left" in lines
    assert "error at step 2, line 5: 8 elements do not fit [3]" in lines
    assert "2 statements are left" in lines
    assert "rotbot: expected /help, /show, /undo, /clear or /quit, got '/what'" in lines
    shown = lines[lines.index("w: 3,4:float32") :]
    assert shown[1:4] == ["y = x @ w", "def f(a):", "    return a.mT"]
    assert "final: [2, 4]" in shown
    assert lines[-2] == "no shape is given for z; give it like z: 2,3"
    assert not canary.exists()


def test_the_model_s_steps_of_the_last_line_beside_the_truth(memorized_folder):
    first, second = RIGHT.code.split("\n")
    done = chat(f"{first}\n{second}\n", memorized_folder, "--arg=s=16", "--engine=transformers")
    assert done.returncode == 0, done.stderr
    answers = [" ".join(line.split()) for line in done.stdout.split("torch.fx")[2].split("\n")]
    assert "1 expand(4, -1) [1, 16] → [4, 16] ✓ expand(4, -1) [1, 16] → [4, 16]" in answers
    assert "✓ all 2 steps and the final shape are right" in answers
    assert not any(line.startswith("0 ") for line in answers)  # the first line's step was shown with it


def test_a_model_that_is_not_there():
    done = chat("", "no-such-model")
    assert done.returncode == 2
    assert "got 'no-such-model'" in done.stderr


def talk(home, *typed):
    """Type at a session on a terminal of its own: after each ``keys`` its ``words`` must be shown."""
    command = [sys.executable, "-m", "rotbot", "chat", "--no-model"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home), "TERM": "xterm"}
    env.pop("XDG_CONFIG_HOME", None)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, command, env)
    try:
        shown = ""
        for keys, words in typed:
            os.write(terminal, keys.encode())
            until = time.monotonic() + 60
            while words not in shown:
                if not select.select([terminal], [], [], 5)[0]:
                    assert time.monotonic() < until, f"{words!r} did not come after {keys!r}: {shown!r}"
                    if keys == "\x03":  # Python's readline loses one that comes just before it waits: press again
                        os.write(terminal, keys.encode())
                    continue
                shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown + os.read(terminal, 65_536).decode())
            shown = shown.partition(words)[2]
        os.write(terminal, b"\x04")
        assert os.waitpid(pid, 0)[1] == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)


def test_a_terminal_completes_remembers_and_survives_ctrl_c(tmp_path):
    talk(
        tmp_path,
        ("", ">>> "),
        ("x: 2,3\n", ">>> "),
        ("y = torch.matm\t", "torch.matmul"),
        ("\x03", ">>> "),
        ("y = x.unsqueeze_\t", "x.unsqueeze_"),
        ("(0)\n", "0 unsqueeze_(0): [2, 3] → [1, 2, 3]"),
        ("", ">>> "),
    )
    talk(tmp_path, ("", ">>> "), ("\x1b[A", "y = x.unsqueeze_(0)"), ("\x15x: 4\n", ">>> "))
