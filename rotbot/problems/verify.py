"""Three witnesses for every problem: the composer's rules, the tracer, and eager torch on real tensors.

What a call returns the tracer takes from the eager run where it makes the same call (:mod:`rotbot.shapes.observed`): of
these two, what they must agree on is the program's flow. ``rotbot check`` lets both ask torch on their own. All must
agree. A disagreement is a fault of ours and stops everything: dropping the row would hide it.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

from torch import Tensor

from rotbot.errors import RotbotError
from rotbot.problem import Problem
from rotbot.problems.composer import Program
from rotbot.problems.writer import Written
from rotbot.shapes.observed import Call, Observing
from rotbot.shapes.running import TORCH_ERRORS, undisturbed
from rotbot.shapes.trace import ShapeTrace

GENERATED = "<generated>"
"""The file name that a generated program has in tracebacks."""


class Disagreement(RotbotError):
    """Composer, tracer and eager torch do not agree on a generated program: a fault in rotbot, never in the input."""

    def __init__(self, problem: Problem, found: str) -> None:
        super().__init__(f"a generated program has no agreed truth: {found}\n{problem.prompt()}")
        self.problem = problem
        self.found = found

    def __reduce__(self) -> tuple[type[Disagreement], tuple[Problem, str]]:
        return Disagreement, (self.problem, self.found)


def run_eagerly(problem: Problem, zero_integers: bool = False, observing: Observing | None = None) -> dict[str, Any]:
    """Run one of *our own* generated programs on real tensors of zeros (matrices that linear algebra gets are well
    conditioned) and return its variables. With ``zero_integers`` what it computes as integers is zeros too;
    ``observing`` sees its calls.

    Never call this with foreign code: it executes. Raises whatever torch raises.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from rotbot.problems.conditioned import WellConditioned, ZeroIntegers, needs_values

    namespace: dict[str, Any] = {"torch": torch, "F": F, "nn": nn}
    for name, spec in problem.specs:
        namespace[name] = torch.zeros(spec.sizes, dtype=getattr(torch, spec.dtype))
    values = WellConditioned() if needs_values(problem.code) else nullcontext()
    with undisturbed(), values, ZeroIntegers() if zero_integers else nullcontext(), observing or nullcontext():
        torch.default_generator.manual_seed(0)
        exec(compiled(problem.code), namespace)  # noqa: S102 - the text is ours, see the docstring
    return namespace


@lru_cache(maxsize=128)
def compiled(code: str) -> CodeType:
    """One of our own programs for an eager run."""
    return compile(code, GENERATED, "exec")


@dataclass(frozen=True, slots=True)
class EagerRun:
    """What an eager run of a program found: the shapes of its variables and its calls, or what torch raised."""

    shapes: Mapping[str, tuple[int, ...]]
    calls: list[Call]
    error: Exception | None = None


def eager_run(problem: Problem) -> EagerRun:
    """Run one of *our own* programs, see :func:`run_eagerly`, and keep what it found."""
    observing = Observing()
    try:
        variables = run_eagerly(problem, observing=observing)
    except TORCH_ERRORS as error:
        return EagerRun({}, observing.calls, error.with_traceback(None))
    shapes = {name: tuple(value.shape) for name, value in variables.items() if isinstance(value, Tensor)}
    return EagerRun(shapes, observing.calls)


def eager_error_line(problem: Problem, zero_integers: bool = False) -> int | None:
    """The line at which eager torch rejects one of *our own* programs; None where it runs to its end.

    Raises what is no verdict on shapes (a full memory, a fault of ours).
    """
    try:
        run_eagerly(problem, zero_integers)
    except TORCH_ERRORS as error:
        return _line_of(error)
    return None


def _line_of(error: Exception) -> int:
    """The line of a generated program that raised ``error``. (Found in a frame of its own: one of those of ``error``
    would keep them all, and their tensors.)"""
    frames = traceback.walk_tb(error.__traceback__)
    return next(line for frame, line in frames if frame.f_code.co_filename == GENERATED)


def verify_target(problem: Problem, trace: ShapeTrace, run: EagerRun | None = None) -> None:
    """Hold a trace against an eager run (``run``, or a new one) where there are no rules of a composer: the target has
    the shape it says.

    Raises :class:`Disagreement`.
    """
    if trace.error is not None:
        raise Disagreement(problem, f"the tracer rejects step {trace.error.step}: {trace.error.reason}")
    shape = _shapes(problem, run)[problem.target]
    if shape != trace.final:
        raise Disagreement(problem, f"the tracer says {trace.final}, eager torch {list(shape)}")


def _shapes(problem: Problem, run: EagerRun | None) -> Mapping[str, tuple[int, ...]]:
    """The shapes of the variables after an eager run that must not fail."""
    run = run or eager_run(problem)
    if run.error is not None:
        raise Disagreement(problem, f"eager torch raises {type(run.error).__name__}: {run.error}") from run.error
    return run.shapes


def verify(program: Program, written: Written, trace: ShapeTrace, run: EagerRun | None = None) -> None:
    """Hold the trace of a generated program against the composer's rules and an eager run (``run``, or a new one).

    Raises :class:`Disagreement` that says which two differ, and on what.
    """
    problem = written.problem
    expected = program.values[program.target].shape
    if trace.error is not None:
        raise Disagreement(problem, f"the tracer rejects step {trace.error.step}: {trace.error.reason}")
    if trace.final != expected:
        raise Disagreement(problem, f"the composer expects {list(expected)}, the tracer says {trace.final}")
    _verify_steps(program, problem, trace)
    _verify_eagerly(program, written, run)


def _verify_steps(program: Program, problem: Problem, trace: ShapeTrace) -> None:
    """As many steps as the composer counted, and every call's result among them."""
    calls = [program.calls[i] for i in sorted(program.live)]
    steps = sum(call.steps for call in calls)
    if len(trace.steps) != steps:
        raise Disagreement(problem, f"the composer expects {steps} steps, the tracer has {len(trace.steps)}")
    traced = {shape for step in trace.steps for shape in step.outputs}
    for call in calls:
        for value in call.outputs:
            if program.values[value].shape not in traced:
                shape = list(program.values[value].shape)
                raise Disagreement(problem, f"the composer's {call.op.name} gives {shape}, no traced step does")


def _verify_eagerly(program: Program, written: Written, run: EagerRun | None) -> None:
    """Every variable has the shape that the composer computed, after an eager run."""
    problem = written.problem
    shapes = _shapes(problem, run)
    for name, value in written.variables.items():
        shape, expected = shapes[name], program.values[value].shape
        if shape != expected:
            raise Disagreement(
                problem, f"eager torch gives {name} the shape {list(shape)}, the composer {list(expected)}"
            )
