"""A run on the terminal: what will be trained, a bar with loss and speed, the result."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rotbot.sft.config import SftConfig


def run_with_progress(config: SftConfig, resume: bool, dry_run: bool, as_json: bool) -> None:
    """Build the run, train it unless ``dry_run``, and print what happens (on stderr when ``as_json``).

    Of several processes (see :mod:`rotbot.sft.parallel`) the first one prints.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    quiet = os.environ.get("RANK", "0") != "0"
    console = Console(stderr=as_json, highlight=False, soft_wrap=True, quiet=quiet)
    with console.status("loading"):
        from datasets import disable_progress_bars

        from rotbot.sft.parallel import join_world
        from rotbot.sft.run import build_run
        from rotbot.sft.trainer import Progress, train

        disable_progress_bars()
    with console.status("encoding the data") as status:
        run = build_run(config, status.update, join_world())
    console.print(
        f"model      {run.parameters() / 1e6:.2f}M parameters, vocabulary {run.model_config.vocab_size}, "
        f"{str(run.forward.dtype).removeprefix('torch.')} products"
    )
    for name, samples in (("train", run.train), ("validation", run.validation)):
        longer = f"longer than {config.data.max_length} tokens"
        skipped = f", {samples.skipped:,} {longer} left out" if samples.skipped else ""
        console.print(f"{name:<10} {len(samples):,} samples, {int(samples.offsets[-1]):,} tokens{skipped}")
    console.print(
        f"schedule   {run.total:,} steps of {config.batch.step_tokens:,} tokens, "
        f"{run.total * run.packs_per_step / run.stream.packs_per_epoch:.2f} epochs"
    )
    if dry_run:
        if as_json and not quiet:
            print(json.dumps({"parameters": run.parameters(), "steps": run.total, "settings": run.settings()}))
        return
    columns = (
        TextColumn("step {task.completed:>6.0f}/{task.total:.0f}"), BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} tokens/s"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("train", total=run.total, loss=float("nan"), speed=0.0)

        def watch(progress: Progress) -> None:
            bar.update(task, completed=progress.step, loss=progress.loss, speed=progress.tokens_per_second)
            score = progress.validation
            tail = "" if score is None else f"  validation {score.loss:.4f}, exact {score.exact:.1%}"
            if tail or not console.is_terminal:
                bar.console.print(
                    f"step {progress.step:>6}  loss {progress.loss:.4f}  norm {progress.grad_norm:.2f}  "
                    f"{progress.tokens_per_second:,.0f} tokens/s{tail}"
                )

        result = train(run, resume, watch)
    score = result.validation
    console.print(
        f"done       {result.tokens:,} tokens in {result.seconds / 60:.1f} min, validation loss {score.loss:.4f}, "
        f"exact {score.exact:.1%} → {result.model}"
    )
    if as_json and not quiet:
        json.dump({**asdict(result), "model": str(result.model)}, sys.stdout)
        print()
