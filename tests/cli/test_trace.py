"""``rotbot trace`` as people use it: what is printed where, and the exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotbot.cli.main import main
from rotbot.cli.view import marked_source, printable, shapes_text
from rotbot.shapes import isolation
from rotbot.shapes.trace import Span

SEED = "q = s[None, :]\nf = q.expand(4, -1)"
WRONG = "h = x @ w\ny = h.view(3, 5)\nz = y + 1"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module", autouse=True)
def _patient_worker() -> Iterator[None]:
    isolation.worker_pid()
    yield
    isolation.stop_worker()


@pytest.fixture
def rotbot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: str, stdin: str | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["rotbot", *args])
        raw = io.BytesIO((stdin or "").encode())
        monkeypatch.setattr(sys, "stdin", Terminal() if stdin is None else io.TextIOWrapper(raw))
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run


# --- a good program --------------------------------------------------------------------------------------------------


def test_the_table_of_the_seed_problem(rotbot) -> None:
    done = rotbot("trace", "-c", SEED, "--arg", "s=16", "--target", "f")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert rows[0] == ["step", "operation", "inputs", "→", "output", "variable", "line", "source"]
    assert rows[2] == "0 add dimension at position 0 [16] → [1, 16] q 1 q = s[None, :]".split()
    assert rows[3] == "1 expand(4, -1) [1, 16] → [4, 16] f 2 f = q.expand(4, -1)".split()
    assert rows[-1] == ["f:", "[4,", "16]"]
    assert "\x1b" not in done.out


def test_code_from_a_file_from_stdin_and_with_written_line_breaks(rotbot, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(SEED.replace("\n", "\r\n"))
    wanted = rotbot("trace", "-c", SEED, "-a", "s=16", "--json").out
    assert json.loads(wanted)["final"] == [4, 16]
    assert rotbot("trace", str(file), "-a", "s=16", "--json").out == wanted
    assert rotbot("trace", "-", "-a", "s=16", "--json", stdin=SEED).out == wanted
    assert rotbot("trace", "-a", "s=16", "--json", stdin=SEED).out == wanted
    assert rotbot("trace", "-c", SEED.replace("\n", r"\n"), "-a", "s=16", "--json").out == wanted


def test_work_is_a_column_and_a_field(rotbot) -> None:
    args = ("trace", "-c", "y = x.view(6, -1)\nz = y[:, ::3].relu()", "-a", "x=2,3,8")
    rows = [line.split() for line in rotbot(*args, "--work").out.splitlines() if line.strip()]
    assert rows[0] == ["step", "operation", "inputs", "→", "output", "work", "variable", "line", "source"]
    assert rows[2] == "0 view(6, -1) [2, 3, 8] → [6, 8] 2*3 = 6 y 1 y = x.view(6, -1)".split()
    assert " ".join(rows[3]).startswith(
        "1 slice dim 1 from 0 to 8 step 3 [6, 8] → [6, 3] (8 + 2)//3 = 10//3 = 3 2 z = "
    )
    assert " ".join(rows[4]).startswith("2 relu [6, 3] → [6, 3] z 2")
    assert "work" not in rotbot(*args).out
    works = [step["work"] for step in json.loads(rotbot(*args, "--work", "--json").out)["steps"]]
    assert works == [["2*3 = 6"], ["(8 + 2)//3 = 10//3 = 3"], []]
    assert [step["work"] for step in json.loads(rotbot(*args, "--json").out)["steps"]] == [[], [], []]


def test_work_in_a_narrow_terminal(rotbot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    out = rotbot("trace", "-c", "y = x.flatten()", "-a", "x=3,4", "--work").out
    assert "0 flatten: [3, 4] → [12], 3*4 = 12 (line 1)" in out


def test_json_of_a_tuple_and_of_dtypes(rotbot) -> None:
    done = rotbot(
        "trace", "-c", "v, k = w[i].topk(2)\ny = (v, k)", "-a", "w=9,4", "-a", "i=[3]:int64", "-t", "y", "--json"
    )
    data = json.loads(done.out)
    assert data["target"] == "y"
    assert data["final"] == [[3, 2], [3, 2]]
    assert data["error"] is None
    assert [(s["step"], s["inputs"], s["outputs"], s["line"]) for s in data["steps"]] == [
        (0, [[9, 4], [3]], [[3, 4]], 1),
        (1, [[3, 4]], [[3, 2], [3, 2]], 1),
    ]
    assert done.err == ""


# --- a definition in a file ------------------------------------------------------------------------------------------


def test_a_function_in_a_file(rotbot, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        "import os\nimport torch\n\n\ndef join(a, b, dim=0):\n    both = torch.cat([a, b], dim)\n    return both\n"
    )
    done = rotbot("trace", f"{file}::join", "-a", "a=2,3", "-a", "b=4,3", "--json")
    data = json.loads(done.out)
    assert (done.code, data["final"], data["steps"][0]["line"]) == (0, [6, 3], 6)
    assert json.loads(rotbot("trace", f"{file}::join", "-a", "a=2,3", "-a", "b=2,T", "--value", "dim=1", "--json").out)[
        "final"
    ] == [2, "T + 3"]
    done = rotbot("trace", f"{file}::join", "-a", "a=2,3", "-a", "b=2,4")
    assert done.code == 1
    assert "> 6 │     both = torch.cat([a, b], dim)" in done.out


def test_a_module_class_in_a_file_in_every_format(rotbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self, dim, bias=True):\n"
        "        super().__init__()\n        self.inner = nn.Linear(dim, 5, bias=bias)\n\n"
        "    def forward(self, x, flat=False):\n        y = self.inner(x)\n        return y.flatten() if flat else y\n"
    )
    args = ("trace", "net.py::Net", "--init", "dim=4", "-a")
    assert json.loads(rotbot(*args, "x=2,4", "--value", "flat=True", "--format", "json").out)["final"] == [10]
    done = rotbot(*args, "x=2,3", "--format", "github")
    assert (done.code, done.out.count("\n")) == (1, 1)
    assert done.out.startswith(
        "::error file=net.py,line=9,endLine=9,col=13,endColumn=25,title=Shape error::Linear(4, 5"
    )
    assert ">  9 │         y = self.inner(x)" in done.err
    done = rotbot(*args, "x=2,3", "--format", "sarif")
    assert json.loads(done.out)["runs"][0]["results"][0]["level"] == "error"
    for extra, words in (
        (["--format", "xml"], "--format: expected one of text, json, github, sarif, got 'xml'"),
        (["--init", "dim=4", "--init", "width=3"], "Net.__init__ has no parameter width; expected dim, bias"),
        ([], "Net.__init__ needs dim; add --init dim=4"),
    ):
        done = rotbot("trace", "net.py::Net", "-a", "x=2,4", *extra)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


def test_a_function_that_cannot_be_called(rotbot, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def one(x):\n    return x\n")
    for args, words in (
        ([f"{file}::two"], f"{file}: expected the name of a function or class, one of one; got 'two'"),
        ([f"{file}::one"], f"{file}: one needs x; add --arg x=2,3"),
        ([f"{file}::one", "--value", "x"], "--value: expected NAME=LITERAL"),
        ([f"{file}::one", "--value", "x=1", "-a", "x=2"], "x is given twice"),
        ([f"{file}::one", "--value", "x=1", "--value", "x=2"], "--value: x is given twice"),
        ([f"{file}::one", "-a", "x=2", "-t", "x"], "--target is for code"),
        (["-c", "y = x", "-a", "x=2", "--init", "a=1"], "are for a function or class in a file"),
        ([f"{tmp_path}/none.py::one"], "cannot read"),
    ):
        done = rotbot("trace", *args)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


# --- a wrong program -------------------------------------------------------------------------------------------------


def test_a_shape_error_prints_the_trace_the_marked_line_and_the_reason(rotbot) -> None:
    done = rotbot("trace", "-c", WRONG, "-a", "x=2,3", "-a", "w=3,4")
    assert (done.code, done.err) == (1, "")
    assert "matmul" in done.out
    assert "[2, 4] → error" in done.out
    lines = done.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("> 2 │ y = h.view(3, 5)"))
    assert lines[at - 1] == "  1 │ h = x @ w"
    assert lines[at + 1] == "    │     ^^^^^^^^^^^^"
    assert lines[-1].startswith("error at step 1, line 2: ")


def test_json_of_a_shape_error_leaves_people_s_text_on_stderr(rotbot) -> None:
    done = rotbot("trace", "-c", WRONG, "-a", "x=2,3", "-a", "w=3,4", "--json")
    assert done.code == 1
    data = json.loads(done.out)
    assert data["final"] is None
    assert (data["error"]["step"], data["error"]["line"]) == (1, 2)
    assert data["error"]["reason"] == data["steps"][1]["reason"]
    assert data["steps"][1]["outputs"] == []
    assert "> 2 │ y = h.view(3, 5)" in done.err
    assert data["error"]["reason"] in done.err


# --- names for dimensions --------------------------------------------------------------------------------------------


def test_symbolic_dimensions_in_the_table_and_in_json(rotbot) -> None:
    code = "b, t, c = x.shape\ny = x.view(b, t, 8, c // 8).transpose(1, 2)"
    done = rotbot("trace", "-c", code, "--arg", "x=B,T,C", "-t", "y")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert rows[2][:14] == "0 view(B, T, 8, C//8) [B, T, C] → [B, T, 8, C//8] 2".split()[:14]
    assert rows[-2:] == [
        "y: [B, 8, T, C//8]".split(),
        "for all large enough B, T, C with C % 8 == 0 (checked at 5 random assignments)".split(),
    ]
    data = json.loads(rotbot("trace", "-c", code, "--arg", "x=B,T,C", "--json").out)
    assert data["final"] == ["B", 8, "T", "C//8"]
    assert data["steps"][0]["op"] == "view(B, T, 8, C//8)"
    assert data["promise"] == {"names": ["B", "T", "C"], "assumptions": ["C % 8 == 0"], "verified": 5}
    assert json.loads(rotbot("trace", "-c", SEED, "-a", "s=16", "--json").out)["promise"] is None


def test_a_symbolic_shape_error_and_a_refusal(rotbot) -> None:
    done = rotbot("trace", "-c", "y = x @ w", "-a", "x=B,T", "-a", "w=C,D")
    assert done.code == 1
    assert "error at step 0, line 1: inner dimensions T and C differ" in done.out
    done = rotbot("trace", "-c", "y = x.split(4)", "-a", "x=T")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("rotbot: the steps depend on the value of a dimension: step 0 is split(4) at T=")


# --- unusable input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-c", SEED], "no shape is given for s, which is read by the code; add it like --arg s=2,3"),
        (
            ["-c", "y = a @ b"],
            "no shape is given for a, b, which are read by the code; add it like --arg a=2,3 --arg b=2,3",
        ),
        (["-c", SEED, "-a", "s"], "--arg: expected NAME=SHAPE"),
        (["-c", SEED, "-a", "=3"], "--arg: expected NAME=SHAPE"),
        (["-c", SEED, "-a", "s=x y"], "--arg s: expected dimensions"),
        (["-c", SEED, "-a", "s=2:int65"], "--arg s: unknown dtype 'int65'"),
        (["-c", SEED, "-a", "s=2", "-a", "s=3"], "--arg: s is given twice"),
        (["-c", SEED, "-a", "2s=2"], "expected variable names, got '2s'"),
        (["-c", "y = (1"], "line 1: not Python"),
        (["-c", "import os"], "line 1: import of os is not allowed"),
        (["-c", SEED, "-a", "s=16", "-t", "nope"], "nope"),
        (["-c", "y = x.nonzero()", "-a", "x=3"], "line 1: nonzero"),
        (["-c", SEED, "some.py"], "got both -c and 'some.py'"),
        (["no/such/file.py"], "cannot read 'no/such/file.py': No such file or directory"),
        ([], "expected code: give -c"),
    ],
)
def test_unusable_input_is_one_clear_line_and_exit_code_2(rotbot, args: list[str], words: str) -> None:
    done = rotbot("trace", *args)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert done.err.startswith("rotbot: ")
    assert done.err.count("\n") == 1


def test_files_that_are_no_source(rotbot, tmp_path: Path) -> None:
    binary, large = tmp_path / "weights.bin", tmp_path / "large.py"
    binary.write_bytes(b"y = \xff\xfe")
    large.write_bytes(b"#" * 2_000_000)
    assert "expected Python source in UTF-8, got something else at byte 4" in rotbot("trace", str(binary)).err
    assert "expected at most 1000000 bytes of code" in rotbot("trace", str(large)).err
    assert "cannot read" in rotbot("trace", str(tmp_path)).err


# --- the look --------------------------------------------------------------------------------------------------------


def test_colour_on_request_and_none_with_no_color(rotbot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in rotbot("trace", "-c", SEED, "-a", "s=16").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in rotbot("trace", "-c", SEED, "-a", "s=16").out


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_nothing_is_cut_off_or_wider_than_the_terminal(rotbot, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = rotbot("trace", "-c", "y = (x @ w).view(2, 10, 4, 8).transpose(1, 2)", "-a", "x=2,10,64", "-a", "w=64,32")
    table = done.out.split("\ny: ")[0]
    assert max(map(len, table.splitlines())) <= columns
    folded = "".join(table.split())
    for text in ("64", "matmul", "[2,4,10,8]") if columns >= 80 else ("64", "32"):
        assert text in folded


def test_foreign_text_cannot_speak_to_the_terminal(rotbot) -> None:
    code = "y = torch.einsum('ij->ji', x)  # \x1b[31m [red]\nz = y.view(7)\t# \x07"
    done = rotbot("trace", "-c", code, "-a", "x=2,3")
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "\x07" not in done.out
    assert "[red]" in done.out


def test_carets_stand_under_the_fault_in_wide_and_tabbed_lines() -> None:
    code = "if 1:\n\té = '日本'; y = x.view(7)"
    column = len("\té = '日本'; y = ".encode())
    text = marked_source(code, 2, Span(2, column, 2, column + len("x.view(7)"))).plain
    assert text.split("\n")[1:] == ["> 2 │     é = '日本'; y = x.view(7)", "    │ " + " " * 20 + "^" * 9]


def test_only_the_lines_around_the_fault_are_shown() -> None:
    text = marked_source("\n".join(f"y{n} = x" for n in range(1, 101)), 50).plain
    assert text.split("\n")[0].endswith("46 │ y46 = x")
    assert text.split("\n")[-1].endswith("52 │ y52 = x")
    assert "> 50 │ y50 = x" in text


def test_shapes_in_words() -> None:
    assert shapes_text(()).plain == "none"
    assert shapes_text(((),)).plain == "[]"
    assert shapes_text(((2, "C//8"), (3,))).plain == "[2, C//8], [3]"
    assert shapes_text(((2, 4),) * 5).plain == "5 x [2, 4]"
    assert shapes_text(tuple((n,) for n in range(9))).plain == "[0], [1], [2], [3], [4], [5], … 3 more"
    assert printable("a\tb\x1b\u2028é") == "a    b��é"


def test_usage_errors_and_help_need_no_torch() -> None:
    program = "import sys\nfrom rotbot.cli.main import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for args, code, words in ((["-h"], 0, "Exit codes"), (["-c", "y = x"], 2, "no shape is given for x")):
        command = [sys.executable, "-c", program, "trace", *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr


@pytest.mark.parametrize("rest", [[], ["--json"]])
def test_who_reads_the_output_may_leave(rest: list[str]) -> None:
    command = [sys.executable, "-m", "rotbot", "trace", "-c", "y = x.T", "--arg", "x=2,3", *rest]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    finally:
        os.close(writer)
    assert done.returncode == 141  # not 1, which says that torch rejects the program
    assert done.stderr == ""
