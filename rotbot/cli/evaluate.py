"""``rotbot eval``: the benchmark."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.options import EndpointTimeout, EngineKind, one_of  # typer reads them
from rotbot.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from rotbot.evaluation.report import Report


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="embedded, a Hub ID (owner/name or owner/name@revision), a folder, or http(s)://… of an endpoint."
        ),
    ] = "embedded",
    dataset: Annotated[
        str | None,
        typer.Argument(help="A dataset's folder or Hub ID, for its configuration eval; without one: fresh problems."),
    ] = None,
    splits: Annotated[
        str | None, typer.Option("--splits", help="Splits separated by commas, as in id,ood_depth (default: all).")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="The most problems of a split.")] = 100,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="Of fresh problems and of sampling.")] = 0,
    samples: Annotated[int, typer.Option("--samples", "-k", min=1, help="Answers to each problem, for pass@k.")] = 1,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="0 is greedy; the default is 0, with several samples 0.7.")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="The most tokens of an answer.")] = 2048,
    prompt: Annotated[
        str,
        typer.Option(
            "--prompt",
            help="plain for rotbot's models; described (zero-shot) or explained (two examples) for others.",
            autocompletion=one_of("plain", "described", "explained"),
        ),
    ] = "plain",
    variants: Annotated[
        int,
        typer.Option(
            "--variants", min=0, help="Problems of a split that are also asked renamed, respelled, with dead code."
        ),
    ] = 0,
    engine: EngineKind = "auto",
    name: Annotated[
        str | None, typer.Option("--model-name", help="What an endpoint calls the model (default: its only one).")
    ] = None,
    timeout: EndpointTimeout = 600.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for answers and report; a broken run goes on from what is there."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="A PNG of accuracy against depth (--out has one anyway).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure as JSON on stdout, tables on stderr.")] = False,
) -> None:
    """Measure a model on the benchmark: every step of every answer is held against torch.fx.

    Each figure comes with its 95% interval. Fresh problems are never in any training data that rotbot generates.

        rotbot eval embedded --splits id,ood_depth --rows 200 --out runs/eval
    """
    from rotbot.cli.view import console
    from rotbot.evaluation.benchmark import Generates, Setting, model_state, run_split
    from rotbot.evaluation.cases import check_splits, dataset_splits
    from rotbot.evaluation.plots import plot_depth
    from rotbot.evaluation.prompts import VARIANTS
    from rotbot.evaluation.report import make_report
    from rotbot.inference.engine import Sampling
    from rotbot.problems.splits import EVAL

    if prompt not in VARIANTS:
        raise InputError(f"prompt: expected one of {', '.join(VARIANTS)}, got {prompt!r:.80}")
    heat = temperature if temperature is not None else 0.7 if samples > 1 else 0.0
    sampling = Sampling(max_tokens=max_tokens, temperature=heat, seed=seed, n=samples)
    named = model if name is None else f"{model} {name}"
    setting = Setting(model_state(named), dataset, rows, seed, prompt, sampling, variants)
    found = EVAL if dataset is None else dataset_splits(dataset)
    wanted = check_splits(found if splits is None else [split.strip() for split in splits.split(",")])
    screen = console(stderr=True)
    opened: list[Any] = []
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(screen))
        task = bar.add_task("", total=None)

        def running() -> Generates:
            if not opened:
                opened.append(stack.enter_context(_opened(model, name, engine, timeout)))
            return opened[0]

        def progress(split: str, what: str, done: int, of: int) -> None:
            bar.update(task, description=f"{split}: {what}", completed=done, total=of)

        results = [run_split(split, setting, running, out, progress) for split in wanted]
        bar.remove_task(task)
    report = make_report(setting, opened[0].name if opened else "answers of an earlier run", results)
    _show(report, console(stderr=as_json))
    if out is not None:
        report.save(out)
        plot_depth(report, out / "depth.png")
    if plot is not None:
        plot_depth(report, plot)
    if as_json:
        print(json.dumps(report.data()))


def _opened(model: str, name: str | None, kind: str, timeout: float) -> Any:
    """An engine or an endpoint, as a context."""
    if model.startswith(("http://", "https://")):
        from rotbot.inference.endpoint import Endpoint

        return Endpoint(model, name, timeout)
    if name is not None:
        raise InputError(
            f"model-name: expected an endpoint (http://… or https://…) for it, got the model {model!r:.80}"
        )
    from rotbot.cli.engine import opened

    return opened(model, kind)


def progress_bar(screen: Console) -> Any:
    """A bar with what is under way, how much is done and how long it took; gone at the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=screen, transient=True, disable=not screen.is_terminal,
    )  # fmt: skip


def _show(report: Report, out: Console) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out.print(f"[bold]{escape(report.setting.model)}[/]: {escape(report.describe())}", soft_wrap=True)
    for made in report.tables():
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for number, head in enumerate(made.heads):
            table.add_column(head, justify="right" if number else "left", no_wrap=number == 0)
        for row in made.rows:
            table.add_row(*map(escape, row))
        out.print(f"\n[bold]{escape(made.title)}[/]")
        out.print(table)
