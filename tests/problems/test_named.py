"""Problems whose sizes are names: only those stay that hold for any numbers."""

from __future__ import annotations

import pytest

from rotbot.errors import UnsupportedSnippet
from rotbot.problem import Problem
from rotbot.problems.named import _runs
from rotbot.shapes.symbolic import trace_specs


@pytest.mark.parametrize(
    ("code", "args", "holds"),
    [
        ("y = x.reshape(-1, 2)", {"x": ["B", 4]}, True),
        ("c = torch.mm(v, s)\ny = torch.slice_scatter(c, a, dim=0, start=15, end=51)",
         {"v": ["B", 7], "s": [7, 7], "a": [36, 7]}, False),  # only from B = 51 on
        ("i = torch.argsort(x, dim=1)\ny = F.embedding(i, k)", {"x": ["T", "C"], "k": ["B", 2]}, False),  # if B >= C
    ],
)  # fmt: skip
def test_a_trace_must_hold_at_every_assignment(code, args, holds):
    problem = Problem(code, args, "y")
    assert _runs(problem, problem.truth()) == holds


def test_a_program_that_is_rejected_is_not_worked_out_where_nobody_wants_it():
    problem = Problem("y = x.view(4, 8)", {"x": ["B", 8]}, "y")
    specs = dict(problem.specs)
    assert trace_specs(problem.code, specs, "y").error is not None
    with pytest.raises(UnsupportedSnippet, match=r"line 1: the program is rejected: .* elements"):
        trace_specs(problem.code, specs, "y", rejected=False)
    assert trace_specs("y = x.view(-1, 4)", specs, "y", rejected=False).final == ("2*B", 4)
