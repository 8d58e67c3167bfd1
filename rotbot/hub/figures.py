"""How good a model is, as figures for its card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotbot.errors import InputError
from rotbot.hub.ids import parse_id

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_METRICS = (
    ("faithful", "every step and the final shape right"),
    ("final", "the final shape right"),
    ("lucky", "the final shape right, a step not"),
    ("parsed", "all in the format"),
)
_NEEDED = frozenset(("problems", *[name for name, _ in _METRICS]))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Counts over ``problems`` problems, as :class:`rotbot.evaluation.Accuracy` has them. ``dataset`` is the Hub ID
    they are from (None: fresh ones of ``rotbot generate``), ``config`` and ``split`` say which."""

    problems: int
    faithful: int
    final: int
    lucky: int
    parsed: int
    split: str = "test"
    config: str = "eval"
    dataset: str | None = None

    def __post_init__(self) -> None:
        for name in ("faithful", "final", "lucky", "parsed"):
            count = getattr(self, name)
            if not 0 <= count <= self.problems or self.problems < 1:
                raise InputError(f"evaluation: expected {name} from 0 to problems ({self.problems}), got {count}")
        if self.dataset is not None and parse_id(self.dataset) is None:
            raise InputError(f"evaluation: expected a dataset's Hub ID, got {self.dataset!r:.200}")

    def rows(self) -> list[tuple[str, str, float, float, float]]:
        """Each metric: its name, what it counts, the share of problems, and the 95% interval of the share."""
        from rotbot.evaluation.intervals import wilson

        return [
            (name, meaning, getattr(self, name) / self.problems, *wilson(getattr(self, name), self.problems))
            for name, meaning in _METRICS
        ]

    def results(self) -> list[EvalResult]:
        """The same for a card's ``model-index``."""
        from huggingface_hub import EvalResult

        source = None if self.dataset is None else parse_id(self.dataset)
        return [
            EvalResult(
                task_type="text-generation",
                task_name="tensor shape inference",
                dataset_type="rotbot-fresh" if source is None else source.repo,
                dataset_name="fresh problems of rotbot generate" if source is None else source.repo,
                dataset_config=self.config,
                dataset_split=self.split,
                dataset_revision=None if source is None else source.revision,
                metric_type=name,
                metric_name=meaning,
                metric_value=round(share, 4),
            )
            for name, meaning, share, _, _ in self.rows()
        ]


def read_evaluation(path: Path) -> tuple[Evaluation, ...]:
    """The figures in a JSON file with the fields of :class:`Evaluation`, or a list of such: one entry a split, as
    ``rotbot eval --out`` writes them.

    Raises :class:`~rotbot.errors.InputError` for a file that is not that.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"evaluation: {path} is not readable as JSON: {error}") from error
    return tuple([_read(entry, path) for entry in (values if isinstance(values, list) and values else [values])])


def _read(values: object, path: Path) -> Evaluation:
    from rotbot.config import build

    if not isinstance(values, dict) or not _NEEDED.issubset(values):
        missing = _NEEDED - set(values if isinstance(values, dict) else ())
        raise InputError(f"evaluation: {path} lacks {', '.join(sorted(missing))}")
    return build(Evaluation, values)
