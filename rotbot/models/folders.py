"""Folders that are either the old one or the new one, whole, whenever the process dies."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rotbot.errors import InputError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Generator[Path]:
    """Yield an empty sibling folder to fill; when the block ends without an exception it becomes ``path``.

    Everything in it is flushed to disk first. A folder already at ``path`` is replaced in one step (Linux; elsewhere it
    is moved aside first, and put back by the next writer if the process died in between) and then deleted. If the block
    raises, or the process is killed, ``path`` is what it was. One writer per path at a time: leftovers of a killed
    writer are removed. Raises :class:`~rotbot.errors.InputError` if ``path`` is a file.
    """
    target = Path(path).absolute()
    if target.exists() and not target.is_dir():
        raise InputError(f"expected a folder to write to, got the file {target}")
    fresh = target.parent / f".{target.name}.new"
    aside = target.parent / f".{target.name}.old"
    _clear(target, fresh, aside)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        flush_folder(fresh)
        if not target.exists():
            os.rename(fresh, target)
        elif not _exchange(fresh, target):
            os.rename(target, aside)
            os.rename(fresh, target)
        _flush(target.parent)
    finally:
        _clear(target, fresh, aside)


def _clear(target: Path, fresh: Path, aside: Path) -> None:
    """Remove what a writer leaves beside ``target``; a folder moved aside and not replaced goes back first."""
    if aside.exists() and not target.exists():
        os.rename(aside, target)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Flush every file and folder below ``folder`` to disk."""
    for root, _, files in os.walk(folder):
        for name in files:
            _flush(Path(root, name))
        _flush(Path(root))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux's ``renameat2``); False where system or file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0
