"""``rotbot sft``: supervised fine-tuning from a recipe."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from rotbot.cli.options import recipes


def sft(
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Settings, e.g. dataset=PATH model=ID optimizer.lr=1e-3."
    ),
    config: str = typer.Option(
        "tiny", "--config", "-c", help="A shipped recipe's name or a YAML file.", autocompletion=recipes("training")
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue from the last checkpoint in the output folder."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the settings and the data, say what would run."),
    processes: int = typer.Option(
        1, "--processes", min=1, help="Processes that share every step; on a CPU as many as cores is fastest."
    ),
    push_to_hub: bool = typer.Option(False, "--push-to-hub", help="Push the model when it is trained."),
    hub_model_id: str = typer.Option(None, "--hub-model-id", help="Where to push: owner/name on the Hub."),
    private: bool = typer.Option(False, "--private", help="Make a new repository private."),
    json_output: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout, progress on stderr."),
) -> None:
    """Train a model on the completions of a dataset: packed, resumable, fast on a CPU.

    Example: rotbot sft --config tiny dataset=DATA output=runs/tiny
    """
    from rotbot.config import apply_overrides, build, read_yaml
    from rotbot.recipes import find_recipe
    from rotbot.sft.config import SftConfig, expand_keys

    settings = build(SftConfig, apply_overrides(read_yaml(find_recipe(config)), expand_keys(overrides or [])))

    from rotbot.sft.publish import read_destination
    from rotbot.sft.report import run_with_progress

    destination = read_destination(push_to_hub, hub_model_id, private)
    with ExitStack() as stack:
        if processes > 1:
            from rotbot.sft.parallel import helpers

            flags = [*(["--resume"] if resume else []), *(["--dry-run"] if dry_run else [])]
            command = ["-m", "rotbot", "sft", *(overrides or []), "--config", config, *flags]
            stack.enter_context(helpers(processes, command, Path(settings.output)))
        run_with_progress(settings, resume, dry_run, json_output, destination)
