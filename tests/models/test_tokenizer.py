import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from rotbot.errors import InputError
from rotbot.models import (
    encode_completion,
    encode_example,
    encode_prompt,
    end_ids,
    load_tokenizer,
    prompt_text,
    train_tokenizer,
)

PROMPT = "Code: 'q = s[None, :]\\nf = q.expand(4, -1)'\nArgs: {'s': [16]}\nTarget: f"
COMPLETION = (
    "step 0: add dimension at position 0 | [16] -> [1, 16]\nstep 1: expand(4, -1) | [1, 16] -> [4, 16]\n"
    "</think>\nfinal: [4, 16]"
)
USER = {"role": "user", "content": PROMPT}
TAGS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LIKE_OURS = st.lists(
    st.sampled_from(
        ["step ", "\\n", "\\", "\n", " ", "  ", "] -> [", " | ", "12", "7", "x_1", "add dim", "é", "́", "٣", *TAGS]
    )
).map("".join)


def pieces(tokenizer, text):
    return [tokenizer.decode([i]) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]


@settings(max_examples=300, deadline=None)
@given(text=ANY_TEXT | LIKE_OURS)
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@settings(max_examples=100, deadline=None)
@given(text=LIKE_OURS)
def test_every_digit_is_a_token_of_its_own(tokenizer, text):
    digits = [piece for piece in pieces(tokenizer, text) if any(c in "0123456789" for c in piece)]
    assert digits == [c for c in text if c in "0123456789"]


def test_no_token_holds_a_digit_and_more(tokenizer):
    assert [t for t in tokenizer.get_vocab() if len(t) > 1 and any(c in "0123456789" for c in t)] == []


def test_what_every_trace_repeats_is_one_token(tokenizer):
    assert pieces(tokenizer, COMPLETION) == [
        "step ", "0", ": ", "add dimension at position ", "0", " | [", "1", "6", "] -> [", "1", ", ", "1", "6",
        "]\nstep ",
        "1", ": ", "expand", "(", "4", ", -", "1", ") | [", "1", ", ", "1", "6", "] -> [", "4", ", ", "1", "6", "]\n",
        "</think>", "\nfinal: [", "4", ", ", "1", "6", "]",
    ]  # fmt: skip
    assert pieces(tokenizer, "cat(dim=0) | [2], [3] -> [5]")[5:] == [") | [", "2", "], [", "3", "] -> [", "5", "]"]


def test_an_escaped_line_end_does_not_stick_to_the_name_after_it(tokenizer):
    assert pieces(tokenizer, "q = s\\nnew = q")[3] == "\\n"
    assert "".join(pieces(tokenizer, "q = s\\nnew = q")[4:]) == "new = q"


def test_the_boundary_between_prompt_and_completion(tokenizer):
    prompt, completion = encode_example(tokenizer, [USER], COMPLETION)
    assert tokenizer.decode(prompt) == (f"<|im_start|>user\n{PROMPT}<|im_end|>\n<|im_start|>assistant\n<think>\n")
    assert tokenizer.decode(completion) == COMPLETION + "<|im_end|>"
    assert completion[-1] == end_ids(tokenizer)[0]
    assert completion.count(completion[-1]) == 1
    assert (prompt, completion) == (encode_prompt(tokenizer, [USER]), encode_completion(tokenizer, COMPLETION))
    whole = tokenizer.apply_chat_template([USER, {"role": "assistant", "content": COMPLETION}], tokenize=False)
    assert whole == tokenizer.decode(prompt + completion) + "\n"
    thought = {"role": "assistant", "content": "<think>\n" + COMPLETION}
    assert tokenizer.apply_chat_template([USER, thought], tokenize=False) == whole


def test_the_template_is_qwen3_thinkings(tokenizer):
    system = {"role": "system", "content": "Be exact."}
    assert prompt_text(tokenizer, [system, {"role": "user", "content": "  1 + 1?\n"}]) == (
        "<|im_start|>system\nBe exact.<|im_end|>\n<|im_start|>user\n  1 + 1?\n<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n"
    )
    assert tokenizer.apply_chat_template([USER], tokenize=False) == f"<|im_start|>user\n{PROMPT}<|im_end|>\n"


def test_a_template_that_leaves_think_to_the_model_is_opened(tokenizer):
    hybrid = copy.deepcopy(tokenizer)
    hybrid.chat_template = tokenizer.chat_template.replace(
        "assistant\\n<think>\\n' }}\n{%- endif", "assistant\\n' }}\n{%- endif"
    )
    assert not hybrid.apply_chat_template([USER], tokenize=False, add_generation_prompt=True).endswith("<think>\n")
    assert encode_prompt(hybrid, [USER]) == encode_prompt(tokenizer, [USER])


def test_special_tokens_are_skipped_and_think_tags_are_kept(tokenizer):
    text = "<|im_start|>a<think>\nb</think>c<|im_end|><|endoftext|>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a<think>\nb</think>c"
    assert [tokenizer.convert_tokens_to_ids(t) in ids for t in TAGS] == [True] * 5
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_a_folder_loads_as_the_same_tokenizer(tokenizer, tmp_path, example):
    tokenizer.save_pretrained(tmp_path)
    rng = random.Random(11)
    texts = [text for _ in range(20) for text in example(rng)] + [" ".join(TAGS), "naïve ٣½ \t 漢字"]
    for other in (AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(tmp_path)):
        assert other(texts)["input_ids"] == tokenizer(texts)["input_ids"]
        assert other.eos_token_id == tokenizer.eos_token_id
        assert other.pad_token_id == tokenizer.pad_token_id
        assert prompt_text(other, [USER]) == prompt_text(tokenizer, [USER])
        ids = other(texts[-1])["input_ids"]
        assert other.decode(ids) == texts[-1]


def test_training_is_deterministic_and_keeps_to_the_size(example):
    rng = random.Random(5)
    texts = [text for _ in range(60) for text in example(rng)]
    one, two = (train_tokenizer(texts, vocab_size=320) for _ in range(2))
    assert one.backend_tokenizer.to_str() == two.backend_tokenizer.to_str()
    assert len(one) == 320
    assert sorted(one.get_vocab().values()) == list(range(320))
    assert not [t for t in one.get_vocab() if "think" in t and t not in TAGS]  # no merges spent on the tags


def test_errors_say_what_was_expected(tokenizer, tmp_path):
    with pytest.raises(InputError, match="expected a vocab_size of at least 261, got 260"):
        train_tokenizer(["a"], vocab_size=260)
    with pytest.raises(InputError, match=r"expected tokenizer\.json in .*, found none"):
        load_tokenizer(tmp_path)
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])))
    with pytest.raises(InputError, match=r"<\|im_end\|>, <\|endoftext\|> missing"):
        encode_completion(foreign, "a")
