"""Opening an engine for a command: the libraries' start-up noise is kept off the screen."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rotbot.cli.view import printable
from rotbot.errors import RotbotError

if TYPE_CHECKING:
    from rotbot.inference.engine import Engine


@contextmanager
def opened(model: str, kind: str) -> Generator[Engine]:
    """:func:`rotbot.inference.open_engine`, quietly, closed at the end. Raises as it does."""
    from rotbot.inference.engine import open_engine

    waiting = sys.stderr.isatty()
    if waiting:
        print(f"loading {printable(model)} …", end="", file=sys.stderr, flush=True)
    try:
        with _quiet():
            engine = open_engine(model, kind)
    finally:
        if waiting:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
    with engine:
        yield engine


@contextmanager
def _quiet() -> Generator[None]:
    """Send what is written to file descriptors 1 and 2, by libraries in C++ too, to a file.

    An exception that is not rotbot's own is a fault that the noise may explain: then it is written to stderr after all.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 1)
        os.dup2(noise.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        except RotbotError:
            failed = False
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            if failed:
                noise.seek(0)
                os.write(2, noise.read())
