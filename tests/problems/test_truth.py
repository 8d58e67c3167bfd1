"""The answers, derived again by other means, and every spelling of every op held against eager torch."""

from __future__ import annotations

from random import Random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rotbot import Problem, ShapeTrace
from rotbot.problems import FAMILIES, LEVELS, seeds
from rotbot.problems.composer import RANKS
from rotbot.problems.op import Context, broadcast, easy_product
from rotbot.problems.rows import make_item
from rotbot.problems.verify import Disagreement, run_eagerly, verify

OPS = [op for declared in FAMILIES.values() for op in declared]


@pytest.fixture(scope="module")
def items():
    return [make_item(seeds.item_seed(21, i), LEVELS[i % 6]) for i in range(300)]


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
            for tensor in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(tensor, torch.Tensor):
                    self.shapes.add(tuple(tensor.shape))
            return result

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


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.family}-{op.name}")
def test_every_spelling_is_valid_eager_code(op):
    """Each spelling of 40 draws runs on real tensors and gives the shapes the declaration claims."""
    draws = 0
    for attempt in range(4_000):
        rng = Random(f"{op.name}{attempt}")
        rank = min(max(rng.choice(RANKS), op.ranks[0]), op.ranks[1])
        shape = tuple(rng.choice((1, 2, 3, 4, 6, 8, 12)) for _ in range(rank))
        context = Context(
            rng, LEVELS[5], shape, contiguous=rng.random() < 0.5, steps_left=rng.choice((1, 2, 3)), new_args=2
        )
        draw = op.sample(context)
        if draw is None:
            continue
        draws += 1
        tensor = torch.zeros(shape)
        names = {"x": tensor, "torch": torch, "F": F, "nn": nn}
        for name, operand in zip("yz", context.operands, strict=False):
            names[name] = torch.zeros(operand.shape, dtype=getattr(torch, operand.dtype))
        for spelling in draw.spellings:
            code = spelling
            for dim in range(rank):
                code = code.replace(f"${dim}", f"x.size({dim})")
            result = eval(code.replace("$", ""), dict(names))
            results = result if isinstance(result, (tuple, list)) else (result,)
            assert tuple(tuple(r.shape) for r in results) == draw.outputs, spelling
            if draw.fresh or (draw.keeps and not draw.steps > 1):
                assert all(r.is_contiguous() for r in results), spelling
        if draws == 40:
            break
    assert draws == 40, f"{op.name} applied to {draws} of 4000 shapes"


def test_a_disagreement_is_an_error_that_says_between_whom(items):
    item = next(i for i in items if i.level == 2)
    other = next(i for i in items if i.level == 2 and i.trace.final != item.trace.final)
    program, written = item.program, _written(item)
    verify(program, written, item.trace)
    with pytest.raises(Disagreement, match=r"the composer expects \[.*\], the tracer says"):
        verify(program, written, other.trace)
    shorter = ShapeTrace(item.trace.steps[:-1], item.trace.final)
    with pytest.raises(Disagreement, match="the composer expects 3 steps, the tracer has 2"):
        verify(program, written, shorter)


def test_eager_is_asked_too(items):
    item = next(i for i in items if i.level == 0)
    written = _written(item)
    broken = type(written)(Problem("y = torch.zeros(7, 7, 7)", {}, "y"), "statements", {"y": item.program.target})
    with pytest.raises(Disagreement, match=r"eager torch gives y the shape \[7, 7, 7\], the composer"):
        verify(item.program, broken, item.trace)
    failing = type(written)(Problem("y = torch.zeros(2) + torch.zeros(3)", {}, "y"), "statements", {})
    with pytest.raises(Disagreement, match="eager torch raises RuntimeError: The size of tensor a"):
        verify(item.program, failing, item.trace)


def _written(item):
    from rotbot.problems.rows import draft

    return draft(item.seed, LEVELS[item.level])[1]


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
