"""Importing torchtune without the notices that torchao prints about its optional kernels."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from rotbot.errors import InputError

_NOISY = ("torchao", "torch.utils._pytree")


@contextmanager
def torchtune_imports() -> Generator[None]:
    """Wrap the first import of torchtune: missing GPU kernels and deprecations inside it are no news to our users.

    Raises :class:`~rotbot.errors.InputError` that names the extra where torchtune (or torchao) is not installed.
    """
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"this needs torchtune: pip install 'rotbot[train]' ({error})") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
