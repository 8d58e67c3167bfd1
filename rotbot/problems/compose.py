"""Joining solved problems into harder ones: the first one's target becomes an argument of the second."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from itertools import count
from math import prod

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.shapes.arguments import ArgLike, ArgSpec

_FIXED = frozenset(("torch", "F", "nn", *dir(builtins)))


def compose(problems: Sequence[Problem]) -> Problem:
    """One problem that does what ``problems`` do, one after the other; its target is the last one's.

    Each target takes the place of the next problem's first argument of the same shape and dtype, or, through a
    ``reshape``, of the first with as many elements. Names that would clash are numbered. The trace of the result has
    the steps of all of them, so what is known about the parts is known about the whole. Raises
    :class:`~rotbot.errors.InputError` for no problems, for one that is wrong or has named sizes, and where no argument
    fits the target before it.
    """
    if not problems:
        raise InputError("compose: expected at least one problem, got none")
    joined = problems[0]
    for position, following in enumerate(problems[1:], 1):
        joined = _join(joined, following, position)
    return joined


def _join(first: Problem, second: Problem, position: int) -> Problem:
    final, dtype = _result(first)
    taken = variables(first.code) | {name for name, _ in first.specs}
    renamed = _fresh(variables(second.code) | {name for name, _ in second.specs}, taken)
    code = rename(second.code, renamed)
    specs = {renamed.get(name, name): spec for name, spec in second.specs}
    same = [name for name, spec in specs.items() if spec.shape == final and spec.dtype == dtype]
    alike = [name for name, spec in specs.items() if spec.dtype == dtype and _numel(spec) == prod(final)]
    if not same and not alike:
        wanted = ", ".join(f"{list(spec.shape)} {spec.dtype}" for spec in specs.values()) or "nothing"
        raise InputError(
            f"compose: problem {position} takes {wanted}, expected an argument like the target before it, "
            f"{list(final)} {dtype}"
        )
    if same:
        fed = same[0]
        bridge = f"{fed} = {first.target}"
    else:
        fed = alike[0]
        bridge = f"{fed} = {first.target}.reshape({', '.join(map(str, specs[fed].shape))})"
    if same and _reads_only(code, fed):
        code, lines = rename(code, {fed: first.target}), []
    else:
        lines = [bridge]
    args: dict[str, ArgLike] = dict(first.specs)
    args |= {name: spec for name, spec in specs.items() if name != fed}
    return Problem("\n".join([first.code, *lines, code]), args, renamed.get(second.target, second.target))


def _result(problem: Problem) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of the target. Raises :class:`InputError` where there is no one tensor of a known shape."""
    truth = problem.truth()
    final = truth.final
    if truth.error is not None or final is None:
        raise InputError(f"compose: expected right programs, one fails at step {truth.error and truth.error.step}")
    sizes = tuple([size for size in final if isinstance(size, int)])
    if len(sizes) != len(final):
        raise InputError(f"compose: expected targets that are one tensor of known sizes, got {final}")
    node = truth.steps[-1].node if truth.steps else None
    dtypes = truth.nodes[node].dtypes if node is not None else ("float32",)
    return sizes, dtypes[0]


def _numel(spec: ArgSpec) -> int:
    return prod([size for size in spec.shape if isinstance(size, int)])


def variables(code: str) -> set[str]:
    """The variables of a program: what it assigns, reads and defines, without torch and Python's own names."""
    tree = ast.parse(code)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return (names | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}) - _FIXED


def _fresh(names: set[str], taken: set[str]) -> dict[str, str]:
    """New names for those that are taken: the old one with the first number that is free."""
    used, fresh = set(taken) | names, dict[str, str]()
    for name in sorted(names & taken - {"_"}):
        fresh[name] = next(f"{name}{number}" for number in count(2) if f"{name}{number}" not in used)
        used.add(fresh[name])
    return fresh


def _reads_only(code: str, name: str) -> bool:
    """Whether a program never assigns to ``name`` (nor changes it in place), so that another name can stand for it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            return False
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            return False
    return True


def rename(code: str, names: dict[str, str]) -> str:
    """The code with variables renamed; everything else, spaces and comments included, stays as it is."""
    if not names:
        return code
    places: list[tuple[int, int, str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and node.id in names:
            places.append((node.lineno, node.col_offset, node.id))
        elif isinstance(node, ast.arg) and node.arg in names:
            places.append((node.lineno, node.col_offset, node.arg))
        elif isinstance(node, ast.FunctionDef) and node.name in names:
            places.append((node.lineno, node.col_offset + len("def "), node.name))
    lines = code.split("\n")
    for line, column, name in sorted(places, reverse=True):
        text = lines[line - 1].encode()
        lines[line - 1] = (text[:column] + names[name].encode() + text[column + len(name.encode()) :]).decode()
    return "\n".join(lines)
