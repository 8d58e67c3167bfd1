"""Python's own arithmetic and builtins on numbers, strings, lists, tuples and dicts, with bounds on what they build."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes.dicts import DICT_METHODS, make_dict, make_ordered
from rotbot.shapes.limits import LIMITS, exceed

PYTHON_ERRORS = (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, OverflowError, AttributeError)
"""What Python raises on plain values for a program that is wrong."""

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "floordiv": operator.floordiv, "mod": operator.mod, "pow": operator.pow, "lshift": operator.lshift,
    "rshift": operator.rshift, "and_": operator.and_, "or_": operator.or_, "xor": operator.xor,
    "matmul": operator.matmul,
}  # fmt: skip
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "not_": operator.not_,
}  # fmt: skip

_MAX_NESTED_ITEMS = 16_384
_MAX_NESTED_LEVELS = 64
PLAIN = (int, float, complex, bool, str, tuple, list, dict, range, type(None), type(Ellipsis), slice)


def bounded(value: Any) -> Any:
    """``value`` itself, if a snippet may hold it. Raises :class:`~rotbot.errors.LimitExceeded` otherwise."""
    if value.__class__ is int:
        if value.bit_length() > LIMITS.int_bits:
            exceed("bits of an integer", LIMITS.int_bits, value.bit_length())
    elif isinstance(value, (str, list, tuple, range, dict)) and _length(value) > LIMITS.sequence:
        exceed("items of a sequence", LIMITS.sequence, _length(value))
    elif isinstance(value, (list, tuple, dict)):
        for item in _held(value):
            if isinstance(item, (list, tuple, dict)):
                _bound_nested(value)
                break
    return value


def _held(value: Any) -> Any:
    return (*value, *value.values()) if isinstance(value, dict) else value


def grown(owner: Any, *items: Any) -> None:
    """:func:`bounded` for a list or dict that was in bounds before these items came in."""
    if len(owner) > LIMITS.sequence or any(isinstance(item, (list, tuple, dict)) for item in items):
        bounded(owner)


def growing(value: Any) -> None:
    """:func:`bounded` for a list or dict in the making, which is looked at whenever it has doubled."""
    size = len(value)
    if size > LIMITS.sequence or not size & (size - 1):
        bounded(value)


def _bound_nested(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> None:
    """``y = [y, y]`` doubles with every round, and ``y.append(y)`` never ends: count the items as a walk meets them."""
    level: list[Any] = [value]
    depth = met = 0
    while level:
        depth += 1
        met += sum([len(sequence) for sequence in level])
        if met > _MAX_NESTED_ITEMS:
            exceed("items of nested sequences", _MAX_NESTED_ITEMS, "more")
        if depth > _MAX_NESTED_LEVELS:
            exceed("levels of nested sequences", _MAX_NESTED_LEVELS, "more")
        level = [item for sequence in level for item in _held(sequence) if isinstance(item, (list, tuple, dict))]


def _length(value: Any) -> int:
    try:
        return len(value)
    except OverflowError:
        return 2**63


def binary(name: str, left: Any, right: Any) -> Any:
    """Python's binary operator on plain values. Raises what Python raises, and ``LimitExceeded`` if it gets large."""
    if not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
        raise UnsupportedSnippet(f"operator {name} on {kind(left)} and {kind(right)} is not supported")
    if name == "mod" and isinstance(left, str):
        raise UnsupportedSnippet("string formatting is not supported")
    if name == "pow" and isinstance(left, int) and isinstance(right, int):
        if right > 0 and left.bit_length() * right > 2 * LIMITS.int_bits:
            exceed("bits of an integer", LIMITS.int_bits, left.bit_length() * right)
    elif name == "lshift" and isinstance(left, int) and isinstance(right, int) and right > LIMITS.int_bits:
        exceed("bits of an integer", LIMITS.int_bits, right)
    elif name == "mul":
        for sequence, count in ((left, right), (right, left)):
            if isinstance(sequence, (str, list, tuple)) and isinstance(count, int):
                if len(sequence) * count > LIMITS.sequence:
                    exceed("items of a sequence", LIMITS.sequence, len(sequence) * count)
    return bounded(BINARY[name](left, right))


def kind(value: Any) -> str:
    """What to call a value in a message."""
    names = {
        "Traced": "a tensor",
        "NoneType": "None",
        "Namespace": "a module",
        "Operation": "a function",
        "Module": "a module",
        "Loss": "a module",
        "UserClass": "a class",
        "ModuleClass": "a class",
        "Function": "a function",
        "BoundMethod": "a method",
        "Super": "super()",
        "Builtin": "a function",
        "Partial": "a function",
        "TorchInit": "a method",
        "NoOp": "a function",
        "Method": "a method",
        "Annotation": "a type",
        "Device": "a device",
        "Training": "an optimizer",
        "dict": "a dict",
        "Ordered": "a dict",
        "dict_keys": "the keys of a dict",
        "dict_values": "the values of a dict",
        "dict_items": "the items of a dict",
        "str": "a string",
        "list": "a list",
        "tuple": "a tuple",
    }
    name = type(value).__name__
    if name == "Instance":
        return value.kind
    return names.get(name, f"a value of type {name}")


def _int(value: Any = 0) -> int:
    if isinstance(value, str):
        raise UnsupportedSnippet("int() of a string is not supported")
    return int(value)


def _float(value: Any = 0.0) -> float:
    if isinstance(value, str) and value.lower() not in ("inf", "-inf", "nan"):
        raise UnsupportedSnippet("float() of a string is not supported, except 'inf' and 'nan'")
    return float(value)


def _pow(base: Any, exponent: Any, mod: Any = None) -> Any:
    if mod is not None:
        raise UnsupportedSnippet("pow() with a modulus is not supported")
    return binary("pow", base, exponent)


def _str(value: Any = "") -> str:
    if not isinstance(value, (int, float, str, type(None))):
        raise UnsupportedSnippet(f"str() is supported with a number, a string or None, got {kind(value)}")
    return str(value)


def _zip(*sequences: Any, strict: bool = False) -> list[Any]:
    return list(zip(*sequences, strict=bool(strict)))


def _range(*args: Any) -> range:
    return bounded(range(*args))


BUILTINS: dict[str, Callable[..., Any]] = {
    "int": _int, "float": _float, "bool": bool, "range": _range, "min": min, "max": max, "sum": sum, "abs": abs,
    "round": round, "tuple": tuple, "list": list, "zip": _zip, "len": len,
    "enumerate": lambda s, start=0: list(enumerate(s, start)), "reversed": lambda s: list(reversed(s)),
    "sorted": lambda s, reverse=False: sorted(s, reverse=reverse), "all": all, "any": any, "divmod": divmod,
    "slice": slice, "pow": _pow, "dict": make_dict, "collections.OrderedDict": make_ordered, "str": _str,
}  # fmt: skip
"""Builtins on plain values. ``len``, ``int``, ... of a tensor are the interpreter's business."""

MATH: dict[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in "sqrt ceil floor prod log log2 log10 exp gcd lcm trunc isqrt fabs sin cos".split()
}
LIST_METHODS: dict[str, Callable[..., Any]] = {
    "append": list.append, "extend": list.extend, "insert": list.insert, "pop": list.pop, "reverse": list.reverse,
    "index": list.index, "count": list.count, "copy": list.copy,
}  # fmt: skip
TUPLE_METHODS: dict[str, Callable[..., Any]] = {"index": tuple.index, "count": tuple.count}
STRING_METHODS: dict[str, Callable[..., Any]] = {
    "startswith": str.startswith, "endswith": str.endswith, "lower": str.lower, "upper": str.upper, "split": str.split,
}  # fmt: skip
CHANGING = frozenset("append extend insert pop reverse clear popitem update setdefault".split())
"""Methods that change what they are called on."""
METHODS: dict[type[Any], dict[str, Callable[..., Any]]] = {
    list: LIST_METHODS, tuple: TUPLE_METHODS, str: STRING_METHODS, dict: DICT_METHODS,
}  # fmt: skip
"""The methods of plain values that a snippet may call."""


def methods(value: Any) -> dict[str, Callable[..., Any]]:
    """Those of ``value``; none of a value that is no list, tuple, string or dict."""
    return next((table for plain, table in METHODS.items() if isinstance(value, plain)), {})


_TYPES = {
    "Traced": "Tensor", "FieldTuple": "tuple", "Ordered": "OrderedDict", "Instance": "object", "Namespace": "module",
    "UserClass": "type", "ModuleClass": "type", "NumberLimits": "finfo", "Device": "device",
    **dict.fromkeys("Function BoundMethod ClassMethod Operation Builtin Method NoOp SuperName".split(), "function"),
}  # fmt: skip
"""Our classes by the names that Python has for what they stand for."""


def python_reason(error: Exception) -> str:
    """What Python says about an operation on plain values that it rejects."""
    if isinstance(error, KeyError):
        return f"key {error.args[0]!r:.80} is not in the dict"
    text = str(error.args[-1] if error.args else "") or type(error).__name__
    return re.sub(r"'(\w+)'", lambda found: f"'{_TYPES.get(found[1], found[1])}'", text)
