"""Supervised fine-tuning: ``train(build_run(config))`` with a :class:`SftConfig`, or ``rotbot sft`` in a shell.

The way of a sample: :mod:`~rotbot.sft.data` encodes it, :mod:`~rotbot.sft.packing` puts it in a pack,
:mod:`~rotbot.sft.forward` computes the pack's loss, :mod:`~rotbot.sft.optim` takes the step, :mod:`~rotbot.sft.trainer`
repeats. Importing this package is cheap: each name brings its module (and torch) when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotbot.sft.config import SftConfig
    from rotbot.sft.run import Run, build_run
    from rotbot.sft.trainer import Progress, SftResult, TrainingDiverged, Validation, train

_HOMES = {
    "SftConfig": "config", "Run": "run", "build_run": "run", "Progress": "trainer", "SftResult": "trainer",
    "TrainingDiverged": "trainer", "Validation": "trainer", "train": "trainer",
}  # fmt: skip

__all__ = ["Progress", "Run", "SftConfig", "SftResult", "TrainingDiverged", "Validation", "build_run", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
