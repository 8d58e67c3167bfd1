"""The answers, derived again by other means."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rotbot import Problem, ShapeTrace
from rotbot.problems import LEVELS, seeds
from rotbot.problems.op import broadcast, easy_product
from rotbot.problems.rows import draft, make_item
from rotbot.problems.verify import Disagreement, run_eagerly, verify

EVERY_OP = [replace(level, held_out=True) for level in LEVELS[:6]]


@pytest.fixture(scope="module")
def items():
    return [make_item(seeds.item_seed(21, i), EVERY_OP[i % 6]) for i in range(400)]


def test_final_shape_is_eager_torchs(items):
    for item in items:
        assert tuple(run_eagerly(item.problem)[item.problem.target].shape) == item.trace.final


def test_every_step_is_what_torch_functions_return(items):
    """Record the shapes that leave torch while the program runs eagerly: every traced output is among them."""

    class Record(torch.overrides.TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.shapes: set[tuple[int, ...]] = set()

        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            self.add(result)
            return result

        def add(self, result) -> None:
            if isinstance(result, torch.Tensor):
                self.shapes.add(tuple(result.shape))
            elif isinstance(result, (tuple, list)):
                for item in result:
                    self.add(item)

    brackets = ("add dimension", "slice dim", "select index")  # several may be one call in eager torch
    for item in items:
        with Record() as record:
            run_eagerly(item.problem)
        steps = [step for step in item.trace.steps if not step.op.startswith(brackets)]
        assert {shape for step in steps for shape in step.outputs} <= record.shapes, item.problem.code


def test_trace_text_reads_back(items):
    for item in items:
        assert ShapeTrace.parse(item.trace.completion()) == item.trace
        assert item.trace.completion().split("</think>\n")[1] == f"final: {list(item.trace.final)}"


def test_a_disagreement_is_an_error_that_says_between_whom(items):
    item = next(i for i in items if i.level == 2)
    other = next(i for i in items if i.level == 2 and i.trace.final != item.trace.final)
    program, written = _draft(item)
    verify(program, written, item.trace)
    with pytest.raises(Disagreement, match=r"the composer expects \[.*\], the tracer says"):
        verify(program, written, other.trace)
    shorter = ShapeTrace(item.trace.steps[:-1], item.trace.final)
    with pytest.raises(Disagreement, match="the composer expects 3 steps, the tracer has 2"):
        verify(program, written, shorter)


def test_eager_is_asked_too(items):
    item = next(i for i in items if i.level == 0)
    program, written = _draft(item)
    broken = type(written)(Problem("y = torch.zeros(7, 7, 7)", {}, "y"), "statements", {"y": program.target})
    with pytest.raises(Disagreement, match=r"eager torch gives y the shape \[7, 7, 7\], the composer"):
        verify(program, broken, item.trace)
    failing = type(written)(Problem("y = torch.zeros(2) + torch.zeros(3)", {}, "y"), "statements", {})
    with pytest.raises(Disagreement, match="eager torch raises RuntimeError: The size of tensor a"):
        verify(program, failing, item.trace)


def _draft(item):
    return draft(item.seed, EVERY_OP[item.level])


@pytest.mark.parametrize(
    ("x", "y", "result"),
    [((3, 1), (1, 4), (3, 4)), ((5,), (2, 1), (2, 5)), ((), (3,), (3,)), ((2, 3), (2, 4), None), ((2,), (3,), None)],
)
def test_broadcast(x, y, result):
    assert broadcast(x, y) == result
    if result is not None:
        assert tuple(torch.broadcast_shapes(x, y)) == result


def test_products_stay_within_reach():
    assert easy_product((8, 28))
    assert easy_product((32, 16))
    assert not easy_product((28, 14))
    assert not easy_product((64, 12))
    assert not easy_product((2, 2, 2, 2))
