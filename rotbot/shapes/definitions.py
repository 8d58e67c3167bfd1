"""A function or an ``nn.Module`` class of a file as a program for the tracer.

The program is the file with everything blanked that the definition does not need, so that line numbers are the file's,
and one line at the end that calls it. Nothing is executed: what is needed is found by the names that are read.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword

from rotbot.errors import InputError
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.source import bound_names, check_size, names_read, parse

RESULT = "result"
"""The variable that the last line assigns what the definition returns (with underscores if the file has that name)."""

_BUILTINS = frozenset(dir(builtins))
_MAX_LITERAL = 200
_MAX_NODES = 1_000_000

Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Program:
    """What the tracer gets: ``code`` and the shapes of its free names."""

    code: str
    specs: dict[str, ArgSpec]


def program(
    source: str, name: str, specs: Mapping[str, ArgSpec], values: Mapping[str, str], init: Mapping[str, str]
) -> Program:
    """The program that calls ``name``, a function or class at the top level of ``source``.

    ``specs`` are the tensors among its parameters (of a class: of ``forward``), ``values`` the literals among them, and
    ``init`` the literals that the class is constructed with. Raises :class:`~rotbot.errors.InputError` for a name that
    is not defined, for parameters that do not exist or are missing, and for values that are no literals;
    :class:`~rotbot.errors.SnippetSyntaxError` for a source that is not Python, and
    :class:`~rotbot.errors.LimitExceeded` for one that is too large or nested too deeply.
    """
    tree = parse(source)
    check_size(tree, _MAX_NODES)
    definitions = {node.name: node for node in tree.body if isinstance(node, Definition)}
    found = definitions.get(name)
    if found is None:
        raise InputError(f"expected the name of a function or class, one of {_listed(definitions)}; got {name!r:.80}")
    needed = _needed(tree.body, name)
    lines = _kept_lines(source, tree.body, needed)
    taken = set(bound_names(tree.body))
    stands_for = {parameter: _unused(parameter, taken) for parameter in specs}
    given = {**stands_for, **{key: _literal(key, text) for key, text in values.items()}}
    call = name
    if isinstance(found, ast.ClassDef):
        made = {key: _literal(key, text) for key, text in init.items()}
        call += _arguments(f"{name}.__init__", _method(found, "__init__", definitions), made, "--init {}=4")
        method = _method(found, "forward", definitions)
        if method is None:
            raise InputError(f"expected a class with a method forward, got {name} without one")
        call += _arguments(f"{name}.forward", method, given, "--arg {}=2,3")
    else:
        if init:
            raise InputError(f"--init is for classes, and {name} is a function; give its values with --value")
        call += _arguments(name, found.args, given, "--arg {}=2,3")
    lines.append(f"{_unused(RESULT, {*taken, *stands_for.values()})} = {call}")
    return Program("\n".join(lines), {stands_for[parameter]: spec for parameter, spec in specs.items()})


def _needed(body: Sequence[ast.stmt], name: str) -> set[str]:
    """The names that the definition of ``name`` reads, and those that their definitions read, and so on."""
    binding: dict[str, list[ast.stmt]] = {}
    for statement in body:
        for each in bound_names([statement]):
            binding.setdefault(each, []).append(statement)
    star = any(isinstance(s, ast.ImportFrom) and s.names[0].name == "*" for s in body)
    needed, todo = {name}, [name]
    while todo:
        current = todo.pop()
        for statement in binding[current]:
            for read in names_read([statement]):
                if read in binding and read not in needed:
                    needed.add(read)
                    todo.append(read)
                elif read not in binding and read not in _BUILTINS and not star:
                    raise InputError(
                        f"{current} (line {statement.lineno}) reads {read}, which the file neither defines nor imports"
                    )
    return needed


def _kept_lines(source: str, body: Sequence[ast.stmt], needed: set[str]) -> list[str]:
    """The lines of ``source``, blank where no needed statement stands; imports import what is needed alone."""
    lines = source.split("\n")
    kept = [""] * len(lines)
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            aliases = [a for a in statement.names if a.name == "*" or not needed.isdisjoint(_bound_by(a))]
            if aliases and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
                if isinstance(statement, ast.Import):
                    text = ast.unparse(ast.Import(aliases))
                else:
                    text = ast.unparse(ast.ImportFrom(statement.module, aliases, statement.level))
                at = statement.lineno - 1
                kept[at] = f"{kept[at]}; {text}" if kept[at] else text
        elif not needed.isdisjoint(bound_names([statement])):
            decorators = statement.decorator_list if isinstance(statement, Definition) else []
            first = min([statement.lineno, *[decorator.lineno for decorator in decorators]]) - 1
            last = statement.end_lineno or statement.lineno
            kept[first:last] = lines[first:last]
    return kept


def _bound_by(alias: ast.alias) -> tuple[str]:
    return (alias.asname or alias.name.partition(".")[0],)


def _method(found: ast.ClassDef, name: str, definitions: Mapping[str, Definition]) -> ast.arguments | None:
    """The parameters, without ``self``, of a method of the class or of the file's classes that it derives from."""
    seen: set[str] = set()
    current: Definition | None = found
    while isinstance(current, ast.ClassDef) and current.name not in seen:
        seen.add(current.name)
        for node in current.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return _without_self(node.args)
        base = current.bases[0] if current.bases else None
        current = definitions.get(base.id) if isinstance(base, ast.Name) else None
    return None


def _without_self(spec: ast.arguments) -> ast.arguments:
    positional, ordinary = spec.posonlyargs[1:], spec.args if spec.posonlyargs else spec.args[1:]
    return ast.arguments(
        positional, ordinary, spec.vararg, spec.kwonlyargs, spec.kw_defaults, spec.kwarg, spec.defaults
    )


def _arguments(owner: str, spec: ast.arguments | None, given: Mapping[str, str], hint: str) -> str:
    """``(x, w=w)``: what is given, in the parameters' order. Raises for what is unknown or missing."""
    if spec is None:
        spec = ast.arguments([], [], None, [], [], None, [])
    positional = [*spec.posonlyargs, *spec.args]
    names = [each.arg for each in (*positional, *spec.kwonlyargs)]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"{owner} has no parameter {unknown[0]}; expected {_listed(names)}")
    optional = {each.arg for each in positional[len(positional) - len(spec.defaults) :]}
    optional |= {a.arg for a, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if default is not None}
    missing = [name for name in names if name not in given and name not in optional]
    if missing:
        options = " ".join([hint.format(name) for name in missing])
        other = " (or --value for what is no tensor)" if hint.startswith("--arg") else ""
        raise InputError(f"{owner} needs {', '.join(missing)}; add {options}{other}")
    alone = {each.arg for each in spec.posonlyargs}
    parts = [given[name] if name in alone else f"{name}={given[name]}" for name in names if name in given]
    return f"({', '.join(parts)})"


def _literal(name: str, text: str) -> str:
    """``text`` as Python writes the number, string, truth value, None, tuple or list that it is."""
    if not name.isidentifier() or iskeyword(name):
        raise InputError(f"expected a parameter's name before =, got {name!r:.80}")
    if len(text) <= _MAX_LITERAL:
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = text.strip() if text.strip().isidentifier() else ...
        if _is_plain(value):
            return repr(value)
    raise InputError(f"{name}: expected a number, a string, True, False, None or a tuple of them, got {text!r:.80}")


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
