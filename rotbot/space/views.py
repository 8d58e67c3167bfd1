"""What a visitor sees of a trace and of a model's answer, as HTML made of escaped text."""

from __future__ import annotations

from rotbot.inference.engine import Completion
from rotbot.rewards.compare import Comparison, explain
from rotbot.shapes.trace import Node, Ref, ShapeTrace, Step
from rotbot.space.markup import ending_text, esc, shapes_html, shapes_text

_MAX_UNREADABLE = 3
_MARKS = {
    "yes": '<span class="mark yes">✓ match</span>',
    "no": '<span class="mark no">✗ differs</span>',
    "now": '<span class="mark now">… writing</span>',
    "cut": '<span class="mark cut">stopped here</span>',
    "none": "",
}


GOING_ON = "going-on"


def status(text: str, kind: str = "info") -> str:
    """One sentence on what is so (``info``), what goes on (``GOING_ON``), what to do next (``todo``) or what is wrong
    (``bad``); screen readers say it."""
    return f'<p class="status {esc(kind)}" role="status">{esc(text)}</p>'


def is_going_on(note: str) -> bool:
    """Whether :func:`status` made this of what goes on."""
    return note.startswith(f'<p class="status {GOING_ON}"')


def _step(step: Step | None, partial: str = "") -> str:
    if step is None:
        return f'<span class="absent">{esc(partial[-120:]) or "—"}</span>'
    made = "<b>error</b>" if step.reason is not None else shapes_html(step.outputs, "b")
    read = f"{shapes_html(step.inputs)} " if step.inputs else ""
    return f'<code>{esc(step.op)}</code> <span class="shapes">{read}→ {made}</span>'


def truth_steps(trace: ShapeTrace) -> str:
    """The ground truth alone: steps, the final shape, and the source of a wrong program elsewhere."""
    rows = "".join(
        [
            f'<tr><th scope="row">{index}</th><td data-label="torch.fx">{_step(step)}</td></tr>'
            for index, step in enumerate(trace.steps)
        ]
    )
    end = esc(ending_text(trace) or "—")
    return (
        '<table class="steps truth"><caption>Ground truth</caption><thead><tr><th scope="col">step</th>'
        f'<th scope="col">torch.fx</th></tr></thead><tbody>{rows}<tr class="final"><th scope="row">final</th>'
        f'<td data-label="torch.fx"><b>{end}</b></td></tr></tbody></table>'
    )


def versus(comparison: Comparison, partial: str | None = None, stopped: bool = False) -> str:
    """Both sides by step. ``partial`` is the line that the model is at (``stopped``: was at), None at the end."""
    writing = partial is not None
    rows: list[str] = []
    for pair in comparison.pairs:
        here = writing and pair.index == comparison.steps_claimed
        mark = "yes" if pair.match else "no"
        if pair.claimed is None and writing:
            mark = ("cut" if stopped else "now") if here else "none"
        rows.append(_row(str(pair.index), _step(pair.claimed, (partial or "") if here else ""), mark, _step(pair.true)))
    if not writing:
        rows += [
            _row("", f'<span class="absent">unreadable: {esc(line[:200])}</span>', "no", "")
            for _, line in comparison.claimed.malformed[:_MAX_UNREADABLE]
        ]
    claimed = ending_text(comparison.claimed)
    mark = "none" if writing and claimed is None else "yes" if comparison.final_correct else "no"
    end = f"<b>{esc(ending_text(comparison.truth) or '—')}</b>"
    rows.append(_row("final", f"<b>{esc(claimed or '—')}</b>", mark, end, "final"))
    return (
        '<table class="steps both"><caption>The model beside the ground truth</caption><thead><tr>'
        '<th scope="col">step</th><th scope="col">model</th><th scope="col">match</th><th scope="col">torch.fx</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _row(head: str, model: str, mark: str, truth: str, kind: str = "") -> str:
    return (
        f'<tr class="{kind} {mark}"><th scope="row">{head}</th><td data-label="model">{model}</td>'
        f'<td class="marks">{_MARKS[mark]}</td><td data-label="torch.fx">{truth}</td></tr>'
    )


def verdict(comparison: Comparison, completion: Completion, engine: str) -> str:
    """The judgement in a sentence, with tokens, time and speed."""
    kind = "good" if comparison.faithful else "bad"
    sign = "✓" if comparison.faithful else "✗"
    count, seconds = len(completion.tokens), completion.seconds
    ended = completion.finish_reason != "length"
    cut = "" if ended else f" (cut off after {count} tokens: let it write more under Sampling)"
    speed = f"{count} tokens in {seconds:.2f} s ({count / max(seconds, 1e-9):,.0f} tokens/s) · {engine}"
    said = f"{sign} {esc(explain(comparison, cut=not ended))}{esc(cut)}<small>{esc(speed)}</small>"
    return f'<p class="verdict {kind}" role="status">{said}</p>'


def faulty_source(code: str, trace: ShapeTrace) -> str:
    """The source with the faulty part underlined and the reason; the empty string for a right program."""
    if trace.error is None or trace.error.line is None:
        return ""
    step = trace.steps[trace.error.step] if trace.error.step < len(trace.steps) else None
    span = None if step is None else step.span
    shown: list[str] = []
    for number, line in enumerate(code.split("\n"), 1):
        text = esc(line)
        if number == trace.error.line:
            raw = line.encode()
            start = span.column if span is not None and span.line == number else 0
            end = span.end_column if span is not None and span.end_line == number == span.line else len(raw)
            before, fault, after = [
                esc(part.decode(errors="replace")) for part in (raw[:start], raw[start:end], raw[end:])
            ]
            text = f"{before}<mark>{fault}</mark>{after}"
        sign = "▶" if number == trace.error.line else " "
        shown.append(f"{sign}{number:>3} {text}")
    where = f"✗ torch rejects line {trace.error.line} (step {trace.error.step}): {trace.error.reason}"
    return (
        f'<div class="fault"><p class="verdict bad">{esc(where)}</p>'
        f'<pre tabindex="0" aria-label="the program, its fault marked">{chr(10).join(shown)}</pre></div>'
    )


def promise(trace: ShapeTrace) -> str:
    """What a symbolic trace holds for; the empty string for numbers."""
    if trace.promise is None:
        return ""
    condition = f" with {' and '.join(trace.promise.assumptions)}" if trace.promise.assumptions else ""
    return status(f"Holds for all large enough {', '.join(trace.promise.names)}{condition}; checked at random values.")


def graph(trace: ShapeTrace) -> str:
    """The FX graph's nodes as text: number, kind, operation, the nodes it reads, shape, variable."""
    if not trace.nodes:
        return status("A trace of named sizes has no FX graph.") if trace.promise else ""
    rows = [
        (f"%{index}", node.kind, node.target, ", ".join([f"%{each}" for each in _read(node)]), shapes_text(node.shapes),
         node.name or "")
        for index, node in enumerate(trace.nodes)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([text.ljust(width) for text, width in zip(row, widths, strict=True)]).rstrip() for row in rows]
    return f'<pre tabindex="0" aria-label="FX graph">{esc(chr(10).join(lines))}</pre>'


def _read(node: Node) -> list[int]:
    """The nodes whose results are arguments of this one, in their order, each once."""
    found: list[int] = []

    def look(value: object) -> None:
        if isinstance(value, Ref):
            found.append(value.node)
        elif isinstance(value, (list, tuple)):
            for each in value:
                look(each)
        elif isinstance(value, slice):
            look([value.start, value.stop, value.step])

    look([node.args, [value for _, value in node.kwargs]])
    return list(dict.fromkeys(found))


def raw(text: str) -> str:
    """A completion as the model wrote it."""
    return f'<pre tabindex="0" aria-label="raw completion">{esc(text)}</pre>' if text else ""
