"""The tiny model's tokenizer, and the one way in which prompts and completions become tokens.

A byte-level BPE whose pieces are cut for shape traces, where tokens per problem are the training budget: every digit
is a token of its own; runs of punctuation keep their spaces and line ends, so that ``] -> [`` and ``)\\nstep `` are
single tokens; words keep their neighbours, so that ``add dimension at position `` is one too. Lossless on any text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotbot.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THINK_START, THINK_END = "<think>", "</think>"
THINK_OPEN = f"{THINK_START}\n"

PIECES = (
    r"\p{N}"  # a digit
    r"|(?:(?<=\p{N}) )?[\p{L}\p{M}_]+(?: [\p{L}\p{M}_]+){0,7}(?: (?=\p{N}))?"  # a few words, and the space to a digit
    r"|(?:\\[nt]|[^\p{L}\p{M}\p{N}_])+"  # anything else; an escaped line end is one, not a word that starts with n
    r"(?:(?<=\n)(?:step (?=\p{N})|final: \[?|Code: ['\"]?|Args: \{?'?|Target: ))?"  # and a label of our format
)
"""The cut, as one regular expression (Oniguruma's)."""

CHAT_TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{{- '<think>\\n' + message.content.removeprefix('<think>\\n') }}
{%- else %}
{{- message.content }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n<think>\\n' }}
{%- endif %}"""
"""Qwen3-Thinking's turns. An answer's text is what follows the opened ``<think>``, as a completion is."""


def train_tokenizer(texts: Iterable[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Learn a vocabulary of ``vocab_size`` tokens, special ones included (fewer if ``texts`` run out of pairs).

    The same texts in the same order give the same tokenizer. ``<think>`` and ``</think>`` are tokens but not special:
    decoding with ``skip_special_tokens`` keeps them, as Qwen3's does. Raises :class:`~rotbot.errors.InputError` for a
    vocabulary too small for the 256 bytes and the five tags.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special, tags = [END_OF_TEXT, TURN_START, TURN_END], [THINK_START, THINK_END]
    smallest = len(alphabet) + len(special) + len(tags)
    if vocab_size < smallest:
        raise InputError(f"tokenizer: expected a vocab_size of at least {smallest}, got {vocab_size}")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(tags),
        special_tokens=special,
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    bpe.train_from_iterator(_between_tags(texts, special + tags), trainer)
    bpe.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in tags])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=TURN_END, pad_token=END_OF_TEXT, clean_up_tokenization_spaces=False
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [TURN_START]})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _between_tags(texts: Iterable[str], tags: Sequence[str]) -> Iterator[str]:
    """The texts without their tags, which are never split and so must not teach merges, in turns with role names."""
    pattern = re.compile("|".join(map(re.escape, tags)))
    for text in texts:
        yield from filter(None, pattern.split(f"user\n{text}{TURN_START}assistant\n"))


def load_tokenizer(path: str | os.PathLike[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder. Raises :class:`~rotbot.errors.InputError` if there is none to read."""
    from transformers import AutoTokenizer

    folder = Path(path)
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise InputError(f"expected tokenizer.json in {folder}, found none")
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer


def end_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end generation: ``<|im_end|>`` first (what completions end with), then ``<|endoftext|>``.

    Raises :class:`~rotbot.errors.InputError` for a tokenizer that lacks one: it is not a Qwen3's.
    """
    vocabulary = tokenizer.get_vocab()
    missing = [tag for tag in (TURN_END, END_OF_TEXT) if tag not in vocabulary]
    if missing:
        raise InputError(f"tokenizer: expected Qwen3's special tokens, {', '.join(missing)} missing")
    return [vocabulary[TURN_END], vocabulary[END_OF_TEXT]]


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, Any]]) -> str:
    """The chat template's text for ``messages`` up to where the model writes.

    It ends in an open ``<think>`` and a newline, added where the template (a hybrid Qwen3's) leaves that to the model;
    not for a model that has no such token. Raises :class:`~rotbot.errors.InputError` for one without a chat template.
    """
    if tokenizer.chat_template is None:
        raise InputError("tokenizer: expected one with a chat template, this model's has none")
    text = str(tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=True))
    return text if text.endswith(THINK_OPEN) or THINK_START not in tokenizer.get_vocab() else text + THINK_OPEN


def open_thinking(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let the chat template itself end in an open ``<think>``, as :func:`prompt_text` does, where it leaves that to the
    model (a hybrid Qwen3's): whoever serves a model trained on these prompts must start it from the same tokens.

    ``enable_thinking=False`` still gives the template's empty thinking block.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str) or THINK_START not in tokenizer.get_vocab():
        return
    turn = [{"role": "user", "content": ""}]
    rendered = str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))
    if not rendered.endswith(THINK_OPEN):
        tokenizer.chat_template = template + (
            "{%- if add_generation_prompt and (enable_thinking is not defined or enable_thinking) %}"
            "{{- '<think>\\n' }}{%- endif %}"
        )


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """The token ids of :func:`prompt_text`: what training and inference both start from."""
    return _ids(tokenizer, prompt_text(tokenizer, messages))


def encode_completion(tokenizer: PreTrainedTokenizerBase, completion_text: str) -> list[int]:
    """The token ids of a completion, ``<|im_end|>`` included. The loss is on these."""
    return [*_ids(tokenizer, completion_text), end_ids(tokenizer)[0]]


def encode_example(
    tokenizer: PreTrainedTokenizerBase, prompt_messages: Sequence[Mapping[str, Any]], completion_text: str
) -> tuple[list[int], list[int]]:
    """Prompt and completion ids; training concatenates them.

    They are encoded apart, so that no token spans the boundary: at inference the model starts from the same prompt.
    """
    return encode_prompt(tokenizer, prompt_messages), encode_completion(tokenizer, completion_text)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
