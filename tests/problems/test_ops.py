"""Every op by itself: each of its spellings on real tensors and through the tracer, held against its declaration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from random import Random

import pytest
import torch

from rotbot import Problem, trace
from rotbot.problems import FAMILIES, LEVELS
from rotbot.problems.families import SAME, torch_operations
from rotbot.problems.graphs import op_name
from rotbot.problems.op import COMPLEX, UNBOUNDED, Context, Draw, Op, Value
from rotbot.problems.verify import run_eagerly
from rotbot.problems.vocabulary import family_of

OPS = [op for declared in FAMILIES.values() for op in declared]
LEVEL = LEVELS[5]
DRAWS, TRACED = 12, 3


def contexts(op: Op, dtype: str, attempts: int) -> Iterator[Context]:
    """What a call of ``op`` may find: a tensor of ``dtype``, further arguments, and another tensor like it."""
    for attempt in range(attempts):
        rng = Random(f"{op.name}{dtype}{attempt}")
        rank = min(max(rng.choice(LEVEL.ranks), op.ranks[0]), op.ranks[1])
        shape = tuple(rng.choice((1, 2, 3, 4, 6, 8, 12)) for _ in range(rank))
        if op.argument and rng.random() < 0.7:
            shape = op.argument(shape)
        pool = ((0, Value(shape, dtype)),) if dtype in COMPLEX else ()
        yield Context(rng, LEVEL, shape, rng.random() < 0.5, rng.choice((1, 2, 3, 5)), pool, 2, dtype=dtype)


def draws(op: Op, dtype: str, count: int) -> Iterator[tuple[Context, Draw]]:
    """The first ``count`` calls of ``op`` on tensors of ``dtype``."""
    found = 0
    for context in contexts(op, dtype, 2_000):
        draw = op.sample(context)
        if draw is not None:
            found += 1
            yield context, draw
        if found == count:
            return
    pytest.fail(f"{op.name} applied to {found} of 2000 shapes of {dtype}")


def programs(context: Context, draw: Draw) -> Iterator[Problem]:
    """A program of nothing but the call, in each of its spellings; its results are ``r0``, ``r1``, ..."""
    args = {"x": f"{','.join(map(str, context.x))}:{context.dtype}"}
    for name, operand in zip("yz", context.operands, strict=False):
        args[name] = f"{','.join(map(str, operand.shape))}:{operand.dtype}"
    names = ", ".join(f"r{i}" for i in range(len(draw.outputs)))
    for spelling in dict.fromkeys(draw.spellings):
        text = spelling
        for dim in range(len(context.x)):
            text = text.replace(f"${dim}", f"x.size({dim})")
        assert "$" not in text.replace("$x", "").replace("$y", "").replace("$z", ""), spelling
        yield Problem(f"{names} = {text.replace('$', '')}", args, "r0")


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.family}-{op.name}")
def test_every_spelling_does_what_is_declared(op):
    """Shapes, dtypes, steps, fields, bounds of integers and contiguity, for each dtype that the op takes."""
    for dtype in op.dtypes:
        for number, (context, draw) in enumerate(draws(op, dtype, DRAWS)):
            dtypes = draw.dtypes or (dtype,) * len(draw.outputs)
            for problem in programs(context, draw):
                variables = run_eagerly(problem)
                results = [variables[f"r{i}"] for i in range(len(draw.outputs))]
                assert tuple(tuple(r.shape) for r in results) == draw.outputs, problem
                assert tuple(str(r.dtype).removeprefix("torch.") for r in results) == dtypes, problem
                if draw.fresh or (draw.keeps and draw.steps == 1):
                    assert all(r.is_contiguous() for r in results), problem
                for result in results:
                    if result.dtype is torch.int64 and draw.bound < UNBOUNDED:
                        assert 0 <= int(result.min()) <= int(result.max()) < max(draw.bound, context.bound), problem
                if number < TRACED:
                    truth = trace(problem.code, problem.args, problem.target)
                    assert truth.error is None, problem
                    assert len(truth.steps) == draw.steps, problem
                    assert truth.steps[-1].outputs[: len(draw.outputs)] == draw.outputs, problem
                    assert family_of(op_name(truth.steps[-1].op)) != "other", problem


@pytest.mark.parametrize(
    "op", [op for op in OPS if op.dtypes[0] not in COMPLEX], ids=lambda op: f"{op.family}-{op.name}"
)
def test_named_results_have_those_names(op):
    context, draw = next(draws(op, op.dtypes[0], 1))
    if draw.fields:
        problem = next(programs(context, draw))
        text = problem.code.partition(" = ")[2]
        result = run_eagerly(Problem(f"r = {text}", problem.args, "r"))["r"]
        assert [tuple(getattr(result, name).shape) for name in draw.fields] == list(draw.outputs)


def test_there_are_many_operations():
    names = {op.name for op in OPS}
    assert len(names) == len(OPS), "an op's name is its own"
    assert set(SAME) <= names
    assert len(torch_operations()) >= 300
    assert len(FAMILIES) == 19
    assert min(len(declared) for declared in FAMILIES.values()) >= 8
    for operation in (
        "gather",
        "svd",
        "rfft",
        "one_hot",
        "cumsum",
        "fold",
        "conv_transpose2d",
        "cross_entropy",
        "where",
    ):
        assert operation in torch_operations()


def test_the_command_counts_them():
    run = subprocess.run([sys.executable, "-m", "rotbot.problems.families"], capture_output=True, text=True, check=True)
    assert run.stdout.endswith(f"{len(torch_operations())} torch operations in {len(FAMILIES)} families\n")
    assert "linalg (24): svd svdvals qr" in run.stdout


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("y = torch.linalg.inv(x)", {"x": [3, 4, 4]}),
        ("y = torch.linalg.cholesky(x @ x.mT)", {"x": [5, 3]}),
        ("y = torch.linalg.solve(x, z)", {"x": [4, 4], "z": [4, 2]}),
        ("y = (x / x).inverse()", {"x": [6, 6]}),
        ("y = torch.linalg.svd(x / x).S", {"x": [2, 5, 3]}),
        ("y = torch.linalg.eigvals(x).abs()", {"x": [3, 3]}),
    ],
)
def test_linear_algebra_gets_values_that_it_takes(code, args):
    problem = Problem(code, args, "y")
    assert tuple(run_eagerly(problem)["y"].shape) == problem.truth().final


def test_a_wrong_shape_is_still_rejected():
    with pytest.raises(RuntimeError, match="must be batches of square matrices"):
        run_eagerly(Problem("y = torch.linalg.inv(x)", {"x": [3, 4]}, "y"))
