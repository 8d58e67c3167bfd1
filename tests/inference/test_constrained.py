"""Constrained generation: whatever the weights say, the text is a trace."""

from __future__ import annotations

import pytest

from rotbot.errors import InputError
from rotbot.inference import Sampling, open_engine
from rotbot.shapes import ShapeTrace
from tests.memorized import ANSWERS, RIGHT

WILD = Sampling(max_tokens=400, temperature=1.0, n=8, seed=3)
CONSTRAINED = Sampling(max_tokens=400, temperature=1.0, n=8, seed=3, constrained=True)


def whole_lines(completion):
    """The completion's text up to the line that the limit cut off."""
    text = completion.text
    return text if completion.finish_reason == "stop" else text.rpartition("\n")[0]


def test_random_weights_write_nothing_but_steps(random_folder):
    with open_engine(random_folder, "vllm") as engine:
        free, bound = engine.generate([RIGHT], WILD), engine.generate([RIGHT], CONSTRAINED)
    assert all(ShapeTrace.parse(whole_lines(c)).malformed or c.finish_reason == "length" for c in free)
    assert not any(ShapeTrace.parse(c.text).steps for c in free)
    for completion in bound:
        trace = ShapeTrace.parse(whole_lines(completion))
        assert not trace.malformed, completion.text
        assert completion.text.startswith(("step 0: ", "</think>\nfinal: "))
        assert (completion.finish_reason == "stop") == (trace.final is not None or trace.error is not None)
    assert len({c.text for c in bound}) > 1


def test_answers_that_keep_the_format_stay_as_they_are(memorized_folder):
    with open_engine(memorized_folder, "vllm") as engine:
        made = engine.generate(list(ANSWERS), Sampling(max_tokens=80, constrained=True))
    assert [c.text for c in made] == list(ANSWERS.values())
    assert all(c.finish_reason == "stop" for c in made)


def test_transformers_says_that_it_cannot(random_folder):
    with (
        open_engine(random_folder, "transformers") as engine,
        pytest.raises(InputError, match="constrained: expected the engine vllm or a vLLM server, got transformers"),
    ):
        engine.generate([RIGHT], CONSTRAINED)


def test_logprobs_of_a_cut_distribution_are_refused():
    with pytest.raises(InputError, match="logprobs: expected free generation, got constrained"):
        Sampling(constrained=True, logprobs=True)
