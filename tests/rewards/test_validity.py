"""Local validity: a step by itself, read back into a program and traced."""

from itertools import islice

import pytest

from rotbot.problems import stream
from rotbot.rewards import expect
from rotbot.rewards.validity import is_locally_valid
from rotbot.shapes.text import parse_step


def valid(line):
    parsed = parse_step(f"step 0: {line}")
    assert parsed is not None, line
    return is_locally_valid(parsed[1])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("relu | [2, 3] -> [2, 3]", "relu | [2, 3] -> [3, 2]"),
        ("view(2, -1) | [2, 3, 4] -> [2, 12]", "view(5, -1) | [2, 3, 4] -> [5, 4]"),
        ("cat(dim=1) | [2, 3], [2, 5] -> [2, 8]", "cat(dim=0) | [2, 3], [2, 5] -> [4, 8]"),
        ("matmul | [2, 3], [3, 4] -> [2, 4]", "matmul | [2, 3], [4, 3] -> [2, 4]"),
        ("mT | [2, 3, 4] -> [2, 4, 3]", "mT | [2, 3, 4] -> [4, 3, 2]"),
        ("Linear(4, 8) | [2, 4] -> [2, 8]", "Linear(5, 8) | [2, 4] -> [2, 8]"),
        ("conv2d(stride=2) | [1, 3, 8, 8], [4, 3, 2, 2] -> [1, 4, 4, 4]", "conv2d | [1, 3, 8, 8], [4, 2, 2, 2] -> [1]"),
        ("index_select(0, _) | [5, 3], [2] -> [2, 3]", "index_select(0, _) | [5, 3], [2] -> [5, 2]"),
        ("masked_fill(-inf) | [2, 3], [3] -> [2, 3]", "masked_fill(-inf) | [2, 3], [4] -> [2, 3]"),
        ("einsum('ij,jk->ik', _, _) | [2, 3], [3, 4] -> [2, 4]", "einsum('ij,jk', _, _) | [2, 3], [4, 4] -> [2, 4]"),
        ("chunk(2, dim=1) | [2, 6] -> 2 x [2, 3]", "chunk(2, dim=1) | [2, 6] -> 3 x [2, 2]"),
        ("zeros(2, 3) | none -> [2, 3]", "zeros(2, 3) | none -> [3, 2]"),
        ("embedding | [5], [10, 4] -> [5, 4]", "embedding | [5], [10, 4] -> [5, 10]"),
        ("add dimension at position 1 | [2, 3] -> [2, 1, 3]", "add dimension at position 3 | [2, 3] -> [2, 3, 1]"),
        ("select index 1 of dim 1 | [2, 3] -> [2]", "select index 3 of dim 1 | [2, 3] -> [2]"),
        ("slice dim 0 from 1 to 8 step 3 | [9, 2] -> [3, 2]", "slice dim 0 from 1 to 8 step 3 | [9, 2] -> [7, 2]"),
        ("index dims 0, 1 with [4], [4] | [5, 6, 7], [4], [4] -> [4, 7]", "index dim 0 with [4] | [5, 6], [4] -> [5]"),
        ("index dim 1 with [3] | [5, 6] -> [5, 3]", "index dim 2 with [3] | [5, 6] -> [5, 3]"),
        ("matmul | [2, 3], [2, 3] -> error: inner dimensions 3 and 2 differ", "matmul | [2, 3], [2, 3] -> error: no"),
    ],
)
def test_the_operation_decides(right, wrong):
    assert valid(right)
    assert not valid(wrong)


def test_a_claim_that_torch_rejects_a_fine_call_is_wrong():
    assert not valid("matmul | [2, 3], [3, 4] -> error: inner dimensions 3 and 3 differ")


@pytest.mark.parametrize(
    "line",
    [
        "__import__('os').system('true') | [2] -> [2]",
        "view(__import__('os')) | [2] -> [2]",
        "view(*_) | [2] -> [2]",
        "view(2)(3 | [2] -> [2]",
        "view(2); import os; (3) | [2] -> [2]",
        "zeros(9**9**9) | none -> [1]",
        "zeros(" + "9" * 200 + ") | none -> [1]",
        "zeros(99999999999) | none -> [99999999999]",
        "save('/tmp/x') | [2] -> [2]",
        "no_such_operation | [2] -> [2]",
        "relu(_, _, _) | [2] -> [2]",
        "relu | [B] -> [B]",
        "chunk(100000) | [100000] -> 100000 x [1]",
        "(" * 200 + " | [2] -> [2]",
        "view(" + "[" * 250 + " | [2] -> [2]",
        "index dims 1, 0 with [3], [3] | [5, 6] -> [5, 3]",
        "index dim 0 with [99999] | [5, 6] -> [99999, 6]",
    ],
)
def test_what_cannot_be_run_is_not_valid(line):
    assert not valid(line)


def test_every_step_of_generated_programs_is_valid_by_itself():
    steps = {step for problem in islice(stream(5), 200) for step in expect(problem.truth()).steps}
    assert len(steps) > 500
    assert [step for step in steps if not is_locally_valid(step)] == []
