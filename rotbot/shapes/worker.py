"""The tracing worker: ``python -m rotbot.shapes.worker FD``, started and talked to by :mod:`rotbot.shapes.isolation`.

A *zygote* imports torch once, warms it up, and forks one child for each request, a few ahead of time. On the control
socket FD it gets eight bytes (the seconds the request may take) together with the request's own socket, and hands both
to an idle child. The child reads the request there, traces, writes an answer (eight bytes of length, then JSON) and
ends. The zygote kills a child that overruns its time, and says in a trailer how a child ended without an answer.

A child gives up, before it reads anything foreign: memory beyond :data:`MEMORY_BYTES`, CPU time, every new file
descriptor, every written byte, new processes where the system allows that, and with an audit hook every event
(open, import, exec, ...) that honest tracing does not need.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from rotbot.errors import LimitExceeded, RotbotError, UnsafeSnippet
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.serialize import decode_request, encode_error, encode_trace, from_bytes, to_bytes

MEMORY_BYTES = 1_000_000_000
"""What a child may hold in memory, torch's own 300 MB included."""

HEADER = struct.Struct("!Q")
TIME = struct.Struct("!d")
TRAILER = struct.Struct("!8sqq")
"""Magic, wait status (or :data:`TIMED_OUT`), peak memory in bytes."""

MAGIC = b"rotbot\r\n"
TIMED_OUT = -1
READY = b"!"

IDLE_CHILDREN = 2
"""How many forked children wait for the next requests."""

WARM_UP = ("y = x + 1",)
"""Snippets over ``x`` of shape [2, 4, 6] that make torch do its lazy imports."""

_PARENT_CHECK_SECONDS = 5.0
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_HONEST_EVENTS = frozenset(
    {
        "compile",  # ast.parse; running what was compiled would be an "exec" event
        "object.__getattr__",
        "object.__setattr__",
        "object.__delattr__",
        "sys._getframe",
        "builtins.id",
        "gc.get_objects",
    }
)


@dataclass(slots=True)
class _Child:
    """A forked process: idle until ``link`` has carried a request to it, then ``request`` and ``deadline`` are set."""

    link: socket.socket
    request: socket.socket | None = None
    deadline: float = math.inf


# --- the zygote ------------------------------------------------------------------------------------------------------


def serve(control: socket.socket) -> None:
    """Give each request to a child of its own until ``control`` is closed at the other end or the parent is gone."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    parent, children, announced = os.getppid(), dict[int, _Child](), False
    while os.getppid() == parent:
        while _wants_another(children):
            link, childs_link = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                os.close(wake_read)
                os.close(wake_write)
                _close([control, link, *(s for child in children.values() for s in (child.link, child.request))])
                _child(childs_link, os.getppid(), libc)
            childs_link.close()
            children[pid] = _Child(link)
        if not announced:
            control.sendall(READY)
            announced = True
        wait = min(child.deadline for child in children.values()) - time.monotonic()
        ready, _, _ = select.select([control, wake_read], [], [], min(max(wait, 0.0), _PARENT_CHECK_SECONDS))
        if wake_read in ready:
            os.read(wake_read, 4096)
        _end_children(children)
        if control in ready:
            message, fds, _, _ = socket.recv_fds(control, TIME.size, 1)
            if not fds:
                break
            _hand_over(message, socket.socket(fileno=fds[0]), children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _wants_another(children: dict[int, _Child]) -> bool:
    """Forking slows the child that is tracing down, so the second idle one can wait until there is none."""
    idle = sum(child.request is None for child in children.values())
    return idle == 0 or (idle == len(children) and idle < IDLE_CHILDREN)


def _hand_over(message: bytes, request: socket.socket, children: dict[int, _Child]) -> None:
    """Pass a request to an idle child. If none is left, closing the request tells the asker to ask again."""
    for child in children.values():
        if child.request is None:
            try:
                socket.send_fds(child.link, [message], [request.fileno()])
            except OSError:
                continue  # it died while idle, and is about to be reaped
            child.request, child.deadline = request, time.monotonic() + TIME.unpack(message)[0]
            return
    request.close()


def _end_children(children: dict[int, _Child]) -> None:
    """Kill what is overdue, and report on what ended."""
    now = time.monotonic()
    for pid, child in list(children.items()):
        late = now >= child.deadline
        if late:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still this child's
        ended, status, usage = os.wait4(pid, 0 if late else os.WNOHANG)
        if not ended:
            continue
        del children[pid]
        if child.request is not None and status != 0:
            report = TRAILER.pack(MAGIC, TIMED_OUT if late else status, _bytes(usage.ru_maxrss))
            with contextlib.suppress(OSError):  # the asker may have given up
                child.request.setblocking(False)
                child.request.sendall(report)
        _close([child.link, child.request])


def _close(sockets: list[socket.socket | None]) -> None:
    for each in sockets:
        if each is not None:
            each.close()


def _bytes(ru_maxrss: int) -> int:
    return ru_maxrss if sys.platform == "darwin" else ru_maxrss * 1024


# --- the child -------------------------------------------------------------------------------------------------------


def _child(link: socket.socket, zygote: int, libc: ctypes.CDLL | None) -> NoReturn:
    """Wait for the one request this process will serve, serve it, and end."""
    try:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != zygote:
            os._exit(1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _trace_once()  # this process's own copies of the memory pages that tracing touches are made while it is idle
        message, fds, _, _ = socket.recv_fds(link, TIME.size, 1)
        if not fds:
            os._exit(1)
        request = socket.socket(fileno=fds[0])
        _limit(TIME.unpack(message)[0])
        sys.addaudithook(lambda event, args: _refuse(request, event, args))
        _send(request, _answer(_receive(request)))
        os._exit(0)
    finally:
        os._exit(1)


def _limit(seconds: float) -> None:
    """Set the limits of this process; nothing can raise them again except root."""
    cpu = math.ceil(seconds) + 1
    limits = [
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ]
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            total, resident = [int(pages) * resource.getpagesize() for pages in file.read().split()[:2]]
        memory = total + max(MEMORY_BYTES - resident, 0)
        limits.append((resource.RLIMIT_AS, memory, memory))
    limits.append((resource.RLIMIT_NOFILE, 0, 0))
    for limit, soft, hard in limits:
        resource.setrlimit(limit, (soft, hard))


def _answer(raw: bytes) -> bytes:
    """The request's answer as JSON: a trace, one of our errors, or the words of an internal failure."""
    try:
        from rotbot.shapes.interpreter import trace_program

        code, specs, target = decode_request(from_bytes(raw))
        return _pack({"trace": encode_trace(trace_program(code, specs, target))})
    except (MemoryError, RecursionError) as error:
        limit = "nests too deeply" if isinstance(error, RecursionError) else "needs more than 1 GB of memory"
        return _pack({"error": encode_error(LimitExceeded(f"tracing this snippet {limit}"))})
    except RotbotError as error:
        return _pack({"error": encode_error(error)})
    except Exception as error:  # noqa: BLE001  # the border of the process: reported to the parent, which raises it
        return _pack({"internal": f"{type(error).__name__}: {error}"[:500]})


def _pack(answer: dict[str, Any]) -> bytes:
    return to_bytes({**answer, "peak": _bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)})


def _refuse(request: socket.socket, event: str, args: tuple[Any, ...]) -> None:
    """The audit hook: ends the request at the first event that honest tracing does not cause."""
    if event in _HONEST_EVENTS:
        return
    detail = f" ({args[0]!r:.80})" if args and isinstance(args[0], (str, bytes, int)) else ""
    error = UnsafeSnippet(f"tracing this snippet would cause {event!r}{detail}, which an isolated trace refuses")
    _send(request, _pack({"error": encode_error(error)}))
    os._exit(0)


def _send(request: socket.socket, answer: bytes) -> None:
    request.sendall(HEADER.pack(len(answer)) + answer)


def _receive(request: socket.socket) -> bytes:
    (length,) = HEADER.unpack(_exactly(request, HEADER.size))
    return _exactly(request, length)


def _exactly(request: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = request.recv(min(length - len(parts), 1 << 20))
        if not part:
            raise EOFError("the asker hung up")
        parts += part
    return bytes(parts)


# --- start -----------------------------------------------------------------------------------------------------------


def warm_up() -> None:
    """Do once, before any fork, what torch does lazily: the first meta operation alone costs a second of imports."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    _trace_once()
    gc.collect()
    gc.freeze()


def _trace_once() -> None:
    from rotbot.shapes.interpreter import trace_program

    for code in WARM_UP:
        encode_trace(trace_program(code, {"x": ArgSpec((2, 4, 6))}, None))


def main() -> None:
    """Warm up, say so on the control socket whose descriptor is the first argument, and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    warm_up()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    serve(control)
    os._exit(0)


if __name__ == "__main__":
    main()
