"""Pictures of what a dataset holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rotbot.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rotbot.problems.check import Report

_COLOR, _BOUND = "#4C72B0", "#C44E52"


def plot_distributions(report: Report, path: Path) -> None:
    """Write a PNG: steps a problem, families with their bounds, the commonest ops, the largest size.

    Raises :class:`~rotbot.errors.InputError` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plot: expected matplotlib, it is not installed: pip install 'rotbot[train]'") from error

    from rotbot.problems.check import LEAST_FAMILY, MOST_FAMILY

    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    _bars(axes[0, 0], report.depths, "steps of a problem", "problems")
    families = list(report.families.items())[::-1]
    axes[0, 1].barh([name for name, _ in families], [100 * share for _, share in families], color=_COLOR)
    for bound in (LEAST_FAMILY, MOST_FAMILY):
        axes[0, 1].axvline(100 * bound, color=_BOUND, linestyle="--", linewidth=1)
    axes[0, 1].set_title("share of steps by family, %")
    counts = [count for _, count in report.ops.most_common()]
    axes[1, 0].bar(range(len(counts)), counts, color=_COLOR)
    axes[1, 0].set_yscale("log")
    axes[1, 0].set_title(f"steps of each of {len(counts)} operations, the commonest first")
    _bars(axes[1, 1], report.sizes, "largest size of a problem, up to", "problems")
    figure.savefig(path, dpi=110, format="png")


def _bars(axes: Axes, counts: Counter[int], title: str, label: str) -> None:
    keys = sorted(counts)
    axes.bar([str(key) for key in keys], [counts[key] for key in keys], color=_COLOR)
    axes.set_title(title)
    axes.set_ylabel(label)
    axes.tick_params(axis="x", rotation=60)
