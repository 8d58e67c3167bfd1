"""The tensor's way through a program as SVG: dimensions as boxes, lines that show which move, merge, split, appear.

Which dimension goes where is for :mod:`~rotbot.space.dims`.
"""

from __future__ import annotations

from rotbot.shapes.trace import Shape, ShapeTrace, Step
from rotbot.space.dims import links
from rotbot.space.markup import esc, shapes_text

WIDTH, _BOX, _ROW, _LABEL, _GAP = 320, 26, 34, 20, 16
_USUAL, _LETTER = 64.0, 8  # widths: of a box, of a letter in it
_MAX_STEPS, _DRAWN, _MAX_NOTE = 40, 3, 26


def describe(index: int, step: Step) -> str:
    """The picture of one step in words."""
    head = f"Step {index}: {step.op} takes {shapes_text(step.inputs)}"
    if step.reason is not None:
        return f"{head} and is rejected: {step.reason}."
    text = f"{head} and gives {shapes_text(step.outputs)}."
    if not (step.inputs and step.outputs):
        return text
    inputs, after = step.inputs[:_DRAWN], step.outputs[0]
    found = links(step.op, inputs, after)
    reached = {j for each in found for _, j in each}
    new = [str(after[j]) for j in range(len(after)) if j not in reached]
    gone = [
        str(dim)
        for shape, each in zip(inputs, found, strict=True)
        for i, dim in enumerate(shape)
        if i not in {i for i, _ in each}
    ]
    merged = any(sum(b == j for _, b in each) > 1 for each in found for j in range(len(after)))
    split = any(sum(a == i for a, _ in each) > 1 for each in found for i, _ in each)
    ways = [[b for _, b in sorted(each)] for each in found]
    moved = not (merged or split) and any(way != sorted(way) for way in ways)
    changed = [] if merged or split else [
        f"{shape[i]} becomes {after[j]}"
        for shape, each in zip(inputs, found, strict=True)
        for i, j in each
        if shape[i] != after[j]
    ]  # fmt: skip
    parts = [
        "dimensions merge" if merged else "", "a dimension splits" if split else "",
        "dimensions move" if moved else "", ", ".join(changed), f"new: {', '.join(new)}" if new else "",
        f"gone: {', '.join(gone)}" if gone else "",
    ]  # fmt: skip
    said = "; ".join([part for part in parts if part])
    return f"{text} {said[0].upper()}{said[1:]}." if said else text


def picture(trace: ShapeTrace) -> str:
    """The drawing of a whole trace with its text alternative; the empty string where there are no steps."""
    steps = trace.steps[:_MAX_STEPS]
    if not steps:
        return ""
    body: list[str] = []
    y = 0.0
    for index, step in enumerate(steps):
        drawn, height = _step(index, step, y)
        body.append(drawn)
        y += height + _GAP
    words = " ".join([describe(index, step) for index, step in enumerate(steps)])
    more = "" if len(trace.steps) == len(steps) else f"<p>{len(trace.steps) - len(steps)} more steps are not drawn.</p>"
    return (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {y:.0f}" role="img" aria-labelledby="way-title way-text">'
        f'<title id="way-title">The way of {esc(trace.target or "the tensor")} through the program</title>'
        f'<desc id="way-text">{esc(words)}</desc>{"".join(body)}</svg>{more}'
        f'<details class="alt"><summary>The picture in words</summary><ol start="0">'
        f"{''.join([f'<li>{esc(describe(i, step))}</li>' for i, step in enumerate(steps)])}</ol></details>"
    )


def _step(index: int, step: Step, y: float) -> tuple[str, float]:
    """One step from ``y`` down, and its height: label, inputs, lines, output (or the word that torch rejects it)."""
    label = f"{index}  {step.op}"
    most = 40 - len(_not_drawn(step)) if step.outputs else 40
    label = label if len(label) <= most else f"{label[: most - 1]}…"
    parts = [f'<text class="op" x="4" y="{y + 14:.0f}">{esc(label)}</text>']
    top = y + _LABEL
    shown = step.inputs[:_DRAWN]
    slots = WIDTH / max(len(shown), 1)
    found = links(step.op, shown, step.outputs[0]) if shown and step.outputs else [[] for _ in shown]
    for place, (shape, each) in enumerate(zip(shown, found, strict=True)):
        parts.append(_boxes(shape, place * slots, slots, top, "gone", {a for a, _ in each} if step.outputs else None))
    bottom = top + _BOX + _ROW
    if step.reason is not None:
        parts.append(f'<text class="bad" x="4" y="{bottom - 10:.0f}">✗ torch rejects this step</text>')
        return "".join(parts), bottom - y - 4
    if not step.outputs:
        return "".join(parts), bottom - y
    after = step.outputs[0]
    for place, (shape, each) in enumerate(zip(shown, found, strict=True)):
        for i, j in each:
            x1, x2 = _centre(shape, i, place * slots, slots), _centre(after, j, 0, WIDTH)
            parts.append(
                f'<path class="line" d="M{x1:.1f} {top + _BOX} C{x1:.1f} {bottom - 14:.0f} {x2:.1f} '
                f'{top + _BOX + 14:.0f} {x2:.1f} {bottom:.0f}"/>'
            )
    reached = {j for each in found for _, j in each}
    parts.append(_boxes(after, 0, WIDTH, bottom, "new", reached))
    note = _not_drawn(step)
    if note:
        parts.append(f'<text class="note" x="{WIDTH - 4}" y="{y + 14:.0f}" text-anchor="end">{esc(note)}</text>')
    return "".join(parts), bottom + _BOX - y


def _not_drawn(step: Step) -> str:
    """The operands and results that have no boxes."""
    notes: list[str] = []
    if len(step.inputs) > _DRAWN:
        notes.append(f"{len(step.inputs) - _DRAWN} more operands")
    first, others = step.outputs[0], step.outputs[1:]
    if others and all(shape == first for shape in others):
        notes.append(f"{len(step.outputs)} ×")
    elif others:
        text = f"first of {shapes_text(step.outputs)}"
        notes.append(text if len(text) <= _MAX_NOTE else f"first of {len(step.outputs)} results")
    return " · ".join(notes)


def _size(shape: Shape, width: float) -> float:
    """The width of a box: as the longest dimension needs it, where there is room."""
    wanted = max(_USUAL, *[len(str(dim)) * _LETTER + 8 for dim in shape])
    return min(wanted, (width - 8) / len(shape))


def _centre(shape: Shape, place: int, left: float, width: float) -> float:
    size = _size(shape, width)
    return left + 4 + size * place + size / 2


def _boxes(shape: Shape, left: float, width: float, y: float, unlinked: str, linked: set[int] | None) -> str:
    if not shape:
        return f'<text class="note" x="{left + 4:.0f}" y="{y + 17:.0f}">[] one number</text>'
    size = _size(shape, width)
    drawn: list[str] = []
    for place, dim in enumerate(shape):
        alone = linked is not None and place not in linked
        text = str(dim)
        text = text if len(text) * _LETTER < size else f"{text[: max(int(size // _LETTER) - 1, 1)]}…"
        x = left + 4 + size * place
        drawn.append(
            f'<rect class="dim{" " + unlinked if alone else ""}" x="{x + 1:.1f}" y="{y:.0f}" width="{size - 2:.1f}" '
            f'height="{_BOX}" rx="4"/><text class="size" x="{x + size / 2:.1f}" y="{y + 17:.0f}" '
            f'text-anchor="middle">{esc(text)}{" +" if alone and unlinked == "new" else ""}</text>'
        )
    return "".join(drawn)
