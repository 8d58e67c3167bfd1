"""``rotbot generate``: write a synthetic dataset."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.options import one_of, recipes
from rotbot.errors import InputError

if TYPE_CHECKING:
    from rotbot.problems.parts import Recipe
    from rotbot.problems.tally import Tally


def generate(
    out: Annotated[Path, typer.Argument(help="The folder to write; it appears whole or not at all.")],
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            help="A recipe by name (shapes) or YAML file; options come on top.",
            autocompletion=recipes("datasets"),
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", min=1, help="Rows over all splits together.", show_default="20000")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", "-s", min=0, help="The same seed gives the same bytes.", show_default="0")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level", "-l", help="A level from 0 to 9, or a range; 0 to 5 have 1 to 6 steps.", show_default="0-5"
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=0, help="Processes; 0 is one a processor.")] = 0,
    wrong: Annotated[
        float | None, typer.Option("--wrong", min=0, max=1, help="Share of wrong programs.", show_default="0.1")
    ] = None,
    idioms: Annotated[
        float | None,
        typer.Option("--idioms", min=0, max=1, help="Share of idioms of real model code.", show_default="0.05"),
    ] = None,
    symbolic: Annotated[
        float | None,
        typer.Option("--symbolic", min=0, max=1, help="Share of problems with named sizes.", show_default="0.01"),
    ] = None,
    work: Annotated[
        str | None,
        typer.Option(
            "--work",
            metavar="MODE",
            help="Write the work of steps: arithmetic, full or named.",
            autocompletion=one_of("arithmetic", "full", "named"),
        ),
    ] = None,
    eval_rows: Annotated[
        int | None,
        typer.Option("--eval-rows", min=0, help="Rows of each benchmark split.", show_default="a hundredth of --rows"),
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

        rotbot generate data/shapes --rows 20000 --level 0-5 --seed 7
    """
    given = {
        "rows": rows, "seed": seed, "levels": level, "wrong": wrong, "idioms": idioms, "symbolic": symbolic,
        "work": work, "eval_rows": eval_rows,
    }  # fmt: skip
    recipe = read_recipe(config, {key: value for key, value in given.items() if value is not None})
    if shard is not None:
        from rotbot.problems.build import build_shard

        with _bar(-(-recipe.rows // _parse_shard(shard)[1])) as progress:
            made = build_shard(out, recipe, _parse_shard(shard), _processes(workers), progress)
        print(json.dumps({"out": str(out), "items": made}) if as_json else f"made {made} items of parts in {out}")
        return
    tally = build_dataset(out, recipe, workers, overwrite, tuple(parts or ()))
    if as_json:
        splits = dict(tally.splits)
        print(json.dumps({"out": str(out), "rows": tally.rows, "splits": splits, "duplicates": tally.duplicates}))
    else:
        print(describe(out, tally))


def read_recipe(config: str | None, given: Mapping[str, Any]) -> Recipe:
    """The recipe of a shipped name or YAML file (None: the defaults) with the values ``given`` on top.

    ``levels`` is one or a range, such as ``0-5``.
    """
    from rotbot.config import build, read_yaml
    from rotbot.problems.levels import parse_levels
    from rotbot.problems.parts import Recipe
    from rotbot.recipes import find_recipe

    values = {**({} if config is None else read_yaml(find_recipe(config, "datasets"))), **given}
    levels = values.pop("levels", None)
    recipe = build(Recipe, values)
    return recipe if levels is None else replace(recipe, levels=parse_levels(str(levels)))


def build_dataset(
    out: Path, recipe: Recipe, workers: int = 0, overwrite: bool = False, parts: tuple[Path, ...] = ()
) -> Tally:
    """:func:`rotbot.problems.build.build` with a progress bar."""
    from rotbot.problems.build import build
    from rotbot.problems.splits import EVAL

    with _bar(recipe.rows + len(EVAL) * recipe.benchmark_rows) as progress:
        return build(out, recipe, _processes(workers), overwrite, progress, parts)


def describe(out: Path, tally: Tally) -> str:
    """A sentence on what was written."""
    splits = ", ".join(f"{split} {count}" for split, count in tally.splits.items())
    return f"wrote {tally.rows} rows to {out} ({splits}; {tally.duplicates} repeats dropped)"


def _processes(workers: int) -> int:
    return workers or len(os.sched_getaffinity(0))


@contextmanager
def _bar(total: int) -> Generator[Callable[[int], None]]:
    """A bar over ``total`` rows, full at the end; a build's own faults are told without a traceback, exit code 1."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rotbot.problems.build import WorkerDied
    from rotbot.problems.verify import Disagreement

    bar = Progress(
        TextColumn("generating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), refresh_per_second=2,
    )  # fmt: skip
    task, last = bar.add_task("rows", total=total), 0

    def progress(done: int) -> None:
        nonlocal last
        if not bar.live.is_started:  # after the workers are forked: a fork must not copy the bar's thread
            bar.start()
        last = done
        bar.update(task, completed=done)

    try:
        yield progress
        bar.update(task, completed=last, total=last)
    except (Disagreement, WorkerDied) as error:
        print(f"rotbot: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:
        if bar.live.is_started:
            bar.stop()


def _parse_shard(text: str) -> tuple[int, int]:
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and text.isascii()):
        raise InputError(f"shard: expected I/N such as 0/4, got {text!r:.40}")
    return int(which), int(of)
