"""Reading a snippet: parse it, bound it, and find the names it needs."""

from __future__ import annotations

import ast
import builtins
import warnings
from functools import lru_cache
from threading import Lock
from typing import Any

from rotbot.errors import SnippetSyntaxError
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.trace import Span

_PREDEFINED = frozenset(("torch", "nn", "F", "math", *dir(builtins)))
PARSING = Lock()
"""Held by who parses: before Python 3.11.5 two threads that do so at once may end in a ``SystemError`` (gh-106905)."""
_SURELY_SMALL = 1_000
"""Sources of this length cannot reach the limit on syntax nodes; the evaluator bounds the nesting by itself."""


def read(code: str) -> ast.Module:
    """Parse ``code`` within the limits.

    Raises :class:`~rotbot.errors.SnippetSyntaxError` with Python's message and line, and
    :class:`~rotbot.errors.LimitExceeded` for sources that are too long, too large or nested too deeply.
    """
    if len(code) > LIMITS.source_chars:
        exceed("characters of source", LIMITS.source_chars, len(code))
    tree = parse(code)
    if len(code) > _SURELY_SMALL:
        check_size(tree)
    return tree


@lru_cache(maxsize=128)  # a chunk of a build, and some
def read_again(code: str) -> ast.Module:
    """:func:`read` for those who read the same code again. They share the tree, which is not changed."""
    return read(code)


def parse(code: str) -> ast.Module:
    """Parse ``code`` of any size. Raises :class:`~rotbot.errors.SnippetSyntaxError` with Python's message and line."""
    try:
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if code.startswith((" ", "\t")) and code.strip():
                return _of_a_block(code)
            return ast.parse(code, mode="exec")
    except SyntaxError as error:
        raise SnippetSyntaxError(f"not Python: {error.msg}", error.lineno) from error
    except ValueError as error:
        raise SnippetSyntaxError(f"not Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise SnippetSyntaxError("nested too deeply") from error


def _of_a_block(code: str) -> ast.Module:
    """Code that was cut out of a block, all of it indented; its places are those of the text as it is."""
    try:
        return ast.parse(code, mode="exec")  # a comment, or a line that goes on, may begin with a blank
    except IndentationError as error:
        if error.lineno != 1:
            raise
    try:
        block = ast.parse(f"if 1:\n{code}", mode="exec").body
    except SyntaxError as error:
        error.lineno = None if error.lineno is None else error.lineno - 1
        raise
    if len(block) != 1 or not isinstance(block[0], ast.If) or block[0].orelse:
        raise IndentationError("unindent does not match any outer indentation level")
    return ast.increment_lineno(ast.Module(block[0].body, []), -1)


def check_size(tree: ast.Module, nodes: int = LIMITS.ast_nodes) -> None:
    """Raise :class:`~rotbot.errors.LimitExceeded` for a tree of more than ``nodes``, or too deep to be walked."""
    level: list[ast.AST] = [tree]
    total = depth = 0
    while level:
        total += len(level)
        depth += 1
        if total > nodes:
            exceed("syntax nodes", nodes, total)
        if depth > LIMITS.ast_depth:
            exceed("levels of nesting", LIMITS.ast_depth, depth)
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def assigned_names(tree: ast.Module) -> list[str]:
    """Names the snippet binds at its top level, in order of first binding (loops and branches included)."""
    return bound_names(tree.body)


def bound_names(body: list[ast.stmt]) -> list[str]:
    """Names that these statements bind, in order of first binding (loops and branches included)."""
    found: dict[str, None] = {}
    _collect(body, found)
    return list(found)


def _collect(body: list[ast.stmt], found: dict[str, None]) -> None:
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found[statement.name] = None
            continue
        for node in _without_scopes(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
            elif isinstance(node, ast.alias):
                found[node.asname or node.name.partition(".")[0]] = None


def _without_scopes(node: ast.AST) -> list[ast.AST]:
    """All nodes in source order, not entering functions, lambdas and comprehensions (they bind names of their own)."""
    found = [node]
    for child in ast.iter_child_nodes(node):
        if not isinstance(
            child,
            (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp),
        ):
            found += _without_scopes(child)
        elif isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            found.append(ast.Name(child.name, ast.Store()))
    return found


def free_names(code: str) -> list[str]:
    """The names a snippet reads before it binds them: the arguments it needs, in order of first use.

    ``torch``, ``nn``, ``F``, ``math`` and Python's builtins are not arguments. Raises as :func:`read` does.
    """
    tree = read(code)
    check_size(tree)
    return free_names_of(tree)


def free_names_of(tree: ast.Module) -> list[str]:
    """:func:`free_names` of a parsed snippet. Functions and classes may call others that are defined further down."""
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return [name for name in names_read(tree.body) if name not in _PREDEFINED and name not in defined]


def names_read(body: list[ast.stmt]) -> list[str]:
    """The names that these statements read before they bind them, ``torch`` and builtins among them."""
    free: dict[str, None] = {}
    _free(body, set(), free)
    return list(free)


def _free(nodes: list[ast.stmt] | list[ast.expr], bound: set[str], free: dict[str, None]) -> None:
    for node in nodes:
        _free_in(node, bound, free)


def _free_in(node: ast.AST, bound: set[str], free: dict[str, None]) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            if name not in bound:
                free[name] = None
        case ast.Name(id=name):
            bound.add(name)
        case ast.Assign(targets=targets, value=value):
            _free_in(value, bound, free)
            _free(targets, bound, free)
        case ast.AugAssign(target=target, value=value):
            if isinstance(target, ast.Name):
                _free_in(ast.Name(target.id, ast.Load()), bound, free)
            _free_in(value, bound, free)
            _free_in(target, bound, free)
        case ast.AnnAssign(target=target, value=value):
            if value is not None:
                _free_in(value, bound, free)
            _free_in(target, bound, free)
        case ast.For(target=target, iter=iterated, body=body, orelse=orelse):
            _free_in(iterated, bound, free)
            _free_in(target, bound, free)
            _free([*body, *orelse], bound, free)
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            inner = set(bound)
            for generator in node.generators:
                _free_in(generator.iter, inner, free)
                _free_in(generator.target, inner, free)
                _free(generator.ifs, inner, free)
            _free([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner, free)
        case ast.FunctionDef(name=name, args=arguments, body=body):
            _free(node.decorator_list, bound, free)
            _free([*arguments.defaults, *[d for d in arguments.kw_defaults if d is not None]], bound, free)
            bound.add(name)
            _free(body, bound | _parameters(arguments), free)
        case ast.ClassDef(name=name, bases=bases, body=body):
            _free([*node.decorator_list, *bases], bound, free)
            bound.add(name)
            own = set(bound)  # what a class binds is no variable of its methods
            for statement in body:
                if isinstance(statement, ast.FunctionDef):
                    _free(statement.decorator_list, own, free)
                    _free_in(ast.Lambda(statement.args, ast.Constant(None)), own, free)
                    _free(statement.body, bound | _parameters(statement.args), free)
                else:
                    _free_in(statement, own, free)
        case ast.Lambda(args=arguments, body=expression):
            _free([*arguments.defaults, *[d for d in arguments.kw_defaults if d is not None]], bound, free)
            _free([expression], bound | _parameters(arguments), free)
        case ast.alias(name=name, asname=asname):
            bound.add(asname or name.partition(".")[0])
        case _:
            for child in ast.iter_child_nodes(node):
                _free_in(child, bound, free)


def _parameters(arguments: ast.arguments) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


def span_of(node: ast.AST) -> Span:
    """Where a syntax node stands."""
    located: Any = node
    return Span(located.lineno, located.col_offset, located.end_lineno, located.end_col_offset)
