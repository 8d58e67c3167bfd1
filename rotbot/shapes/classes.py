"""Instances of a snippet's classes. No class is ever made: an instance is plain data of ours.

Its attributes are a dict, its methods are interpreted like any function of the snippet, calling it runs ``forward``
(of a class that is no ``nn.Module``: ``__call__``). Nothing is looked up on a real module by a snippet's name.
:mod:`rotbot.shapes.class_bodies` reads the classes themselves.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.conversions import CONVERSIONS, convert, set_training
from rotbot.shapes.members import OWN, constants_of, is_module, is_of_torch, is_property, method_of, own_names
from rotbot.shapes.python_values import PLAIN, kind
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.source import span_of
from rotbot.shapes.trace import Span
from rotbot.shapes.values import (
    BoundMethod,
    ClassMethod,
    FieldFactory,
    Instance,
    Method,
    Module,
    ModuleClass,
    ModuleInit,
    Property,
    Scope,
    Super,
    SuperName,
    TorchInit,
    Traced,
    UserClass,
)

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_SAME = frozenset(("cuda", "cpu", "requires_grad_", "apply"))
"""Methods that return the module and leave all shapes as they are. What ``apply`` would call only fills in values."""
LISTINGS = frozenset("parameters named_parameters modules named_modules children named_children".split())
"""Methods that list what a module holds (:mod:`rotbot.shapes.inventory`)."""
_METHODS = frozenset(("train", "eval", "zero_grad"))
_REGISTER = frozenset(("register_buffer", "register_parameter", "register_module", "add_module"))


# --- attributes ------------------------------------------------------------------------------------------------------


def attribute_of(recorder: Recorder, owner: Any, name: str, span: Span) -> Any:
    """``owner.name`` of an instance, a class of the snippet, or ``super()``. ``name`` begins with ``__`` only for
    ``super().__init__``. Raises :class:`ProgramError` for what is not there."""
    if isinstance(owner, Super):
        return _of_super(owner, name, span)
    if isinstance(owner, UserClass):
        scope = constants_of(owner, name)
        if scope is None or isinstance(scope.values[name], Property):
            raise UnsupportedSnippet(f"{owner.name}.{name} is supported of an instance only", span.line)
        return _bound(recorder, owner, scope, name)
    if name in owner.attributes:
        return _read(recorder, owner.attributes[name], owner.reads[name])
    method = method_of(owner, owner.made_by, name)
    if method is not None:
        return method
    scope = constants_of(owner.made_by, name)
    if scope is not None:
        return _bound(recorder, owner, scope, name)
    if not owner.made_by.is_module:
        raise ProgramError(f"{owner.made_by.name}.{name}", (), f"{owner.made_by.name} has no attribute {name!r}", span)
    if name == "training":
        return owner.training
    if name in _SAME | _REGISTER | LISTINGS | _METHODS or name in CONVERSIONS:
        return Method(owner, name)
    if name in OWN:
        raise UnsupportedSnippet(f"{name} of a module is not supported", span.line)
    raise ProgramError(f"{owner.made_by.name}.{name}", (), f"{owner.made_by.name} has no attribute {name!r}", span)


def _of_super(owner: Super, name: str, span: Span) -> Any:
    method = None if owner.base is None else method_of(owner.instance, owner.base, name)
    if method is not None:
        return method
    if name == "__init__":
        return ModuleInit(owner.instance)
    if name == "forward" and owner.instance.inner is not None:
        return owner.instance.inner
    raise UnsupportedSnippet(f"super().{name} is supported for methods of the program's own classes", span.line)


def _read(recorder: Recorder, value: Any, reads: tuple[int, ...]) -> Any:
    recorder.reads.update(dict.fromkeys(reads))
    return value


def _bound(recorder: Recorder, owner: Instance | UserClass, scope: Scope, name: str) -> Any:
    """An attribute of the class, as its instance or the class itself has it."""
    found = _read(recorder, scope.values[name], scope.reads.get(name, ()))
    if isinstance(found, Property):
        assert isinstance(owner, Instance), "of a class it is refused"
        return Property(found.function, owner, found.owner)
    if isinstance(found, ClassMethod):
        return ClassMethod(found.function, owner if isinstance(owner, UserClass) else owner.made_by)
    return found


def set_attribute(recorder: Recorder, owner: Any, name: str, value: Any, span: Span) -> None:
    """``owner.name = value``, by ``nn.Module``'s rules. Raises :class:`UnsafeSnippet` if ``owner`` is no instance."""
    if isinstance(owner, Traced) and name in ("requires_grad", "grad"):
        if name == "requires_grad" and isinstance(value, bool):
            owner.trainable = value and owner.parameter
        return  # no matter of shapes
    if not isinstance(owner, Instance):
        raise UnsafeSnippet("assigning to an attribute is not allowed", span.line)
    made_by = owner.made_by
    if name.startswith("__"):
        raise UnsafeSnippet(f"attribute {name} is not allowed", span.line)
    if made_by.frozen or is_property(made_by, name):
        what = "a frozen dataclass" if made_by.frozen else "a property without setter"
        raise ProgramError(f"{made_by.name}.{name}", (), f"cannot assign to {name!r}: it is of {what}", span)
    if made_by.is_module and name == "training" and isinstance(value, bool):
        owner.training = value
        return
    if made_by.is_module and (name in own_names(made_by) or is_of_torch(owner, name)):
        of = made_by.torch_base or "nn.Module"
        raise UnsupportedSnippet(f"assigning to {name}, an attribute of {of} itself, is not supported", span.line)
    if method_of(owner, made_by, name) is not None:
        raise UnsupportedSnippet(f"assigning to {name}, a method of {made_by.name}, is not supported", span.line)
    if made_by.is_module and constants_of(made_by, name) is not None and not isinstance(value, PLAIN):
        raise UnsupportedSnippet(f"{name} is an attribute of the class, which would hide {kind(value)}", span.line)
    if not made_by.is_module:
        owner.attributes[name] = value
        owner.reads[name] = tuple(recorder.reads)
        return
    registered, before = is_module(value), owner.attributes.get(name)
    if not owner.ready and (registered or isinstance(value, Traced)):
        if isinstance(value, Traced):
            raise UnsupportedSnippet("a tensor is assigned before super().__init__() was called", span.line)
        reason = "cannot assign a module before super().__init__() is called"
        raise ProgramError(f"{made_by.name}.{name}", (), reason, span)
    if is_module(before) and not registered and value is not None:
        reason = f"cannot assign {kind(value)} as the child module {name!r}"
        raise ProgramError(f"{made_by.name}.{name}", (), reason, span)
    if isinstance(before, Traced) and before.parameter and not (value is None or getattr(value, "parameter", False)):
        raise ProgramError(
            f"{made_by.name}.{name}",
            (),
            f"cannot assign {kind(value)} as the parameter {name!r}; use nn.Parameter",
            span,
        )
    if registered and owner.inner is not None and owner.inner.children is not None:
        _register(owner.inner, name, value)
    owner.attributes[name] = value
    owner.reads[name] = tuple(recorder.reads)


def _register(container: Module, name: str, value: Any) -> None:
    """A container's module by another name than a number is one of its items all the same, the last."""
    children = container.children
    if isinstance(children, dict):
        children[name] = value
        return
    assert children is not None, "a container"
    names = container.names or tuple(map(str, range(len(children))))
    if name in names:
        children[names.index(name)] = value
        return
    container.names = (*names, name)
    children.append(value)


# --- calls -----------------------------------------------------------------------------------------------------------


def construct(
    interpreter: Interpreter, made: UserClass, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A new instance, by the class's ``__init__`` where it has one. Raises :class:`ProgramError` where Python would."""
    instance = Instance(made)
    if made.fields is not None and method_of(instance, made, "__init__") is None:
        _fill(interpreter, instance, args, kwargs, node)
        return instance
    init = method_of(instance, made, "__init__")
    if init is not None:
        if call_method(interpreter, init, args, kwargs, node) is not None:
            raise ProgramError(f"{made.name}()", (), "__init__() should return None", span_of(node))
        return instance
    if made.torch_base is not None:
        initialize(interpreter, ModuleInit(instance), args, kwargs, node)
        return instance
    if args or kwargs:
        reason = f"expected no arguments, got {len(args) + len(kwargs)}"
        raise ProgramError(f"{made.name}()", (), reason, span_of(node))
    instance.ready = True
    return instance


def _fill(
    interpreter: Interpreter, instance: Instance, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> None:
    """What the ``__init__`` of a dataclass does."""
    made = instance.made_by
    fields, recorder = made.all_fields(), interpreter.recorder
    given = dict(zip(fields, args, strict=False))
    repeated = [name for name in kwargs if name in given or name not in fields]
    if len(args) > len(fields) or repeated:
        reason = f"takes {len(fields)} arguments but {len(args)} were given"
        if repeated:
            known = "multiple values for" if repeated[0] in fields else "an unexpected keyword"
            reason = f"got {known} argument {repeated[0]!r}"
        raise ProgramError(f"{made.name}()", (), reason, span_of(node))
    given.update(kwargs)
    for name in fields:
        reads = tuple(recorder.reads)
        if name not in given:
            scope = constants_of(made, name)
            if scope is None:
                raise ProgramError(f"{made.name}()", (), f"missing argument {name!r}", span_of(node))
            given[name], reads = scope.values[name], scope.reads.get(name, ())
            if isinstance(given[name], FieldFactory):
                given[name] = interpreter.call(given[name].make, [], {}, node)
        instance.attributes[name], instance.reads[name] = given[name], reads
    after = method_of(instance, made, "__post_init__")
    if after is not None:
        call_method(interpreter, after, [], {}, node)


def call_instance(
    interpreter: Interpreter, instance: Instance, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Run ``forward``, or ``__call__``. Raises :class:`ProgramError` if there is none, or ``nn.Module`` was never
    initialized."""
    name, runs = instance.made_by.name, "forward" if instance.made_by.is_module else "__call__"
    if instance.made_by.is_module and not instance.ready:
        raise ProgramError(f"{name}()", (), f"{name}.__init__ does not call super().__init__()", span_of(node))
    forward = method_of(instance, instance.made_by, runs)
    if forward is None and instance.inner is not None:
        return interpreter.call(instance.inner, args, kwargs, node)
    if forward is None:
        raise ProgramError(f"{name}()", (), f"{name} has no method {runs}", span_of(node))
    return call_method(interpreter, forward, args, kwargs, node)


def call_method(
    interpreter: Interpreter, method: BoundMethod, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Run a method of the snippet: a function whose first parameter is the instance, and which may say ``super()``."""
    names = {"super": SuperName(method.instance, method.owner)}
    return interpreter.call_function(method.function, [method.instance, *args], kwargs, node, names)


def call_class_method(
    interpreter: Interpreter, method: ClassMethod, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Run a ``@classmethod``: a function whose first parameter is the class."""
    return interpreter.call_function(method.function, [method.owner, *args], kwargs, node)


def read_property(interpreter: Interpreter, found: Property, node: ast.Call) -> Any:
    """What the function of a ``@property`` returns."""
    assert found.instance is not None, "properties are read of instances"
    return call_method(interpreter, BoundMethod(found.instance, found.function, found.owner), [], {}, node)


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
    """The constructor of the class of torch that the instance's derives from, ``nn.Module``'s for most;
    ``object.__init__`` where its class is no module."""
    instance = init.instance
    torch_base = instance.made_by.torch_base
    if instance.ready and instance.made_by.is_module:
        raise UnsupportedSnippet("super().__init__() is called twice", node.lineno)
    if torch_base is not None:
        made = interpreter.call(ModuleClass(torch_base), args, kwargs, node)
        if not isinstance(made, Module):
            raise UnsupportedSnippet(f"a class that derives from {torch_base} is not supported here", node.lineno)
        instance.inner, instance.ready = made, True
        return
    if args or kwargs:
        reason = f"expected no arguments, got {len(args) + len(kwargs)}"
        raise ProgramError("Module.__init__", (), reason, span_of(node))
    instance.ready = True


def initialize_as(
    interpreter: Interpreter, init: TorchInit, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> None:
    """``nn.Module.__init__(self)``: what was written before there was ``super()``."""
    instance = args[0] if args else None
    if not isinstance(instance, Instance) or not instance.made_by.is_module:
        raise UnsafeSnippet(f"{init.name}.__init__ is allowed in a class that derives from it only", node.lineno)
    if init.name != (instance.made_by.torch_base or "nn.Module"):
        raise UnsupportedSnippet(f"{init.name} is not the class that {instance.made_by.name} derives from", node.lineno)
    initialize(interpreter, ModuleInit(instance), args[1:], kwargs, node)


def module_method(
    interpreter: Interpreter, instance: Instance, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A method that every ``nn.Module`` has."""
    if name in _SAME or name in CONVERSIONS:
        convert(interpreter.recorder, instance, name, args, kwargs, node)
        return instance
    if name == "zero_grad":
        return None
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
