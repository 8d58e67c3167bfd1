"""The ``rotbot`` command: registers the command groups and turns rotbot's errors into one line and exit code 2."""

from __future__ import annotations

import errno
import sys

import typer

from rotbot import __version__
from rotbot.cli.chat import chat
from rotbot.cli.check import check
from rotbot.cli.demo import demo
from rotbot.cli.doctor import doctor
from rotbot.cli.evaluate import evaluate
from rotbot.cli.generate import generate
from rotbot.cli.grpo import grpo
from rotbot.cli.helptext import Command, Group
from rotbot.cli.hub import pull_dataset, pull_model, push_dataset, push_model, push_space
from rotbot.cli.pipes import leave
from rotbot.cli.predict import predict
from rotbot.cli.score import score
from rotbot.cli.sft import sft
from rotbot.cli.space import space
from rotbot.cli.trace import trace
from rotbot.errors import RotbotError

app = typer.Typer(
    name="rotbot",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tensor shape inference: PyTorch code and argument shapes in, each step's shape out, checked by TorchFX.",
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"rotbot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


_COMMANDS = {
    "trace": trace,
    "predict": predict,
    "chat": chat,
    "demo": demo,
    "eval": evaluate,
    "generate": generate,
    "check": check,
    "sft": sft,
    "grpo": grpo,
    "score": score,
    "push-dataset": push_dataset,
    "pull-dataset": pull_dataset,
    "push-model": push_model,
    "pull-model": pull_model,
    "push-space": push_space,
    "space": space,
    "doctor": doctor,
}
for _name, _function in _COMMANDS.items():
    app.command(_name, cls=Command)(_function)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 the job's own negative answer, 2 unusable input."""
    try:
        app()
    except RotbotError as error:
        print(f"rotbot: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except BrokenPipeError:
        leave()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        print(f"rotbot: cannot write: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
