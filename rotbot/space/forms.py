"""What a visitor typed, read: names that need shapes, targets to choose from, and a problem with its ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rotbot.errors import InputError, RotbotError
from rotbot.problem import Problem
from rotbot.shapes.arguments import parse_arg
from rotbot.shapes.source import assigned_names, free_names, read
from rotbot.shapes.trace import ShapeTrace
from rotbot.space.links import MAX_ARGUMENTS


@dataclass(frozen=True, slots=True)
class Names:
    """The free names (arguments) and the assigned ones (targets) of a program, or why it cannot be read."""

    free: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    problem: RotbotError | None = None


class Unfinished(InputError):
    """The form is not filled in yet; the text says what to do next."""


def names_of(code: str) -> Names:
    """Read a program's names. Never raises: while someone types, most programs are not yet Python."""
    if not code.strip():
        return Names()
    try:
        free, assigned = free_names(code), assigned_names(read(code))
    except RotbotError as error:
        return Names(problem=error)
    if len(free) > MAX_ARGUMENTS:
        text = f"{len(free)} names have no value; at most {MAX_ARGUMENTS} can be arguments here"
        return Names(problem=InputError(text))
    return Names(tuple(free), tuple(assigned))


def read_problem(code: str, args: Mapping[str, str], target: str | None) -> tuple[Problem, ShapeTrace]:
    """The problem and its ground truth, traced in a killable worker.

    Raises :class:`~rotbot.errors.InputError` for shapes that are missing or unreadable and the family of
    :class:`~rotbot.errors.SnippetError` for code that cannot be read or traced.
    """
    from rotbot.shapes import trace

    code = code.rstrip()
    names = names_of(code)
    if not code.strip():
        raise Unfinished("type or paste PyTorch code, or choose an example")
    if names.problem is not None:
        raise names.problem
    for name in names.free:
        if not args.get(name, "").strip():
            raise Unfinished(f"give {name} a shape, for example 2, 3")
    specs = {name: parse_arg(args[name].strip(), name) for name in names.free}
    if not (target or names.assigned):
        raise Unfinished("assign the result to a name, for example y = x.flatten()")
    name = target or names.assigned[-1]
    return Problem(code, specs, name), trace(code, specs, name, isolated=True)
