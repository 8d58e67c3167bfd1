"""Classes of a snippet: what may stand in their bodies, and before them. Nothing in them is executed by Python.

They derive from ``nn.Module``, from one another, or from nothing. What would change how Python or ``nn.Module`` work
(metaclasses, decorators that do anything, special methods, overriding ``nn.Module``'s own) is refused.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.members import has_default, own_names
from rotbot.shapes.recorder import ProgramError
from rotbot.shapes.source import bound_names, span_of
from rotbot.shapes.values import Builtin, ClassMethod, Function, ModuleClass, NoOp, Property, Scope, UserClass

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_OVERRIDDEN = frozenset(("__init__", "forward", "extra_repr"))
"""What a class may override of ``nn.Module``'s own."""
_SPECIAL = frozenset(("__init__", "__call__", "__post_init__", "__repr__", "__str__"))
"""... and the special methods that another class may have. (Nothing here ever asks for a text.)"""
_GRADIENT_MODES = frozenset(("no_grad", "inference_mode", "enable_grad"))
_KINDS = ("staticmethod", "classmethod", "property")
_OPTIONS = frozenset("init repr eq order unsafe_hash frozen slots".split())


def define(interpreter: Interpreter, node: ast.ClassDef) -> UserClass:
    """The class that ``node`` defines. Its body may hold methods, plain attributes and a docstring.

    Raises :class:`UnsafeSnippet` or :class:`UnsupportedSnippet` for anything else.
    """
    options = _dataclass_options(interpreter, node)
    if node.keywords:
        raise UnsafeSnippet("a metaclass or another keyword of a class is not allowed", node.lineno)
    base, is_module, torch_base = _base(interpreter, node)
    if options is not None and is_module:
        raise UnsupportedSnippet("a dataclass that derives from nn.Module is not supported", node.lineno)
    fields = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
    outer = interpreter.expressions.scope
    made = UserClass(
        node.name, base, {}, Scope(outer), is_module,
        None if options is None else tuple(fields), bool(options and options.get("frozen")), torch_base,
    )  # fmt: skip
    interpreter.expressions.scope = made.constants
    try:
        for statement in node.body:
            _in_body(interpreter, made, statement, outer)
    finally:
        interpreter.expressions.scope = outer
    with_default = ""
    for name in made.all_fields():
        if has_default(made, name):
            with_default = name
        elif with_default:
            reason = f"the field {name!r} without a default follows {with_default!r}, which has one"
            raise ProgramError(node.name, (), reason, span_of(node))
    for name in made.fields or ():
        if isinstance(made.constants.values.get(name), (list, dict)):
            reason = f"the default of field {name!r} is a list or dict; use field(default_factory=...)"
            raise ProgramError(node.name, (), reason, span_of(node))
    return made


def _dataclass_options(interpreter: Interpreter, node: ast.ClassDef) -> dict[str, Any] | None:
    """What stands in the parentheses of ``@dataclass(...)``; None without such a decorator. No other is allowed."""
    if not node.decorator_list:
        return None
    decorator = node.decorator_list[0]
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    bound = isinstance(called, ast.Attribute) or (
        isinstance(called, ast.Name) and interpreter.expressions.scope.find(called.id) is not None
    )
    known = interpreter.expressions.value(called) if bound else None
    if known != Builtin("dataclasses.dataclass") or len(node.decorator_list) > 1:
        raise UnsafeSnippet("decorators are not allowed before a class, but for dataclasses.dataclass", node.lineno)
    options: dict[str, Any] = {}
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg not in _OPTIONS or not isinstance(keyword.value, ast.Constant):
            raise UnsupportedSnippet(f"the option {keyword.arg} of a dataclass is not supported", node.lineno)
        options[keyword.arg] = keyword.value.value
    return options


def _base(interpreter: Interpreter, node: ast.ClassDef) -> tuple[UserClass | None, bool, str | None]:
    """The class of the snippet that it derives from, whether it is an ``nn.Module``, and which other one of torch's."""
    scope = interpreter.expressions.scope
    if not node.bases or (
        len(node.bases) == 1
        and isinstance(node.bases[0], ast.Name)
        and node.bases[0].id == "object"
        and scope.find("object") is None
    ):
        return None, False, None
    found = [interpreter.expressions.value(base) for base in node.bases]
    if len(found) == 1 and isinstance(found[0], UserClass):
        return found[0], found[0].is_module, found[0].torch_base
    if len(found) == 1 and isinstance(found[0], ModuleClass):
        name = found[0].name
        return None, True, None if name == "nn.Module" else name
    raise UnsupportedSnippet(
        "a class is supported where it derives from one class of torch.nn or of the program, or from nothing",
        node.lineno,
    )


def _in_body(interpreter: Interpreter, made: UserClass, node: ast.stmt, outer: Scope) -> None:
    if isinstance(node, ast.FunctionDef):
        _define_method(interpreter, made, node, outer)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if not isinstance(each, ast.Name):
                    raise UnsupportedSnippet("only names may be assigned in the body of a class", node.lineno)
                _check_name(made, each.id, node.lineno)
        interpreter.run([node])
    elif not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))):
        name = type(node).__name__
        raise UnsupportedSnippet(f"{name} in the body of a class is not supported; it may hold methods", node.lineno)
    both = made.methods.keys() & made.constants.values.keys()
    if both:
        raise UnsupportedSnippet(f"{made.name}.{min(both)} is a method and an attribute", node.lineno)


def _define_method(interpreter: Interpreter, made: UserClass, node: ast.FunctionDef, outer: Scope) -> None:
    kind = _kind(interpreter, node)
    if kind is None:
        check_decorators(interpreter, node)
    _check_name(made, node.name, node.lineno)
    defaults, local = interpreter.expressions.defaults(node.args), frozenset(bound_names(node.body))
    function = Function(node.name, node.args, node.body, defaults, outer, local)
    if kind is None:
        made.methods[node.name] = function
        return
    if node.name in (_OVERRIDDEN if made.is_module else _SPECIAL) or _defines(made, node.name):
        what = {"staticmethod": "static method", "classmethod": "class method"}.get(kind, kind)
        raise UnsupportedSnippet(f"{node.name} as a {what} is not supported", node.lineno)
    kinds = {"classmethod": ClassMethod(function, made), "property": Property(function, None, made)}
    made.constants.values[node.name] = kinds.get(kind, function)


def _kind(interpreter: Interpreter, node: ast.FunctionDef) -> str | None:
    """Which of Python's three own decorators it has, if it has that one alone."""
    only = node.decorator_list[0] if len(node.decorator_list) == 1 else None
    if isinstance(only, ast.Name) and only.id in _KINDS and interpreter.expressions.scope.find(only.id) is None:
        return only.id
    return None


def _defines(made: UserClass, name: str) -> bool:
    owner: UserClass | None = made
    while owner is not None:
        if name in owner.methods:
            return True
        owner = owner.base
    return False


def _check_name(made: UserClass, name: str, line: int) -> None:
    if name.startswith("__") and name not in (_OVERRIDDEN if made.is_module else _SPECIAL):
        raise UnsafeSnippet(f"defining {name} is not allowed", line)
    if made.is_module and name in own_names(made) and name not in _OVERRIDDEN:
        raise UnsupportedSnippet(f"overriding {made.torch_base or 'nn.Module'}.{name} is not supported", line)


def check_decorators(interpreter: Interpreter, node: ast.FunctionDef) -> None:
    """Raise :class:`UnsafeSnippet` for a decorator that is not ``torch.no_grad()`` or of its kind."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        bound = isinstance(called, ast.Name) and interpreter.expressions.scope.find(called.id) is not None
        known = interpreter.expressions.value(called) if bound or isinstance(called, ast.Attribute) else None
        if not (isinstance(known, NoOp) and known.name in _GRADIENT_MODES):
            raise UnsafeSnippet("decorators are not allowed, but for torch.no_grad() and the like", node.lineno)
