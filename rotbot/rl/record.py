"""A run's folder: settings held to, checkpoints, metrics, samples. Both runners write through this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rotbot.errors import ConfigError
from rotbot.rl.curriculum import Curriculum
from rotbot.rl.learner import Learner
from rotbot.rl.settings import GrpoConfig
from rotbot.sft.checkpoint import Position, check_settings, list_checkpoints, load_checkpoint, save_checkpoint
from rotbot.sft.run import flatten

_FREE = (
    "output", "steps", "threads", "recompute", "generators", "trainers", "eval_rows", "eval_samples", "eval_every",
    "save_every", "sample_every", "tensorboard", "trackio", "save_dtype",
)  # fmt: skip
"""Settings that do not decide what an update does, so a resumed run may change them."""


def settings_of(config: GrpoConfig) -> dict[str, Any]:
    """The settings that decide the weights, flat."""
    return {key: value for key, value in flatten(asdict(config)).items() if key not in _FREE}


def last_position(config: GrpoConfig, resume: bool) -> Position | None:
    """The last checkpoint of the run's folder, None for a fresh run.

    Raises :class:`~rotbot.errors.ConfigError` if the folder holds a run and ``resume`` is not set, or its settings were
    others.
    """
    folder = Path(config.output)
    positions = list_checkpoints(folder / "checkpoints")
    if not positions:
        return None
    if not resume:
        raise ConfigError(f"output: expected a folder without a run, {folder} has one; add --resume or change output")
    check_settings(positions[-1], settings_of(config), settings_of(GrpoConfig(dataset=config.dataset)))
    return positions[-1]


def save(config: GrpoConfig, step: int, tokens: int, learner: Learner, curriculum: Mapping[str, Any]) -> None:
    """A checkpoint after ``step`` steps on ``tokens`` tokens: weights, optimizer, policy version, random state, and the
    state of the curriculum, which is the position in the data. Of several processes the first one writes it."""
    position = Position(step, 0, int(curriculum["drawn"]), tokens, None, settings_of(config))
    state = {"learner": learner.state_dict(), "curriculum": dict(curriculum)}
    if learner.world.leads:
        save_checkpoint(Path(config.output) / "checkpoints", position, state)


def restore(config: GrpoConfig, position: Position, learner: Learner) -> dict[str, Any]:
    """Put the learner where it was at ``position``, and return the curriculum's state there."""
    state = load_checkpoint(Path(config.output) / "checkpoints", position)
    learner.load_state_dict(state["learner"])
    return state["curriculum"]


def rate_figures(curriculum: Curriculum) -> dict[str, float]:
    """The measured pass rate of each level."""
    return {f"pass_rate/level_{level}": rate for level, rate in curriculum.rates.items()}
