"""``rotbot generate``: write a synthetic dataset."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def generate(
    out: Annotated[Path, typer.Argument(help="The folder to write; it appears whole or not at all.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Rows over all splits together.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="The same seed gives the same bytes.")] = 0,
    level: Annotated[
        str, typer.Option("--level", "-l", help="A level or a range of levels; level k has k + 1 steps.")
    ] = "0-5",
    workers: Annotated[int, typer.Option("--workers", "-w", min=0, help="Processes; 0 is one a processor.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON on stdout, for machines.")] = False,
) -> None:
    """Generate problems with verified traces as a dataset that load_dataset(OUT, "sft") loads as it is."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rotbot.problems.build import Recipe, WorkerDied, build
    from rotbot.problems.levels import parse_levels
    from rotbot.problems.verify import Disagreement

    recipe = Recipe(rows, seed, parse_levels(level))
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("generating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
    task = bar.add_task("rows", total=rows)

    def progress(done: int) -> None:
        if not bar.live.is_started:  # after the workers are forked: a fork must not copy the bar's thread
            bar.start()
        bar.update(task, completed=done)

    try:
        tally = build(out, recipe, workers or len(os.sched_getaffinity(0)), overwrite, progress)
    except (Disagreement, WorkerDied) as error:
        print(f"rotbot: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:
        bar.stop()
    counts = {"out": str(out), "rows": tally.rows, "splits": dict(tally.splits), "duplicates": tally.duplicates}
    if as_json:
        print(json.dumps(counts))
    else:
        splits = ", ".join(f"{split} {count}" for split, count in tally.splits.items())
        print(f"wrote {tally.rows} rows to {out} ({splits}; {tally.duplicates} repeats dropped)")
