"""Expressions of a snippet, evaluated node by node over tables of allowed names. Python itself executes nothing."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from rotbot.errors import SnippetError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, python_values
from rotbot.shapes.attributes import attribute
from rotbot.shapes.binding import assign, bind
from rotbot.shapes.dicts import VIEWS, dict_key
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.operators import BINARY_NAMES, binary, compare, truth, unary
from rotbot.shapes.python_values import CHANGING, PYTHON_ERRORS, bounded, growing, kind, python_reason
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.rejected import count
from rotbot.shapes.source import span_of
from rotbot.shapes.trace import Span
from rotbot.shapes.values import Builtin, Function, Module, Namespace, Property, Scope, Traced, as_torch


class UndefinedName(ProgramError):
    """A name that nothing bound: a missing argument, or a mistake in the program. Internal."""

    def __init__(self, name: str, span: Span) -> None:
        super().__init__(name, (), f"name {name!r} is not defined", span)
        self.name = name


class Expressions:
    """Evaluates expressions against a recorder and the current scope."""

    def __init__(
        self, recorder: Recorder, scope: Scope, call: Callable[..., Any], read: Callable[[Property, Any], Any]
    ) -> None:
        self.recorder = recorder
        self.scope = scope
        self._call_value = call
        self._read = read
        self._count = 0
        self.nesting = 0
        """Not restored by exceptions: every exception ends the program, but for ``return``, which sees to it."""
        self.left_midway = False
        """Whether an exception left a function of the snippet before its end."""

    def value(self, node: ast.expr) -> Any:
        """The value of an expression. Raises :class:`ProgramError` where the program is wrong."""
        if isinstance(node, ast.Constant):  # most of them: a leaf, so no level of nesting
            self._count += 1
            if self._count > LIMITS.evaluations:
                self._exceed(node)
            value: Any = node.value
            return value if value.__class__ is int and value <= _SURELY_BOUNDED else self._constant(node)
        handler = _HANDLERS.get(node.__class__)
        if handler is None:
            name = type(node).__name__
            raise UnsupportedSnippet(f"{_CONSTRUCTS.get(name, name)} is not supported in a shape program", node.lineno)
        self._count += 1
        self.nesting += 1
        if self._count > LIMITS.evaluations or self.nesting > LIMITS.ast_depth:
            self._exceed(node)
        result = handler(self, node)
        self.nesting -= 1
        if self.recorder.changes and isinstance(result, (list, dict, Module)):
            self.recorder.held(result)
        return result

    def _exceed(self, node: ast.expr) -> NoReturn:
        if self.nesting > LIMITS.ast_depth:
            exceed("levels of nesting", LIMITS.ast_depth, self.nesting, node.lineno)
        exceed("expressions evaluated", LIMITS.evaluations, self._count, node.lineno)

    @contextmanager
    def deeper(self, node: ast.expr) -> Generator[None]:
        """One level of nesting that no syntax shows."""
        self.nesting += 1
        if self.nesting > LIMITS.ast_depth:
            self._exceed(node)
        yield
        self.nesting -= 1

    def count(self, node: ast.expr) -> None:
        """One more evaluation. Raises :class:`~rotbot.errors.LimitExceeded` when there were too many."""
        self._count += 1
        if self._count > LIMITS.evaluations:
            self._exceed(node)

    # --- leaves ---

    def _constant(self, node: ast.Constant) -> Any:
        value: Any = node.value
        if isinstance(value, bytes):
            raise UnsupportedSnippet("bytes are not supported", node.lineno)
        return bounded(value)

    def _name(self, node: ast.Name) -> Any:
        name = node.id
        scope = self.scope if name in self.scope.values else self.scope.find(name)
        if scope is not None:
            if name in scope.reads:
                self.recorder.reads.update(dict.fromkeys(scope.reads[name]))
            return scope.values[name]
        if name in allowlist.NAMES:
            return Namespace(allowlist.NAMES[name])
        if name in python_values.BUILTINS or name in _CALLED:
            return Builtin(name)
        if name.startswith("__") or name in _DANGEROUS:
            raise UnsafeSnippet(f"{name} is not allowed in a shape program", node.lineno)
        if name in _PYTHON_BUILTINS:
            raise UnsupportedSnippet(f"the builtin {name} is not supported in a shape program", node.lineno)
        raise UndefinedName(name, span_of(node))

    def _text(self, node: ast.JoinedStr) -> str:
        """An f-string of plain values without format specifications, which could ask for any length."""
        parts: list[str] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(str(part.value))
                continue
            assert isinstance(part, ast.FormattedValue), "what else Python's grammar has there"
            value = self.value(part.value)
            if part.format_spec is not None or part.conversion != -1 or not isinstance(value, (int, float, str)):
                raise UnsupportedSnippet("an f-string is supported with plain numbers and strings only", node.lineno)
            parts.append(str(value))
        return bounded("".join(parts))

    def _sequence(self, node: ast.Tuple | ast.List) -> Any:
        items: list[Any] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                items.extend(self.iterate(self.value(element.value), element))
            else:
                items.append(self.value(element))
        bounded(items)
        return items if isinstance(node, ast.List) else tuple(items)

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made.update(self._mapping(self.value(value), value))
            else:
                made[self.key(self.value(key), key)] = self.value(value)
        return bounded(made)

    def _mapping(self, value: Any, node: ast.expr) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise self.recorder.failure("**", value, f"{kind(value)} is not a mapping", span_of(node))
        return value

    def key(self, value: Any, node: ast.expr) -> Any:
        """``value`` as a key of a dict. Raises :class:`ProgramError` for a list or a dict."""
        try:
            return dict_key(value)
        except PYTHON_ERRORS as error:
            raise self.recorder.failure("key", value, python_reason(error), span_of(node)) from error

    # --- attributes ---

    def _attribute(self, node: ast.Attribute) -> Any:
        found = attribute(self.recorder, self.value(node.value), node.attr, node)
        return self._read(found, node) if isinstance(found, Property) else found

    # --- operators ---

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        return binary(self.recorder, BINARY_NAMES[node.op.__class__], left, right, span_of(node))

    def _unary(self, node: ast.UnaryOp) -> Any:
        return unary(self.recorder, node.op, self.value(node.operand), span_of(node))

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        result: Any = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            result = compare(self.recorder, op, left, right, span_of(node))
            if len(node.ops) > 1 and not truth(result, node.lineno):
                return result
            left = right
        return result

    def _bool(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        value: Any = None
        for operand in node.values:
            value = self.value(operand)
            if operand is not node.values[-1] and truth(value, node.lineno) is stop:
                break
        return value

    def _conditional(self, node: ast.IfExp) -> Any:
        return self.value(node.body if truth(self.value(node.test), node.lineno) else node.orelse)

    def _walrus(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        inner = self.scope
        while self.scope.comprehension and self.scope.parent is not None:
            self.scope = self.scope.parent  # Python binds it where the comprehension stands
        bind(self, node.target.id, value, node)
        self.scope = inner
        return value

    # --- subscripts, iteration, comprehensions ---

    def _subscript(self, node: ast.Subscript) -> Any:
        owner, index = self.value(node.value), self.value(node.slice)
        if isinstance(owner, Traced):
            return self.recorder.getitem(owner, index, span_of(node))
        if isinstance(index, Traced):
            raise UnsupportedSnippet("a Python index taken from a tensor depends on its value", node.lineno)
        owner = as_torch(owner)
        if isinstance(owner, Module) and owner.children is not None:
            if isinstance(index, slice) and isinstance(owner.children, list):
                names = self._item(owner.names, index, node) if owner.names else ()
                return Module(owner.spec, self._item(owner.children, index, node), names)
            owner = owner.children
        if isinstance(owner, dict):
            index = self.key(index, node.slice)
        elif isinstance(owner, VIEWS):
            raise self.recorder.failure("index", list(owner), f"{kind(owner)} cannot be indexed", span_of(node))
        elif not isinstance(owner, (list, tuple, range, str)):
            raise UnsupportedSnippet(f"indexing {kind(owner)} is not supported", node.lineno)
        return self._item(owner, index, node)

    def _item(self, owner: Any, index: Any, node: ast.Subscript) -> Any:
        try:
            return owner[index]
        except PYTHON_ERRORS as error:
            reason = python_reason(error)
            if isinstance(error, IndexError) and isinstance(index, int):
                reason = f"index {index} is out of range for {count(len(owner), 'item')}"
            raise self.recorder.failure("index", owner, reason, span_of(node)) from error

    def _slice(self, node: ast.Slice) -> slice:
        ends = [None if end is None else self.value(end) for end in (node.lower, node.upper, node.step)]
        return slice(*ends)

    def iterate(self, value: Any, node: ast.AST) -> list[Any]:
        """The items of an iterable. A tensor is unbound along its first dimension (one operation)."""
        if isinstance(value, Traced):
            return list(self.recorder.call("Tensor.unbind", (value,), {}, span_of(node), "call_method"))
        value = as_torch(value)
        if isinstance(value, Module) and value.children is not None:
            return list(value.children)
        if not isinstance(value, (list, tuple, range, str, dict, *VIEWS)):
            raise self.recorder.failure("iterate", value, f"{kind(value)} cannot be iterated", span_of(node))
        return list(bounded(value))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> list[Any]:
        items: list[Any] = []

        def add() -> None:
            items.append(self.value(node.elt))
            growing(items)

        self._generate(node.generators, add)
        return bounded(items)

    def _dict_comprehension(self, node: ast.DictComp) -> dict[Any, Any]:
        made: dict[Any, Any] = {}

        def add() -> None:
            made[self.key(self.value(node.key), node.key)] = self.value(node.value)
            growing(made)

        self._generate(node.generators, add)
        return bounded(made)

    def _generate(self, generators: list[ast.comprehension], add: Callable[[], None]) -> None:
        """Call ``add`` for every round of a comprehension, in a scope of its own."""
        outer, self.scope = self.scope, Scope(self.scope, comprehension=True)
        try:
            self._rounds(generators, 0, add)
        finally:
            self.scope = outer

    def _rounds(self, generators: list[ast.comprehension], level: int, add: Callable[[], None]) -> None:
        if level == len(generators):
            add()
            return
        generator = generators[level]
        for item in self.iterate(self.value(generator.iter), generator.iter):
            assign(self, generator.target, item)
            if all(truth(self.value(test), test.lineno) for test in generator.ifs):
                self._rounds(generators, level + 1, add)

    # --- calls ---

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if function.__class__ is Builtin and function.name == "print":
            return self._print(node.args)
        args: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                args.extend(self.iterate(self.value(argument.value), argument))
            else:
                args.append(self.value(argument))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None and keyword.arg not in kwargs:
                kwargs[keyword.arg] = value
                continue
            for name, each in self._keywords(keyword, value).items():
                if name in kwargs:
                    reason = f"got multiple values for keyword argument {name!r}"
                    raise self.recorder.failure("call", value, reason, span_of(node))
                kwargs[name] = each
        if kwargs:
            bounded(kwargs)
        try:
            return self._call_value(function, args, kwargs, node)
        except SnippetError as error:
            if error.line is not None:
                raise
            raise type(error)(error.message, node.lineno) from error

    def _print(self, arguments: list[ast.expr]) -> None:
        """What is printed is evaluated, for what that does, and let be where it depends on values or is a format.

        Not where it was to change something: then what follows would see it half done.
        """
        for argument in arguments:
            scope, nesting, self.left_midway = self.scope, self.nesting, False
            try:
                self.value(argument.value if isinstance(argument, ast.Starred) else argument)
            except UnsupportedSnippet:
                if self.left_midway or any(map(_changes, ast.walk(argument))):
                    raise
                self.scope, self.nesting = scope, nesting

    def _keywords(self, keyword: ast.keyword, value: Any) -> dict[str, Any]:
        if keyword.arg is not None:
            return {keyword.arg: value}
        names = self._mapping(value, keyword.value)
        if not all(isinstance(name, str) for name in names):
            raise self.recorder.failure("call", value, "keywords must be strings", span_of(keyword.value))
        return names

    def _lambda(self, node: ast.Lambda) -> Function:
        return Function("lambda", node.args, node.body, self.defaults(node.args), self.scope)

    def defaults(self, arguments: ast.arguments) -> dict[str, Any]:
        """The default values of a function's parameters."""
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        return {argument.arg: self.value(default) for argument, default in pairs}


def _changes(node: ast.AST) -> bool:
    """Whether an expression may change what is there: ``n := 2``, ``sizes.pop()``, ``x.add_(1)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in CHANGING or node.func.attr.endswith("_")
    return isinstance(node, ast.NamedExpr)


_CALLED = frozenset(("print", "isinstance", "map", "filter", "getattr", "hasattr", "setattr"))
"""Builtins that are no functions of plain values alone."""
_SURELY_BOUNDED = 2**31
"""Integers up to this are within every limit (a literal is never negative)."""
_PYTHON_BUILTINS = frozenset(dir(builtins))
_DANGEROUS = frozenset(
    "eval exec compile open input breakpoint getattr setattr delattr vars globals locals dir type object super "
    "memoryview exit quit help os sys subprocess importlib builtins".split()
)
_CONSTRUCTS = {
    "Set": "a set", "Await": "await", "SetComp": "a set comprehension", "Yield": "yield", "YieldFrom": "yield from",
    "Starred": "a starred expression here", "TemplateStr": "a template string",
}  # fmt: skip
_HANDLERS: dict[type[ast.expr], Callable[[Expressions, Any], Any]] = {
    ast.JoinedStr: Expressions._text,
    ast.Name: Expressions._name,
    ast.Tuple: Expressions._sequence,
    ast.List: Expressions._sequence,
    ast.Attribute: Expressions._attribute,
    ast.BinOp: Expressions._binary,
    ast.UnaryOp: Expressions._unary,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._bool,
    ast.IfExp: Expressions._conditional,
    ast.NamedExpr: Expressions._walrus,
    ast.Subscript: Expressions._subscript,
    ast.Slice: Expressions._slice,
    ast.Dict: Expressions._dict,
    ast.DictComp: Expressions._dict_comprehension,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.Call: Expressions._call,
    ast.Lambda: Expressions._lambda,
}
