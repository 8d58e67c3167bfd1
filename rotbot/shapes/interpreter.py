"""Statements of a snippet, run over a recorder."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rotbot.errors import SnippetError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, bounds
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.attributes import attribute
from rotbot.shapes.binding import assign, bind, delete_item
from rotbot.shapes.calls import call
from rotbot.shapes.class_bodies import check_decorators, define
from rotbot.shapes.classes import read_property
from rotbot.shapes.dicts import VIEWS
from rotbot.shapes.expressions import Expressions, UndefinedName
from rotbot.shapes.limits import exceed
from rotbot.shapes.metadata import ModuleSpec, TensorMeta
from rotbot.shapes.observed import Observed
from rotbot.shapes.op_text import op_text
from rotbot.shapes.operators import BINARY_NAMES, binary, refuse, truth
from rotbot.shapes.python_values import grown
from rotbot.shapes.reasons import explain_construction
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.running import TORCH_ERRORS, is_small, kept_module
from rotbot.shapes.source import bound_names, span_of
from rotbot.shapes.trace import Span
from rotbot.shapes.values import Annotation, Function, Namespace, NoOp, Property, Scope, Traced
from rotbot.shapes.walks import traced_in

_MAX_CALL_DEPTH = 16
_MAX_LOOP_ROUNDS = 4_096


class _Return(Exception):
    """A snippet function returns. Internal."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Break(Exception):
    """``break`` in a snippet. Internal."""


class Continue(Exception):
    """``continue`` in a snippet. Internal."""


class Interpreter:
    """Runs statements over a recorder."""

    def __init__(self, specs: dict[str, ArgSpec], observed: Observed | None = None) -> None:
        self.recorder = Recorder(observed)
        self.globals = Scope()
        self.expressions = Expressions(self.recorder, self.globals, self.call, self._property)
        self.control: dict[int, None] = {}
        """Nodes whose shapes decided a branch or loop: everything after depends on them."""
        self.last: Any = None
        """The value of the last assignment or expression statement that held tensors."""
        self.depth = 0
        for name, spec in specs.items():
            dtype = allowlist.DTYPES[f"torch.{spec.dtype}"]
            self.globals.values[name] = self.recorder.placeholder(name, TensorMeta.contiguous(spec.sizes, dtype))

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
        """Call any value. Counts as an expression, since ``map`` and ``nn.Sequential`` make many calls of one."""
        self.expressions.count(node)
        return call(self, function, args, kwargs, node)

    def _property(self, found: Property, node: ast.Call) -> Any:
        return read_property(self, found, node)

    def run(self, body: list[ast.stmt]) -> None:
        """Run statements in order."""
        for statement in body:
            handler = _HANDLERS.get(statement.__class__)
            if handler is None:
                name = type(statement).__name__
                what = _CONSTRUCTS.get(name, f"the statement {name}")
                kinds = UnsafeSnippet if name in ("Global", "Nonlocal", "Try") else UnsupportedSnippet
                raise kinds(f"{what} is not supported in a shape program", statement.lineno)
            self.recorder.reads = dict(self.control)
            try:
                handler(self, statement)
            except SnippetError as error:
                if error.line is not None:
                    raise
                raise type(error)(error.message, statement.lineno) from error

    # --- statements ---

    def _assign(self, node: ast.Assign) -> None:
        since = len(self.recorder.nodes)
        value = self.expressions.value(node.value)
        for target in node.targets:
            assign(self.expressions, target, value)
            self._note(target, value, since)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        since = len(self.recorder.nodes)
        value = self.expressions.value(node.value)
        assign(self.expressions, node.target, value)
        self._note(node.target, value, since)

    def _note(self, target: ast.expr, value: Any, since: int) -> None:
        if isinstance(target, ast.Subscript):
            while isinstance(target, ast.Subscript):
                target = target.value
            held = self.expressions.value(target) if isinstance(target, ast.Name) else None
            value = held if held.__class__ is Traced or traced_in(value) else None
        if value.__class__ is Traced or traced_in(value):
            self.last = value
        if isinstance(target, ast.Name):
            self.recorder.name(value, target.id, since)

    def _augmented(self, node: ast.AugAssign) -> None:
        since = len(self.recorder.nodes)
        load = ast.copy_location(_as_load(node.target), node.target)
        left, right = self.expressions.value(load), self.expressions.value(node.value)
        name = BINARY_NAMES[node.op.__class__]
        in_place = f"i{name.rstrip('_')}"
        if isinstance(left, list) and name == "add":
            left.extend(new := self.expressions.iterate(right, node))
            result: Any = left
            grown(left, *new)
            self.recorder.changed(left, new)
        elif isinstance(left, dict) and isinstance(right, dict) and name == "or_":
            left.update(right)
            result = left
            grown(left, *right.values())
            self.recorder.changed(left, right)
        elif isinstance(left, Traced) and f"operator.{in_place}" in allowlist.OPERATORS and name != "matmul":
            refuse(self.recorder, in_place, (left, right), span_of(node))
            result = self.recorder.call(f"operator.{in_place}", (left, right), {}, span_of(node))
        else:
            result = binary(self.recorder, name, left, right, span_of(node))
        assign(self.expressions, node.target, result)
        self._note(node.target, result, since)

    def _expression(self, node: ast.Expr) -> None:
        value = self.expressions.value(node.value)
        if any(traced_in(value)):
            self.last = value

    def _if(self, node: ast.If) -> None:
        test = truth(self.expressions.value(node.test), node.test.lineno)
        self.control.update(self.recorder.reads)
        self.run(node.body if test else node.orelse)

    def _for(self, node: ast.For) -> None:
        iterated = self.expressions.value(node.iter)
        items = self.expressions.iterate(iterated, node.iter)
        self.control.update(self.recorder.reads)
        for item in items:
            assign(self.expressions, node.target, item)
            try:
                self.run(node.body)
            except Break:
                return
            except Continue:
                pass
            if isinstance(iterated, (dict, *VIEWS)) and len(iterated) != len(items):
                reason = "the dict changed its size during iteration"
                raise self.recorder.failure("iterate", list(iterated), reason, span_of(node.iter))
        self.run(node.orelse)

    def _while(self, node: ast.While) -> None:
        rounds = 0
        while truth(self.expressions.value(node.test), node.test.lineno):
            self.control.update(self.recorder.reads)
            rounds += 1
            if rounds > _MAX_LOOP_ROUNDS:
                exceed("rounds of a loop", _MAX_LOOP_ROUNDS, rounds, node.lineno)
            try:
                self.run(node.body)
            except Break:
                return
            except Continue:
                continue
        self.run(node.orelse)

    def _assert(self, node: ast.Assert) -> None:
        if not truth(self.expressions.value(node.test), node.test.lineno):
            shapes = tuple([self.recorder.nodes[i].shapes[0] for i in self.recorder.reads])
            sources = tuple(self.recorder.reads)
            text = f"assert {ast.unparse(node.test)}"
            raise ProgramError(text, shapes, f"the assertion is false{self._said(node.msg)}", span_of(node), sources)

    def _said(self, message: ast.expr | None) -> str:
        """What an assertion says of itself, where that is known."""
        if message is None:
            return ""
        try:
            said = self.expressions.value(message)
        except UnsupportedSnippet:
            return ""
        return f": {said}" if isinstance(said, (str, int, float)) else ""

    def _raise(self, node: ast.Raise) -> None:
        if node.exc is None:
            raise UnsupportedSnippet("raise without an exception is not supported", node.lineno)
        sources, text = tuple(self.recorder.reads), ast.unparse(node.exc)
        shapes = tuple([self.recorder.nodes[i].shapes[0] for i in sources])
        raise ProgramError(f"raise {text}", shapes, "the program raises this here", span_of(node), sources)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            whole = alias.name if isinstance(node, ast.Import) else node.module or ""
            if whole in allowlist.ANNOTATIONS and alias.name != "*":
                bound = alias.asname or alias.name.partition(".")[0]
                bind(self.expressions, bound, Annotation(alias.name), ast.copy_location(ast.Name(bound), node))
                continue
            if isinstance(node, ast.Import):
                bound = alias.asname or alias.name.partition(".")[0]
                module, name = alias.name if alias.asname else bound, None
                allowed = alias.name in allowlist.IMPORTS
            else:
                module, name, bound = node.module or "", alias.name, alias.asname or alias.name
                allowed = module in allowlist.IMPORTS and node.level == 0 and name != "*"
            if not allowed:
                what = alias.name if name is None else f"{module}.{name}"
                may = (
                    "a shape program may import torch, torch.nn, linalg, fft, special and optim, einops, math, typing, "
                    "OrderedDict, dataclass and partial"
                )
                raise UnsafeSnippet(f"import of {what} is not allowed; {may}", node.lineno)
            value: Any = Namespace(allowlist.IMPORTS[module])
            if name is not None:
                value = attribute(self.recorder, value, name, ast.copy_location(ast.Name(name, ast.Load()), node))
            bind(self.expressions, bound, value, ast.copy_location(ast.Name(bound, ast.Store()), node))

    def _function(self, node: ast.FunctionDef) -> None:
        check_decorators(self, node)
        defaults, local = self.expressions.defaults(node.args), frozenset(bound_names(node.body))
        function = Function(node.name, node.args, node.body, defaults, self.expressions.scope, local)
        bind(self.expressions, node.name, function, ast.copy_location(ast.Name(node.name, ast.Store()), node))

    def _class(self, node: ast.ClassDef) -> None:
        made = define(self, node)
        bind(self.expressions, node.name, made, ast.copy_location(ast.Name(node.name, ast.Store()), node))

    def _return(self, node: ast.Return) -> None:
        if self.depth == 0:
            raise UnsupportedSnippet("return outside of a function", node.lineno)
        raise _Return(None if node.value is None else self.expressions.value(node.value))

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            if item.optional_vars is not None or not isinstance(item.context_expr, ast.Call):
                raise UnsupportedSnippet("this with statement is not supported", node.lineno)
            if not isinstance(self.expressions.value(item.context_expr.func), NoOp):
                raise UnsupportedSnippet("only torch.no_grad() and the like may stand after with", node.lineno)
        self.run(node.body)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                delete_item(self.expressions, target)
                continue
            if not isinstance(target, ast.Name):
                raise UnsupportedSnippet("del is supported with names and items", node.lineno)
            if target.id not in self.expressions.scope.values:
                raise UndefinedName(target.id, span_of(target))
            del self.expressions.scope.values[target.id]

    def _pass(self, node: ast.Pass) -> None:
        pass

    def _break(self, node: ast.Break) -> None:
        raise Break

    def _continue(self, node: ast.Continue) -> None:
        raise Continue

    # --- calls ---

    def call_function(
        self,
        function: Function,
        args: list[Any],
        kwargs: dict[str, Any],
        node: ast.Call,
        names: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Call a function defined in the snippet: its own scope, its body run like any other statements.

        ``names`` are bound beside its parameters.
        """
        if self.depth >= _MAX_CALL_DEPTH:
            exceed("nested calls of the snippet's own functions", _MAX_CALL_DEPTH, self.depth + 1, node.lineno)
        scope = Scope(function.scope, function.local)
        scope.values.update(names)
        scope.values.update(_bind(function, args, kwargs, span_of(node)))
        scope.reads = dict.fromkeys(scope.values, tuple(self.recorder.reads))
        outer, self.expressions.scope = self.expressions.scope, scope
        reads, nesting = self.recorder.reads, self.expressions.nesting
        self.depth += 1
        try:
            if isinstance(function.body, ast.expr):
                return self.expressions.value(function.body)
            self.run(function.body)
            return None
        except _Return as returned:
            return returned.value
        except UnsupportedSnippet:
            self.expressions.left_midway = True
            raise
        finally:
            self.depth -= 1
            self.expressions.scope, self.expressions.nesting = outer, nesting
            self.recorder.reads = {**reads, **self.recorder.reads}

    def check_module(self, spec: ModuleSpec, span: Span) -> None:
        """Construct an ``nn`` module, a large one on the meta device. Raises :class:`ProgramError` if that fails."""
        bounds.check(spec.name, (), {}, spec)
        try:
            kept_module(spec, "cpu" if is_small(spec) else "meta")
        except TORCH_ERRORS as error:
            reason = explain_construction(str(error))
            raise ProgramError(op_text(spec.name, (), {}, spec), (), reason, span) from error


def _as_load(target: ast.Name | ast.Subscript | ast.Attribute) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    return ast.Subscript(target.value, target.slice, ast.Load())


def _bind(function: Function, args: list[Any], kwargs: dict[str, Any], span: Span) -> dict[str, Any]:
    """Python's rules for binding arguments to parameters."""
    spec = function.arguments
    positional = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    posonly = {a.arg for a in spec.posonlyargs}
    known = {*positional, *[a.arg for a in spec.kwonlyargs]}
    bound = dict(function.defaults)
    if len(args) > len(positional) and spec.vararg is None:
        reason = f"takes {len(positional)} arguments but {len(args)} were given"
        raise ProgramError(f"{function.name}()", (), reason, span)
    bound.update(zip(positional, args, strict=False))
    if spec.vararg is not None:
        bound[spec.vararg.arg] = tuple(args[len(positional) :])
    others: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in positional[: len(args)] and name not in posonly:
            raise ProgramError(f"{function.name}()", (), f"got multiple values for argument {name!r}", span)
        if name not in known or name in posonly:
            if spec.kwarg is not None:
                others[name] = value
                continue
            raise ProgramError(f"{function.name}()", (), f"got an unexpected keyword argument {name!r}", span)
        bound[name] = value
    missing = [name for name in (*positional, *[a.arg for a in spec.kwonlyargs]) if name not in bound]
    if missing:
        raise ProgramError(f"{function.name}()", (), f"missing argument {missing[0]!r}", span)
    if spec.kwarg is not None:
        bound[spec.kwarg.arg] = others
    return bound


_CONSTRUCTS = {
    "AsyncFunctionDef": "async", "Try": "try", "Global": "global",
    "Nonlocal": "nonlocal", "Match": "match", "AsyncFor": "async", "AsyncWith": "async",
    "TryStar": "try", "TypeAlias": "a type alias",
}  # fmt: skip
_HANDLERS: dict[type[ast.stmt], Callable[[Interpreter, Any], None]] = {
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._annotated,
    ast.AugAssign: Interpreter._augmented,
    ast.Expr: Interpreter._expression,
    ast.If: Interpreter._if,
    ast.For: Interpreter._for,
    ast.While: Interpreter._while,
    ast.Assert: Interpreter._assert,
    ast.Raise: Interpreter._raise,
    ast.Import: Interpreter._import,
    ast.ImportFrom: Interpreter._import,
    ast.FunctionDef: Interpreter._function,
    ast.ClassDef: Interpreter._class,
    ast.Return: Interpreter._return,
    ast.With: Interpreter._with,
    ast.Delete: Interpreter._delete,
    ast.Pass: Interpreter._pass,
    ast.Break: Interpreter._break,
    ast.Continue: Interpreter._continue,
}
