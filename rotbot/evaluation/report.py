"""From the verdicts of all splits to tables, JSON and the figures of a model's card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rotbot.evaluation.benchmark import Setting, SplitResult
from rotbot.evaluation.intervals import Estimate
from rotbot.evaluation.judge import Judged
from rotbot.evaluation.metrics import MEANINGS, by, by_step, family_of_step, measure, op_of
from rotbot.evaluation.variants import consistency
from rotbot.hub.cards import EVALUATION
from rotbot.hub.figures import Evaluation
from rotbot.hub.ids import parse_id

_SHOWN_OPS = 30
_BANDS = (1, 3, 5, 7, 9, 11, 13, 17, 21)
"""The first depths of the bands that a table shows; training ends with the sixth."""

Figures = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text: the heads, and rows of as many cells; the first column is a name, the others are figures."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table as Markdown under a heading."""
        rule = "|---|" + "---:|" * (len(self.heads) - 1)
        lines = [f"| {' | '.join(row)} |" for row in (self.heads, *self.rows)]
        return "\n".join([f"### {self.title}", "", lines[0], rule, *lines[1:]])


@dataclass(frozen=True)
class Report:
    """Every figure of a run: by split, by depth in each split, by rank, family and op over all, and how consistent the
    answers to variants of problems are."""

    setting: Setting
    engine: str
    splits: Mapping[str, Figures]
    depths: Mapping[str, Mapping[int, Figures]]
    bands: Mapping[str, Mapping[int, Figures]]
    ranks: Mapping[int, Figures]
    families: Figures
    ops: Figures
    consistency: Mapping[str, Figures]
    counts: tuple[Evaluation, ...]

    def tables(self) -> list[Table]:
        """The breakdowns for people to read, those without rows left out."""
        names = [name for name in MEANINGS if any(name in figures for figures in self.splits.values())]
        made = [_grouped("Splits", "split", self.splits, names)]
        passes = sorted({name for figures in self.splits.values() for name in figures} - set(MEANINGS), key=_by_k)
        if passes:
            made.append(
                _grouped("pass@k (final right) and CoT-pass@k (every step right)", "split", self.splits, passes)
            )
        made.append(_by_band(self.bands))
        ranks = {str(rank): figures for rank, figures in self.ranks.items()}
        made.append(_grouped("By rank, all splits", "highest rank", ranks, ["faithful", "final", "steps"]))
        made.append(_stepwise("By family: steps right once all before are", "family", self.families))
        made.append(_stepwise("By op: steps right once all before are", "op", self.ops, _SHOWN_OPS))
        if self.consistency:
            heads = ["same_answer", "faithful", "original"]
            made.append(_grouped("Consistency: the same problem in another form", "variant", self.consistency, heads))
        return [table for table in made if table.rows]

    def markdown(self) -> str:
        """All tables as one Markdown text, with what was measured."""
        head = [f"## {self.setting.model}", "", self.describe(), ""]
        return "\n".join([*head, "\n\n".join([table.markdown() for table in self.tables()]), ""])

    def describe(self) -> str:
        """What was measured, in a sentence."""
        setting, sampling = self.setting, self.setting.sampling
        source = (
            f"fresh problems of seed {setting.seed}" if setting.dataset is None else f"problems of {setting.dataset}"
        )
        how = "greedy" if sampling.temperature == 0 else f"{sampling.n} samples, temperature {sampling.temperature:g}"
        return f"{source}, at most {setting.rows} a split; prompt {setting.prompt}; {how}; {self.engine}."

    def data(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return {
            "setting": self.setting.data(),
            "engine": self.engine,
            "splits": _data(self.splits),
            "depths": {split: _data(depths) for split, depths in self.depths.items()},
            "ranks": _data(self.ranks),
            "families": {name: figure.data() for name, figure in self.families.items()},
            "ops": {name: figure.data() for name, figure in self.ops.items()},
            "consistency": _data(self.consistency),
        }

    def save(self, folder: Path) -> None:
        """Write ``report.json``, ``report.md`` and, where every problem was answered once, ``evaluation.json``: laid
        into a model's folder, ``rotbot push-model`` puts its figures on the card and into the Hub's ``model-index``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(self.data(), indent=1) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        if self.counts:
            entries = [asdict(entry) for entry in self.counts]
            (folder / EVALUATION).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def make_report(setting: Setting, engine: str, results: Sequence[SplitResult]) -> Report:
    """All figures of a run. Raises :class:`~rotbot.errors.InputError` for no results."""
    every = [judged for result in results for judged in result.judged]
    varied: dict[str, list[tuple[Judged, Judged]]] = {}
    for result in results:
        for name, pairs in result.varied.items():
            varied.setdefault(name, []).extend(pairs)
    return Report(
        setting=setting,
        engine=engine,
        splits={result.split: measure(result.judged) for result in results},
        depths={result.split: by(result.judged, lambda case: case.depth) for result in results},
        bands={result.split: by(result.judged, lambda case: band_of(case.depth)) for result in results},
        ranks=by(every, lambda case: case.rank),
        families=by_step(every, family_of_step),
        ops=by_step(every, op_of),
        consistency={name: consistency(tuple(pairs)) for name, pairs in varied.items() if pairs},
        counts=tuple([_counts(setting, result) for result in results]) if setting.sampling.n == 1 else (),
    )


def _counts(setting: Setting, result: SplitResult) -> Evaluation:
    """A split's counts as a card has them."""
    verdicts = [judged.verdicts[0] for judged in result.judged]
    on_hub = (
        setting.dataset is not None and not Path(setting.dataset).is_dir() and parse_id(setting.dataset) is not None
    )
    return Evaluation(
        problems=len(verdicts),
        faithful=sum([verdict.faithful for verdict in verdicts]),
        final=sum([verdict.final for verdict in verdicts]),
        lucky=sum([verdict.lucky for verdict in verdicts]),
        parsed=sum([verdict.parsed for verdict in verdicts]),
        split=result.split,
        dataset=setting.dataset if on_hub else None,
    )


def _data(groups: Mapping[Any, Figures]) -> dict[str, dict[str, Any]]:
    return {str(key): {name: figure.data() for name, figure in figures.items()} for key, figures in groups.items()}


def _by_k(name: str) -> tuple[int, str]:
    return int(name.rpartition("@")[2]), name


def _grouped(title: str, head: str, groups: Mapping[str, Figures], names: Sequence[str]) -> Table:
    rows = [
        (key, str(max([figure.n for figure in figures.values()])), *[_cell(figures.get(name)) for name in names])
        for key, figures in groups.items()
    ]
    return Table(title, (head, "problems", *names), tuple(rows))


def band_of(depth: int) -> int:
    """The first depth of the band that a number of steps is in."""
    return max([first for first in (0, *_BANDS) if first <= depth])


def _by_band(bands: Mapping[str, Mapping[int, Figures]]) -> Table:
    """A row for every split, a column for every band of depths that some split has problems in."""
    found = sorted({first for groups in bands.values() for first in groups})
    after = dict(pairwise(_BANDS))
    heads = [
        f"{first}–{after[first] - 1}" if first in after else f"{first} or more" if first else "0" for first in found
    ]
    rows = [
        (split, *[_cell(groups[first]["faithful"]) if first in groups else "" for first in found])
        for split, groups in bands.items()
    ]
    return Table("Faithful by number of steps", ("split", *heads), tuple(rows))


def _stepwise(title: str, head: str, figures: Figures, most: int | None = None) -> Table:
    rows = [(name, str(figure.n), _cell(figure)) for name, figure in list(figures.items())[:most]]
    return Table(title, (head, "steps", "right"), tuple(rows))


def _cell(figure: Estimate | None) -> str:
    """``93.0% (91.2–94.5)``."""
    if figure is None:
        return ""
    return f"{100 * figure.value:.1f}% ({100 * figure.low:.1f}–{100 * figure.high:.1f})"
