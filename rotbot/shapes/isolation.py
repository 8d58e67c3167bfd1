"""Tracing foreign code in a process that can be killed: ``trace(..., isolated=True)``.

One worker process (:mod:`rotbot.shapes.worker`) is started at the first call and kept warm; it forks a child for every
request. This side imports no torch. Any number of threads may call at once: a few traces run side by side, the others
wait for their turn. A worker that died is replaced by the next call; a program that forks starts its own worker.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from rotbot.errors import InputError, LimitExceeded, RotbotError
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.confinement import MEMORY_BYTES
from rotbot.shapes.serialize import decode_error, decode_trace, encode_request, from_bytes, to_bytes
from rotbot.shapes.trace import ShapeTrace
from rotbot.shapes.wire import HEADER, MAGIC, READY, TIME, TIMED_OUT, TRAILER

WALL_SECONDS = 1.9
"""How long one trace may take, by the clock on the wall: no request takes 2 seconds, its end included."""

SYMBOLIC_WALL_SECONDS = 8.0
"""How long a symbolic trace may take, which is made of ten to twenty of them."""

_START_SECONDS = 300.0
_GRACE_SECONDS = 5.0
_QUEUE_SECONDS = 60.0
_MAX_REQUEST_BYTES = 4_000_000
_MAX_ANSWER_BYTES = 64_000_000
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one isolated trace: a trace or an error, and the child's peak memory in bytes."""

    trace: ShapeTrace | None
    error: RotbotError | None
    peak: int


@dataclass(frozen=True, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    control: socket.socket

    def stop(self) -> None:
        """End the process: it goes by itself when the control socket closes, and is killed if it does not."""
        self.control.close()
        try:
            self.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _WorkerLost(Exception):
    """The worker ended while a request was under way; nothing is known about the request."""


class _State:
    """This process's worker, if one was started, and the turns to use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.turns = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self.worker: _Worker | None = None


_state = _State()


# --- public ----------------------------------------------------------------------------------------------------------


def trace_isolated(
    code: str, specs: Mapping[str, ArgSpec], target: str | None = None, seconds: float | None = None
) -> ShapeTrace:
    """Trace ``code`` in a killable child process with at most ``seconds`` of time and 1 GB of memory.

    Without ``seconds`` these are :data:`WALL_SECONDS`, or :data:`SYMBOLIC_WALL_SECONDS` for a symbolic trace.

    The result is equal to the in-process trace. Raises what tracing raises, and :class:`LimitExceeded` if the child
    overran its time or memory, crashed or was killed; :class:`RotbotError` if no worker can be started.
    """
    if seconds is None:
        symbolic = any(spec.symbolic for spec in specs.values())
        seconds = SYMBOLIC_WALL_SECONDS if symbolic else WALL_SECONDS
    answer = ask(code, specs, target, seconds)
    if answer.trace is None:
        assert answer.error is not None
        raise answer.error
    return answer.trace


def ask(code: str, specs: Mapping[str, ArgSpec], target: str | None, seconds: float = WALL_SECONDS) -> Answer:
    """Like :func:`trace_isolated`, with errors as values and the child's peak memory."""
    for what, value in (("code", code), ("target", target)):
        if not (isinstance(value, str) or (what == "target" and value is None)):
            raise InputError(f"{what}: expected text, got {type(value).__name__}")
    request = to_bytes(encode_request(code, specs, target))
    if len(request) > _MAX_REQUEST_BYTES:
        return Answer(
            None, LimitExceeded(f"the snippet is too long: expected at most a few kB, got {len(code)} characters"), 0
        )
    _running_worker()  # its start must not count as waiting for a turn
    if not _state.turns.acquire(timeout=_QUEUE_SECONDS):
        return Answer(None, LimitExceeded("too many traces are waiting for their turn; try again later"), 0)
    try:
        for _ in range(2):
            worker = _running_worker()
            try:
                return _exchange(worker, request, seconds)
            except _WorkerLost:
                _replace(worker)
        return Answer(None, RotbotError("the tracing worker ended unexpectedly, twice in a row"), 0)
    finally:
        _state.turns.release()


def worker_pid() -> int:
    """The worker's process ID; starts it if need be (some seconds: it imports torch)."""
    return _running_worker().process.pid


def stop_worker() -> None:
    """End this process's worker, if there is one. The next trace starts another."""
    with _state.lock:
        worker, _state.worker = _state.worker, None
    if worker is not None:
        worker.stop()


# --- the worker's life -----------------------------------------------------------------------------------------------


def _running_worker() -> _Worker:
    with _state.lock:
        if _state.worker is not None and _state.worker.process.poll() is not None:
            _state.worker.stop()
            _state.worker = None
        if _state.worker is None:
            _state.worker = _start()
        return _state.worker


def _replace(lost: _Worker) -> None:
    with _state.lock:
        if _state.worker is lost:
            lost.stop()
            _state.worker = None


def _start() -> _Worker:
    if not hasattr(os, "fork"):
        raise RotbotError("isolated tracing needs a system that can fork (Linux or macOS)")
    ours, theirs = socket.socketpair()
    path = os.pathsep.join([os.path.abspath(entry) for entry in sys.path])
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    env = {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryFile() as words, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rotbot.shapes.worker", str(theirs.fileno())],
            env=env, cwd="/", pass_fds=(theirs.fileno(),), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words,
        )  # fmt: skip
        theirs.close()
        worker = _Worker(process, ours)
        ours.settimeout(_START_SECONDS)
        try:
            ready = ours.recv(1)
        except OSError:  # a timeout, or a reset by a worker that died
            ready = b""
        if ready != READY:
            worker.stop()
            words.seek(0)
            last = words.read()[-2000:].decode(errors="replace").strip().rpartition("\n")[2]
            raise RotbotError(f"the tracing worker did not start: {last or 'it was not ready in time'}")
    return worker


def _forget() -> None:
    """In a forked process: the worker is the parent's, and so are its locks."""
    worker = _state.worker
    _state.__init__()
    if worker is not None:
        worker.control.close()
        worker.process.returncode = 0  # not our child: nothing to wait for


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(stop_worker)


# --- one request -----------------------------------------------------------------------------------------------------


def _exchange(worker: _Worker, request: bytes, seconds: float) -> Answer:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            try:
                with _state.lock:
                    socket.send_fds(worker.control, [TIME.pack(seconds)], [theirs.fileno()])
            except OSError as error:
                raise _WorkerLost from error
        deadline = time.monotonic() + seconds + _GRACE_SECONDS
        try:
            reply = _converse(ours, HEADER.pack(len(request)) + request, deadline)
        except TimeoutError as error:  # the worker should have killed the child long ago
            worker.process.kill()
            raise _WorkerLost from error
    if len(reply) >= HEADER.size and HEADER.unpack(reply[: HEADER.size])[0] == len(reply) - HEADER.size:
        return _read(reply[HEADER.size :])
    if len(reply) >= TRAILER.size and reply[-TRAILER.size :].startswith(MAGIC):
        _, status, peak = TRAILER.unpack(reply[-TRAILER.size :])
        return Answer(None, _death(status, seconds), peak)
    raise _WorkerLost


def _converse(ours: socket.socket, request: bytes, deadline: float) -> bytes:
    """Send the request and receive until the answer is whole or the other side has closed."""
    reply, length = bytearray(), _MAX_ANSWER_BYTES
    ours.settimeout(max(deadline - time.monotonic(), 0.01))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the child is gone already: what it left says why
        ours.sendall(request)
    while len(reply) < length:
        ours.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
            part = ours.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        reply += part
        if len(reply) >= HEADER.size:
            length = min(length, HEADER.size + HEADER.unpack(reply[: HEADER.size])[0])
    return bytes(reply)


def _read(raw: bytes) -> Answer:
    try:
        data = from_bytes(raw)
        if "trace" in data:
            return Answer(decode_trace(data["trace"]), None, data["peak"])
        if "error" in data:
            return Answer(None, decode_error(data["error"]), data["peak"])
        error = RotbotError(f"internal error while tracing (please report it): {data['internal']}")
        return Answer(None, error, data["peak"])
    except (ValueError, KeyError, TypeError) as error:
        return Answer(None, RotbotError(f"the tracing worker's answer cannot be read: {error!r:.200}"), 0)


def _death(status: int, seconds: float) -> LimitExceeded:
    """Why the child ended without an answer."""
    if status == TIMED_OUT or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return LimitExceeded(f"tracing took longer than the {seconds:g} seconds it may take, and was stopped")
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        cause = "was killed" if name == "SIGKILL" else "crashed"
        return LimitExceeded(
            f"the process tracing this snippet {cause} ({name}): it may have needed more than the"
            f" {MEMORY_BYTES // 10**9} GB of memory or the stack it may use"
        )
    return LimitExceeded(
        f"the process tracing this snippet ended without an answer (exit code {os.WEXITSTATUS(status)})"
    )
