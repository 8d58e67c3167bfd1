"""``rotbot trace``: every intermediate shape of a snippet, or the step at which torch rejects it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.formats import FORMATS, SNIPPET, github_text, sarif_data
from rotbot.cli.options import one_of
from rotbot.errors import InputError

if TYPE_CHECKING:
    from rotbot.shapes.arguments import ArgSpec
    from rotbot.shapes.trace import ShapeTrace, Step


def trace(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", help="A file with the code, - for standard input, or a definition in a file: FILE::NAME."
        ),
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
    value: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="NAME=LITERAL", help="FILE::NAME: a parameter that is no tensor: heads=8."),
    ] = None,
    init: Annotated[
        list[str] | None,
        typer.Option("--init", metavar="NAME=LITERAL", help="FILE::CLASS: a parameter of the constructor: dim=64."),
    ] = None,
    work: Annotated[bool, typer.Option("--work", help="Also show the arithmetic of every step.")] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="text, json, github (workflow commands) or sarif (2.1.0).",
            autocompletion=one_of(*FORMATS),
        ),
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Trace again whenever the file is saved, until Ctrl-C.")
    ] = False,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="For editors: answer requests in JSON, one a line, until the input ends.")
    ] = False,
) -> None:
    """Show every intermediate shape of PyTorch code.

    The code is read, never run, and traced in a process of its own with limits on time and memory.

    Exit codes: 0 torch accepts the program, 1 it has a shape error, 2 it cannot be traced.

    A dimension may be a name or an expression of names, and then the shapes are expressions too.

    Example: rotbot trace -c 'y = (x @ w).relu()' --arg x=2,3 --arg w=3,4

    Example: rotbot trace -c 'y = torch.cat([x, x], 1).mT' --arg x=B,T,3*C

    Example: rotbot trace model.py::attention --arg q=2,8,64 --arg k=2,8,64 --value causal=True

    Example: rotbot trace model.py::Block --init dim=64 --arg x=2,8,64 --watch

    Example: echo '{"code": "y = x @ x", "args": {"x": [2, 3]}}' | rotbot trace --stdio
    """
    if stdio:
        if file is not None or code is not None or arg or target is not None or value or init:
            raise InputError("--stdio: expected no other code, shapes or target: requests bring their own")
        from rotbot.cli.stdio import serve

        serve(sys.stdin.buffer, sys.stdout, trace_data)
        return
    form = "json" if as_json else form
    if form not in FORMATS:
        raise InputError(f"--format: expected one of {', '.join(FORMATS)}, got {form!r:.80}")
    path = (file or "").rpartition("::")[0] or file

    def run() -> bool:
        source, specs = _program(file, code, arg or [], target, value or [], init or [])
        result = _traced(source, specs, target, work)
        own = source.rpartition("\n")[0]  # of FILE::NAME the last line is a call that the file does not have
        added = path != file and code is None and (result.error is None or result.error.line != source.count("\n") + 1)
        return _show(result, own if added else source, form, path)

    if watch:
        if path is None or path == "-":
            raise InputError("--watch: expected a file, as in rotbot trace model.py::Block --watch")
        from rotbot.cli.watch import keep_running

        keep_running(Path(path), run)
    elif not run():
        raise typer.Exit(1)


def _traced(source: str, specs: dict[str, ArgSpec], target: str | None, work: bool) -> ShapeTrace:
    from rotbot.shapes.isolation import trace_isolated

    result = trace_isolated(source, specs, target)
    if work:
        from rotbot.shapes import with_work

        return with_work(result)
    return result


def _show(result: ShapeTrace, source: str, form: str, path: str | None) -> bool:
    """Print a trace in one of :data:`FORMATS`, an error for people on stderr too; whether torch accepts the program."""
    from rotbot.cli.view import console, show_trace, show_verdict

    name = path if path is not None and path != "-" else SNIPPET
    if form == "text":
        show_trace(console(), result, source)
        return result.error is None
    if form == "json":
        typer.echo(json.dumps(trace_data(result)))
    elif form == "sarif":
        typer.echo(json.dumps(sarif_data(result, source, name)))
    elif text := github_text(result, source, name):
        typer.echo(text)
    if result.error is not None:
        show_verdict(console(stderr=True), result, source)
    return result.error is None


def _program(
    file: str | None, code: str | None, arg: list[str], target: str | None, value: list[str], init: list[str]
) -> tuple[str, dict[str, ArgSpec]]:
    """The code to trace and the shapes of its free names. Raises :class:`~rotbot.errors.InputError`."""
    from rotbot.cli.snippet import check_complete, read_args, read_code, read_definition

    path, separator, name = (file or "").rpartition("::")
    specs = read_args(arg)
    if separator and code is None:
        if target is not None:
            raise InputError("--target is for code; of a function or class the result is asked for")
        return read_definition(Path(path), name, specs, value, init)
    if value or init:
        raise InputError("--value and --init are for a function or class in a file: rotbot trace FILE.py::NAME")
    source = read_code(None if file is None else Path(file), code)
    check_complete(source, specs)
    return source, specs


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
