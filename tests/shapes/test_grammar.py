"""The grammar for constrained generation, held against the renderer and the parser by xgrammar's own matcher."""

from __future__ import annotations

from itertools import islice
from typing import get_args

import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st

from rotbot.problem import Problem
from rotbot.problems import LEVELS, stream
from rotbot.shapes import ShapeTrace, with_work
from rotbot.shapes.grammar import MOST_STEPS, trace_grammar
from rotbot.shapes.work import Mode
from tests.memorized import tokenizer


@pytest.fixture(scope="module")
def accepts():
    """Whether the grammar takes a whole text."""
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer())
    compiled = xgrammar.GrammarCompiler(info).compile_grammar(trace_grammar())

    def check(text):
        matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
        return matcher.accept_string(text) and matcher.is_completed()

    return check


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: f"level {level.number}")
@pytest.mark.parametrize("work", [None, *get_args(Mode)])
def test_what_is_rendered_is_in_the_grammar(accepts, level, work):
    for problem in islice(stream(8, levels=(level,)), 12):
        truth = problem.truth() if work is None else with_work(problem.truth(), work)
        assert accepts(truth.completion()) == (len(truth.steps) <= MOST_STEPS), truth.completion()


@pytest.mark.parametrize(
    "problem",
    [
        Problem("y = x.reshape(3, 5)", {"x": [2, 7]}, "y"),
        Problem("q, k, v = x.chunk(3, -1)\ny = q | k", {"x": "B,T,3*C:int64"}, "y"),
        Problem("y = (a, b)", {"a": [2], "b": [3]}, "y"),
        Problem("y = x", {"x": []}, "y"),
        Problem("y = torch.zeros(3, 4)", {}, "y"),
    ],
    ids=["error", "symbolic", "tuple", "no step", "no input"],
)
def test_every_form_of_line_is_in_the_grammar(accepts, problem):
    assert accepts(problem.truth().completion()), problem.truth().completion()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "final: [2]",
        "</think>\nfinal: [2]\n",
        "</think>\nfinal: [02]",
        "</think>\nfinal: [2,3]",
        "</think>\nfinal: 1 x [2]",
        "</think>\nfinal: 0 x []",
        "</think>\nfinal: error at step 01",
        "step 1: relu | [2] -> [2]\n</think>\nfinal: [2]",
        "step 0: relu | [2] -> [2]\nstep 2: relu | [2] -> [2]\n</think>\nfinal: [2]",
        "step 0: relu | [2] -> [2]</think>\nfinal: [2]",
        "step 0: relu | [2] () -> [2]\n</think>\nfinal: [2]",
        "step 0: relu | [2] -> error: \n</think>\nfinal: error at step 0",
        "well, \nstep 0: relu | [2] -> [2]\n</think>\nfinal: [2]",
    ],
)
def test_what_the_parser_would_call_malformed_is_not(accepts, text):
    assert not accepts(text)


_pieces = st.sampled_from(
    ["step 0: ", "step 1: ", "relu", " | ", "[2]", "[2, 3]", ", ", " -> ", "none", " (2*3 = 6)", "3 x ", "error: ",
     "C//8", "[", "]", "\n", "</think>\n", "final: ", "error at step ", "0", "x"]
)  # fmt: skip
_lines = st.builds(
    lambda op, inputs, work, output: f"{op} | {inputs}{work} -> {output}\n",
    st.sampled_from(["relu", "x | y", "a -> b", "(", "cat | [2] -> [3]"]),
    st.sampled_from(["none", "[2]", "[2], [3, 4]", "[]", "[B, C//8]"]),
    st.sampled_from(["", " (2*3 = 6)", " (q = [2, 3], 4 = 4)", " ()"]),
    st.sampled_from(["[2]", "[2], [3]", "3 x [2]", "0 x []", "error: sizes 2 and 3 differ", "error: a (b)"]),
)
_finals = st.sampled_from(["[2]", "[2], [3]", "2 x [4]", "error at step 0", "0 x []", "[2 ]"])


@settings(max_examples=400, deadline=None)
@given(st.one_of(
    st.lists(_pieces, max_size=12).map("".join),
    st.builds(
        lambda lines, final: "".join(f"step {i}: {line}" for i, line in enumerate(lines)) + f"</think>\nfinal: {final}",
        st.lists(_lines, max_size=4), _finals,
    ),
))  # fmt: skip
def test_what_it_accepts_has_no_malformed_line(accepts, text):
    if accepts(text):
        trace = ShapeTrace.parse(text)
        assert not trace.malformed, trace.malformed
        assert trace.final is not None or trace.error is not None
