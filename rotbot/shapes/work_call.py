"""A call as the rules of work see it: its arguments by name, tensors as their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotbot.shapes.trace import Shape


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor among the arguments."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that torch accepted: ``name`` without its namespace, arguments, the step's shapes (all integers).

    ``module`` holds the constructor's positional and keyword arguments where the call is an inline ``nn`` module's.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: tuple[tuple[Any, ...], dict[str, Any]] | None
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    @property
    def x(self) -> tuple[int, ...]:
        """The first input's shape."""
        return self.inputs[0]

    @property
    def out(self) -> tuple[int, ...]:
        """The first output's shape."""
        return self.outputs[0]

    def bound(self, parameters: str) -> dict[str, Any]:
        """The arguments by the names of ``parameters``, given in order and separated by spaces."""
        named = {"dim" if name == "axis" else name: value for name, value in self.kwargs.items()}
        return {**dict(zip(parameters.split(), self.args, strict=False)), **named}

    def options(self, function: str, module: str = "") -> dict[str, Any]:
        """The arguments of ``F.name`` (after the tensor ``input``) or those of the ``nn`` module's constructor."""
        if self.module is None:
            return self.bound(f"input {function}")
        args, kwargs = self.module
        return {**dict(zip((module or function).split(), args, strict=False)), **kwargs}

    def sizes(self, *names: str) -> list[int] | None:
        """Integers after the tensor, as one sequence, as all further arguments or by name; None for anything else."""
        given = next((self.kwargs[name] for name in names if name in self.kwargs), None)
        if given is None:
            given = self.args[1] if len(self.args) == 2 else self.args[1:]
        return integers([given] if isinstance(given, int) else given)


def integers(value: Any) -> list[int] | None:
    """A sequence of plain integers as a list; None for anything else."""
    if not isinstance(value, Sequence) or not value or not all(type(item) is int for item in value):
        return None
    return list(value)


def each(value: Any, rank: int) -> list[int] | None:
    """One integer for every one of ``rank`` dims, from a single one, or from as many as there are."""
    items = integers([value] if type(value) is int else value)
    if items is None or len(items) not in (1, rank):
        return None
    return items * rank if len(items) == 1 else items
