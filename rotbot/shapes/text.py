"""The trace text: a line grammar, rendered and read back.

    trace   := { step "\\n" } ( "final: " outputs | "final: error at step " INT )
    step    := "step " INT ": " op " | " inputs [ " (" work ")" ] " -> " ( outputs | "error: " reason )
    inputs  := "none" | shape { ", " shape }      outputs := shape { ", " shape } | INT " x " shape
    shape   := "[" [ dim { ", " dim } ] "]"       dim := INT | symbolic expression
    work    := item { ", " item }

Where this adds to the design's grammar: an operation without tensor inputs (``zeros(3, 4)``) writes ``none``, and a
target that is a tuple of tensors has a final line with several shapes. Reading goes line by line with ``partition``:
no regular expression can backtrack over a model's text.
"""

from __future__ import annotations

from rotbot.shapes.trace import Dim, Shape, ShapeTrace, Step, StepError

THINK_END = "</think>"
_MAX_INT_DIGITS = 19
_MAX_REPEAT = 100_000
MAX_OUTPUTS = 2_000_000
"""Shapes that the ``3 x [2]`` form may ask for in one text: a short text must not fill the memory."""

_SYMBOL_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-*/() ")
_DIGITS = frozenset("0123456789")


# --- rendering -------------------------------------------------------------------------------------------------------


def render_shape(shape: Shape) -> str:
    """``(2, 3)`` → ``[2, 3]``."""
    return "[" + ", ".join([str(d) for d in shape]) + "]"


def render_outputs(shapes: tuple[Shape, ...]) -> str:
    """One shape as it is, several equal ones as ``3 x [2, 4]``, others as a list."""
    if len(shapes) == 1:
        return render_shape(shapes[0])
    if not shapes:
        return "0 x []"
    if all(s == shapes[0] for s in shapes):
        return f"{len(shapes)} x {render_shape(shapes[0])}"
    return ", ".join([render_shape(s) for s in shapes])


def render_step(index: int, step: Step) -> str:
    """One line of the trace, without its newline."""
    inputs = ", ".join([render_shape(s) for s in step.inputs]) or "none"
    work = f" ({', '.join(step.work)})" if step.work else ""
    result = render_outputs(step.outputs) if step.reason is None else f"error: {step.reason}"
    return f"step {index}: {step.op} | {inputs}{work} -> {result}"


def render_final(trace: ShapeTrace) -> str:
    """The last line: the target's shape, or the step at which the program is rejected."""
    if trace.error is not None:
        return f"final: error at step {trace.error.step}"
    final = trace.final
    if final is None:
        raise ValueError("a trace without a final shape and without an error has no final line")
    return f"final: {render_outputs(as_shapes(final))}"


def as_shapes(final: Shape | tuple[Shape, ...]) -> tuple[Shape, ...]:
    """A target's shape or shapes as a tuple of shapes (an empty tuple is the scalar's shape)."""
    if final and all(isinstance(d, tuple) for d in final):
        return final  # pyright: ignore[reportReturnType]
    return (final,)  # pyright: ignore[reportReturnType]


def render(trace: ShapeTrace) -> str:
    """The steps and the final line, joined by newlines."""
    return "\n".join([*(render_step(i, s) for i, s in enumerate(trace.steps)), render_final(trace)])


def render_completion(trace: ShapeTrace) -> str:
    """The steps, ``</think>``, the final line: what follows the chat template's open ``<think>``."""
    return as_completion(render(trace))


def as_completion(rendered: str) -> str:
    """The completion of a trace that :func:`render` has written."""
    steps, newline, final = rendered.rpartition("\n")
    return f"{steps}{newline}{THINK_END}\n{final}"


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_int(text: str) -> int | None:
    """A plain ASCII number of at most 19 digits, with an optional minus; None for anything else (``²``, ``1_0``)."""
    digits = text.removeprefix("-")
    if not digits or len(digits) > _MAX_INT_DIGITS or not _DIGITS.issuperset(digits):
        return None
    return int(text)


def _parse_dim(text: str) -> Dim | None:
    number = parse_int(text)
    if number is not None:
        return number if number >= 0 and str(number) == text else None
    if not text or len(text) > 200 or text != text.strip() or not _SYMBOL_CHARS.issuperset(text):
        return None
    return text if any(c.isalpha() for c in text) else None


def parse_shape(text: str) -> Shape | None:
    """``[2, C//8]`` → ``(2, 'C//8')``; None when it is not exactly a shape."""
    if len(text) < 2 or text[0] != "[" or text[-1] != "]":
        return None
    body = text[1:-1]
    if not body:
        return ()
    dims = []
    for part in body.split(", "):
        dim = _parse_dim(part)
        if dim is None:
            return None
        dims.append(dim)
    return tuple(dims)


def parse_shapes(text: str) -> tuple[Shape, ...] | None:
    """``[2], [3, 4]`` → ``((2,), (3, 4))``; None when it is not exactly a list of shapes."""
    if not text.startswith("[") or not text.endswith("]"):
        return None
    shapes = []
    for body in text[1:-1].split("], ["):
        shape = parse_shape(f"[{body}]")
        if shape is None:
            return None
        shapes.append(shape)
    return tuple(shapes)


def parse_outputs(text: str) -> tuple[Shape, ...] | None:
    """The right of the arrow: shapes, or ``3 x [2, 4]``. A count that the renderer would not write is refused."""
    if text.startswith("["):
        shapes = parse_shapes(text)
        if shapes is not None and len(shapes) > 1 and all(s == shapes[0] for s in shapes):
            return None
        return shapes
    count_text, times, shape_text = text.partition(" x ")
    count = parse_int(count_text)
    shape = parse_shape(shape_text)
    if not times or count is None or shape is None or str(count) != count_text:
        return None
    if count == 1 or not 0 <= count <= _MAX_REPEAT or (count == 0 and shape):
        return None
    return (shape,) * count


def _parse_inputs(text: str) -> tuple[tuple[Shape, ...], tuple[str, ...]] | None:
    """``[2, 3] (3*2 = 6)`` → shapes and work items."""
    work: tuple[str, ...] = ()
    if text.endswith(")"):
        head, opening, body = text.partition("none (" if text.startswith("none (") else "] (")
        if not opening:
            return None
        text = head + opening[:-2]
        work = split_work(body[:-1])
        if not all(work):
            return None
    if text == "none":
        return (), work
    shapes = parse_shapes(text)
    return None if shapes is None else (shapes, work)


def split_work(text: str) -> tuple[str, ...]:
    """Items between commas, except commas inside brackets (``q = [2, 3]`` is one item)."""
    items, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c == "[":
            depth += 1
        elif c == "]":
            depth -= 1
        elif c == "," and depth == 0 and text[i + 1 : i + 2] == " ":
            items.append(text[start:i])
            start = i + 2
    items.append(text[start:])
    return tuple(items)


def parse_step(line: str) -> tuple[int, Step] | None:
    """One step line → its number and the step; None when the line is not one."""
    if not line.startswith("step "):
        return None
    number_text, colon, rest = line[5:].partition(": ")
    index = parse_int(number_text)
    if not colon or index is None or index < 0 or str(index) != number_text:
        return None
    op, bar, right = rest.rpartition(" | ")
    inputs_text, arrow, result = right.partition(" -> ")
    if not bar or not arrow or not op:
        return None
    inputs = _parse_inputs(inputs_text)
    if inputs is None:
        return None
    if result.startswith("error: "):
        reason = result[len("error: ") :]
        return (index, Step(op, inputs[0], (), inputs[1], reason)) if reason else None
    outputs = parse_outputs(result)
    return None if outputs is None else (index, Step(op, inputs[0], outputs, inputs[1]))


def parse(text: str) -> ShapeTrace:
    """Read a trace or a completion. Blank lines, ``<think>`` and ``</think>`` lines are skipped; a line that is neither
    a step with the next number nor the first final line is kept in ``malformed``."""
    steps: list[Step] = []
    malformed: list[tuple[int, str]] = []
    final: Shape | tuple[Shape, ...] | None = None
    error: StepError | None = None
    outputs = 0
    for number, line in enumerate(text.split("\n")):
        if not line or line.isspace() or line in ("<think>", THINK_END):
            continue
        done = final is not None or error is not None
        if not done and line.startswith("final: "):
            final, error = parse_final(line[len("final: ") :], steps)
            if final is None and error is None:
                malformed.append((number, line))
            continue
        parsed = None if done else parse_step(line)
        if parsed is None or parsed[0] != len(steps) or outputs + len(parsed[1].outputs) > MAX_OUTPUTS:
            malformed.append((number, line))
        else:
            outputs += len(parsed[1].outputs)
            steps.append(parsed[1])
    return ShapeTrace(tuple(steps), final, error, tuple(malformed))


def parse_final(text: str, steps: list[Step]) -> tuple[Shape | tuple[Shape, ...] | None, StepError | None]:
    """What follows ``final: `` → the shape or shapes, or the error with its step's reason; (None, None) if neither."""
    if text.startswith("error at step "):
        index_text = text[len("error at step ") :]
        index = parse_int(index_text)
        if index is None or index < 0 or str(index) != index_text:
            return None, None
        reason = steps[index].reason if index < len(steps) else None
        return None, StepError(index, reason or "")
    shapes = parse_outputs(text)
    if not shapes:
        return None, None
    return (shapes[0] if len(shapes) == 1 else shapes), None
