"""How a trace looks in a terminal: a table of steps, the verdict, and the source with the faulty part marked.

Shared by the commands that show traces. Rich is imported when something is shown, not before. Text that came from
people is shown as it is, never read as Rich markup, and without the control characters a terminal would obey.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rotbot.cli.pipes import leave
from rotbot.shapes.text import as_shapes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rotbot.shapes.trace import Promise, Shape, ShapeTrace, Span, Step

_PIPE_WIDTH = 200
_TABLE_WIDTH, _SOURCE_WIDTH = 60, 100
_MAX_SHAPES = 6
_CONTEXT_LINES = 4


def console(stderr: bool = False) -> Console:
    """A console for stdout or stderr. Into a pipe it writes plain text that is not cut to a terminal's width."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    columns = os.environ.get("COLUMNS", "")
    if columns and not (columns.isdigit() and int(columns)):
        del os.environ["COLUMNS"]  # Rich would print nothing in a width of 0
        columns = ""
    width = None if terminal or columns else _PIPE_WIDTH

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            leave()

    return Piped(stderr=stderr, highlight=False, width=width)


def printable(text: str) -> str:
    """``text`` with tabs as four spaces and every other control character as ``�``."""
    return "".join([c if c.isprintable() else "    " if c == "\t" else "�" for c in text])


def shapes_text(shapes: tuple[Shape, ...]) -> Text:
    """``[2, 3], [4]``, the dimensions coloured; several equal shapes as ``3 x [2, 4]``, very many with an ellipsis."""
    from rich.text import Text

    if not shapes:
        return Text("none", style="dim")
    text = Text()
    if len(shapes) > 1 and len(set(shapes)) == 1:
        text.append(f"{len(shapes)} x ", style="dim")
        shapes = shapes[:1]
    for index, shape in enumerate(shapes[:_MAX_SHAPES]):
        text.append(", " if index else "", style="dim")
        text.append("[", style="dim")
        for position, dim in enumerate(shape):
            text.append(", " if position else "", style="dim")
            text.append(printable(str(dim)), style="cyan")
        text.append("]", style="dim")
    if len(shapes) > _MAX_SHAPES:
        text.append(f", … {len(shapes) - _MAX_SHAPES} more", style="dim")
    return text


def step_text(step: Step) -> Text:
    """``[2, 3] → [6]``, or ``[2, 3] → error`` for the step torch rejects."""
    text = shapes_text(step.inputs)
    text.append(" → ", style="bold")
    if step.reason is not None:
        text.append("error", style="bold red")
    elif step.outputs:
        text.append_text(shapes_text(step.outputs))
    else:
        text.append("0 x []", style="dim")
    return text


def step_line(index: int, step: Step) -> Text:
    """A step for terminals too narrow for a table: ``0 matmul: [2, 3], [3, 4] → [2, 4] (line 1)``."""
    from rich.text import Text

    where = "" if step.line is None else f" (line {step.line})"
    operation = (printable(step.op), "bold" if step.reason is None else "bold red")
    work = "".join([f", {item}" for item in step.work])
    return Text.assemble((f"{index} ", "dim"), operation, ": ", step_text(step), printable(work), (where, "dim"))


def trace_table(trace: ShapeTrace, code: str = "") -> Table:
    """One row a step: number, operation, shapes, work if any step has some, variable, source line.

    ``code`` adds the line's text where it fits.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lines = code.split("\n")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("step", justify="right", style="dim", no_wrap=True)
    table.add_column("operation", overflow="fold", ratio=None)
    table.add_column("inputs → output", overflow="fold")
    worked = any(step.work for step in trace.steps)
    if worked:
        table.add_column("work", overflow="fold", style="cyan")
    table.add_column("variable", overflow="fold", style="green")
    table.add_column("line", justify="right", style="dim", no_wrap=True)
    if code:
        table.add_column("source", style="dim", no_wrap=True, overflow="ellipsis", max_width=48)
    shown = 0
    for index, step in enumerate(trace.steps):
        line = step.line or 0
        source = printable(lines[line - 1].strip()) if shown != line and 0 < line <= len(lines) else ""
        shown = line
        operation = Text(printable(step.op), style="bold red" if step.reason is not None else "bold")
        cells = [str(index), operation, step_text(step)]
        cells += [Text(printable(", ".join(step.work)))] if worked else []
        cells += [Text(printable(step.name or "")), str(line or "")]
        table.add_row(*cells, *([Text(source)] if code else []))
    return table


def marked_source(code: str, line: int, span: Span | None = None) -> Text:
    """The lines around ``line`` (1-based) with their numbers, the faulty one marked and ``span`` underlined."""
    from rich.cells import cell_len
    from rich.text import Text

    lines = code.split("\n")
    first, last = max(line - _CONTEXT_LINES, 1), min(line + _CONTEXT_LINES // 2, len(lines))
    width, text = len(str(last)), Text()
    for number in range(first, last + 1):
        source = lines[number - 1]
        faulty = number == line
        text.append(f"{'>' if faulty else ' '} {number:>{width}} │ ", style="bold red" if faulty else "dim")
        text.append(printable(source) + "\n", style="bold" if faulty else "")
        if faulty and span is not None and span.line == line:
            raw = source.encode()
            end = span.end_column if span.end_line == line else len(raw)
            before, marked = [
                printable(part.decode(errors="replace")) for part in (raw[: span.column], raw[span.column : end])
            ]
            text.append(f"  {'':>{width}} │ ", style="dim")
            text.append(" " * cell_len(before) + "^" * max(cell_len(marked), 1) + "\n", style="bold red")
    text.rstrip()
    return text


def verdict(trace: ShapeTrace) -> Text:
    """The last line: the target and its shape, or where and why torch rejects the program."""
    from rich.text import Text

    if trace.error is not None:
        where = f"step {trace.error.step}" + (f", line {trace.error.line}" if trace.error.line is not None else "")
        return Text.assemble((f"error at {where}: ", "bold red"), printable(trace.error.reason))
    name = Text(printable(trace.target or "final"), style="bold green")
    return name if trace.final is None else name.append(": ").append_text(shapes_text(as_shapes(trace.final)))


def promise_text(promise: Promise) -> Text:
    """What a symbolic trace holds for: ``for all large enough B, C with C % 8 == 0 (checked at 5 assignments)``."""
    from rich.text import Text

    condition = f" with {' and '.join(promise.assumptions)}" if promise.assumptions else ""
    names = ", ".join(promise.names)
    return Text(f"for all large enough {names}{condition} (checked at {promise.verified} random assignments)", "dim")


def show_trace(out: Console, trace: ShapeTrace, code: str) -> None:
    """Print the whole view: a table (lines in a narrow terminal), the marked source of an error, the verdict."""
    if trace.steps and out.width < _TABLE_WIDTH:
        for index, step in enumerate(trace.steps):
            out.print(step_line(index, step))
        out.print()
    elif trace.steps:
        out.print(trace_table(trace, code if out.width >= _SOURCE_WIDTH else ""))
        out.print()
    show_verdict(out, trace, code)


def show_verdict(out: Console, trace: ShapeTrace, code: str) -> None:
    """Print what follows the table: the marked source if the program is rejected, and the verdict."""
    if trace.error is not None and trace.error.line is not None:
        step = trace.steps[trace.error.step] if trace.error.step < len(trace.steps) else None
        out.print(marked_source(code, trace.error.line, None if step is None else step.span), soft_wrap=True)
        out.print()
    out.print(verdict(trace), soft_wrap=True)
    if trace.promise is not None:
        out.print(promise_text(trace.promise), soft_wrap=True)
