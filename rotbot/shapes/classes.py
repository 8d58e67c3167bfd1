"""Classes of a snippet that derive from ``nn.Module``. No class is ever made: an instance is plain data of ours.

Its attributes are a dict, its methods are interpreted like any function of the snippet, calling it runs ``forward``.
Nothing is looked up on a real module by a snippet's name. What would change how Python or ``nn.Module`` themselves work
(metaclasses, decorators that do anything, special methods, overriding ``nn.Module``'s own) is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.python_values import PLAIN, kind
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.source import bound_names, span_of
from rotbot.shapes.trace import Span
from rotbot.shapes.values import (
    BoundMethod,
    Function,
    Instance,
    Method,
    Module,
    ModuleClass,
    ModuleInit,
    NoOp,
    Scope,
    Super,
    SuperName,
    Traced,
    UserClass,
)

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_OWN = frozenset(dir(nn.Module()))
_OVERRIDDEN = frozenset(("__init__", "forward", "extra_repr"))
GRADIENT_MODES = frozenset(("no_grad", "inference_mode", "enable_grad"))
_SAME = frozenset(("cuda", "cpu", "requires_grad_", "apply"))
"""Methods that return the module and leave all shapes as they are. What ``apply`` would call only fills in values."""
_REGISTER = frozenset(("register_buffer", "register_parameter", "register_module", "add_module"))


# --- definition ------------------------------------------------------------------------------------------------------


def define(interpreter: Interpreter, node: ast.ClassDef) -> UserClass:
    """The class that ``node`` defines. Its body may hold methods, plain attributes and a docstring.

    Raises :class:`UnsafeSnippet` or :class:`UnsupportedSnippet` for anything else.
    """
    if node.decorator_list:
        raise UnsafeSnippet("decorators are not allowed", node.lineno)
    if node.keywords:
        raise UnsafeSnippet("a metaclass or another keyword of a class is not allowed", node.lineno)
    base = _base(interpreter, node)
    outer = interpreter.expressions.scope
    made = UserClass(node.name, base, {}, Scope(outer))
    interpreter.expressions.scope = made.constants
    try:
        for statement in node.body:
            _in_body(interpreter, made, statement, outer)
    finally:
        interpreter.expressions.scope = outer
    return made


def _base(interpreter: Interpreter, node: ast.ClassDef) -> UserClass | None:
    found = [interpreter.expressions.value(base) for base in node.bases]
    if len(found) == 1 and isinstance(found[0], UserClass):
        return found[0]
    if found == [ModuleClass("nn.Module")]:
        return None
    raise UnsupportedSnippet(
        "a class is supported where it derives from nn.Module, or from one other such class of the program", node.lineno
    )


def _in_body(interpreter: Interpreter, made: UserClass, node: ast.stmt, outer: Scope) -> None:
    if isinstance(node, ast.FunctionDef):
        static = _is_static(interpreter, node)
        if not static:
            check_decorators(interpreter, node)
        _check_name(node.name, node.lineno)
        defaults, local = interpreter.expressions.defaults(node.args), frozenset(bound_names(node.body))
        function = Function(node.name, node.args, node.body, defaults, outer, local)
        if static and (node.name in _OVERRIDDEN or _defines(made, node.name)):
            raise UnsupportedSnippet(f"{node.name} as a static method is not supported", node.lineno)
        (made.constants.values if static else made.methods)[node.name] = function
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if not isinstance(target, ast.Name):
                raise UnsupportedSnippet("only names may be assigned in the body of a class", node.lineno)
            _check_name(target.id, node.lineno)
        interpreter.run([node])
    elif not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))):
        name = type(node).__name__
        raise UnsupportedSnippet(f"{name} in the body of a class is not supported; it may hold methods", node.lineno)
    both = made.methods.keys() & made.constants.values.keys()
    if both:
        raise UnsupportedSnippet(f"{made.name}.{min(both)} is a method and an attribute", node.lineno)


def _is_static(interpreter: Interpreter, node: ast.FunctionDef) -> bool:
    """Whether it is decorated with ``@staticmethod`` alone: a function that is an attribute of the class."""
    only = node.decorator_list[0] if len(node.decorator_list) == 1 else None
    named = isinstance(only, ast.Name) and only.id == "staticmethod"
    return named and interpreter.expressions.scope.find("staticmethod") is None


def _defines(made: UserClass, name: str) -> bool:
    owner: UserClass | None = made
    while owner is not None:
        if name in owner.methods:
            return True
        owner = owner.base
    return False


def _check_name(name: str, line: int) -> None:
    if name.startswith("__") and name not in _OVERRIDDEN:
        raise UnsafeSnippet(f"defining {name} is not allowed", line)
    if name in _OWN and name not in _OVERRIDDEN:
        raise UnsupportedSnippet(f"overriding nn.Module.{name} is not supported", line)


# --- attributes ------------------------------------------------------------------------------------------------------


def attribute_of(recorder: Recorder, owner: Any, name: str, span: Span) -> Any:
    """``owner.name`` of an instance, a class of the snippet, or ``super()``. ``name`` begins with ``__`` only for
    ``super().__init__``. Raises :class:`ProgramError` for what is not there."""
    if isinstance(owner, Super):
        return _of_super(owner, name, span)
    if isinstance(owner, UserClass):
        scope = _constants(owner, name)
        if scope is None:
            raise UnsupportedSnippet(f"{owner.name}.{name} is supported of an instance only", span.line)
        return _read(recorder, scope.values[name], scope.reads.get(name, ()))
    if name in owner.attributes:
        return _read(recorder, owner.attributes[name], owner.reads[name])
    method = _method(owner, owner.made_by, name)
    if method is not None:
        return method
    scope = _constants(owner.made_by, name)
    if scope is not None:
        return _read(recorder, scope.values[name], scope.reads.get(name, ()))
    if name == "training":
        return owner.training
    if name in _SAME or name in CONVERSIONS or name in _REGISTER or name in ("train", "eval"):
        return Method(owner, name)
    if name in _OWN:
        raise UnsupportedSnippet(f"{name} of a module is not supported", span.line)
    raise ProgramError(f"{owner.made_by.name}.{name}", (), f"{owner.made_by.name} has no attribute {name!r}", span)


def _of_super(owner: Super, name: str, span: Span) -> Any:
    method = None if owner.base is None else _method(owner.instance, owner.base, name)
    if method is not None:
        return method
    if name == "__init__":
        return ModuleInit(owner.instance)
    raise UnsupportedSnippet(f"super().{name} is supported for methods of the program's own classes", span.line)


def _read(recorder: Recorder, value: Any, reads: tuple[int, ...]) -> Any:
    recorder.reads.update(dict.fromkeys(reads))
    return value


def _method(instance: Instance, start: UserClass, name: str) -> BoundMethod | None:
    owner: UserClass | None = start
    while owner is not None:
        if name in owner.methods:
            return BoundMethod(instance, owner.methods[name], owner)
        owner = owner.base
    return None


def _constants(start: UserClass, name: str) -> Scope | None:
    owner: UserClass | None = start
    while owner is not None:
        if name in owner.constants.values:
            return owner.constants
        owner = owner.base
    return None


def set_attribute(recorder: Recorder, owner: Any, name: str, value: Any, span: Span) -> None:
    """``owner.name = value``, by ``nn.Module``'s rules. Raises :class:`UnsafeSnippet` if ``owner`` is no instance."""
    if isinstance(owner, Traced) and name in ("requires_grad", "grad"):
        return  # no matter of shapes
    if not isinstance(owner, Instance):
        raise UnsafeSnippet("assigning to an attribute is not allowed", span.line)
    made_by = owner.made_by
    if name.startswith("__"):
        raise UnsafeSnippet(f"attribute {name} is not allowed", span.line)
    if name == "training" and isinstance(value, bool):
        owner.training = value
        return
    if name in _OWN:
        raise UnsupportedSnippet(f"assigning to {name}, an attribute of nn.Module itself, is not supported", span.line)
    if _method(owner, made_by, name) is not None:
        raise UnsupportedSnippet(f"assigning to {name}, a method of {made_by.name}, is not supported", span.line)
    if _constants(made_by, name) is not None and not isinstance(value, PLAIN):
        raise UnsupportedSnippet(f"{name} is an attribute of the class, which would hide {kind(value)}", span.line)
    registered, before = isinstance(value, (Module, Instance)), owner.attributes.get(name)
    if not owner.ready and (registered or isinstance(value, Traced)):
        if isinstance(value, Traced):
            raise UnsupportedSnippet("a tensor is assigned before super().__init__() was called", span.line)
        reason = "cannot assign a module before super().__init__() is called"
        raise ProgramError(f"{made_by.name}.{name}", (), reason, span)
    if isinstance(before, (Module, Instance)) and not registered and value is not None:
        reason = f"cannot assign {kind(value)} as the child module {name!r}"
        raise ProgramError(f"{made_by.name}.{name}", (), reason, span)
    owner.attributes[name] = value
    owner.reads[name] = tuple(recorder.reads)


# --- calls -----------------------------------------------------------------------------------------------------------


def construct(
    interpreter: Interpreter, made: UserClass, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A new instance, by the class's ``__init__`` where it has one. Raises :class:`ProgramError` where Python would."""
    instance = Instance(made)
    init = _method(instance, made, "__init__")
    if init is not None:
        if call_method(interpreter, init, args, kwargs, node) is not None:
            raise ProgramError(f"{made.name}()", (), "__init__() should return None", span_of(node))
        return instance
    if args or kwargs:
        reason = f"expected no arguments, got {len(args) + len(kwargs)}"
        raise ProgramError(f"{made.name}()", (), reason, span_of(node))
    instance.ready = True
    return instance


def call_instance(
    interpreter: Interpreter, instance: Instance, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Run ``forward``. Raises :class:`ProgramError` if there is none, or ``nn.Module`` was never initialized."""
    name = instance.made_by.name
    if not instance.ready:
        raise ProgramError(f"{name}()", (), f"{name}.__init__ does not call super().__init__()", span_of(node))
    forward = _method(instance, instance.made_by, "forward")
    if forward is None:
        raise ProgramError(f"{name}()", (), f"{name} has no method forward", span_of(node))
    return call_method(interpreter, forward, args, kwargs, node)


def call_method(
    interpreter: Interpreter, method: BoundMethod, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Run a method of the snippet: a function whose first parameter is the instance, and which may say ``super()``."""
    names = {"super": SuperName(method.instance, method.owner)}
    return interpreter.call_function(method.function, [method.instance, *args], kwargs, node, names)


def call_super(
    interpreter: Interpreter, name: SuperName, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Super:
    """``super()``, or ``super(Class, self)`` in a method of ``Class``."""
    if kwargs or (args and (len(args) != 2 or args[0] is not name.owner or args[1] is not name.instance)):
        raise UnsupportedSnippet("super is supported as super(), without arguments", node.lineno)
    return Super(name.instance, name.owner.base)


def initialize(
    interpreter: Interpreter, init: ModuleInit, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> None:
    """``nn.Module.__init__`` on the instance."""
    instance = init.instance
    if args or kwargs:
        reason = f"expected no arguments, got {len(args) + len(kwargs)}"
        raise ProgramError("Module.__init__", (), reason, span_of(node))
    if instance.ready:
        raise UnsupportedSnippet("super().__init__() is called twice", node.lineno)
    instance.ready = True


def module_method(
    interpreter: Interpreter, instance: Instance, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A method that every ``nn.Module`` has."""
    if name in _SAME or name in CONVERSIONS:
        convert(interpreter.recorder, instance, name, args, kwargs)
        return instance
    if name == "train":
        mode = kwargs.get("mode", args[0] if args else True)
        set_training(instance, bool(mode))
        return instance
    if name == "eval":
        set_training(instance, False)
        return instance
    kwargs = {key: value for key, value in kwargs.items() if key != "persistent"}
    given = [*args[:2], *kwargs.values()]
    if len(given) != 2 or not isinstance(given[0], str) or not given[0].isidentifier():
        raise UnsupportedSnippet(f"{name} is supported with a literal name and a value, in this order", node.lineno)
    set_attribute(interpreter.recorder, instance, given[0], given[1], span_of(node))
    return None


def check_decorators(interpreter: Interpreter, node: ast.FunctionDef) -> None:
    """Raise :class:`UnsafeSnippet` for a decorator that is not ``torch.no_grad()`` or of its kind."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        bound = isinstance(called, ast.Name) and interpreter.expressions.scope.find(called.id) is not None
        known = interpreter.expressions.value(called) if bound or isinstance(called, ast.Attribute) else None
        if not (isinstance(known, NoOp) and known.name in GRADIENT_MODES):
            raise UnsafeSnippet("decorators are not allowed, but for torch.no_grad() and the like", node.lineno)


CONVERSIONS: dict[str, torch.dtype | None] = {
    "to": None, "float": torch.float32, "double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16,
}  # fmt: skip
"""Methods of a module that convert its parameters, and the dtype where the name says it."""


def convert(recorder: Recorder, module: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """``module.half()``, ``module.to(x)`` and the like, for the module and all that it holds."""
    dtype = CONVERSIONS.get(name)
    for given in (*args, *kwargs.values()) if name == "to" else ():
        given = recorder.read(given).dtype if isinstance(given, Traced) else given
        dtype = given if isinstance(given, torch.dtype) else dtype
    if dtype is not None and (dtype.is_floating_point or dtype.is_complex):
        for inner in _all_modules(module):
            if isinstance(inner, Module):
                inner.spec = replace(inner.spec, dtype=dtype)


def set_training(module: Any, training: bool) -> None:
    """Put a module and all that it holds into training mode or out of it."""
    for inner in _all_modules(module):
        if isinstance(inner, Instance):
            inner.training = training
        else:
            inner.set_training(training)


def _all_modules(module: Any) -> Iterator[Any]:
    """A module, an instance of a snippet's class, and all that they hold, each once."""
    seen: dict[int, None] = {}
    stack = [module]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = None
        if isinstance(current, Instance):
            yield current
            stack += current.attributes.values()
        elif isinstance(current, Module):
            yield current
            children = current.children or ()
            stack += children.values() if isinstance(children, dict) else children
