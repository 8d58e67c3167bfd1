"""Which variable holds which result before each step of a program, and which ones a step's result goes to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rotbot.shapes.trace import Node, Ref, ShapeTrace, is_in_place


def variables(trace: ShapeTrace) -> Iterator[dict[str, Ref]]:
    """For each step the program's variables (arguments, and names assigned at the top level) that hold a tensor.

    They come in the order in which they were bound, in one dictionary that changes from step to step. ``trace.steps``
    must be in the order of their nodes.

    Operations in place (``x.unsqueeze_(0)``, ``x[0] = 1``) make the variables that hold their first operand hold their
    result. Linear in the number of nodes and bindings, times the variables where something changes in place.
    """
    held: dict[str, Ref] = {}
    bindings = iter(trace.bindings)
    waiting = next(bindings, None)
    done = 0
    for step in trace.steps:
        end = len(trace.nodes) if step.node is None else min(step.node, len(trace.nodes))
        for number in chain(range(done, end), [end]):
            while waiting is not None and waiting.since <= number:
                held.pop(waiting.name, None)
                if waiting.ref is not None:
                    held[waiting.name] = waiting.ref
                waiting = next(bindings, None)
            if number < end:
                _record(held, number, trace.nodes[number])
        done = max(done, end)
        yield held


def results(trace: ShapeTrace) -> list[dict[str, Ref]]:
    """For each step the variables that its result, or a part of it, is assigned to at once.

    Of the primitives that one operation is shown as, that is the last one.
    """
    bound: dict[int, dict[str, Ref]] = {}
    for binding in trace.bindings:
        if binding.ref is not None and binding.since == binding.ref.node + 1:
            bound.setdefault(binding.ref.node, {})[binding.name] = binding.ref
    last = {step.node: index for index, step in enumerate(trace.steps) if step.node is not None}
    return [
        bound.get(step.node, {}) if step.node is not None and last[step.node] == index and step.reason is None else {}
        for index, step in enumerate(trace.steps)
    ]


def _record(held: dict[str, Ref], number: int, node: Node) -> None:
    if node.kind == "placeholder":
        held[node.target] = Ref(number)
    elif (is_in_place(node.target) or node.target == "operator.setitem") and node.args:
        held.update({name: Ref(number) for name, ref in held.items() if ref == node.args[0]})
