"""The tracing worker: ``python -m rotbot.shapes.worker FD``, started and talked to by :mod:`rotbot.shapes.isolation`.

A *zygote* imports torch once, warms it up, and forks one child for each request, a few ahead of time. What comes on
the control socket FD it hands to an idle child, which reads the request, traces, answers and ends
(:mod:`rotbot.shapes.confinement`). The zygote never reads anything foreign. It kills a child that overruns its time,
and says in a trailer how a child ended without an answer.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass

from rotbot.shapes.confinement import in_bytes, serve_one, warm_up
from rotbot.shapes.wire import MAGIC, READY, TIME, TIMED_OUT, TRAILER

IDLE_CHILDREN = 2
"""How many forked children wait for the next requests."""

_PARENT_CHECK_SECONDS = 5.0


@dataclass(slots=True)
class _Child:
    """A forked process: idle until ``link`` has carried a request to it, then ``request`` and ``deadline`` are set."""

    link: socket.socket
    request: socket.socket | None = None
    deadline: float = math.inf


def serve(control: socket.socket) -> None:
    """Give each request to a child of its own until ``control`` is closed at the other end or the parent is gone."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    zygote, parent, children, announced = os.getpid(), os.getppid(), dict[int, _Child](), False
    while os.getppid() == parent:
        while _wants_another(children):
            link, childs_link = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                os.close(wake_read)
                os.close(wake_write)
                _close([control, link, *(s for child in children.values() for s in (child.link, child.request))])
                serve_one(childs_link, zygote, libc)
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
            report = TRAILER.pack(MAGIC, TIMED_OUT if late else status, in_bytes(usage.ru_maxrss))
            with contextlib.suppress(OSError):  # the asker may have given up
                child.request.setblocking(False)
                child.request.sendall(report)
        _close([child.link, child.request])


def _close(sockets: list[socket.socket | None]) -> None:
    for each in sockets:
        if each is not None:
            each.close()


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
