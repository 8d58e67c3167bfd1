"""A dataset's recipe as a YAML file or the command line gives it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rotbot.problems.levels import parse_levels
from rotbot.problems.parts import Recipe
from rotbot.shapes.work import Mode


@dataclass(frozen=True, slots=True)
class DatasetConfig:
    """What ``rotbot generate`` makes: see :class:`~rotbot.problems.parts.Recipe`. ``level`` is one or a range
    (``0-5``)."""

    rows: int = 20_000
    seed: int = 0
    level: str = "0-5"
    wrong: float = 0.1
    idioms: float = 0.05
    symbolic: float = 0.01
    eval_rows: int | None = None
    work: Mode | None = None

    def recipe(self) -> Recipe:
        """The recipe. Raises :class:`~rotbot.errors.InputError` for what makes no dataset."""
        fields = asdict(self)
        return Recipe(levels=parse_levels(fields.pop("level")), **fields)
