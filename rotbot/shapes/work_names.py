"""Which variable holds which result before each step of a program."""

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


def _record(held: dict[str, Ref], number: int, node: Node) -> None:
    if node.kind == "placeholder":
        held[node.target] = Ref(number)
    elif (is_in_place(node.target) or node.target == "operator.setitem") and node.args:
        held.update({name: Ref(number) for name, ref in held.items() if ref == node.args[0]})
