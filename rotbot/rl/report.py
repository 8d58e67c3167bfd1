"""A run on the terminal: what will be trained, a live line of figures, the result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rotbot.errors import InputError
from rotbot.rl.settings import GrpoConfig

if TYPE_CHECKING:
    from rotbot.rl.local import GrpoResult, Watch

    Runner = Callable[[GrpoConfig, bool, "Watch | None"], GrpoResult]


def run_with_progress(config: GrpoConfig, runner: str, resume: bool, dry_run: bool, as_json: bool) -> None:
    """Train unless ``dry_run``, and print what happens (on stderr when ``as_json``)."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with console.status("loading"):
        from datasets import disable_progress_bars

        from rotbot.rl.curriculum import load_prompts
        from rotbot.rl.record import last_position, settings_of

        disable_progress_bars()
        train = _runner(runner)
        position = last_position(config, resume)
        prompts = load_prompts(config.dataset, config.eval_rows)
    levels = ", ".join(f"level {level}: {len(problems):,}" for level, problems in prompts.train.items())
    console.print(f"prompts    {levels}; {len(prompts.validation):,} to validate with")
    console.print(
        f"schedule   {config.steps:,} steps of {config.groups} x {config.samples} completions, rubric {config.rubric}, "
        f"{config.advantages} advantages, loss {config.loss.kind}"
    )
    if position is not None:
        console.print(f"resumed    after step {position.step:,}")
    if dry_run:
        if as_json:
            print(json.dumps({"steps": config.steps, "settings": settings_of(config)}))
        return
    columns = (
        TextColumn("step {task.completed:>5.0f}/{task.total:.0f}"), BarColumn(), TextColumn("{task.fields[tail]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("train", total=config.steps, tail="")

        def watch(step: int, figures: dict[str, float]) -> None:
            tail = (
                f"reward {figures['reward']:.3f}  faithful {figures['faithful']:.1%}  lucky {figures['lucky']:.1%}  "
                f"length {figures['length']:.0f}  age {figures['policy_age']:.1f}  "
                f"{figures['episodes'] / figures['seconds']:.1f} episodes/s"
            )
            bar.update(task, completed=step, tail=tail)
            if "validation_faithful" in figures:
                tail += f"  validation {figures['validation_faithful']:.1%} faithful"
            if "validation_sampled_faithful" in figures:
                tail += f", {figures['validation_sampled_faithful']:.1%} of samples"
            if not console.is_terminal or "validation_faithful" in figures:
                bar.console.print(f"step {step:>5}  {tail}")

        result = train(config, resume, watch)
    console.print(
        f"done       {result.steps:,} steps, {result.updates:,} updates, {result.tokens:,} tokens drawn in "
        f"{result.seconds / 60:.1f} min → {result.model}"
    )
    if as_json:
        json.dump({**asdict(result), "model": str(result.model)}, sys.stdout)
        print()


def _runner(name: str) -> Runner:
    if name == "local":
        from rotbot.rl.local import train_local

        return train_local
    if name != "monarch":
        raise InputError(f"runner: expected monarch or local, got {name!r:.80}")
    if find_spec("monarch") is None:
        raise InputError("runner: monarch is not installed: pip install 'rotbot[rl]', or use --runner local")
    from rotbot.rl.controller import train_monarch

    return train_monarch
