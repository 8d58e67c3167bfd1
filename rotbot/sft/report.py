"""A run on the terminal: what will be trained, a bar with loss and speed, the result."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rotbot.sft.config import SftConfig
from rotbot.sft.publish import Destination, check_account, check_publish, publish

if TYPE_CHECKING:
    from rotbot.sft.run import Run

SHOWN_SAMPLES = 3


def run_with_progress(
    config: SftConfig, resume: bool, dry_run: bool, as_json: bool, destination: Destination | None = None
) -> None:
    """Build the run, train it unless ``dry_run``, and print what happens (on stderr when ``as_json``). With a
    ``destination`` on the Hub the first process asks before training whether it may push there, and pushes after.

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
    if destination is not None and not quiet:
        check_account(destination, console.print)
    with console.status("encoding the data") as status:
        run = build_run(config, status.update, join_world())
    console.print(
        f"model      {run.parameters() / 1e6:.2f}M parameters, {run.trained_parameters() / 1e6:.2f}M of them trained, "
        f"vocabulary {run.model_config.vocab_size}, "
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
    if destination is not None and not quiet:
        check_publish(run, destination, console.print)
    if dry_run:
        _say_dry_run(run, console, as_json and not quiet)
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
        f"exact {score.exact:.1%} → {result.model}{', stopped early' if result.stopped_early else ''}"
    )
    pushed = publish(run, destination, console.print) if destination is not None and not quiet else None
    if pushed is not None:
        console.print(f"pushed     {pushed.repo}@{pushed.revision}: commit {pushed.commit}, {pushed.url}")
    if as_json and not quiet:
        where = {} if pushed is None else {"repo": pushed.repo, "commit": pushed.commit, "url": pushed.url}
        json.dump({**asdict(result), "model": str(result.model), **where}, sys.stdout)
        print()


def _say_dry_run(run: Run, console: Console, as_json: bool) -> None:
    from rotbot.sft.estimate import estimate, first_pack

    memory, texts = estimate(run), first_pack(run)
    if as_json:
        tokens = {"train": int(run.train.offsets[-1]), "validation": int(run.validation.offsets[-1])}
        found = {
            "parameters": run.parameters(), "trained_parameters": run.trained_parameters(), "tokens": tokens,
            "steps": run.total, "step_tokens": run.config.batch.step_tokens, "settings": run.settings(),
            "memory_bytes": {**asdict(memory), "total": memory.total}, "first_pack": texts,
        }  # fmt: skip
        print(json.dumps(found))
        return
    parts = ", ".join(f"{name} {_bytes(count)}" for name, count in asdict(memory).items())
    console.print(f"memory     about {_bytes(memory.total)} a process: {parts}")
    console.print(f"first pack {len(texts)} samples; the loss is on what stands in ⟦ ⟧", markup=False)
    for text in texts[:SHOWN_SAMPLES]:
        console.print(f"\n{text}", markup=False)


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
