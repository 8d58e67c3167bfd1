"""A problem: PyTorch code, argument shapes, a target name, and the fixed text a model reads.

    Code: 'q = s[None, :]\\nf = q.expand(4, -1)'
    Args: {'s': [16]}
    Target: f

The text is fixed (published checkpoints use it): code and arguments are Python literals as ``repr`` writes them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import TYPE_CHECKING, TypeVar

from rotbot.errors import InputError
from rotbot.shapes.arguments import ArgLike, ArgSpec, parse_args

if TYPE_CHECKING:
    from rotbot.shapes.trace import ShapeTrace

MAX_TEXT = 100_000
T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """``code`` with the shapes of its free names in ``args``; the question is the shape of ``target``.

    ``args`` takes lists of ints or text forms (``{'s': [16], 'i': '3,5:int64'}``) and holds :class:`ArgSpec` values.
    Raises :class:`InputError` if an argument or the target is not usable. The code is not read here: see :meth:`truth`.
    """

    code: str
    args: Mapping[str, ArgLike] = field(compare=False)
    target: str
    specs: tuple[tuple[str, ArgSpec], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        specs = parse_args(self.args)
        if not isinstance(self.code, str) or not self.code.strip():
            raise InputError("code: expected Python source, got nothing")
        if not isinstance(self.target, str) or not self.target.isidentifier() or iskeyword(self.target):
            raise InputError(f"target: expected a variable name, got {self.target!r:.80}")
        object.__setattr__(self, "args", {name: spec.plain() for name, spec in specs.items()})
        object.__setattr__(self, "specs", tuple(specs.items()))

    def prompt(self) -> str:
        """The three lines a model reads."""
        return f"Code: {self.code!r}\nArgs: {self.args!r}\nTarget: {self.target}"

    @staticmethod
    def parse(text: str) -> Problem:
        """The way back from :meth:`prompt`. Raises :class:`InputError` that names the line at fault."""
        if len(text) > MAX_TEXT:
            raise InputError(f"problem: expected at most {MAX_TEXT} characters, got {len(text)}")
        lines = text.strip().split("\n")
        if len(lines) != 3:
            raise InputError(f"problem: expected three lines (Code, Args, Target), got {len(lines)}")
        values = []
        for line, label in zip(lines, ("Code: ", "Args: ", "Target: "), strict=True):
            if not line.startswith(label):
                raise InputError(f"problem: expected a line starting with {label!r}, got {line[:40]!r}")
            values.append(line[len(label) :])
        code, args = _literal(values[0], "Code", str), _literal(values[1], "Args", dict)
        return Problem(code, args, values[2].strip())

    def truth(self) -> ShapeTrace:
        """The exact trace. Raises the family of :class:`rotbot.errors.SnippetError` for code that cannot be traced."""
        from rotbot.shapes.symbolic import trace_specs

        return trace_specs(self.code, dict(self.specs), self.target)


def _literal(text: str, label: str, kind: type[T]) -> T:
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise InputError(f"problem: {label} is not a Python literal: {text[:60]!r}") from error
    if not isinstance(value, kind):
        raise InputError(f"problem: {label} must be a {kind.__name__}, got {type(value).__name__}")
    return value
