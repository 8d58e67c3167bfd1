"""The writer: a graph of calls becomes code with names, nesting, shape arithmetic and tuple unpacking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from rotbot.problem import Problem
from rotbot.problems.composer import Call, Program
from rotbot.problems.levels import Level
from rotbot.problems.names import COMMENTS, Names
from rotbot.shapes.arguments import ArgLike, ArgSpec

LONGEST_INLINE = 56
"""The longest text of a value that is written inside another call, in characters."""

_PLACEHOLDER = re.compile(r"\$([xyz0-9])")
_SPACED = re.compile(r" ?(,|==|//|\*\*|[=+*/@<>-]) ?")
_OPERANDS = "xyz"
_INLINING = ("nested", "methods")


@dataclass(frozen=True, slots=True)
class Written:
    """A program as text: the problem, the style it is written in, and the value that each variable ends up with."""

    problem: Problem
    style: str
    variables: Mapping[str, int]


def draw_style(rng: Random, level: Level) -> str:
    """A style of ``level``, as often as its table says; ``statements`` for the rest."""
    roll = rng.random()
    for style, share in level.styles:
        if roll < share:
            return style
        roll -= share
    return "statements"


def write(program: Program, rng: Random, level: Level, style: str) -> Written:
    """``program`` as a problem in ``style``.

    ``nested`` and ``methods`` write values inside their only reader, ``reassigned`` gives results the name of what they
    came from, ``compact`` leaves spaces out, ``function`` puts everything into a function and calls it.
    """
    writer = _Writer(program, rng, level, style)
    writer.write()
    args: dict[str, ArgLike] = {}
    for value in program.used_args():
        spec = program.values[value]
        args[writer.arg_names[value]] = ArgSpec(spec.shape, spec.dtype)
    target = writer.names[program.target]
    variables = {name: value for value, name in sorted(writer.names.items())}
    lines = writer.lines
    if style == "compact":
        lines = [_compact(line) for line in lines]
    elif style == "function":
        lines, target = _as_function(lines, list(args), target, writer.names_left)
        variables = {target: program.target}
    styled = writer.styled or style not in ("nested", "reassigned")
    return Written(Problem("\n".join(lines), args, target), style if styled else "statements", variables)


def _compact(line: str) -> str:
    """The line without the spaces that Python does not need (strings and comments stay as they are)."""
    if line.startswith("#"):
        return line
    parts = re.split(r"('[^']*')", line)
    return "".join([part if part.startswith("'") else _SPACED.sub(r"\1", part) for part in parts])


def _as_function(lines: list[str], arguments: list[str], target: str, names: Names) -> tuple[list[str], str]:
    """The lines as the body of a function that returns ``target``, its call, and the name of the result."""
    name, result = names.function(), names.result("")
    given = ", ".join(arguments)
    body = [f"    {line}" for line in lines]
    return [f"def {name}({given}):", *body, f"    return {target}", f"{result} = {name}({given})"], result


class _Writer:
    def __init__(self, program: Program, rng: Random, level: Level, style: str) -> None:
        self.program, self.rng, self.level, self.style = program, rng, level, style
        self.names_left = Names(rng)
        self.lines: list[str] = []
        self.names: dict[int, str] = {}
        self.inlined: dict[int, tuple[str, bool]] = {}
        self.dims: dict[int, tuple[str, ...]] = {}
        self.styled = False
        self.readers: dict[int, list[int]] = {}
        for i, call in enumerate(program.calls):
            for value in call.inputs:
                self.readers.setdefault(value, []).append(i)
        for value in program.used_args():
            self.names[value] = self.names_left.argument(program.values[value].dtype)
        self.arg_names = dict(self.names)

    def write(self) -> None:
        """Fill ``lines`` and ``names``."""
        for i, call in enumerate(self.program.calls):
            text = self._expression(call)
            if self.rng.random() < self.level.comments:
                self.lines.append(f"# {self.rng.choice(COMMENTS.get(call.op.family, COMMENTS['']))}")
            if len(call.outputs) == 1:
                self._bind(i, call, call.outputs[0], text, is_atomic(call.spelling))
                continue
            used = [v for v in call.outputs if v in self.readers or v == self.program.target]
            if len(used) == 1 and self.rng.random() < 0.5:
                position = call.outputs.index(used[0])
                last = position == len(call.outputs) - 1 and self.rng.random() < 0.3
                by_name = call.fields and self.rng.random() < 0.7
                place = f".{call.fields[position]}" if by_name else f"[{-1 if last else position}]"
                self._bind(i, call, used[0], text + place, True)
                continue
            blank = self.rng.random() < 0.4
            names = ["_" if blank and v not in used else self._name(v, call) for v in call.outputs]
            self.lines.append(f"{', '.join(names)} = {text}")

    def _name(self, value: int, call: Call) -> str:
        self.names[value] = self.names_left.result(call.op.family)
        return self.names[value]

    def _bind(self, index: int, call: Call, value: int, text: str, atomic: bool) -> None:
        """Write ``value`` inside its only reader, assign it to its input's name again, or give it a new name."""
        if self._may_inline(value, text):
            self.inlined[value] = text, atomic
            self.styled = True
            return
        source = call.inputs[0] if call.inputs else None
        if source is not None and self._may_reassign(index, source):
            self.names[value] = self.names[source]
            self.styled = True
        else:
            self._name(value, call)
        self.lines.append(f"{self.names[value]} = {text}")

    def _may_inline(self, value: int, text: str) -> bool:
        readers = self.readers.get(value, [])
        if (
            self.style not in _INLINING
            or value == self.program.target
            or len(readers) != 1
            or len(text) > LONGEST_INLINE
        ):
            return False
        reader = self.program.calls[readers[0]]
        operand = _OPERANDS[reader.inputs.index(value)]
        spelled = _PLACEHOLDER.findall(reader.spelling)
        reads_sizes = operand == "x" and any(key.isdigit() for key in spelled)
        return spelled.count(operand) == 1 and not reads_sizes and self.rng.random() < self.level.nesting

    def _may_reassign(self, index: int, source: int) -> bool:
        return (
            self.style == "reassigned"
            and source in self.names
            and source != self.program.target
            and max(self.readers[source]) == index
            and self.rng.random() < 0.8
        )

    def _expression(self, call: Call) -> str:
        """The call's text with its operands and sizes filled in (an unpacked shape gets its own line first)."""
        spelling = call.spelling
        sizes = {int(key) for key in _PLACEHOLDER.findall(spelling) if key.isdigit()}
        texts = self._sizes(call.inputs[0], sizes) if sizes else {}

        def fill(match: re.Match[str]) -> str:
            key = match[1]
            if key.isdigit():
                return texts[int(key)]
            value = call.inputs[_OPERANDS.index(key)]
            if value in self.names:
                return self.names[value]
            text, atomic = self.inlined[value]
            return text if atomic or _stands_alone(spelling, match) else f"({text})"

        return _PLACEHOLDER.sub(fill, spelling)

    def _sizes(self, value: int, dims: set[int]) -> dict[int, str]:
        """How the program writes the sizes of ``value``: unpacked names, ``x.shape[0]`` or ``x.size(0)``."""
        name, rank = self.names[value], len(self.program.values[value].shape)
        if value not in self.dims and rank > 1 and (len(dims) > 1 or self.rng.random() < 0.4):
            self.dims[value] = self.names_left.dims(rank)
            self.lines.append(f"{', '.join(self.dims[value])} = {name}.shape")
        if value in self.dims:
            return {dim: self.dims[value][dim] for dim in dims}
        if self.rng.random() < 0.5:
            return {dim: f"{name}.size({dim})" for dim in dims}
        return {dim: f"{name}.shape[{dim}]" for dim in dims}


def _stands_alone(spelling: str, match: re.Match[str]) -> bool:
    """Whether the placeholder is a whole argument or list item, so that an operator inside needs no brackets."""
    before, after = spelling[: match.start()], spelling[match.end() :]
    return before.endswith(("(", "[", ", ")) and after.startswith((")", "]", ","))


@lru_cache(maxsize=4096)
def is_atomic(spelling: str) -> bool:
    """Whether a call's text can be followed by ``.method`` as it is: no operator outside brackets."""
    depth = 0
    for character in spelling:
        depth += (character in "([") - (character in ")]")
        if depth == 0 and character == " ":
            return False
    return not spelling.startswith(("-", "~"))
