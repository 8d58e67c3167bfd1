"""``rotbot check``: verify a dataset from its rows alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotbot.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from rotbot.problems.check import Report


def check(
    dataset: Annotated[str, typer.Argument(help="A dataset's folder or Hub ID (owner/name or owner/name@revision).")],
    workers: Annotated[int, typer.Option("--workers", "-w", min=0, help="Processes; 0 is one a processor.")] = 0,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Rows to generate again from their seeds.")] = 200,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the distributions as a PNG to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout, for machines.")] = False,
) -> None:
    """Verify every row by eager execution, independent of the tracer: format, truth, splits, balance, determinism.

    Exit code 1 if anything is wrong.

        rotbot check data/shapes --plot check.png
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from rotbot.hub.fetch import fetch
    from rotbot.hub.ids import parse_id
    from rotbot.problems.check import check as run

    folder = Path(dataset).expanduser()
    if not folder.is_dir():
        hub_id = parse_id(dataset)
        if hub_id is None:
            raise InputError(f"expected a dataset folder or a Hub ID (owner/name[@revision]), got {dataset!r:.200}")
        folder = fetch(hub_id, "dataset")
    columns = (SpinnerColumn(), TextColumn("checked {task.completed:,} rows"), TimeElapsedColumn())
    screen = Console(stderr=True)
    progress = Progress(*columns, console=screen, disable=not screen.is_terminal)
    task = progress.add_task("rows", total=None)

    def show(done: int) -> None:
        if not progress.live.is_started:  # after the workers are forked: a fork must not copy its thread
            progress.start()
        progress.update(task, completed=done)

    try:
        report = run(folder, workers or len(os.sched_getaffinity(0)), sample, show)
    finally:
        progress.stop()
    if plot is not None:
        from rotbot.problems.plots import plot_distributions

        plot_distributions(report, plot)
    if as_json:
        print(json.dumps(report_data(report)))
    else:
        _print(report, Console(highlight=False))
    if not report.clean:
        raise typer.Exit(1)


def report_data(report: Report) -> dict[str, object]:
    """A report for machines."""
    return {
        "clean": report.clean,
        "rows": dict(report.rows),
        "faults": dict(report.faults),
        "examples": {k: [{"where": f.where, "what": f.what} for f in found] for k, found in report.examples.items()},
        "overlaps": report.overlaps,
        "near_duplicates": report.near,
        "regenerated": report.regenerated,
        "families": report.families,
        "ops": dict(report.ops.most_common()),
        "steps": dict(sorted(report.depths.items())),
        "levels": dict(sorted(report.levels.items())),
        "ranks": dict(sorted(report.ranks.items())),
        "sizes": dict(sorted(report.sizes.items())),
        "styles": dict(report.styles.most_common()),
        "outcomes": dict(report.outcomes),
    }


def _print(report: Report, console: Console) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("split")
    table.add_column("rows", justify="right")
    for place, count in report.rows.items():
        table.add_row(place, f"{count:,}")
    table.add_row("all", f"{sum(report.rows.values()):,}", style="bold")
    console.print(table)
    shares = ", ".join(f"{family} {100 * share:.1f}%" for family, share in report.families.items())
    console.print(f"\n{len(report.ops)} operations in {len(report.families)} families: {shares}")
    console.print("steps: " + ", ".join(f"{depth} {count:,}" for depth, count in sorted(report.depths.items())))
    for name, counts in (("levels", report.levels), ("ranks", report.ranks), ("sizes up to", report.sizes)):
        console.print(f"{name}: " + ", ".join(f"{key} {count:,}" for key, count in sorted(counts.items())))
    console.print("styles: " + ", ".join(f"{name} {count:,}" for name, count in report.styles.most_common()))
    console.print("outcomes: " + ", ".join(f"{name} {count:,}" for name, count in report.outcomes.items()))
    console.print(
        f"overlaps between splits: {report.overlaps:,}; near-duplicates within them: {report.near:,}; "
        f"generated again: {report.regenerated:,}"
    )
    if report.clean:
        console.print("[bold green]✓[/] every row is as its card says")
    for kind, count in report.faults.most_common():
        console.print(f"[bold red]✗[/] {escape(kind)}: {count:,}")
        for fault in report.examples[kind]:
            console.print(f"    {escape(fault.where)}: {escape(fault.what)}", soft_wrap=True)
