"""What training a policy asks of an engine: log-probabilities of the tokens drawn, and new weights while it is open."""

from __future__ import annotations

import shutil

import pytest
import torch

from rotbot.errors import InputError
from rotbot.inference import Sampling, open_engine
from rotbot.models import encode_prompt, load, to_transformers
from tests.memorized import ANSWERS, RIGHT

DRAWN = Sampling(max_tokens=24, temperature=0.7, n=3, seed=5, logprobs=True)


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def engine(request, random_folder, tmp_path_factory):
    """An engine on random weights whose folder is gone: nothing it learns can come from there."""
    folder = shutil.copytree(random_folder, tmp_path_factory.mktemp("policy") / "model")
    with open_engine(folder, request.param) as opened:
        shutil.rmtree(folder)
        yield opened


def expected_logprobs(model, prompt, tokens, temperature):
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *tokens]])).float()[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None])[:, 0]


def test_logprobs_are_those_of_the_distribution_that_was_drawn_from(engine, random_folder):
    model = load(random_folder, dtype=torch.float32).model
    prompt = encode_prompt(engine.tokenizer, [{"role": "user", "content": RIGHT.prompt()}])
    completions = engine.generate([RIGHT], DRAWN)
    assert len({c.tokens for c in completions}) == 3
    for completion in completions:
        assert len(completion.logprobs) == len(completion.tokens)
        expected = expected_logprobs(model, prompt, list(completion.tokens), DRAWN.temperature)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=2e-4, rtol=0)


def test_logprobs_only_when_asked_for_and_never_of_a_cut_distribution(engine):
    assert engine.generate([RIGHT], Sampling(max_tokens=4))[0].logprobs == ()
    with pytest.raises(InputError, match=r"logprobs: expected top_p 1, got 0\.9"):
        Sampling(top_p=0.9, logprobs=True)


def test_new_weights_are_used_in_every_layer_and_in_the_tied_output(engine, memorized_folder):
    """The memorized model says its answers word for word: a stale embedding or output projection would not."""
    assert engine.generate([RIGHT], Sampling(max_tokens=80))[0].text != ANSWERS[RIGHT]
    learnt = load(memorized_folder, dtype=torch.float32)
    engine.update_weights(to_transformers(learnt.model.state_dict(), learnt.config))
    texts = [c.text for c in engine.generate(list(ANSWERS), Sampling(max_tokens=80))]
    assert texts == list(ANSWERS.values())
