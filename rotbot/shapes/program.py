"""The whole program: code and arguments in, a :class:`ShapeTrace` of what was recorded out."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from rotbot.errors import InputError, UnsupportedSnippet
from rotbot.shapes.arguments import ArgSpec
from rotbot.shapes.expressions import UndefinedName
from rotbot.shapes.interpreter import Break, Continue, Interpreter
from rotbot.shapes.observed import Observed
from rotbot.shapes.python_values import kind
from rotbot.shapes.recorder import ProgramError, Recorder
from rotbot.shapes.running import undisturbed
from rotbot.shapes.source import assigned_names, free_names_of, read
from rotbot.shapes.trace import Shape, ShapeTrace, Step, StepError
from rotbot.shapes.values import Traced
from rotbot.shapes.walks import traced_in


def trace_program(
    code: str,
    specs: dict[str, ArgSpec],
    target: str | None,
    observed: Observed | None = None,
    *,
    reading: Callable[[str], ast.Module] = read,
) -> ShapeTrace:
    """Interpret ``code`` in this process, with what an eager run of it has ``observed``; see :func:`rotbot.trace`.

    Who traces the same code again passes ``read_again`` for ``reading``.
    """
    with undisturbed():
        return _trace(reading(code), specs, target, observed)


def _trace(tree: ast.Module, specs: dict[str, ArgSpec], target: str | None, observed: Observed | None) -> ShapeTrace:
    interpreter = Interpreter(specs, observed)
    recorder = interpreter.recorder
    error: ProgramError | None = None
    try:
        interpreter.run(tree.body)
    except UndefinedName as caught:
        _refuse_missing(caught.name, tree, specs)
        error = caught.with_traceback(None)  # it refers to this frame
    except ProgramError as caught:
        error = caught.with_traceback(None)
    except (Break, Continue) as stray:
        raise UnsupportedSnippet("break or continue outside of a loop") from stray
    finally:
        del interpreter.expressions  # it refers back: without it all that a trace leaves behind is freed at once
    if target is not None and error is None and target not in interpreter.globals.values:
        assigned = ", ".join(assigned_names(tree)) or "none"
        raise InputError(f"the target {target!r} is never assigned; assigned names: {assigned}")
    value = interpreter.last if target is None else interpreter.globals.values.get(target)
    roots: list[int] | None = None
    if target is not None:
        roots = list(error.sources) if error else [t.node for t in traced_in(value)]
    steps = _steps(recorder, roots)
    nodes, bindings = tuple(recorder.nodes), tuple(recorder.bindings)
    if error is not None:
        failure = StepError(len(steps), error.step.reason or "", error.step.line)
        return ShapeTrace((*steps, error.step), None, failure, nodes=nodes, bindings=bindings, target=target)
    return ShapeTrace(steps, _final(value, target), nodes=nodes, bindings=bindings, target=target)


def _refuse_missing(name: str, tree: ast.Module, specs: dict[str, ArgSpec]) -> None:
    """Raise :class:`InputError` if the undefined ``name`` is an argument that was not given."""
    free = free_names_of(tree)
    if name in free and name not in specs:
        missing, given = [n for n in free if n not in specs], ", ".join(specs) or "none"
        raise InputError(f"no shape given for {', '.join(missing)}; expected one for each free name, got {given}")


def _steps(recorder: Recorder, roots: list[int] | None) -> tuple[Step, ...]:
    """The recorded steps; with ``roots`` only those that these nodes depend on, by value or by shape."""
    if roots is None:
        return tuple(recorder.steps)
    live = _ancestors(recorder, roots)
    live.add(len(recorder.nodes))  # an index that fails midway has steps of a node that does not come to be
    return tuple([step for step in recorder.steps if step.node in live])


def _ancestors(recorder: Recorder, roots: list[int]) -> set[int]:
    live: set[int] = set()
    stack = list(roots)
    while stack:
        index = stack.pop()
        if index in live:
            continue
        live.add(index)
        stack += recorder.uses[index]
        stack += recorder.nodes[index].reads
    return live


def _final(value: Any, target: str | None) -> Shape | tuple[Shape, ...]:
    if isinstance(value, Traced):
        return value.meta.shape
    tensors = list(traced_in(value))
    if not tensors:
        if target is None:
            raise UnsupportedSnippet("the program makes no tensor, so there is no shape to infer")
        raise UnsupportedSnippet(f"the target {target!r} is {kind(value)}, not a tensor")
    return tensors[0].meta.shape if len(tensors) == 1 else tuple([tensor.meta.shape for tensor in tensors])
