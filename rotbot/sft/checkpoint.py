"""Checkpoints that are whole or absent, whenever the process dies.

A run keeps the last checkpoint and the one with the lowest validation loss. Everything that decides the next step is
inside: weights, optimizer state, position in the data, and torch's random state.
"""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rotbot.errors import ConfigError, InputError, OutputError
from rotbot.models.folders import atomic_folder

_PREFIX, _STATE, _POSITION = "step-", "state.pt", "position.json"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands after ``step`` optimizer steps: the next pack (``index`` of ``epoch``), tokens seen, the last
    validation loss if there is one, the settings that decide the weights (flat: ``optimizer.lr`` → value), the lowest
    validation loss so far, and how many validations since were no better."""

    step: int
    epoch: int
    index: int
    tokens: int
    validation_loss: float | None
    settings: dict[str, Any]
    best_loss: float | None = None
    stale: int = 0


def save_checkpoint(folder: Path, position: Position, state: dict[str, Any]) -> None:
    """Write ``step-…`` under ``folder``, then drop those that are neither the last nor the best.

    Raises :class:`~rotbot.errors.OutputError` if it cannot be written (a full disk); those before are whole then.
    """
    path = _path(folder, position.step)
    try:
        with atomic_folder(path) as fresh:
            with (fresh / _STATE).open("wb") as file:
                torch.save({**state, "rng": torch.get_rng_state()}, file)
            (fresh / _POSITION).write_text(json.dumps(asdict(position)))
    except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError where a write fails
        raise OutputError(f"checkpoint {path}: cannot be written: {error}; those before it are whole") from error
    positions = list_checkpoints(folder)
    keep = {positions[-1].step, best_checkpoint(positions).step}
    for old in positions:
        if old.step not in keep:
            shutil.rmtree(_path(folder, old.step))


def best_checkpoint(positions: list[Position]) -> Position:
    """The one with the lowest validation loss (the earliest of equals), the last one where none has any."""
    scored = [(p.validation_loss, index) for index, p in enumerate(positions) if p.validation_loss is not None]
    return positions[min(scored)[1] if scored else -1]


def list_checkpoints(folder: Path) -> list[Position]:
    """The checkpoints in ``folder``, oldest first. A half-written one is not among them."""
    found = sorted(folder.glob(f"{_PREFIX}*/{_POSITION}"))
    return [Position(**json.loads(path.read_text())) for path in found]


def load_checkpoint(folder: Path, position: Position) -> dict[str, Any]:
    """The state saved at ``position``; sets torch's random state. Raises :class:`~rotbot.errors.InputError` if the file
    cannot be read."""
    path = _path(folder, position.step) / _STATE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"checkpoint {path}: cannot be read") from error
    torch.set_rng_state(state.pop("rng"))
    return state


def check_settings(position: Position, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Raise :class:`~rotbot.errors.ConfigError` that lists the settings that are not those of the checkpoint.

    A setting that the checkpoint does not know, being older, had its value in ``defaults``.
    """
    before = {key: position.settings.get(key, defaults.get(key)) for key in position.settings.keys() | settings.keys()}
    changed = [
        f"{key} was {before[key]!r}, now {settings.get(key)!r}"
        for key in sorted(before)
        if before[key] != settings.get(key)
    ]
    if changed:
        listed = "; ".join(changed)
        raise ConfigError(f"resume: expected the settings of the checkpoint at step {position.step}: {listed}")


def _path(folder: Path, step: int) -> Path:
    return folder / f"{_PREFIX}{step:08d}"
