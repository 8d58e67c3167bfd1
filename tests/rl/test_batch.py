"""From scores to token advantages: which tokens a step is, what a false step forfeits, what is trained on."""

from __future__ import annotations

import pytest
import torch

from rotbot.inference import Completion
from rotbot.models import encode_completion, encode_prompt
from rotbot.rl.batch import make_batch
from rotbot.rl.episodes import Group, Task
from rotbot.rl.rollout import evaluate_response
from rotbot.rl.spans import TokenTexts, token_spans
from tests.memorized import ANSWERS, LUCKY, RIGHT, tokenizer

RIGHT_TEXT, LUCKY_TEXT = ANSWERS[RIGHT], ANSWERS[LUCKY]
HALF = RIGHT_TEXT.replace("[1, 16] -> [4, 16]", "[1, 16] -> [4, 4]")


def scored(problem, texts, number=0):
    tok = tokenizer()
    ids = tuple(encode_prompt(tok, [{"role": "user", "content": problem.prompt()}]))
    made = []
    for text in texts:
        tokens = tuple(encode_completion(tok, text))
        made.append(Completion(text, tokens, "stop", 0.0, tuple(-0.1 * i for i in range(len(tokens)))))
    return evaluate_response(Group(Task(problem, ids, 0, number), tuple(made), 0), "faithful")


def texts_of(group, index, spans):
    completion = group.group.completions[index]
    return [tokenizer().decode(completion.tokens[a:b]) for a, b in spans]


def test_token_spans_are_the_steps_and_the_final_line_whole_and_apart():
    group = scored(RIGHT, [RIGHT_TEXT])
    ends = TokenTexts(tokenizer()).ends(group.group.completions[0].tokens)
    spans = token_spans(ends, group.scores[0].spans)
    first, second, final = texts_of(group, 0, spans)
    assert "step 0" in first
    assert "[1, 16]" in first
    assert "expand(4, -1)" in second
    assert "[4, 16]" in second
    assert final.endswith("[4, 16]<|im_end|>")
    assert "".join((first, second, final)) == RIGHT_TEXT + "<|im_end|>"


def test_ends_count_characters_where_tokens_are_parts_of_one():
    tok = tokenizer()
    ids = tok("a → b ✓", add_special_tokens=False)["input_ids"]
    assert TokenTexts(tok).ends(ids)[-1] == len("a → b ✓")


def test_a_step_without_tokens_of_its_own_is_empty_not_an_error():
    assert token_spans([5, 12], [(0, 3), (3, 5), (6, 11)]) == [(0, 1), (1, 1), (1, 2), (2, 2)]


def test_outcome_advantages_are_of_the_group_and_end_tokens_are_trained():
    group = scored(RIGHT, [RIGHT_TEXT, HALF])
    batch = make_batch([group], TokenTexts(tokenizer()), "outcome", gate=False, scale_by_std=False)
    assert group.rewards[0] == 1.0
    assert group.rewards[1] == 0.25  # one step of two, and half the weight is for steps
    own = [batch.advantages_BT[i][batch.mask_BT[i]] for i in range(2)]
    torch.testing.assert_close(own[0], torch.full_like(own[0], 0.375))
    torch.testing.assert_close(own[1], torch.full_like(own[1], -0.375))
    lengths = [len(c.tokens) for c in group.group.completions]
    assert batch.mask_BT.sum(1).tolist() == lengths
    assert batch.samples.completion_length(0) == lengths[0]
    assert batch.samples.tokens(1)[-1] == tokenizer().convert_tokens_to_ids("<|im_end|>")
    assert batch.sampler_BT[0, 3].item() == pytest.approx(-0.3)


def test_the_gate_leaves_the_true_prefix_and_takes_praise_from_the_first_false_step_on():
    """Of the wrong two the half true one is above the mean; only its true step may be encouraged."""
    group = scored(RIGHT, [HALF, "nothing"])
    batch = make_batch([group], TokenTexts(tokenizer()), "outcome", gate=True, scale_by_std=False)
    spans = token_spans(TokenTexts(tokenizer()).ends(group.group.completions[0].tokens), group.scores[0].spans)
    (_, cut), _, _ = spans
    assert batch.advantages_BT[0, :cut].tolist() == [0.125] * cut
    assert batch.advantages_BT[0, cut:].eq(0).all()
    assert batch.advantages_BT[1][batch.mask_BT[1]].lt(0).all()


def test_process_advantages_fall_at_the_false_step():
    group = scored(RIGHT, [RIGHT_TEXT, HALF])
    batch = make_batch([group], TokenTexts(tokenizer()), "process", gate=False, scale_by_std=False)
    spans = token_spans(TokenTexts(tokenizer()).ends(group.group.completions[1].tokens), group.scores[1].spans)
    # rewards: steps 1, 1, final 1 | steps 1, 0, final 0.25 → mean 4.25 / 6
    mean = 4.25 / 6
    to_come = [1 + 0 + 0.25 - 3 * mean, 0 + 0.25 - 2 * mean, 0.25 - mean]
    for (start, end), expected in zip(spans, to_come, strict=True):
        assert batch.advantages_BT[1, start:end].tolist() == pytest.approx([expected] * (end - start))
