"""An OpenAI-compatible server as an engine, against a server that runs a real model."""

from __future__ import annotations

import pytest

from rotbot.errors import InputError
from rotbot.inference import GREEDY, Sampling, open_engine
from rotbot.inference.endpoint import Endpoint
from tests.chat_server import NAME, serving
from tests.memorized import ANSWERS, RIGHT


@pytest.fixture(scope="module")
def served(memorized_folder):
    with open_engine(memorized_folder, "transformers") as engine, serving(engine) as (url, requests):
        yield url, requests


def test_it_gives_the_model_s_own_answers_in_the_order_of_the_prompts(served):
    url, requests = served
    with Endpoint(url) as endpoint:
        made = endpoint.generate(list(ANSWERS) * 3)
    assert [completion.text for completion in made] == list(ANSWERS.values()) * 3
    assert {completion.finish_reason for completion in made} == {"stop"}
    assert requests[-1]["model"] == NAME
    assert requests[-1]["temperature"] == 0.0


def test_samples_have_seeds_of_their_own(served):
    url, requests = served
    before = len(requests)
    with Endpoint(url, NAME) as endpoint:
        made = endpoint.generate([RIGHT], Sampling(temperature=0.5, n=4, seed=3))
        again = endpoint.generate([RIGHT], Sampling(temperature=0.5, n=4, seed=3))
    assert [one.text for one in made] == [one.text for one in again]
    assert len({body["seed"] for body in requests[before:]}) == 4


def test_an_answer_that_is_cut_says_so(served):
    with Endpoint(served[0]) as endpoint:
        made = endpoint.generate([RIGHT], Sampling(max_tokens=4))[0]
    assert made.finish_reason == "length"
    assert ANSWERS[RIGHT].startswith(made.text)


def test_a_model_that_is_not_there(served):
    with pytest.raises(InputError, match=f"expected one of {NAME}, got 'other'"):
        Endpoint(served[0], "other")


def test_no_server_at_all():
    with pytest.raises(InputError, match=r"endpoint http://127\.0\.0\.1:9/v1/: expected an OpenAI-compatible server"):
        Endpoint("http://127.0.0.1:9/v1").generate([RIGHT], GREEDY)


def test_a_server_of_something_else(served):
    with pytest.raises(InputError, match="expected an OpenAI-compatible server"):
        Endpoint(served[0] + "/nowhere")
