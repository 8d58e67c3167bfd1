"""``rotbot predict``: a model's steps beside the truth, and where it leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotbot.errors import InputError

if TYPE_CHECKING:
    from rotbot.problem import Problem
    from rotbot.shapes.arguments import ArgSpec
    from rotbot.shapes.trace import ShapeTrace


def predict(
    model: Annotated[str, typer.Argument(help="A Hub ID (owner/name[@revision]), a folder, or embedded.")] = "embedded",
    code: Annotated[str | None, typer.Option("--code", "-c", help="The code itself.", metavar="CODE")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A file with the code, or - for standard input.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", "-a", metavar="NAME=SHAPE", help="An argument: x=2,3 or i=3,5:int64. Repeat for each."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="NAME", help="The variable asked for (default: the last).")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="auto, vllm or transformers.")] = "auto",
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="The most tokens the model may write.")] = 1024,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout, people's text on stderr.")] = False,
) -> None:
    """Let a model work out every intermediate shape of PyTorch code, and hold its steps against torch.fx.

    The code comes from -c, --file or standard input; it is read, never run. Exit code 0 if every step and the final
    shape are right, 1 if not, 2 for input that cannot be used.

        rotbot predict -c 'y = (x @ w).relu()' --arg x=2,3 --arg w=3,4
    """
    from rotbot.cli.snippet import check_complete, read_args, read_code
    from rotbot.inference.engine import Sampling
    from rotbot.models import resolve

    sampling = Sampling(max_tokens=max_tokens)
    source, specs = read_code(file, code).rstrip(), read_args(arg or [])
    check_complete(source, specs)
    resolve(model)
    problem, truth = problem_of(source, specs, target)

    from rotbot.cli.engine import opened
    from rotbot.cli.versus import answer, comparison_data, speed
    from rotbot.cli.view import console

    out = console(stderr=as_json)
    with opened(model, engine) as running:
        completion, comparison = answer(running, problem, truth, sampling, model, out, live=out.is_terminal)
        out.print(f"{speed(len(completion.tokens), completion.seconds)} · {running.name}", style="dim", soft_wrap=True)
        name = running.name
    if as_json:
        data = {
            "problem": {
                "code": problem.code, "args": problem.args, "target": problem.target, "prompt": problem.prompt(),
            },
            "model": model,
            "engine": name,
            "completion": {
                "text": completion.text, "tokens": len(completion.tokens), "finish_reason": completion.finish_reason,
                "seconds": completion.seconds,
            },
        }  # fmt: skip
        print(json.dumps(data | comparison_data(comparison)))
    if not comparison.faithful:
        raise typer.Exit(1)


def problem_of(code: str, specs: dict[str, ArgSpec], target: str | None) -> tuple[Problem, ShapeTrace]:
    """The problem and its truth, traced in a worker; without ``target`` the last tensor assigned is asked for.

    Raises :class:`~rotbot.errors.InputError` where no variable is assigned, and the
    :class:`~rotbot.errors.SnippetError` family for code that cannot be traced.
    """
    from rotbot.problem import Problem
    from rotbot.shapes.isolation import trace_isolated

    if target is None:
        target = _last_assigned(code, trace_isolated(code, specs))
    problem = Problem(code, specs, target)
    return problem, trace_isolated(code, specs, target)


def _last_assigned(code: str, whole: ShapeTrace) -> str:
    """The variable of the last step that has one; in a program that torch rejects, the last one it would bind."""
    from rotbot.shapes.source import assigned_names, read

    named = [step.name for step in whole.steps if step.name is not None] if whole.error is None else []
    names = named or assigned_names(read(code))
    if not names:
        raise InputError("expected code that assigns its result to a variable, as in y = x @ w; got none to ask for")
    return names[-1]
