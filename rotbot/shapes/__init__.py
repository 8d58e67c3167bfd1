"""Ground truth: PyTorch code and argument shapes in, a verified :class:`ShapeTrace` out.

The code is parsed, checked against an allowlist and interpreted on meta tensors; nothing foreign is ever executed,
compiled or looked up by a foreign name on a module.
"""

from __future__ import annotations

from collections.abc import Mapping

from rotbot.errors import InputError
from rotbot.shapes.arguments import ArgLike, ArgSpec, parse_arg, parse_args
from rotbot.shapes.trace import Node, Promise, Ref, Shape, ShapeTrace, Span, Step, StepError
from rotbot.shapes.work import with_work

__all__ = [
    "ArgLike", "ArgSpec", "Node", "Promise", "Ref", "Shape", "ShapeTrace", "Span", "Step", "StepError", "parse_arg",
    "parse_args", "trace", "with_work",
]  # fmt: skip


def trace(code: str, args: Mapping[str, ArgLike], target: str | None = None, isolated: bool = False) -> ShapeTrace:
    """Trace ``code`` and return every step's shapes.

    ``args`` maps each free name to a list of ints or to a text form with a dtype (``'3,5:int64'``); a dimension may be
    an expression of names (``['B', 'T', '3*C']``, ``'B,T:int64'``), and then the trace's are too: what a symbolic
    trace promises, and what is refused, is said in :mod:`rotbot.shapes.symbolic`. With ``target`` the
    steps are those the target depends on; without, they are all steps, and the last tensor assigned is the target.
    ``isolated=True`` traces in a killable worker process with limits on memory, CPU and wall clock: use it for code
    whose author you do not trust.

    A program that torch would reject is not an exception: the trace ends in a :class:`StepError`. Raises
    :class:`~rotbot.errors.InputError` for unusable arguments, and the :class:`~rotbot.errors.SnippetError` family for
    code that is not Python, not allowed, not supported, or too large.
    """
    if not isinstance(code, str):
        raise InputError(f"code: expected a text, got {type(code).__name__}")
    specs = parse_args(args)
    if isolated:
        from rotbot.shapes.isolation import trace_isolated

        return trace_isolated(code, specs, target)
    from rotbot.shapes.symbolic import trace_specs

    return trace_specs(code, specs, target)
