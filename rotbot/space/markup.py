"""Text into HTML. What a visitor, a model or torch wrote goes through :func:`esc`; nothing else makes markup."""

from __future__ import annotations

from html import escape

from rotbot.shapes.text import as_shapes
from rotbot.shapes.trace import Shape, ShapeTrace

_TEMPLATE_MARKS = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})
_MAX_SHAPES = 6


def esc(text: object) -> str:
    """``text`` as HTML text or attribute value, without the marks that Gradio's templates (``${…}``, ``{{…}}``) read.

    Control characters become ``�``, so that what is shown is what is there.
    """
    shown = "".join([c if c.isprintable() or c in "\n\t" else "�" for c in str(text)])
    return escape(shown).translate(_TEMPLATE_MARKS)


def shape_text(shape: Shape) -> str:
    """``[2, 3]``, not yet escaped."""
    return f"[{', '.join(map(str, shape))}]"


def shapes_text(shapes: tuple[Shape, ...]) -> str:
    """``[2, 3], [4]``; several equal shapes as ``3 x [2, 4]``, very many with an ellipsis. Not yet escaped."""
    return ", ".join(_parts(shapes))


def shapes_html(shapes: tuple[Shape, ...], tag: str = "span") -> str:
    """:func:`shapes_text` as HTML whose lines break between shapes where they can."""
    return ", ".join([f'<{tag} class="shape">{esc(part)}</{tag}>' for part in _parts(shapes)])


def _parts(shapes: tuple[Shape, ...]) -> list[str]:
    if not shapes:
        return ["none"]
    if len(shapes) > 1 and len(set(shapes)) == 1:
        return [f"{len(shapes)} x {shape_text(shapes[0])}"]
    more = [f"… {len(shapes) - _MAX_SHAPES} more"] if len(shapes) > _MAX_SHAPES else []
    return [*map(shape_text, shapes[:_MAX_SHAPES]), *more]


def ending_text(trace: ShapeTrace) -> str | None:
    """The final shape, or ``error at step N``; None where there is neither. Not yet escaped."""
    if trace.error is not None:
        return f"error at step {trace.error.step}"
    return None if trace.final is None else shapes_text(as_shapes(trace.final))
