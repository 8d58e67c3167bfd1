"""The canonical program: what counts as the same."""

from __future__ import annotations

import pytest

from rotbot import Problem
from rotbot.problems.canonical import canonical_program, program_id


def test_renaming_does_not_change_the_id():
    first = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
    second = Problem("zed = dim[None, :]\nout = zed.expand(4, -1)", {"dim": [16]}, "out")
    assert canonical_program(first) == "v0 = v1[None, :]\nv2 = v0.expand(4, -1)\n# v1=[16]:float32 -> v2"
    assert program_id(first) == program_id(second)


@pytest.mark.parametrize(
    "other",
    [
        Problem("q = s[None, :]\nf = q.expand(5, -1)", {"s": [16]}, "f"),
        Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [17]}, "f"),
        Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": "16:int64"}, "f"),
        Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "q"),
        Problem("q = s[None, :]\nf = s.expand(4, -1)", {"s": [16]}, "f"),
        Problem("q = s[None, :]\nq = q.expand(4, -1)", {"s": [16]}, "q"),
    ],
)
def test_anything_else_does(other):
    assert program_id(other) != program_id(Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f"))


def test_keywords_strings_attributes_and_builtins_are_no_variables():
    code = "dim = torch.einsum('i,j->ij', i, j)\ny = dim.sum(dim=len(dim.shape) - 1)"
    assert canonical_program(Problem(code, {"i": [2], "j": [3]}, "y")) == (
        "v0 = torch.einsum('i,j->ij', v1, v2)\nv3 = v0.sum(dim=len(v0.shape) - 1)\n"
        "# v1=[2]:float32; v2=[3]:float32 -> v3"
    )


def test_compact_assignments_are_renamed_too():
    first = Problem("q=s[None,:]\na,b=q.split(1,dim=0)\nf=a", {"s": [16]}, "f")
    second = Problem("h=x[None,:]\nu,v=h.split(1,dim=0)\nw=u", {"x": [16]}, "w")
    assert canonical_program(first) == canonical_program(second)
    assert "v2,v3 =v0.split(1,dim=0)" in canonical_program(first)


def test_comments_do_not_count():
    bare = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
    told = Problem("q = s[None, :]\n# repeat it\nf = q.expand(4, -1)", {"s": [16]}, "f")
    assert program_id(bare) == program_id(told)
