"""``--watch``: run something now and whenever a file is saved, until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from rotbot.cli.view import printable
from rotbot.errors import RotbotError

POLL_SECONDS = 0.2
_CLEAR = "\x1b[2J\x1b[H"

Stamp = tuple[int, int, int] | None


def keep_running(path: Path, run: Callable[[], object]) -> None:
    """Call ``run`` at once and after every change of ``path``; returns at Ctrl-C.

    What ``run`` raises for a file in the middle of being edited is shown and waited out. On a terminal the screen is
    cleared before every run; into a pipe nothing is written but what ``run`` writes.
    """
    terminal = sys.stdout.isatty()
    try:
        while True:
            seen = _stamp(path)
            if terminal:
                print(_CLEAR, end="")
            try:
                run()
            except RotbotError as error:
                print(f"rotbot: {error}", file=sys.stderr)
            if terminal:
                print(f"\nwatching {printable(str(path))}, Ctrl-C ends")
            sys.stdout.flush()
            while _stamp(path) == seen:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _stamp(path: Path) -> Stamp:
    """What changes when a file is saved, in place or by replacing it; None while there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
