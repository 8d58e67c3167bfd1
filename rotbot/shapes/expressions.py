"""Expressions of a snippet, evaluated node by node over tables of allowed names. Python itself executes nothing."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from typing import Any

import torch

from rotbot.errors import SnippetError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import allowlist, python_values
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.python_values import bounded, kind
from rotbot.shapes.recorder import ProgramError, Recorder, traced_in
from rotbot.shapes.rejected import count
from rotbot.shapes.trace import Span
from rotbot.shapes.values import (
    Builtin,
    Device,
    FieldTuple,
    Function,
    Method,
    Module,
    ModuleClass,
    Namespace,
    NoOp,
    Operation,
    Scope,
    Traced,
)

BINARY_NAMES: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitAnd: "and_",
    ast.BitOr: "or_", ast.BitXor: "xor",
}  # fmt: skip
_UNARY_NAMES: dict[type[ast.unaryop], str] = {
    ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Not: "not_",
}  # fmt: skip
_COMPARE_NAMES: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_VALUE_PROPERTIES = frozenset(("shape", "ndim", "dtype", "device", "requires_grad", "is_cuda", "nbytes", "itemsize"))
_NO_OPS = frozenset(("no_grad", "inference_mode", "enable_grad", "manual_seed"))
PYTHON_ERRORS = (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, OverflowError, AttributeError)
"""What Python raises on plain values for a program that is wrong."""


class UndefinedName(ProgramError):
    """A name that nothing bound: a missing argument, or a mistake in the program. Internal."""

    def __init__(self, name: str, span: Span) -> None:
        super().__init__(name, (), f"name {name!r} is not defined", span)
        self.name = name


class Expressions:
    """Evaluates expressions against a recorder and the current scope."""

    def __init__(self, recorder: Recorder, scope: Scope, call: Callable[..., Any]) -> None:
        self.recorder = recorder
        self.scope = scope
        self._call_value = call
        self._count = 0
        self.nesting = 0
        """Not restored by exceptions: every exception ends the program, but for ``return``, which sees to it."""

    def value(self, node: ast.expr) -> Any:
        """The value of an expression. Raises :class:`ProgramError` where the program is wrong."""
        self._count += 1
        if self._count > LIMITS.evaluations:
            exceed("expressions evaluated", LIMITS.evaluations, self._count, node.lineno)
        handler = _HANDLERS.get(node.__class__)
        if handler is None:
            name = type(node).__name__
            raise UnsupportedSnippet(f"{_CONSTRUCTS.get(name, name)} is not supported in a shape program", node.lineno)
        self.nesting += 1
        if self.nesting > LIMITS.ast_depth:
            exceed("levels of nesting", LIMITS.ast_depth, self.nesting, node.lineno)
        result = handler(self, node)
        self.nesting -= 1
        return result

    # --- leaves ---

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bytes):
            raise UnsupportedSnippet("bytes are not supported", node.lineno)
        return bounded(node.value)

    def _name(self, node: ast.Name) -> Any:
        name = node.id
        scope = self.scope.find(name)
        if scope is not None:
            for read in scope.reads.get(name, ()):
                self.recorder.reads[read] = None
            return scope.values[name]
        if name in allowlist.NAMES:
            return Namespace(allowlist.NAMES[name])
        if name in python_values.BUILTINS or name in ("print", "isinstance"):
            return Builtin(name)
        if name.startswith("__") or name in _DANGEROUS:
            raise UnsafeSnippet(f"{name} is not allowed in a shape program", node.lineno)
        if name in _PYTHON_BUILTINS:
            raise UnsupportedSnippet(f"the builtin {name} is not supported in a shape program", node.lineno)
        raise UndefinedName(name, span_of(node))

    def _sequence(self, node: ast.Tuple | ast.List) -> Any:
        items: list[Any] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                items.extend(self.iterate(self.value(element.value), element))
            else:
                items.append(self.value(element))
        bounded(items)
        return items if isinstance(node, ast.List) else tuple(items)

    # --- attributes ---

    def _attribute(self, node: ast.Attribute) -> Any:
        return self.attribute(self.value(node.value), node.attr, node)

    def attribute(self, owner: Any, name: str, node: ast.expr) -> Any:
        """``owner.name``, from the tables only."""
        if name.startswith("__"):
            raise UnsafeSnippet(f"attribute {name} is not allowed", node.lineno)
        if isinstance(owner, Traced):
            return self._tensor_attribute(owner, name, node)
        if isinstance(owner, Namespace):
            return self._namespace_attribute(owner, name, node)
        if isinstance(owner, FieldTuple) and name in owner.names:
            return owner[owner.names.index(name)]
        if isinstance(owner, (list, tuple)):
            table = python_values.LIST_METHODS if isinstance(owner, list) else python_values.TUPLE_METHODS
            if name in table or (name == "numel" and isinstance(owner, tuple)):
                return Method(owner, name)
        if isinstance(owner, (Module, Device)):
            return self._other_attribute(owner, name, node)
        if isinstance(owner, torch.dtype) and name in ("is_floating_point", "is_complex", "itemsize"):
            return operator.attrgetter(name)(owner)
        if isinstance(owner, (int, float, str, list, tuple, FieldTuple)) or owner is None:
            if name in dir(type(owner)) or name.startswith(("gi_", "f_")):
                raise UnsupportedSnippet(f"{type(owner).__name__}.{name} is not supported", node.lineno)
            raise self.recorder.failure(
                f"{kind(owner)}.{name}", owner, f"{type(owner).__name__} has no attribute {name!r}", span_of(node)
            )
        raise UnsafeSnippet(f"attribute {name} of {kind(owner)} is not allowed", node.lineno)

    def _other_attribute(self, owner: Any, name: str, node: ast.expr) -> Any:
        if isinstance(owner, Module) and name in ("eval", "train", "to", "cuda", "cpu", "float", "half", "double"):
            return Method(owner, name)
        if isinstance(owner, Device) and name in ("type", "index"):
            return "cpu" if name == "type" else None
        raise UnsupportedSnippet(f"attribute {name} of {kind(owner)} is not supported", node.lineno)

    def _tensor_attribute(self, owner: Traced, name: str, node: ast.expr) -> Any:
        if name in _VALUE_PROPERTIES:
            return self._property(owner, name)
        if name in allowlist.ATTRIBUTES:
            return self.recorder.call(f"Tensor.{name}", (owner,), {}, span_of(node))
        if name in _TENSOR_QUERIES or name in allowlist.METHODS or name in allowlist.VALUE_DEPENDENT:
            return Method(owner, name)
        if hasattr(torch.Tensor, name):
            raise UnsafeSnippet(f"Tensor.{name} is not among the allowed tensor operations", node.lineno)
        raise self.recorder.failure(name, owner, f"a tensor has no attribute {name!r}", span_of(node))

    def _property(self, owner: Traced, name: str) -> Any:
        meta = self.recorder.read(owner)
        match name:
            case "shape":
                return meta.shape
            case "ndim":
                return len(meta.shape)
            case "dtype":
                return meta.dtype
            case "device":
                return Device()
            case "itemsize":
                return meta.dtype.itemsize
            case "nbytes":
                return meta.dtype.itemsize * meta.numel()
            case _:
                return False

    def _namespace_attribute(self, owner: Namespace, name: str, node: ast.expr) -> Any:
        qualified = f"{owner.prefix}.{name}"
        if qualified in allowlist.FUNCTIONS:
            return Operation(qualified)
        if qualified in allowlist.CONSTANTS:
            return allowlist.CONSTANTS[qualified]
        if qualified in allowlist.NAMESPACES:
            return Namespace(allowlist.NAMESPACES[qualified])
        if owner.prefix == "torch.nn" and (f"nn.{name}" in allowlist.MODULES or name in ("Sequential", "ModuleList")):
            return ModuleClass(f"nn.{name}")
        if owner.prefix == "torch" and name in _NO_OPS:
            return NoOp(name)
        if qualified in ("torch.device", "torch.Size", "torch.nn.Parameter") or (
            owner.prefix == "math" and name in python_values.MATH
        ):
            return Builtin(qualified)
        if owner.prefix == "math":
            raise UnsupportedSnippet(f"math.{name} is not supported", node.lineno)
        raise UnsafeSnippet(f"{qualified} is not among the allowed operations", node.lineno)

    # --- operators ---

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        return self.binary(BINARY_NAMES[node.op.__class__], left, right, node)

    def binary(self, name: str, left: Any, right: Any, node: ast.AST) -> Any:
        """A binary operator on tensors (an operation) or plain values."""
        if left.__class__ is Traced or right.__class__ is Traced:
            return self.recorder.call(f"operator.{name}", (left, right), {}, span_of(node))
        try:
            return python_values.binary(name, left, right)
        except PYTHON_ERRORS as error:
            raise self.recorder.failure(name, (left, right), _python_reason(error), span_of(node)) from error

    def _unary(self, node: ast.UnaryOp) -> Any:
        operand, name = self.value(node.operand), _UNARY_NAMES[node.op.__class__]
        if name == "not_":
            return not self.truth(operand, node)
        if operand.__class__ is Traced:
            return self.recorder.call(f"operator.{name}", (operand,), {}, span_of(node))
        try:
            return python_values.UNARY[name](operand)
        except PYTHON_ERRORS as error:
            raise self.recorder.failure(name, operand, _python_reason(error), span_of(node)) from error

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        result: Any = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            result = self._compare_two(op, left, right, node)
            if len(node.ops) > 1 and not self.truth(result, node):
                return result
            left = right
        return result

    def _compare_two(self, op: ast.cmpop, left: Any, right: Any, node: ast.Compare) -> Any:
        if isinstance(op, (ast.Is, ast.IsNot)):
            same = left is right
            return same if isinstance(op, ast.Is) else not same
        name = _COMPARE_NAMES.get(op.__class__)
        if name is not None and (left.__class__ is Traced or right.__class__ is Traced):
            if left.__class__ is not Traced:  # as Python does: 1 < x asks x whether it is > 1
                left, right, name = right, left, _MIRRORED.get(name, name)
            return self.recorder.call(f"operator.{name}", (left, right), {}, span_of(node))
        if any(traced_in((left, right))):
            raise UnsupportedSnippet("comparing containers of tensors depends on their values", node.lineno)
        try:
            if name is None:
                return (left in right) is isinstance(op, ast.In)
            return python_values.COMPARE[name](left, right)
        except PYTHON_ERRORS as error:
            raise self.recorder.failure("compare", (left, right), _python_reason(error), span_of(node)) from error

    def truth(self, value: Any, node: ast.AST) -> bool:
        """Whether a plain value is true. Raises :class:`UnsupportedSnippet` for a tensor: its truth is its value."""
        if isinstance(value, Traced):
            line = getattr(node, "lineno", None)
            raise UnsupportedSnippet("a condition on a tensor depends on its values, not only on its shape", line)
        return bool(value)

    def _bool(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        value: Any = None
        for operand in node.values:
            value = self.value(operand)
            if self.truth(value, node) is stop:
                break
        return value

    def _conditional(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.truth(self.value(node.test), node) else node.orelse)

    def _walrus(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.bind(node.target.id, value, node)
        return value

    # --- subscripts, iteration, comprehensions ---

    def _subscript(self, node: ast.Subscript) -> Any:
        owner, index = self.value(node.value), self.value(node.slice)
        if isinstance(owner, Traced):
            return self.recorder.getitem(owner, index, span_of(node))
        if isinstance(index, Traced):
            raise UnsupportedSnippet("a Python index taken from a tensor depends on its value", node.lineno)
        if isinstance(owner, Module) and owner.children is not None and isinstance(index, int):
            owner = owner.children
        if not isinstance(owner, (list, tuple, range, str)):
            raise UnsupportedSnippet(f"indexing {kind(owner)} is not supported", node.lineno)
        try:
            return owner[index]
        except PYTHON_ERRORS as error:
            raise self.recorder.failure("index", owner, _python_reason(error), span_of(node)) from error

    def _slice(self, node: ast.Slice) -> slice:
        ends = [None if end is None else self.value(end) for end in (node.lower, node.upper, node.step)]
        return slice(*ends)

    def iterate(self, value: Any, node: ast.AST) -> list[Any]:
        """The items of an iterable. A tensor is unbound along its first dimension (one operation)."""
        if isinstance(value, Traced):
            return list(self.recorder.call("Tensor.unbind", (value,), {}, span_of(node), "call_method"))
        if isinstance(value, Module) and value.children is not None:
            return value.children
        if not isinstance(value, (list, tuple, range)):
            raise self.recorder.failure("iterate", value, f"{kind(value)} cannot be iterated", span_of(node))
        return list(bounded(value))

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> list[Any]:
        items: list[Any] = []
        outer, self.scope = self.scope, Scope(self.scope)
        try:
            self._generate(node, 0, items)
        finally:
            self.scope = outer
        return items

    def _generate(self, node: ast.ListComp | ast.GeneratorExp, level: int, items: list[Any]) -> None:
        if level == len(node.generators):
            items.append(self.value(node.elt))
            bounded(items)
            return
        generator = node.generators[level]
        for item in self.iterate(self.value(generator.iter), generator.iter):
            self.assign(generator.target, item)
            if all(self.truth(self.value(test), test) for test in generator.ifs):
                self._generate(node, level + 1, items)

    # --- binding ---

    def assign(self, target: ast.expr, value: Any) -> None:
        """Bind a target: a name, a tuple of targets with at most one starred, or an item of a tensor or list."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value, target)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value)
        elif isinstance(target, ast.Subscript):
            self._assign_item(target, value)
        else:
            raise UnsafeSnippet("assigning to an attribute is not allowed", target.lineno)

    def bind(self, name: str, value: Any, node: ast.expr) -> None:
        """Bind a name in the current scope."""
        if name.startswith("__"):
            raise UnsafeSnippet(f"the name {name} is not allowed", node.lineno)
        self.scope.values[name] = value
        if self.scope.parent is None:
            self.recorder.bound(name, value)
        if self.recorder.reads:
            self.scope.reads[name] = tuple(self.recorder.reads)
        else:
            self.scope.reads.pop(name, None)

    def _unpack(self, target: ast.Tuple | ast.List, value: Any) -> None:
        span = span_of(target)
        items = self.iterate(value, target)
        starred = [i for i, element in enumerate(target.elts) if isinstance(element, ast.Starred)]
        wanted = len(target.elts)
        if (len(items) < wanted - 1) if starred else (len(items) != wanted):
            at_least = "at least " if starred else ""
            names = f"{at_least}{count(wanted - bool(starred), 'name')}"
            reason = f"cannot unpack {count(len(items), 'value')} into {names}"
            raise self.recorder.failure(f"unpack into {wanted} names", items, reason, span)
        if starred:
            at = starred[0]
            after = wanted - at - 1
            items[at : len(items) - after] = [items[at : len(items) - after]]
        for element, item in zip(target.elts, items, strict=True):
            self.assign(element.value if isinstance(element, ast.Starred) else element, item)

    def _assign_item(self, target: ast.Subscript, value: Any) -> None:
        owner, index = self.value(target.value), self.value(target.slice)
        if isinstance(owner, Traced):
            self.recorder.setitem(owner, index, value, span_of(target))
        elif isinstance(owner, list) and not isinstance(index, Traced):
            try:
                owner[index] = value
            except PYTHON_ERRORS as error:
                raise self.recorder.failure("index", owner, _python_reason(error), span_of(target)) from error
            bounded(owner)
        else:
            raise UnsupportedSnippet(f"assigning to an item of {kind(owner)} is not supported", target.lineno)

    # --- calls ---

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if isinstance(function, Builtin) and function.name == "print":
            return None
        args: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                args.extend(self.iterate(self.value(argument.value), argument))
            else:
                args.append(self.value(argument))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise UnsupportedSnippet("** in a call is not supported", node.lineno)
            kwargs[keyword.arg] = self.value(keyword.value)
        try:
            return self._call_value(function, args, kwargs, node)
        except SnippetError as error:
            if error.line is not None:
                raise
            raise type(error)(error.message, node.lineno) from error

    def _lambda(self, node: ast.Lambda) -> Function:
        return Function("lambda", node.args, node.body, self.defaults(node.args), self.scope)

    def defaults(self, arguments: ast.arguments) -> dict[str, Any]:
        """The default values of a function's parameters."""
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        return {argument.arg: self.value(default) for argument, default in pairs}


def span_of(node: ast.AST) -> Span:
    """Where a syntax node stands."""
    located: Any = node
    return Span(located.lineno, located.col_offset, located.end_lineno, located.end_col_offset)


def _python_reason(error: Exception) -> str:
    return str(error.args[-1] if error.args else "") or type(error).__name__


_PYTHON_BUILTINS = frozenset(dir(builtins))
_DANGEROUS = frozenset(
    "eval exec compile open input breakpoint getattr setattr delattr vars globals locals dir type object super "
    "memoryview exit quit help os sys subprocess importlib builtins".split()
)
_TENSOR_QUERIES = frozenset(
    "size dim ndimension numel nelement stride element_size is_floating_point is_complex is_contiguous get_device "
    "is_signed".split()
)
_CONSTRUCTS = {
    "JoinedStr": "an f-string", "Dict": "a dict", "Set": "a set", "DictComp": "a dict comprehension", "Await": "await",
    "SetComp": "a set comprehension", "Yield": "yield", "YieldFrom": "yield from",
    "Starred": "a starred expression here", "TemplateStr": "a template string",
}  # fmt: skip
_HANDLERS: dict[type[ast.expr], Callable[[Expressions, Any], Any]] = {
    ast.Constant: Expressions._constant,
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
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.Call: Expressions._call,
    ast.Lambda: Expressions._lambda,
}
