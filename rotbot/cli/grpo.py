"""``rotbot grpo``: reinforcement learning from a recipe."""

from __future__ import annotations

import typer

from rotbot.cli.options import one_of, recipes


def grpo(
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings, e.g. model=PATH."),
    config: str = typer.Option(
        "tiny-grpo", "--config", "-c", help="A shipped recipe's name or a YAML file.", autocompletion=recipes("grpo")
    ),
    runner: str = typer.Option(
        "monarch",
        "--runner",
        help="monarch: generator, trainer and rewards each in a process; local: all in one.",
        autocompletion=one_of("monarch", "local"),
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue from the last checkpoint in the output folder."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the settings and the data, say what would run."),
    json_output: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout, progress on stderr."),
) -> None:
    """Train a model on rewards that check every step: GRPO and its kin, on completions it draws itself.

    Example: rotbot grpo --config tiny-grpo model=MODEL dataset=DATA output=runs/grpo
    """
    from rotbot.config import apply_overrides, build, read_yaml
    from rotbot.recipes import find_recipe
    from rotbot.rl.settings import GrpoConfig

    settings = build(GrpoConfig, apply_overrides(read_yaml(find_recipe(config, "grpo")), overrides or []))

    from rotbot.rl.report import run_with_progress

    run_with_progress(settings, runner, resume=resume, dry_run=dry_run, as_json=json_output)
