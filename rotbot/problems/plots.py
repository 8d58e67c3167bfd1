"""Pictures of what a dataset holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_FAMILY, MOST_FAMILY = 0.02, 0.20
"""The shares of steps between which every op family is meant to be."""

_COLOR, _BOUND = "#4C72B0", "#C44E52"


class Counts(Protocol):
    """What is drawn: a :class:`~rotbot.problems.tally.Tally` or a :class:`~rotbot.problems.check.Report`."""

    ops: Counter[str]
    depths: Counter[int]
    sizes: Counter[int]

    @property
    def families(self) -> dict[str, float]:
        """The share of steps of every family."""
        ...


def plot_distributions(counts: Counts, path: Path) -> None:
    """Write a PNG: steps a problem, families with their bounds, the commonest ops, the largest size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    _bars(axes[0, 0], counts.depths, "steps of a problem", "problems")
    families = list(counts.families.items())[::-1]
    axes[0, 1].barh([name for name, _ in families], [100 * share for _, share in families], color=_COLOR)
    for bound in (LEAST_FAMILY, MOST_FAMILY):
        axes[0, 1].axvline(100 * bound, color=_BOUND, linestyle="--", linewidth=1)
    axes[0, 1].set_title("share of steps by family, %")
    heights = [count for _, count in counts.ops.most_common()]
    axes[1, 0].bar(range(len(heights)), heights, color=_COLOR)
    axes[1, 0].set_yscale("log")
    axes[1, 0].set_title(f"steps of each of {len(heights)} operations, the commonest first")
    _bars(axes[1, 1], counts.sizes, "largest size of a problem, up to", "problems")
    figure.savefig(path, dpi=110, format="png", metadata={"Software": None})


def _bars(axes: Axes, counts: Counter[int], title: str, label: str) -> None:
    keys = sorted(counts)
    axes.bar([str(key) for key in keys], [counts[key] for key in keys], color=_COLOR)
    axes.set_title(title)
    axes.set_ylabel(label)
    axes.tick_params(axis="x", rotation=60)
