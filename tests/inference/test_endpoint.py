"""An OpenAI-compatible server as an engine, against a server that runs a real model."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from rotbot.errors import InputError, RotbotError
from rotbot.inference import GREEDY, Sampling, open_engine
from rotbot.inference.endpoint import Endpoint
from tests.chat_server import NAME, ChatHandler, listening, serving
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
    with pytest.raises(InputError, match=r"endpoint http://127\.0\.0\.1:9/v1/: cannot connect, is a server running"):
        Endpoint("http://127.0.0.1:9/v1").generate([RIGHT], GREEDY)


def test_a_server_of_something_else(served):
    with pytest.raises(InputError, match="expected an OpenAI-compatible server"):
        Endpoint(served[0] + "/nowhere")


@contextmanager
def answering(status, text, seconds=0.0):
    """A server that lists a model and answers every chat with ``text`` after ``seconds``; counts the chats."""
    chats = []
    over = threading.Event()

    class Handler(ChatHandler):
        def chat(self, body):
            chats.append(self.headers["Authorization"])
            over.wait(seconds)
            self.answer(status, text)

    try:
        with listening(Handler) as url:
            yield url, chats
    finally:
        over.set()


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (200, "<html>Welcome</html>", "expected an OpenAI-compatible server"),
        (200, '{"choices": []}', "expected a chat completion, got"),
        (200, '{"choices": [{"message": {"content": [1]}}]}', "expected a chat completion, got"),
        (200, "[]", "expected a chat completion, got"),
        (401, "{}", "the key comes from the environment's OPENAI_API_KEY"),
        (404, '{"error": "no such path"}', "expected an OpenAI-compatible server"),
    ],
)
def test_what_a_server_says_in_another_dialect_is_a_sentence(status, text, said):
    with answering(status, text) as (url, _), Endpoint(url) as endpoint, pytest.raises(InputError, match=said) as got:
        endpoint.generate([RIGHT])
    assert len(str(got.value).splitlines()) == 1


def test_a_server_that_fails_is_asked_again_and_then_blamed(monkeypatch):
    monkeypatch.setattr("rotbot.hub.trouble.WAITS", (0.0, 0.0))
    with answering(503, "{}") as (url, chats), Endpoint(url) as endpoint, pytest.raises(InputError, match="503"):
        endpoint.generate([RIGHT])
    assert len(chats) == 3


def test_a_slow_server_is_told_from_a_dead_one_and_asked_once():
    with answering(200, "{}", 60) as (url, chats), Endpoint(url, timeout=0.3) as endpoint:
        with pytest.raises(InputError, match=r"expected an answer within 0\.3 s \(--timeout\)"):
            endpoint.generate([RIGHT])
        assert len(chats) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_is_told_and_leaves_no_one_waiting(monkeypatch):
    with answering(200, "{}") as (url, _), Endpoint(url) as endpoint:
        monkeypatch.setattr(endpoint, "_complete", lambda *arguments: 1 / 0)
        for _ in range(2):
            with pytest.raises(RotbotError, match="a fault of rotbot's own"):
                endpoint.generate([RIGHT] * 40)


def test_ctrl_c_does_not_wait_for_a_slow_server():
    with answering(200, "{}", 600) as (url, chats):
        command = [sys.executable, "-m", "rotbot", "predict", "--endpoint", url, "-c", "y = x.T", "--arg", "x=2,3"]
        asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 120
        while not chats:
            assert time.monotonic() < end
            time.sleep(0.05)
        asking.send_signal(signal.SIGINT)
        began = time.monotonic()
        asking.communicate(timeout=60)
        assert time.monotonic() - began < 10
        assert asking.returncode == 130
