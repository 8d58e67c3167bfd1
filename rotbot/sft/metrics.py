"""Metrics on disk: one JSON object a line in ``metrics.jsonl``; for TensorBoard and trackio on demand."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rotbot.errors import OutputError

if TYPE_CHECKING:
    from rotbot.sft.trainer import Progress


class Metrics:
    """Writes a run's metrics. Lines beyond ``step`` (of a process that was killed after its last checkpoint) go.

    ``trackio`` names a project of trackio's; the run has the folder's name there, with ``settings`` (flat), and a
    resumed one goes on (trackio cannot drop what was logged: steps done twice are there twice, with the same values).
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        tensorboard: bool,
        trackio: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        kept = _lines_up_to(path, step) if step else []
        fresh = folder / ".metrics.jsonl.new"
        fresh.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        os.replace(fresh, path)
        self._file = path.open("a", encoding="utf-8")
        self._board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._track: Any = None
        if trackio is not None:
            import trackio as client

            with redirect_stdout(sys.stderr):  # it tells people where its dashboard is
                client.init(
                    project=trackio, name=folder.absolute().name, config=settings, resume="allow" if step else "never",
                    embed=False, auto_log_gpu=False, auto_log_cpu=False,
                )  # fmt: skip
            self._track = client

    def write(self, progress: Progress) -> None:
        """Append a line of supervised training."""
        values: dict[str, float] = {
            "tokens": progress.tokens, "loss": progress.loss, "lr": progress.lr, "grad_norm": progress.grad_norm,
            "tokens_per_second": progress.tokens_per_second, "epoch": progress.epoch,
        }  # fmt: skip
        if progress.validation is not None:
            values["validation_loss"] = progress.validation.loss
            values["validation_token_accuracy"] = progress.validation.token_accuracy
            values["validation_exact"] = progress.validation.exact
        self.log(progress.step, values)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line. Raises :class:`~rotbot.errors.OutputError` if it cannot be written."""
        try:
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._file.name}: cannot be written: {error}; checkpoints are whole") from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._track is not None:
            self._track.log(dict(values), step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._track is not None:
            with redirect_stdout(sys.stderr):
                self._track.finish()


def _lines_up_to(path: Path, step: int) -> list[str]:
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:  # the line a killed process was writing
            break
    return kept
