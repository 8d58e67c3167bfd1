"""The benchmark's picture: accuracy against depth, one line a split."""

from __future__ import annotations

from pathlib import Path

from rotbot.errors import InputError
from rotbot.evaluation.report import Report
from rotbot.problems.splits import MAX_DEPTH

_BOUND = "#C44E52"


def plot_depth(report: Report, path: Path) -> None:
    """Write a PNG: the share of faithful problems at every band of depths with its 95% interval, a line for each split.

    Raises :class:`~rotbot.errors.InputError` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plot: expected matplotlib, it is not installed: pip install 'rotbot[train]'") from error

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for split, depths in report.bands.items():
        found = [(depth, figures["faithful"]) for depth, figures in depths.items()]
        steps = [depth for depth, _ in found]
        (line,) = axes.plot(steps, [100 * f.value for _, f in found], marker="o", markersize=3, label=split)
        low, high = [100 * f.low for _, f in found], [100 * f.high for _, f in found]
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.1, linewidth=0)
    axes.axvline(MAX_DEPTH + 0.5, color=_BOUND, linestyle="--", linewidth=1)
    axes.set_ylim(-2, 102)
    axes.set_xlabel(f"steps of a problem, from (dashed: the most in training, {MAX_DEPTH})")
    axes.set_ylabel("every step right, % of problems")
    axes.set_title(f"{report.setting.model}: faithful, with 95% intervals")
    axes.legend(ncols=2, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, format="png")
