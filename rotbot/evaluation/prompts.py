"""How a problem is put to a model, and how the final shape is read from an answer in prose.

``plain`` is the text that rotbot's models are trained on. A general model has never seen it: ``described`` explains the
format (zero-shot), ``explained`` adds two worked examples as turns of the chat (few-shot).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rotbot.problem import Problem
from rotbot.shapes.symbols_text import same_dim
from rotbot.shapes.text import THINK_END, as_shapes, parse, parse_outputs
from rotbot.shapes.trace import Shape, ShapeTrace

Variant = Literal["plain", "described", "explained"]
PLAIN: Variant = "plain"
VARIANTS: tuple[Variant, ...] = ("plain", "described", "explained")

DESCRIPTION = """\
You get a PyTorch program, the shapes of its arguments and the name of a target variable. Work out the shape of the \
target by going through the program one operation at a time. Only operations that the target depends on count.

Write one line for every operation, numbered from 0:
step N: OPERATION | INPUT SHAPES -> OUTPUT SHAPE
OPERATION is the operation with its arguments as numbers, for example view(2, 10, 8), matmul, sum(dim=1) or \
select index 0 of dim 1. Shapes are lists such as [2, 3]; several inputs are separated by commas; a scalar is [].
If PyTorch would raise an error, the last step ends in "-> error: REASON".

End with one line that has the shape of the target and nothing else:
final: SHAPE
or, for a program that raises an error:
final: error at step N
"""

EXAMPLES = (
    Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f"),
    Problem("h = F.linear(x, w)\ny = h.relu().sum(dim=1)", {"x": [2, 5, 8], "w": [6, 8]}, "y"),
)
"""The worked examples of ``explained``; their answers are their traces."""


def messages(problem: Problem, variant: Variant = PLAIN) -> list[Mapping[str, str]]:
    """The chat messages that ask for a problem, in a variant."""
    if variant == PLAIN:
        return [_turn("user", problem.prompt())]
    examples = EXAMPLES if variant == "explained" else ()
    turns: list[Mapping[str, str]] = []
    for example in examples:
        turns += [_turn("user", example.prompt()), _turn("assistant", example.truth().render())]
    turns.append(_turn("user", problem.prompt()))
    turns[0] = _turn("user", f"{DESCRIPTION}\n{turns[0]['content']}")
    return turns


def _turn(role: str, content: str) -> Mapping[str, str]:
    return {"role": role, "content": content}


def answer_part(text: str) -> str:
    """What a general model says after its thoughts, if it shows them."""
    return text.rpartition(THINK_END)[2]


def final_of(answer: str, truth: ShapeTrace) -> bool:
    """Whether an answer's final line is right. Strict: only lines ``final: …`` count (Markdown's ``*``, `` ` `` and
    ``#`` around them aside), each must hold one readable answer and nothing else, and if there are several they must
    agree. A shape may be a tuple or a ``torch.Size`` and be spaced in any way.
    """
    claims = [_claim(line) for line in map(_plain, answer.split("\n")) if line.lower().startswith("final:")]
    if not claims or any(claim is None or not _same(claim, claims[0]) for claim in claims):
        return False
    true = truth.error.step if truth.error is not None else None if truth.final is None else as_shapes(truth.final)
    return _same(claims[0], true)


def _plain(line: str) -> str:
    return line.strip().strip("*`# ").replace("**", "").replace("`", "").strip()


def _claim(line: str) -> tuple[Shape, ...] | int | None:
    """``final: [4,16]`` → ``((4, 16),)``, ``final: error at step 3`` → 3, None for anything else."""
    text = line[len("final:") :].strip().rstrip(".")
    if text.lower().startswith("error"):
        error = parse(f"final: {text.lower()}").error
        return None if error is None else error.step
    text = text.replace("torch.Size", "").replace("([", "[").replace("])", "]")
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = f"[{text[1:-1].rstrip(', ')}]"
    spaced = ", ".join([part.strip() for part in text.split(",")]).replace("[ ", "[").replace(" ]", "]")
    return parse_outputs(spaced) or None


def _same(one: tuple[Shape, ...] | int | None, other: tuple[Shape, ...] | int | None) -> bool:
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return one is not None and one == other
    return [len(shape) for shape in one] == [len(shape) for shape in other] and all(
        same_dim(a, b) for s, t in zip(one, other, strict=True) for a, b in zip(s, t, strict=True)
    )
