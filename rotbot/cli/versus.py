"""How a model's steps look beside the truth: a table with a mark for every step, the verdict, the speed.

Shared by the commands that run a model. As in :mod:`rotbot.cli.view`, rich comes when something is shown, and a model's
text is shown as it is, without the control characters a terminal would obey.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotbot.cli.view import printable, shapes_text, step_text
from rotbot.inference.engine import Completion, Engine, Sampling, follow
from rotbot.rewards.compare import Comparison, compare, explain
from rotbot.rewards.votes import Vote, majority
from rotbot.shapes.text import as_shapes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rotbot.problem import Problem
    from rotbot.shapes.trace import ShapeTrace, Step

_ONE_LINE_WIDTH, _TWO_COLUMN_WIDTH = 110, 48
_REFRESH_SECONDS = 0.05
_MAX_UNREADABLE = 3
_MAX_PARTIAL = 200


def _short(model: str) -> str:
    """A folder's own name, without the way to it; a Hub ID as it is."""
    return Path(model).name if Path(model).is_dir() else model


def versus_table(comparison: Comparison, model: str, width: int, partial: str | None = None, since: int = 0) -> Table:
    """One row a step, one for the end: what the model wrote, whether it is so, what torch.fx says.

    ``width`` is the console's: in a narrow one a step takes two lines, in a very narrow one the truth stands below.
    ``partial`` is the line that the model is at (None: it has ended); steps it has not reached get no mark. Steps
    before ``since`` are left out.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    wide, stacked = width >= _ONE_LINE_WIDTH, width < _TWO_COLUMN_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("" if stacked else "step", justify="right", style="dim", no_wrap=True)
    table.add_column(printable(_short(model)), overflow="fold")
    table.add_column("", no_wrap=True)
    if not stacked:
        table.add_column("torch.fx", overflow="fold")
    writing = partial is not None

    def add(row: str, said: Text, match: bool | None, truth: Text | None) -> None:
        mark = Text() if match is None else _mark(match)
        if not stacked:
            table.add_row(row, said, mark, truth or Text())
        elif truth is None or match:
            table.add_row(row, said, mark)
        else:
            table.add_row(row, said.append("\ntorch.fx\n", style="dim").append_text(truth), mark)

    for pair in comparison.pairs[since:]:
        row, true = f"{pair.index}", _cell(pair.true, wide)
        if pair.claimed is None and writing:
            now = pair.index == comparison.steps_claimed
            add(row, Text(_tail(partial) if now else "", style="dim"), None, true)
        else:
            add(row, _cell(pair.claimed, wide), pair.match, true)
    if not writing:
        for _, line in comparison.claimed.malformed[:_MAX_UNREADABLE]:
            add("", Text(f"unreadable: {_tail(line)}", style="red"), False, None)
    ended = comparison.claimed.final is not None or comparison.claimed.error is not None
    if writing and not ended:
        add("final", Text(), None, _ending(comparison.truth))
    else:
        add("final", _ending(comparison.claimed), comparison.final_correct, _ending(comparison.truth))
    return table


def _cell(step: Step | None, wide: bool) -> Text:
    from rich.text import Text

    if step is None:
        return Text("—", style="dim")
    return Text.assemble((printable(step.op), "bold"), "  " if wide else "\n").append_text(step_text(step))


def _mark(match: bool) -> Text:
    from rich.text import Text

    return Text("✓", style="bold green") if match else Text("✗", style="bold red")


def _ending(trace: ShapeTrace) -> Text:
    from rich.text import Text

    if trace.error is not None:
        return Text(f"error at step {trace.error.step}", style="bold red")
    return Text("—", style="dim") if trace.final is None else shapes_text(as_shapes(trace.final))


def _tail(text: str) -> str:
    return printable(text[:_MAX_PARTIAL])


def verdict_text(comparison: Comparison, completion: Completion) -> Text:
    """The verdict's line: ✓, or ✗ and where the model leaves the truth; it says if the model ran out of tokens."""
    from rich.text import Text

    sign, style = ("✓", "bold green") if comparison.faithful else ("✗", "yellow" if comparison.lucky else "bold red")
    ended = completion.finish_reason != "length"
    cut = "" if ended else f" (cut off after {len(completion.tokens)} tokens: --max-tokens)"
    return Text.assemble((f"{sign} ", style), (printable(explain(comparison, cut=not ended)) + cut, style))


def speed(tokens: int, seconds: float) -> str:
    """``87 tokens in 0.41 s (212 tokens/s)``."""
    return f"{tokens} tokens in {seconds:.2f} s ({tokens / max(seconds, 1e-9):,.0f} tokens/s)"


def answer(
    engine: Engine,
    problem: Problem,
    truth: ShapeTrace,
    sampling: Sampling,
    model: str,
    out: Console,
    live: bool,
    since: int = 0,
) -> tuple[Completion, Comparison, Vote]:
    """Let the model answer, and print the table and the verdict on ``out``; of several samples those of the majority.

    ``live`` shows the model's steps as they come; what it showed is then replaced by the whole table. Steps before
    ``since`` are judged and not shown.
    """
    if live:
        made = [_answer_live(engine, problem, truth, sampling, model, out, since)]
    else:
        with _waiting(model, out):
            made = engine.generate([problem], sampling)
    comparisons = [compare(truth, completion.text) for completion in made]
    vote = majority(comparisons)
    completion, comparison = made[vote.chosen], comparisons[vote.chosen]
    out.print(versus_table(comparison, model, out.width, since=since))
    out.print()
    out.print(verdict_text(comparison, completion), soft_wrap=True)
    if vote.total > 1:
        out.print(f"{vote.agreeing} of {vote.total} samples agree on the final shape", style="dim", soft_wrap=True)
    return completion, comparison, vote


def _waiting(model: str, out: Console) -> AbstractContextManager[object]:
    """A sign that goes on while nothing else is shown; none where nobody looks."""
    from rich.text import Text

    return out.status(Text(f"{printable(_short(model))} is writing …")) if out.is_terminal else nullcontext()


def _answer_live(
    engine: Engine, problem: Problem, truth: ShapeTrace, sampling: Sampling, model: str, out: Console, since: int
) -> Completion:
    from rich.live import Live

    text, shown_at = "", 0.0

    def table() -> Table:
        whole, _, partial = text.rpartition("\n")
        return versus_table(compare(truth, whole), model, out.width, partial, since)

    def on_text(piece: str) -> None:
        nonlocal text, shown_at
        text += piece
        if (now := time.monotonic()) - shown_at >= _REFRESH_SECONDS:
            shown_at = now
            view.update(table(), refresh=True)

    with Live(table(), console=out, auto_refresh=False, transient=True) as view:
        return follow(engine.stream(problem, sampling), on_text)


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """A comparison for machines: ``steps`` of both sides, ``final`` of both, ``verdict``, and the scores."""
    kind = "faithful" if comparison.faithful else "lucky" if comparison.lucky else "wrong"
    return {
        "steps": [
            {"step": pair.index, "match": pair.match, "model": _step_data(pair.claimed), "truth": _step_data(pair.true)}
            for pair in comparison.pairs
        ],
        "final": {
            "match": comparison.final_correct,
            "model": _ending_data(comparison.claimed),
            "truth": _ending_data(comparison.truth),
        },
        "verdict": {"kind": kind, "step": comparison.divergence, "text": explain(comparison)},
        "scores": {
            name: getattr(comparison, name)
            for name in (
                "parsed", "final_correct", "steps_correct", "steps_total", "steps_claimed", "faithful", "lucky",
            )
        },
    }  # fmt: skip


def _step_data(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {"op": step.op, "inputs": step.inputs, "outputs": step.outputs, "reason": step.reason}


def _ending_data(trace: ShapeTrace) -> dict[str, Any]:
    """``shape`` (ints, or lists of ints for a tuple of tensors) or ``error_step``, the other null; both if no end."""
    return {"shape": trace.final, "error_step": None if trace.error is None else trace.error.step}
