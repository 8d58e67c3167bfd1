"""``rotbot generate``: write a synthetic dataset."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rotbot.errors import InputError


def generate(
    out: Annotated[Path, typer.Argument(help="The folder to write; it appears whole or not at all.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Rows over all splits together.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="The same seed gives the same bytes.")] = 0,
    level: Annotated[
        str, typer.Option("--level", "-l", help="A level or a range of levels; level k has k + 1 steps.")
    ] = "0-5",
    workers: Annotated[int, typer.Option("--workers", "-w", min=0, help="Processes; 0 is one a processor.")] = 0,
    wrong: Annotated[float, typer.Option("--wrong", min=0, max=1, help="The share of wrong programs.")] = 0.1,
    idioms: Annotated[
        float, typer.Option("--idioms", min=0, max=1, help="The share of idioms of real model code.")
    ] = 0.05,
    symbolic: Annotated[
        float, typer.Option("--symbolic", min=0, max=1, help="The share of problems with named sizes.")
    ] = 0.01,
    eval_rows: Annotated[
        int | None,
        typer.Option("--eval-rows", min=0, help="Rows of each benchmark split; default: a hundredth of --rows."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="I/N", help="Make only this machine's parts, I of 0 to N-1, and leave them in OUT."
        ),
    ] = None,
    parts: Annotated[
        list[Path] | None, typer.Option("--parts", help="A folder of parts that --shard left; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON on stdout, for machines.")] = False,
) -> None:
    """Generate problems with verified traces as a dataset that load_dataset(OUT, "sft") loads as it is.

    A build that was killed continues when the same command runs again.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rotbot.problems.build import WorkerDied, build, build_shard
    from rotbot.problems.levels import parse_levels
    from rotbot.problems.parts import Recipe
    from rotbot.problems.splits import EVAL
    from rotbot.problems.verify import Disagreement

    recipe = Recipe(rows, seed, parse_levels(level), wrong, idioms, symbolic, eval_rows)
    processes = workers or len(os.sched_getaffinity(0))
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("generating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console, refresh_per_second=2,
    )  # fmt: skip
    task = bar.add_task("rows", total=rows + len(EVAL) * recipe.benchmark_rows)

    def progress(done: int) -> None:
        if not bar.live.is_started:  # after the workers are forked: a fork must not copy the bar's thread
            bar.start()
        bar.update(task, completed=done)

    try:
        if shard is not None:
            made = build_shard(out, recipe, _parse_shard(shard), processes, progress)
            print(json.dumps({"out": str(out), "items": made}) if as_json else f"made {made} items of parts in {out}")
            return
        tally = build(out, recipe, processes, overwrite, progress, tuple(parts or ()))
        bar.update(task, completed=tally.rows, total=tally.rows)
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


def _parse_shard(text: str) -> tuple[int, int]:
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and text.isascii()):
        raise InputError(f"shard: expected I/N such as 0/4, got {text!r:.40}")
    return int(which), int(of)
