"""A witness that knows nothing of the tracer: the program runs on real tensors, and every torch call is written down.

This is how a dataset is checked from its rows alone. A ``TorchFunctionMode`` sees every call with its inputs and
results; the steps of a trace must be found among them, in order, with the shapes that the trace says. What indexing
reads as primitives is replayed on a tensor of the step's own input shape.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from rotbot.problem import Problem
from rotbot.problems.conditioned import WellConditioned, needs_values
from rotbot.problems.graphs import op_name
from rotbot.problems.verify import GENERATED
from rotbot.shapes.running import TORCH_ERRORS, undisturbed
from rotbot.shapes.text import as_shapes
from rotbot.shapes.trace import Shape, ShapeTrace, Step

_OPERATORS = {
    "radd": "add", "rsub": "sub", "rmul": "mul", "rtruediv": "div", "rdiv": "div", "truediv": "div",
    "rfloordiv": "floor_divide", "floordiv": "floor_divide", "rpow": "pow", "rmatmul": "matmul", "mod": "remainder",
    "rmod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "rand": "bitwise_and",
    "ror": "bitwise_or", "rxor": "bitwise_xor", "invert": "bitwise_not", "iadd": "add", "isub": "sub",
    "imul": "mul", "itruediv": "div", "ifloordiv": "floor_divide", "ipow": "pow", "imod": "remainder",
    "iand": "bitwise_and", "ior": "bitwise_or", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    "ilshift": "bitwise_left_shift", "irshift": "bitwise_right_shift", "rlshift": "bitwise_left_shift",
    "rrshift": "bitwise_right_shift",
}  # fmt: skip
_PRIMITIVES = ("new_axis", "select_index", "slice", "index", "keep_all")
_RECURRENT = ("lstm", "gru", "rnn")
_SLICE = re.compile(r"slice dim \d+ from -?\d+ to -?\d+(?: step -?\d+)?")
"""A slice whose ends are numbers; those of a symbolic trace may be expressions."""
_NUMBERS = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Call:
    """A torch call that an eager run made: its name, and the shapes of the tensors that went in and came out."""

    name: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """What an eager run saw: its calls, the target's shapes (None where it was not reached), and whether torch rejected
    the program."""

    calls: tuple[Call, ...]
    final: tuple[Shape, ...] | None
    rejected: bool


class _Recording(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = tuple([tuple(t.shape) for t in _tensors((args, kwargs))])
        result = func(*args, **(kwargs or {}))
        outputs = inputs[:1] if func.__name__ == "__setitem__" else tuple([tuple(t.shape) for t in _tensors(result)])
        if outputs:
            self.calls.append(Call(_name(func), inputs, outputs))
        return result


def _name(func: Any) -> str:
    name: str = func.__name__
    if name == "__get__":
        name = func.__self__.__name__
    if name.startswith("__"):
        name = _OPERATORS.get(name.strip("_"), name.strip("_"))
    for space in ("linalg_", "fft_", "special_"):
        name = name.removeprefix(space)
    return op_name(name)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)


def observe(problem: Problem, last_line: int | None = None) -> Observation:
    """Run a program on real tensors and write down what it calls.

    It executes: only for programs that the tracer has walked through without refusing them. ``last_line`` is where the
    tracer stopped; statements below it are not run.
    """
    from torch import nn

    tree = ast.parse(problem.code)
    if last_line is not None:
        tree.body = [statement for statement in tree.body if statement.lineno <= last_line]
    program = compile(tree, GENERATED, "exec")
    namespace: dict[str, Any] = {"torch": torch, "F": nn.functional, "nn": nn}
    for name, spec in problem.specs:
        namespace[name] = torch.zeros(spec.sizes, dtype=getattr(torch, spec.dtype))
    recording, rejected = _Recording(), False
    values = WellConditioned() if needs_values(problem.code) else nullcontext()
    with undisturbed(), values:
        torch.default_generator.manual_seed(0)
        try:
            with recording:
                exec(program, namespace)  # noqa: S102 - the tracer has accepted it, see above
        except TORCH_ERRORS:
            rejected = True
    target = None if rejected else namespace.get(problem.target)
    final = None if target is None else tuple([tuple(t.shape) for t in _tensors(target)])
    return Observation(tuple(recording.calls), final, rejected)


def contradiction(trace: ShapeTrace, said: Observation) -> str | None:
    """What in a trace the eager run contradicts; None if they agree."""
    if (trace.error is not None) != said.rejected:
        return f"eager torch {'rejects' if said.rejected else 'accepts'} the program"
    if trace.final is not None and as_shapes(trace.final) != said.final:
        return f"final: eager torch gives {said.final}, the trace says {trace.final}"
    at, steps = 0, [step for step in trace.steps if step.reason is None]
    index, unseen = 0, len(steps) - _in_failed_index(trace.steps)
    while index < len(steps):
        groups = _groups(steps, index)
        places = [(i, group) for group in groups for i in range(at, len(said.calls)) if _is_call(group, said.calls[i])]
        if not places and index < unseen:
            step = steps[index]
            return f"step {index}: no eager call is {step.op} on {step.inputs} giving {step.outputs}"
        found, group = min(places, key=lambda place: place[0]) if places else (at, groups[-1])
        wrong = next((step for step in group if op_name(step.op) in _PRIMITIVES and not _replays(step)), None)
        if wrong is not None:
            return f"step {steps.index(wrong)}: {wrong.op} of {wrong.inputs[0]} does not give {wrong.outputs[0]}"
        at, index = found + 1, index + len(group)
    return None


def _in_failed_index(steps: Sequence[Step]) -> int:
    """How many steps before the rejected one may be primitives of the same index, a call that gave no result."""
    count = 0
    while count < len(steps) - 1:
        step, following = steps[-2 - count], steps[-1 - count]
        if not all(op_name(one.op) in _PRIMITIVES for one in (step, following)) or following.inputs[:1] != step.outputs:
            break
        count += 1
    return count if steps and steps[-1].reason is not None else 0


def _groups(steps: list[Step], start: int) -> list[list[Step]]:
    """The steps that one call may stand for: one, or as many primitives of indexing as follow each other."""
    groups = [[steps[start]]]
    while op_name(groups[-1][-1].op) in _PRIMITIVES and start + len(groups) < len(steps):
        step = steps[start + len(groups)]
        if op_name(step.op) not in _PRIMITIVES or step.inputs[:1] != groups[-1][-1].outputs:
            break
        groups.append([*groups[-1], step])
    return groups


def _is_call(group: list[Step], call: Call) -> bool:
    first, name = group[0], op_name(group[0].op)
    if first.op.startswith("MultiheadAttention("):
        return call.name == "multi_head_attention_forward" and _is_attention(first, call)
    if (
        name in _RECURRENT and len(first.inputs[0]) == 2
    ):  # without a batch: the function behind the module gets one of 1
        return (
            call.name.startswith(_RECURRENT)
            and _without_batch(call.outputs, "batch_first=True" in first.op) == first.outputs
        )
    if call.outputs != group[-1].outputs:
        return False
    if name in _PRIMITIVES:
        return call.name == "getitem" and call.inputs[:1] == first.inputs[:1]
    if first.op[:1].isupper() and name not in ("T", "H"):  # a module: what it calls has its parameters among the inputs
        return call.inputs[: len(first.inputs)] == first.inputs or name in _RECURRENT
    return call.name == name and call.inputs == first.inputs


def _is_attention(step: Step, call: Call) -> bool:
    """Whether the function behind the module gave these outputs; with ``batch_first`` it has the batch second."""
    if not call.outputs or call.outputs[1:] != step.outputs[1:]:
        return False
    given, said = call.outputs[0], step.outputs[0]
    return given == said or ("batch_first=True" in step.op and given == (*said[1::-1], *said[2:]))


def _without_batch(outputs: tuple[Shape, ...], batch_first: bool) -> tuple[Shape, ...]:
    """The results of a recurrent module whose batch is of one, without it: it comes second in the states."""
    sequence, *states = outputs
    sequence = sequence[1:] if batch_first else (*sequence[:1], *sequence[2:])
    return (sequence, *[(*state[:1], *state[2:]) for state in states])


def _replays(step: Step) -> bool:
    """Whether a primitive of indexing, applied to its own input shape, gives its output shape."""
    name, said = op_name(step.op), step.op.partition(" with ")[0]
    if name == "slice" and _SLICE.fullmatch(said) is None:  # the call as a whole has been seen
        return len(step.inputs[0]) == len(step.outputs[0])
    numbers = [int(n) for n in _NUMBERS.findall(said)]
    x = torch.empty([size for size in step.inputs[0] if isinstance(size, int)], device="meta")
    if name == "keep_all":
        y = x
    elif name == "new_axis":
        y = x.unsqueeze(numbers[0])
    elif name == "select_index":
        y = x.select(numbers[-1], 0 if " _ " in step.op else numbers[0])
    elif name == "slice":
        dim, start, stop, *stride = numbers
        y = x[(slice(None),) * dim + (slice(start, stop, *stride),)]
    else:
        dims = numbers
        left = [size for dim, size in enumerate(x.shape) if dim not in dims]
        given = torch.broadcast_shapes(*[tuple(shape) for shape in step.inputs[1:]]) if len(step.inputs) > 1 else None
        return given is None or sorted([*left, *given]) == sorted(step.outputs[0])
    return tuple(y.shape) == step.outputs[0]
