"""``nn`` modules of a snippet: constructing them, calling them, their methods, attributes and parameters."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.allowlist import CONTAINERS
from rotbot.shapes.checks import check_device, refuse_foreign
from rotbot.shapes.classes import LISTINGS
from rotbot.shapes.conversions import CONVERSIONS, convert, set_training
from rotbot.shapes.dicts import Ordered, make_dict
from rotbot.shapes.inventory import parameter
from rotbot.shapes.members import is_module
from rotbot.shapes.metadata import ModuleSpec
from rotbot.shapes.python_values import PYTHON_ERRORS, bounded, kind, python_reason
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.recurrent import STACKS
from rotbot.shapes.running import kept_module
from rotbot.shapes.source import span_of
from rotbot.shapes.trace import Span
from rotbot.shapes.values import Loss, Method, Module, ModuleClass, Operation, Traced
from rotbot.shapes.walks import traced_in

if TYPE_CHECKING:
    from rotbot.shapes.interpreter import Interpreter

_STATES = frozenset(("eval", "train", "cuda", "cpu", "requires_grad_", "zero_grad", "apply", *CONVERSIONS, *LISTINGS))
_OF_LISTS = frozenset(("append", "extend", "insert"))
_OF_DICTS = frozenset(("keys", "values", "items", "update", "pop", "clear"))
_SETTINGS = frozenset(
    "in_features out_features num_embeddings embedding_dim in_channels out_channels kernel_size stride padding "
    "dilation groups hidden_size input_size num_layers bidirectional batch_first num_heads head_dim embed_dim "
    "normalized_shape num_features num_groups num_channels eps".split()
)
"""Plain numbers that ``nn`` modules keep of their constructors' arguments."""


_LOSSES = {
    "nn.CrossEntropyLoss": "cross_entropy weight size_average ignore_index reduce reduction label_smoothing",
    "nn.NLLLoss": "nll_loss weight size_average ignore_index reduce reduction",
    "nn.BCELoss": "binary_cross_entropy weight size_average reduce reduction",
    "nn.BCEWithLogitsLoss": "binary_cross_entropy_with_logits weight size_average reduce reduction pos_weight",
}
"""Losses that weights may be given to, with the function that they call and their parameters in order."""


# --- construction and calls ------------------------------------------------------------------------------------------


def construct_module(
    interpreter: Interpreter, module_class: ModuleClass, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Module | Loss:
    """A new ``nn`` module. Raises :class:`ProgramError` where its constructor would."""
    name = module_class.name
    if name in CONTAINERS:
        return _container(interpreter, name, args, kwargs, node)
    if name == "nn.Module":
        raise UnsafeSnippet("nn.Module is allowed as the base of a class only", node.lineno)
    if "device" in kwargs:
        check_device(interpreter.recorder, kwargs.pop("device"), node)
    if any(traced_in((args, kwargs))):
        if name not in _LOSSES:
            raise UnsupportedSnippet(f"{name} built from a tensor is not supported", node.lineno)
        function, *parameters = _LOSSES[name].split()
        twice = sorted(kwargs.keys() & parameters[: len(args)])
        if twice or len(args) > len(parameters):
            what = f"{twice[0]} is given twice" if twice else "too many arguments"
            raise ProgramError(name.removeprefix("nn."), (), what, span_of(node))
        return Loss(f"torch.nn.functional.{function}", {**dict(zip(parameters, args, strict=False)), **kwargs})
    if name in STACKS:
        args, kwargs = _with_specs(name, args, kwargs, node)
    if name in STACKS.values():
        kwargs = {key: _activation(value) if key == "activation" else value for key, value in kwargs.items()}
    refuse_foreign(interpreter.recorder, (*args, *kwargs.values()), name, node)
    spec = ModuleSpec(name, _hashable(args), tuple([(key, _hashable(value)) for key, value in kwargs.items()]))
    interpreter.check_module(spec, span_of(node))
    return Module(spec)


def _container(interpreter: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Module:
    short = name.removeprefix("nn.")
    if name == "nn.Sequential" and len(args) == 1 and isinstance(args[0], Ordered):
        named = _named(args[0], name, node)
        return Module(ModuleSpec(name, (), ()), list(named.values()), tuple(named))
    if name != "nn.Sequential":
        given = [*args, *[value for key, value in kwargs.items() if key == "modules"]]
        if len(given) > 1 or len(given) < len(args) + len(kwargs):
            raise ProgramError(short, (), "expected at most one argument, modules", span_of(node))
        args, kwargs = given, {}
    if kwargs:
        raise ProgramError(short, (), f"got an unexpected keyword argument {next(iter(kwargs))!r}", span_of(node))
    if name == "nn.ModuleDict":
        given = args[0] if args and args[0] is not None else {}
        return Module(ModuleSpec(name, (), ()), _named(_pairs(interpreter, given, node), name, node))
    children = args[0] if name == "nn.ModuleList" and args else args
    children = interpreter.expressions.iterate(() if children is None else children, node)
    return Module(ModuleSpec(name, (), ()), list(_modules(children, name, node)))


def _pairs(interpreter: Interpreter, given: Any, node: ast.Call) -> dict[Any, Any]:
    if isinstance(given, Module) and isinstance(given.children, dict):
        return given.children
    return make_dict(given if isinstance(given, dict) else interpreter.expressions.iterate(given, node))


def _named(given: dict[Any, Any], name: str, node: ast.AST) -> dict[str, Any]:
    """``given`` again, if torch would take it for modules by name."""
    _modules(list(given.values()), name, node)
    for key in given:
        if (reason := _bad_name(key, name)) is not None:
            raise ProgramError(name.removeprefix("nn."), (), reason, span_of(node))
    return dict(given)


def _bad_name(key: Any, name: str) -> str | None:
    if not isinstance(key, str):
        return f"a module's name is a string, got {key!r:.80}"
    if not key or "." in key:
        return f"a module's name is not empty and has no dot, got {key!r:.80}"
    return f"{name} has an attribute {key!r} already, so no module can have that name" if key in _own(name) else None


@lru_cache(maxsize=8)
def _own(name: str) -> frozenset[str]:
    return frozenset(dir(CONTAINERS[name]()))


def _modules(values: list[Any], name: str, node: ast.AST) -> list[Any]:
    for value in values:
        if value is None:
            raise UnsupportedSnippet(f"None in place of a module of {name} is not supported", span_of(node).line)
        if not is_module(value):
            raise ProgramError(name.removeprefix("nn."), (), f"expected modules, got {kind(value)}", span_of(node))
    return values


def _with_specs(name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> tuple[Any, Any]:
    """A stack of layers copies the modules it is given: what counts is how they were made."""
    layers = [*args[:1], *[value for key, value in kwargs.items() if key in ("encoder_layer", "decoder_layer")]]
    if any([not (isinstance(each, Module) and each.spec.name == STACKS[name]) for each in layers]):
        raise UnsupportedSnippet(f"{name} is supported with layers of the class {STACKS[name]}", node.lineno)

    def spec(value: Any) -> Any:
        if isinstance(value, Module) and value.children is None and value.spec.name not in STACKS:
            return value.spec
        return value

    return [spec(value) for value in args], {key: spec(value) for key, value in kwargs.items()}


def _activation(value: Any) -> Any:
    """Functions and modules that keep shapes, as what the constructor takes for them: they are not recorded."""
    name = value.target if isinstance(value, Operation) else value.spec.name if isinstance(value, Module) else ""
    plain = name.rpartition(".")[2].lower()
    return plain if plain in ("relu", "gelu") else value


def _hashable(value: Any) -> Any:
    return tuple([_hashable(item) for item in value]) if isinstance(value, (list, tuple)) else value


def call_module(
    interpreter: Interpreter, module: Module, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """Call a module; ``nn.Sequential`` child by child."""
    span = span_of(node)
    if module.children is not None:
        if module.spec.name != "nn.Sequential":
            short = module.spec.name.removeprefix("nn.")
            raise ProgramError(short, (), f"a {short} cannot be called; call its items", span)
        if len(args) != 1 or kwargs:
            raise ProgramError("Sequential", (), f"expected one argument, got {len(args) + len(kwargs)}", span)
        value = args[0]
        with interpreter.expressions.deeper(node):
            for child in list(module.children):
                value = interpreter.call(child, [value], {}, node)
        return value
    refuse_foreign(interpreter.recorder, (*args, *kwargs.values()), module.spec.name, node)
    return interpreter.recorder.call(module.spec.name, tuple(args), kwargs, span, "call_module", module.spec)


def call_loss(interpreter: Interpreter, loss: Loss, args: list[Any], kwargs: dict[str, Any], node: ast.Call) -> Any:
    """Call a loss: the function, with its settings."""
    given = {**loss.settings, **kwargs}
    refuse_foreign(interpreter.recorder, (*args, *given.values()), loss.target.rpartition(".")[2], node)
    return interpreter.recorder.call(loss.target, tuple(args), given, span_of(node))


# --- methods and items -----------------------------------------------------------------------------------------------


def module_state(
    interpreter: Interpreter, owner: Module, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    """A method of an ``nn`` module: of all of them, or of a container."""
    if name in CONVERSIONS:
        convert(interpreter.recorder, owner, name, args, kwargs, node)
    elif name == "zero_grad":
        return None
    elif name in ("train", "eval"):
        mode = kwargs.get("mode", args[0] if args else True)
        set_training(owner, name == "train" and bool(mode))
    elif isinstance(owner.children, list) and name in _OF_LISTS:
        _grow(interpreter, owner, name, args, node)
    elif isinstance(owner.children, dict) and name in _OF_DICTS:
        return _of_dict(interpreter, owner, name, args, kwargs, node)
    return owner


def _grow(interpreter: Interpreter, owner: Module, name: str, args: list[Any], node: ast.Call) -> None:
    children, wanted = owner.children, 2 if name == "insert" else 1
    assert isinstance(children, list), "only lists of modules have these methods"
    if len(args) != wanted or (name == "insert" and not isinstance(args[0], int)):
        raise UnsupportedSnippet(f"{name} of {owner.spec.name} with these arguments is not supported", node.lineno)
    new = _modules(
        interpreter.expressions.iterate(args[0], node) if name == "extend" else args[-1:], owner.spec.name, node
    )
    at = args[0] if name == "insert" else len(children)
    children[at:at] = new
    bounded(children)
    if owner.names:
        owner.names = (*owner.names, *[str(len(owner.names) + index) for index in range(len(new))])
    interpreter.recorder.changed(owner)


def _of_dict(
    interpreter: Interpreter, owner: Module, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call
) -> Any:
    children: Any = owner.children
    if name == "update" and len(args) == 1 and not kwargs:
        children.update(_named(_pairs(interpreter, args[0], node), owner.spec.name, node))
        bounded(children)
        interpreter.recorder.changed(owner)
        return None
    if kwargs or len(args) != (name in ("update", "pop")):
        raise ProgramError(name, (), f"{name} of a ModuleDict: got {len(args) + len(kwargs)} arguments", span_of(node))
    try:
        return getattr(dict, name)(children, *args)  # of these names alone
    except PYTHON_ERRORS as error:
        raise ProgramError(name, (), python_reason(error), span_of(node)) from error


def set_item(owner: Module, index: Any, value: Any, node: ast.AST) -> None:
    """``owner[index] = value`` of a container. Raises :class:`ProgramError` where it has no such place for it."""
    name = owner.spec.name
    if owner.children is None or isinstance(index, slice):
        raise UnsupportedSnippet("assigning to an item of a module is not supported", span_of(node).line)
    _modules([value], name, node)
    if isinstance(owner.children, dict):
        owner.children.update(_named({index: value}, name, node))
        bounded(owner.children)
        return
    if not isinstance(index, int) or not -len(owner.children) <= index < len(owner.children):
        reason = f"index {index!r:.80} is out of range for {len(owner.children)} modules"
        raise ProgramError("index", (), reason, span_of(node))
    owner.children[index] = value


# --- attributes ------------------------------------------------------------------------------------------------------


def module_attribute(recorder: Recorder, owner: Module, name: str, node: ast.expr) -> Any:
    """``owner.name``. Raises :class:`ProgramError` for what the module does not have."""
    children = owner.children
    if name in _STATES or name in (
        _OF_DICTS if isinstance(children, dict) else _OF_LISTS if children is not None else ()
    ):
        return Method(owner, name)
    if name == "training":
        return owner.spec.training
    if name == "forward":
        return owner  # there are no hooks that a call would run besides
    if children is not None:
        if isinstance(children, dict) and name in children:
            return children[name]
        if isinstance(children, list) and name in owner.names:
            return children[owner.names.index(name)]
        known = _own(owner.spec.name)
    else:
        real = kept_module(owner.spec, "meta")
        if name in real._parameters or name in real._buffers:
            is_buffer = name in real._buffers
            found = real._buffers[name] if is_buffer else real._parameters[name]
            return parameter(recorder, owner, name, found, span_of(node), is_buffer)
        if name in _SETTINGS:
            found = getattr(real, name, None)  # of these names alone
            if isinstance(found, (int, float, tuple)):
                return found
        known = {*dir(real)}
    short = owner.spec.name.removeprefix("nn.")
    if name not in known:
        raise ProgramError(
            f"{short}.{name}", (), f"{short} has no attribute {name!r}", span_of(node), tuple(recorder.reads)
        )
    raise UnsupportedSnippet(f"attribute {name} of {short} is not supported", node.lineno)


def set_parameter(recorder: Recorder, owner: Module, name: str, value: Any, span: Span) -> None:
    """``owner.name = value`` where that is one of its own parameters, as in ``head.weight = embedding.weight``."""
    real = None if owner.children is not None else kept_module(owner.spec, "meta")
    if real is None or name not in real._parameters or not (value is None or isinstance(value, Traced)):
        raise UnsafeSnippet("assigning to an attribute of a module is allowed for parameters only", span.line)
    had = real._parameters[name]
    if isinstance(value, Traced) and not value.parameter:
        reason = f"expected an nn.Parameter for {name!r}, got a tensor"
        raise recorder.failure(f"{owner.spec.name.removeprefix('nn.')}.{name}", value, reason, span)
    if value is not None and (had is None or tuple(had.shape) != value.meta.shape):
        raise UnsupportedSnippet(f"assigning {name} of another shape than it had is not supported", span.line)
    owner.parameters[name, owner.spec.dtype] = value
