"""A run's model on the Hub: what can go wrong is found out before training; the push after it carries the curves."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotbot.errors import InputError
from rotbot.hub.cards import CURVES, LOG, render_card
from rotbot.hub.ids import HubId, read_id
from rotbot.hub.push import Pushed, PushOptions, check_push, push
from rotbot.hub.training import Training
from rotbot.hub.trouble import Note, silent

if TYPE_CHECKING:
    from rotbot.sft.run import Run


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the model goes: a repository, made ``private`` if it is new."""

    hub_id: HubId
    private: bool = False

    @property
    def options(self) -> PushOptions:
        """How it is pushed."""
        return PushOptions(private=self.private)


def read_destination(push_to_hub: bool, hub_model_id: str | None, private: bool) -> Destination | None:
    """What the flags mean, None where nothing is to be pushed. Raises :class:`~rotbot.errors.InputError`."""
    if push_to_hub != (hub_model_id is not None):
        raise InputError("expected --push-to-hub and --hub-model-id OWNER/NAME together, got one of them")
    return None if hub_model_id is None else Destination(read_id(hub_model_id), private)


def check_account(destination: Destination, note: Note = silent) -> None:
    """Raise :class:`~rotbot.errors.HubError` if there is no token or it may not push there."""
    check_push(destination.hub_id, "model", destination.options, note)


def check_publish(run: Run, destination: Destination, note: Note = silent) -> None:
    """The same, and :class:`~rotbot.errors.InputError` if the Hub would reject the card that the model will have."""
    training = Training(run.settings(), run.total, 0, None)
    card = render_card(
        run.model_config.to_transformers(), run.parameters(), training, (), destination.hub_id.repo, curves=True
    )
    check_push(destination.hub_id, "model", destination.options, note, card)


def publish(run: Run, destination: Destination, note: Note = silent) -> Pushed:
    """Push the run's ``model/`` with its log and a picture of it; the card is made on the way."""
    folder = run.folder / "model"
    shutil.copyfile(run.folder / "metrics.jsonl", folder / LOG)
    draw_curves(folder / LOG, folder / CURVES)
    return push(folder, destination.hub_id, "model", destination.options, note)


def draw_curves(log: Path, picture: Path) -> None:
    """Training and validation loss over the steps, from a run's ``metrics.jsonl``, as a PNG."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], label="training", linewidth=1)
    scored = [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]
    axes.plot([step for step, _ in scored], [loss for _, loss in scored], "o-", label="validation", markersize=3)
    axes.set(xlabel="optimizer step", ylabel="loss, nats a completion token", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, format="png", dpi=120, metadata={"Software": None})
