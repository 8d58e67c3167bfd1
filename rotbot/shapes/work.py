"""Work: the arithmetic of every step written as equations, so that a small model can calculate on paper.

    step 2: view(6, -1) | [2, 3, 8] (2*3 = 6) -> [6, 8]
    step 3: slice dim 0 from 2 to 9 step 3 | [12, 8] (9 - 2 = 7, (7 + 2)//3 = 9//3 = 3) -> [3, 8]

Only numbers that are *calculated* get work: one that is copied from an input or an argument does not. The sizes given
to ``view`` and ``unflatten`` are checked by the same calculation, since a program may be wrong. The rules by operation
are in the files named ``work_*``, the spelling of a calculation is that of :mod:`rotbot.shapes.equations`; a step's
work follows from its call alone, so there is one spelling for each step. No torch: traces are plain data.

``full`` work starts with where the step stands: its source line, then the variables that hold its inputs
(``line 3, x = [2, 3, 8], 2*3 = 6``). ``named`` work ends with the variables that get the step's result
(``2*3 = 6, y = [6, 8]``): a later step that reads one finds its shape beside its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from rotbot.errors import InputError
from rotbot.shapes.text import render_shape
from rotbot.shapes.trace import Node, Ref, ShapeTrace, Step
from rotbot.shapes.work_call import Call, Operand
from rotbot.shapes.work_layers import LAYERS
from rotbot.shapes.work_names import results, variables
from rotbot.shapes.work_pieces import PIECES, primitive_work
from rotbot.shapes.work_regroup import REGROUPING, rejected_work
from rotbot.shapes.work_sizes import SIZES

Mode = Literal["arithmetic", "full", "named"]
MODES: tuple[str, ...] = get_args(Mode)

_RULES: dict[str, Callable[[Call], list[str]]] = {**REGROUPING, **PIECES, **SIZES, **LAYERS}


def with_work(trace: ShapeTrace, mode: Mode = "arithmetic") -> ShapeTrace:
    """The trace with the work of every step. A trace that was read back from text, without nodes, stays as it is.

    ``arithmetic`` writes equations alone, ``full`` the source line and the bindings of the inputs before them,
    ``named`` the variables that get the result after them. Raises :class:`~rotbot.errors.InputError` for an unknown
    mode.
    """
    if mode not in MODES:
        raise InputError(f"work: expected one of {', '.join(MODES)}, got {mode!r:.40}")
    if not trace.nodes:
        return trace
    works = [equations(trace.nodes, step) for step in trace.steps]
    if mode == "full":
        works = [[*place, *work] for place, work in zip(_places(trace), works, strict=True)]
    elif mode == "named":
        works = [[*work, *_named(trace, names)] for names, work in zip(results(trace), works, strict=True)]
    steps = [replace(step, work=tuple(work)) for step, work in zip(trace.steps, works, strict=True)]
    return replace(trace, steps=tuple(steps))


def equations(nodes: tuple[Node, ...], step: Step) -> list[str]:
    """The equations of one step of a traced program. Symbolic dims have none."""
    if any(not isinstance(dim, int) for shape in (*step.inputs, *step.outputs) for dim in shape):
        return []
    if step.reason is not None:
        return rejected_work(step)
    if step.node is None:
        return []
    if step.node == len(nodes):  # an index that fails at a later primitive: it has no node
        return primitive_work(step)
    node = nodes[step.node]
    if node.target == "operator.getitem":
        return primitive_work(step)
    name = node.target.rpartition(".")[2]
    rule = _RULES.get(node.target) or _RULES.get(name)
    if rule is None:
        return []
    args, kwargs = _resolved(node.args, nodes), {key: _resolved(value, nodes) for key, value in node.kwargs}
    module = None if node.module is None else (node.module[0], dict(node.module[1]))
    return rule(Call(name, args, kwargs, module, step.inputs, step.outputs))


def _resolved(value: Any, nodes: tuple[Node, ...]) -> Any:
    """A node's argument with the shapes of the tensors that it refers to."""
    if isinstance(value, Ref):
        return Operand(nodes[value.node].shape(value.path))
    if isinstance(value, (tuple, list)):
        return tuple([_resolved(item, nodes) for item in value])
    return value


# --- where a step stands ---------------------------------------------------------------------------------------------


def _places(trace: ShapeTrace) -> list[list[str]]:
    """For each step its source line and the variables that hold its inputs, the one bound last where there are two."""
    places: list[list[str]] = []
    shown: int | None = None
    for step, names in zip(trace.steps, variables(trace), strict=True):
        items = [] if step.line is None else [f"line {step.line}"]
        # The later primitives of an index read no variable; of one that fails it is not known what it reads.
        if step.node is not None and step.node not in (shown, len(trace.nodes)):
            node = trace.nodes[step.node]
            holders = {ref: name for name, ref in names.items()}
            refs = dict.fromkeys(_refs((node.args, [value for _, value in node.kwargs])))
            items += [f"{holders[r]} = {render_shape(trace.nodes[r.node].shape(r.path))}" for r in refs if r in holders]
            shown = step.node
        places.append(items)
    return places


def _named(trace: ShapeTrace, names: Mapping[str, Ref]) -> list[str]:
    return [f"{name} = {render_shape(trace.nodes[ref.node].shape(ref.path))}" for name, ref in names.items()]


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _refs(item)
    elif isinstance(value, slice):
        yield from _refs((value.start, value.stop, value.step))
