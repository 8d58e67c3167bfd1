"""Token ids to text in pieces, and the drawing of a token."""

from __future__ import annotations

import pytest
import torch

from rotbot.inference.engine import Sampling
from rotbot.inference.requests import TextStream, completion, make_requests
from rotbot.inference.transformers import choose
from tests.memorized import RIGHT, tokenizer


@pytest.mark.parametrize("text", ["step 0: relu | [2] -> [2]\n", "größe → 3 × 4 ✓", "🙂🙃", "日本語 and 한국어"])
def test_pieces_are_whole_characters(text):
    stream = TextStream(tokenizer())
    pieces = [stream.push(token) for token in tokenizer()(text, add_special_tokens=False)["input_ids"]]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)
    assert stream.flush() == ""


def test_a_character_cut_short_comes_at_the_end():
    ids = tokenizer()("ab🙂", add_special_tokens=False)["input_ids"]
    stream = TextStream(tokenizer())
    assert "".join([stream.push(token) for token in ids[:-1]]) == "ab"
    assert stream.flush() == "\ufffd"


def test_special_tokens_that_belong_nowhere_stay_visible():
    ids = tokenizer()("a<|im_start|>b<|im_end|>", add_special_tokens=False)["input_ids"]
    assert completion(tokenizer(), ids, "stop", 1.0).text == "a<|im_start|>b"
    assert completion(tokenizer(), ids, "length", 1.0).text == "a<|im_start|>b<|im_end|>"


def test_every_request_has_a_seed_of_its_own():
    one, other = (make_requests(tokenizer(), [RIGHT] * 50, Sampling(seed=s, n=4), 2048) for s in (0, 1))
    assert len({r.seed for r in [*one, *other]}) == 400
    assert all(0 <= r.seed < 2**63 for r in one)


def test_the_limit_is_what_the_context_leaves():
    (request,) = make_requests(tokenizer(), [RIGHT], Sampling(max_tokens=500), 200)
    assert request.limit == 200 - len(request.ids)
    (request,) = make_requests(tokenizer(), [RIGHT], Sampling(max_tokens=5), 200)
    assert request.limit == 5


def test_tokens_are_drawn_as_often_as_they_are_likely():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    draws, random = 4000, torch.Generator().manual_seed(0)

    def shares(sampling):
        logits = probabilities.log().expand(draws, -1)
        return torch.bincount(choose(logits, sampling, [random] * draws), minlength=4) / draws

    # five standard deviations of a share of 4,000 draws are at most 0.04
    assert torch.allclose(shares(Sampling(temperature=1.0)), probabilities, atol=0.04)
    squared = probabilities**2 / (probabilities**2).sum()
    assert torch.allclose(shares(Sampling(temperature=0.5)), squared, atol=0.04)
    # 0.5 + 0.3 reach 0.8 but not 0.81: the third token is in the nucleus of 0.81 and not in that of 0.79
    assert torch.allclose(shares(Sampling(temperature=1.0, top_p=0.79)), torch.tensor([0.625, 0.375, 0, 0]), atol=0.04)
    third = probabilities[:3] / 0.95
    assert torch.allclose(shares(Sampling(temperature=1.0, top_p=0.81))[:3], third, atol=0.04)
    assert shares(Sampling(temperature=1.0, top_p=0.81))[3] == 0
    assert shares(Sampling())[0] == 1
