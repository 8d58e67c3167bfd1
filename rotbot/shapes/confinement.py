"""Inside the process that traces one foreign snippet: what it gives up, and its answer.

A child gives up, before it reads anything foreign: memory beyond :data:`MEMORY_BYTES`, CPU time, every new file
descriptor, every written byte, new processes where the system allows that, and with an audit hook every event
(open, import, exec, ...) that honest tracing does not need.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import resource
import signal
import socket
import sys
from importlib import import_module
from types import FunctionType
from typing import Any, NoReturn

from rotbot.errors import LimitExceeded, RotbotError, UnsafeSnippet
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.serialize import decode_request, encode_error, encode_trace, from_bytes, to_bytes
from rotbot.shapes.wire import TIME, receive, send

MEMORY_BYTES = 1_000_000_000
"""What a child may hold in memory, torch's own 250 MB included."""

WARM_UP = """
y = (x.transpose(1, 2) @ x[:, None, 0].expand(2, 4, 6)).softmax(-1).quantile(0.5, dim=0) + 1
z = nn.Linear(6, 60_000)(nn.Linear(6, 6)(y))
"""
"""A snippet over ``x`` of shape [2, 4, 6] that makes torch do its lazy imports: a small module has real parameters, a
large one is run on the meta device."""

_LAZY_IMPORTS = (
    "torch._decomp.decompositions",
    "torch._refs.fft",
    "torch._refs.linalg",
    "torch._refs.nn.functional",
    "torch._refs.special",
    "torch._subclasses.schema_check_mode",
    "torch.fx.experimental.symbolic_shapes",
    "torch.utils._device",
)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_NO_FILE = "<unknown>"
"""What ``ast.parse`` calls its source: for a syntax error Python looks for a file of that name, to quote the line."""

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


def serve_one(link: socket.socket, zygote: int, libc: ctypes.CDLL | None) -> NoReturn:
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
        send(request, _answer(receive(request)))
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
        from rotbot.shapes.symbolic import trace_specs

        code, specs, target = decode_request(from_bytes(raw))
        return _pack({"trace": encode_trace(trace_specs(code, specs, target))})
    except (MemoryError, RecursionError) as error:
        limit = "nests too deeply" if isinstance(error, RecursionError) else "needs more than 1 GB of memory"
        return _pack({"error": encode_error(LimitExceeded(f"tracing this snippet {limit}"))})
    except RotbotError as error:
        return _pack({"error": encode_error(error)})
    except Exception as error:  # noqa: BLE001  # the border of the process: reported to the parent, which raises it
        return _pack({"internal": f"{type(error).__name__}: {error}"[:500]})


def _pack(answer: dict[str, Any]) -> bytes:
    return to_bytes({**answer, "peak": in_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)})


def in_bytes(ru_maxrss: int) -> int:
    """``ru_maxrss`` of ``getrusage``, which macOS gives in bytes and Linux in KiB."""
    return ru_maxrss if sys.platform == "darwin" else ru_maxrss * 1024


def _refuse(request: socket.socket, event: str, args: tuple[Any, ...]) -> None:
    """The audit hook: ends the request at the first event that honest tracing does not cause."""
    if event in _HONEST_EVENTS or (event == "open" and args[0] == _NO_FILE):
        return
    detail = f" ({args[0]!r:.80})" if args and isinstance(args[0], (str, bytes, int)) else ""
    error = UnsafeSnippet(f"tracing this snippet would cause {event!r}{detail}, which an isolated trace refuses")
    send(request, _pack({"error": encode_error(error)}))
    os._exit(0)


# --- before the first request ----------------------------------------------------------------------------------------


def warm_up() -> None:
    """Do once, before any fork, what torch does lazily: the first meta operation alone costs a second of imports.

    The half million objects that this makes stay for good: looking through them for garbage on the way and in the end
    takes a seventh of the time and finds less than a megabyte.
    """
    gc.disable()
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for name in _LAZY_IMPORTS:
        import_module(name)
    _do_without_dynamo()
    _trace_once()
    gc.freeze()
    gc.enable()


def _do_without_dynamo() -> None:
    """Save the import of ``torch._dynamo`` (more than a second, 30 MB), which this process has no use for.

    Torch's elementwise meta kernels are wrapped so that their first call imports it, to tell it to keep its hands off
    them. Each wrapper keeps the result of that as an attribute of the wrapped function; here it is set beforehand.
    Should torch do this differently one day, nothing is found, and the import happens as it always did.
    """
    import torch

    disable: Any = getattr(torch, "_disable_dynamo", None)
    if disable is None:
        return
    wrapper = disable(_do_without_dynamo).__code__
    if "fn" in wrapper.co_freevars:
        position = wrapper.co_freevars.index("fn")
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__ is wrapper and each.__closure__ is not None:
                wrapped = each.__closure__[position].cell_contents
                setattr(wrapped, "__dynamo_disable", wrapped)


def _trace_once() -> None:
    from rotbot.shapes.symbolic import trace_specs

    encode_trace(trace_specs(WARM_UP, {"x": ArgSpec((2, 4, 6))}, None))
