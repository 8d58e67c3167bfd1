"""``rotbot trace``: every intermediate shape of a snippet, or the step at which torch rejects it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rotbot.shapes.trace import ShapeTrace, Step


def trace(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A file with the code, or - for standard input.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", "-c", help="The code itself.", metavar="CODE")] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(
            "--arg", "-a", metavar="NAME=SHAPE", help="An argument: x=2,3 or i=3,5:int64 or x=B,T,64. Repeat for each."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="NAME", help="The variable asked for (default: the last).")
    ] = None,
    work: Annotated[bool, typer.Option("--work", help="Also show the arithmetic of every step.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")] = False,
) -> None:
    """Show every intermediate shape of PyTorch code.

    The code is read, never run, and traced in a process of its own with limits on time and memory.

    Exit codes: 0 torch accepts the program, 1 it has a shape error, 2 it cannot be traced.

    A dimension may be a name or an expression of names, and then the shapes are expressions too.

    Example: rotbot trace -c 'y = (x @ w).relu()' --arg x=2,3 --arg w=3,4

    Example: rotbot trace -c 'y = torch.cat([x, x], 1).mT' --arg x=B,T,3*C
    """
    from rotbot.cli.snippet import check_complete, read_args, read_code
    from rotbot.shapes.isolation import trace_isolated

    source, specs = read_code(file, code), read_args(arg or [])
    check_complete(source, specs)
    result = trace_isolated(source, specs, target)
    if work:
        from rotbot.shapes import with_work

        result = with_work(result)

    from rotbot.cli.view import console, show_trace, show_verdict

    if as_json:
        typer.echo(json.dumps(trace_data(result)))
        if result.error is not None:
            show_verdict(console(stderr=True), result, source)
    else:
        show_trace(console(), result, source)
    if result.error is not None:
        raise typer.Exit(1)


def trace_data(result: ShapeTrace) -> dict[str, Any]:
    """A trace for machines: ``target``, ``steps``, ``final`` (a shape, or a list of shapes for a tuple), ``error``, and
    ``promise``, which says of a symbolic trace for which values it holds."""
    error = result.error
    return {
        "target": result.target,
        "steps": [_step_data(index, step) for index, step in enumerate(result.steps)],
        "final": result.final,
        "error": None if error is None else {"step": error.step, "line": error.line, "reason": error.reason},
        "promise": None if result.promise is None else asdict(result.promise),
    }


def _step_data(index: int, step: Step) -> dict[str, Any]:
    return {
        "step": index, "op": step.op, "inputs": step.inputs, "outputs": step.outputs, "line": step.line,
        "name": step.name, "reason": step.reason, "work": step.work,
    }  # fmt: skip
