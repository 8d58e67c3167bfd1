"""What an attacker writes (:mod:`tests.shapes.hostile`), given to the isolated tracer.

Every case goes through the isolated tracer and must end in a clear refusal (or, for a bomb that is harmless on
metadata, in an honest trace) within the limits. ``pytest -s`` prints the table. That the *reading* of the snippet
refuses an escape, and not only the last line of defence, is asserted too: no message may come from the worker's audit
hook.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotbot.errors import InputError, LimitExceeded, SnippetError, UnsafeSnippet
from rotbot.shapes import isolation
from rotbot.shapes.arguments import parse_args
from rotbot.shapes.confinement import MEMORY_BYTES
from tests.shapes.hostile import BOMBS, ESCAPES, LONG_BOMBS, LONG_ESCAPES

ARGS = parse_args({"x": [2, 3], "w": [3, 4], "i": "3:int64", "m": "2,3:bool", "big": [10_000_000], "huge": [2**40]})
CANARY = Path(tempfile.mkdtemp(prefix="rotbot-canary-")) / "canary"


def _decoded(table: str) -> list[str]:
    """The table's lines, with the escapes ``\\n``, ``\\0``, ``\\uXXXX`` replaced."""

    def character(found: re.Match[str]) -> str:
        return {"n": "\n", "0": "\0"}.get(found[1]) or chr(int(found[1][1:], 16))

    return [re.sub(r"\\(n|0|u[0-9a-f]{4})", character, line) for line in table.strip().split("\n")]


CASES = [("escape", c) for c in [*_decoded(ESCAPES), *LONG_ESCAPES]]
CASES += [("bomb", c) for c in [*_decoded(BOMBS), *LONG_BOMBS]]


@dataclass(frozen=True)
class Row:
    """How one case ended."""

    kind: str
    code: str
    outcome: str
    message: str
    seconds: float
    peak: int


ROWS: list[Row] = []


@pytest.fixture(scope="module", autouse=True)
def _table() -> Iterator[None]:
    isolation.worker_pid()
    yield
    isolation.stop_worker()
    if ROWS:
        for row in ROWS:
            ended = f"{row.kind:6} {row.seconds:5.2f} s {row.peak / 1e6:4.0f} MB  {row.outcome:18}"
            print(f"{ended} {row.code[:60]!r:64} {row.message[:110]}")
        for kind in ("escape", "bomb"):
            ended = Counter(row.outcome for row in ROWS if row.kind == kind)
            print(f"{sum(ended.values())} {kind}s: {dict(ended.most_common())}")
        print(f"slowest {max(r.seconds for r in ROWS):.2f} s, largest {max(r.peak for r in ROWS) / 1e6:.0f} MB")


def _run(kind: str, code: str) -> Row:
    start = time.monotonic()
    limit = isolation.WALL_SECONDS if kind == "bomb" else 30.0  # a busy machine must not do the reader's work
    answer = isolation.ask(code.replace("CANARY", str(CANARY)), ARGS, None, limit)
    seconds = time.monotonic() - start
    if answer.error is not None:
        outcome, message = type(answer.error).__name__, str(answer.error)
    elif answer.trace is not None and answer.trace.error is not None:
        outcome, message = "StepError", answer.trace.error.reason
    else:
        outcome, message = "trace", str(answer.trace and answer.trace.final)
    row = Row(kind, code, outcome, message, seconds, answer.peak)
    ROWS.append(row)
    return row


MISTAKES = {
    "y = x + torch", "class torch(nn.Module): pass\ny = torch().os", "class F(nn.Module): pass\ny = F().importlib",
    "y = x.𝓬𝓵𝓪𝓼𝓼", "y = [z for open in range(2) for z in open]", "raise SystemExit(0)", "raise ValueError(x)",
    "y = x.backward()", "nn.Linear(3, 4).weight = x",
}  # fmt: skip
"""Escapes that Python itself would reject, and the trace says so."""

INTERNAL = re.compile(r" at 0x|<class|<function|<built-in|<lambda|Traceback|Meta\(|Traced\(|Namespace\(|^\(\d+, ")
"""What no message for people may hold."""

REFUSALS = {cls.__name__ for cls in (SnippetError, *SnippetError.__subclasses__(), InputError)}


@pytest.mark.parametrize(("kind", "code"), CASES, ids=[f"{k}{n}" for n, (k, _) in enumerate(CASES)])
def test_hostile(kind: str, code: str) -> None:
    row = _run(kind, code)
    assert "would cause" not in row.message, f"only the audit hook stopped {code[:200]!r}: {row.message}"
    if kind == "escape":
        assert row.outcome in REFUSALS or (row.outcome == "StepError" and code in MISTAKES), f"{code[:200]!r}: {row}"
        assert row.outcome != "LimitExceeded" or len(code) > 500, f"{code[:200]!r} was only stopped by a limit: {row}"
    else:
        assert row.outcome in {*REFUSALS, "StepError", "trace"}, f"{code[:200]!r}: {row}"
        assert row.seconds < 2 + 3, "the limit of 2 seconds, and what a busy machine adds"
        assert row.peak < MEMORY_BYTES * 1.05
    if row.outcome != "trace":
        assert 10 <= len(row.message) <= 500, row.message
        assert re.search(r"[a-z]{3,} ", row.message), row.message
        assert not INTERNAL.search(row.message), row.message
    assert not CANARY.exists()


def test_the_table_is_long_enough_and_has_no_doubles() -> None:
    kinds = Counter(kind for kind, _ in CASES)
    assert kinds["escape"] >= 100
    assert kinds["bomb"] >= 100
    assert len(set(CASES)) == len(CASES)


def test_the_audit_hook_ends_what_the_reader_would_let_through(tmp_path: Path) -> None:
    """The last line of defence, tried directly: a child whose interpreter opens, imports, execs or forks."""
    program = """
import os, socket, sys
from rotbot.shapes import confinement, wire
from rotbot.shapes.serialize import decode_error, from_bytes

def attack(name, act):
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        confinement._limit(2.0)
        sys.addaudithook(lambda event, args: confinement._refuse(theirs, event, args))
        act()
        os._exit(7)
    theirs.close()
    error = decode_error(from_bytes(wire.receive(ours))["error"])
    print(name, type(error).__name__, os.waitpid(pid, 0)[1], "would cause" in str(error))

attack("open", lambda: open(sys.argv[1], "w"))
attack("read", lambda: open("/etc/passwd"))
attack("import", lambda: __import__("wave"))
attack("exec", lambda: exec("1"))
attack("fork", os.fork)
attack("system", lambda: os.system("touch " + sys.argv[1]))
attack("socket", lambda: socket.socket())
attack("kill", lambda: os.kill(os.getppid(), 9))
attack("remove", lambda: os.remove(sys.argv[1]))
attack("listdir", lambda: os.listdir("/"))
"""
    canary = tmp_path / "canary"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(canary)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    ended = [line.split() for line in done.stdout.splitlines()]
    assert len(ended) == 10
    assert all(rest == [UnsafeSnippet.__name__, "0", "True"] for _, *rest in ended), done.stdout
    assert not canary.exists()


def test_a_timeout_says_so() -> None:
    code = "for a in range(900): y = nn.LSTM(3, 4 + a, 4)(torch.zeros(500, 1, 3))"
    answer = isolation.ask(code, ARGS, None, 0.2)
    assert isinstance(answer.error, LimitExceeded)
    assert str(answer.error) == "tracing took longer than the 0.2 seconds it may take, and was stopped"
