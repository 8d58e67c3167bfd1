"""Exact verdicts on the work a model shows: every equation calculated, every line and variable looked up.

Nothing is evaluated as code and nothing a model wrote raises: an item is ``right``, ``wrong`` or ``unreadable``. An
equation is right if it is true, whether or not the step needs it: that is what the steps themselves are judged by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rotbot.shapes.equations import holds
from rotbot.shapes.text import parse_int, parse_shape
from rotbot.shapes.trace import Shape, ShapeTrace
from rotbot.shapes.work_names import results, variables

Kind = Literal["equation", "line", "binding"]
Verdict = Literal["right", "wrong", "unreadable"]
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One item of the work of step ``step`` as it was written; ``kind`` is None where nothing can be said of it."""

    step: int
    text: str
    kind: Kind | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Work:
    """Every work item of a text, in its order."""

    items: tuple[WorkItem, ...]

    @property
    def correct(self) -> int:
        """How many items are right."""
        return sum([item.verdict == "right" for item in self.items])

    @property
    def mistakes(self) -> tuple[WorkItem, ...]:
        """The items that are wrong or unreadable."""
        return tuple([item for item in self.items if item.verdict != "right"])


def check_work(claimed: ShapeTrace, truth: ShapeTrace | None = None) -> Work:
    """Judge every work item of ``claimed``. Never raises on what a model wrote; linear time.

    Equations are calculated: ``3*8 = 24``, ``(9 + 2)//3 = 11//3 = 3``. ``line 3`` must be the line of the step with the
    same number in ``truth``, and ``x = [2, 3]`` what that variable holds there before the step, or gets by it.
    ``truth`` is the program's trace (of :func:`rotbot.trace`, not read from text); without one ``claimed`` must be such
    a trace.
    """
    known = claimed if truth is None else truth
    items: list[WorkItem] = []
    places = _places(known) if any(step.work for step in claimed.steps) else iter(())
    for index, step in enumerate(claimed.steps):
        place = next(places, None)
        line, shapes = (None, {}) if place is None else place
        for text in step.work:
            kind, right = _judge(text, line, shapes)
            items.append(WorkItem(index, text, kind, "unreadable" if right is None else "right" if right else "wrong"))
    return Work(tuple(items))


def _places(truth: ShapeTrace) -> Iterator[tuple[int | None, dict[str, set[Shape]]]]:
    """For each true step its source line, and the shapes that each variable has before it or by it."""
    for step, names, made in zip(truth.steps, variables(truth), results(truth), strict=True):
        shapes: dict[str, set[Shape]] = {}
        for name, ref in [*names.items(), *made.items()]:
            shapes.setdefault(name, set()).add(truth.nodes[ref.node].shape(ref.path))
        yield step.line, shapes


def _judge(text: str, line: int | None, shapes: dict[str, set[Shape]]) -> tuple[Kind | None, bool | None]:
    if text.startswith("line "):
        number = parse_int(text[len("line ") :])
        if number is None or text != f"line {number}":
            return None, None
        return "line", number == line
    name, equals, shape_text = text.partition(" = ")
    if equals and shape_text.startswith("["):
        shape = parse_shape(shape_text)
        if shape is None or len(name) > _MAX_NAME or not name.isidentifier():
            return None, None
        return "binding", shape in shapes.get(name, ())
    right = holds(text)
    return (None, None) if right is None else ("equation", right)
