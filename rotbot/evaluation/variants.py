"""Variants of a problem that change nothing about its answer: other names, another spelling, dead code.

A variant is taken only if its truth, traced anew, ends in the same shape; a model that understands the program gives
the same answer to both.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import count
from random import Random

from rotbot.errors import SnippetError
from rotbot.evaluation.intervals import Estimate, share
from rotbot.evaluation.judge import Case, Judged, claimed_final
from rotbot.evaluation.metrics import measure
from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.problems.compose import rename, variables
from rotbot.problems.names import LETTERS
from rotbot.shapes import trace as trace_shapes
from rotbot.shapes.arguments import ArgLike

VARIANT_NAMES = ("renamed", "respelled", "dead_code")
"""Renamed: other variable names. Respelled: operators as functions, functions as methods and back. Dead code:
statements that the target does not depend on."""

_OPERATORS: dict[type[ast.operator], str] = {
    ast.MatMult: "matmul",
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
}
_DEAD = ("{name} = {arg}.detach()", "{name} = {arg}.clone()", "{name} = {arg}.flatten()", "{name} = {arg}[None]")


def vary(case: Case, name: str) -> Case | None:
    """A case that asks the same in another way; None where there is none, or it would have another answer."""
    rng = seeds.stream("variant", name, case.problem.prompt())
    problem = _VARIANTS[name](case.problem, rng)
    if problem is None or problem == case.problem:
        return None
    try:
        truth = trace_shapes(problem.code, problem.args, problem.target)
    except SnippetError:
        return None
    same = truth.final == case.truth.final and (truth.error is None) == (case.truth.error is None)
    return replace(case, problem=problem, truth=truth) if same else None


def _renamed(problem: Problem, rng: Random) -> Problem | None:
    """Every variable gets another name."""
    names = sorted(variables(problem.code) | {name for name, _ in problem.specs})
    pool = [name for name in (*LETTERS, *[f"{a}{b}" for a in LETTERS for b in (1, 2)]) if name not in names]
    if len(pool) < len(names):
        return None
    fresh = dict(zip(names, rng.sample(pool, len(names)), strict=True))
    args: dict[str, ArgLike] = {fresh[name]: spec for name, spec in problem.specs}
    return Problem(rename(problem.code, fresh), args, fresh.get(problem.target, problem.target))


def _respelled(problem: Problem, rng: Random) -> Problem | None:
    """Operators on tensors become functions of torch, and functions that are methods too become methods."""
    tree = _Respell({name for name, _ in problem.specs}).visit(ast.parse(problem.code))
    return Problem(ast.unparse(tree), dict(problem.specs), problem.target)


class _Respell(ast.NodeTransformer):
    """``a @ b`` → ``torch.matmul(a, b)``, ``torch.relu(x)`` → ``x.relu()``, ``x.relu()`` → ``torch.relu(x)``."""

    def __init__(self, arguments: set[str]) -> None:
        from rotbot.shapes.allowlist import SHARED

        self.shared = SHARED
        self.tensors = arguments

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Operators: only ``@`` is surely one of tensors; the others are where an operand is an argument."""
        name = _OPERATORS.get(type(node.op))
        tensor = isinstance(node.op, ast.MatMult) or (isinstance(node.left, ast.Name) and node.left.id in self.tensors)
        self.generic_visit(node)
        return _call("torch", name, [node.left, node.right]) if name is not None and tensor else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Calls of functions that torch has as functions and as methods."""
        self.generic_visit(node)
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr not in self.shared:
            return node
        owner = function.value
        if isinstance(owner, ast.Name) and owner.id in ("torch", "F"):
            first = node.args[0] if node.args else None
            if owner.id == "F" or first is None or isinstance(first, ast.List | ast.Tuple | ast.Constant | ast.Starred):
                return node
            return ast.Call(ast.Attribute(first, function.attr, ast.Load()), node.args[1:], node.keywords)
        if isinstance(owner, ast.Name | ast.Call) and not _is_module(owner):
            return ast.Call(_attribute("torch", function.attr), [owner, *node.args], node.keywords)
        return node


def _is_module(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id in ("nn", "torch", "F")


def _attribute(owner: str, name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name(owner, ast.Load()), name, ast.Load())


def _call(owner: str, name: str, args: list[ast.expr]) -> ast.Call:
    return ast.Call(_attribute(owner, name), args, [])


def _dead_code(problem: Problem, rng: Random) -> Problem | None:
    """One to three statements on arguments whose results nobody reads."""
    lines, args = problem.code.split("\n"), [name for name, spec in problem.specs if spec.shape]
    if not args:
        return None
    taken = variables(problem.code) | set(args)
    places = [node.lineno - 1 for node in ast.parse(problem.code).body]
    for _ in range(rng.randint(1, 3)):
        name = next(f"unused{number or ''}" for number in count() if f"unused{number or ''}" not in taken)
        taken.add(name)
        lines.insert(places[0], rng.choice(_DEAD).format(name=name, arg=rng.choice(args)))
    return Problem("\n".join(lines), dict(problem.specs), problem.target)


_VARIANTS = {"renamed": _renamed, "respelled": _respelled, "dead_code": _dead_code}


def consistency(pairs: tuple[tuple[Judged, Judged], ...]) -> dict[str, Estimate]:
    """How far a model keeps its answer when a problem is put in another way: ``same_answer`` is the share of pairs
    whose final lines say the same (a missing one never does), ``faithful`` and ``original`` are the shares of variants
    and of their originals with every step right. Raises :class:`~rotbot.errors.InputError` for no pairs."""
    finals = [(claimed_final(a.verdicts[0]), claimed_final(b.verdicts[0])) for a, b in pairs]
    same = sum([one is not None and one == other for one, other in finals])
    return {
        "same_answer": share(same, len(pairs)),
        "faithful": measure([variant for _, variant in pairs])["faithful"],
        "original": measure([original for original, _ in pairs])["faithful"],
    }
