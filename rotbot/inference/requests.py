"""What both engines share: prompts to token ids, tokens to text, and how a model folder is to be run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotbot.errors import InputError
from rotbot.inference.engine import Completion, FinishReason, Prompt, PromptRefused, Sampling
from rotbot.models.tokenizer import END_OF_TEXT, TURN_END, encode_prompt
from rotbot.problem import Problem
from rotbot.problems.seeds import derive

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

SMALL_BYTES = 2**29
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to make: the prompt's ids, the most tokens to generate, and a 63-bit seed of its own."""

    ids: tuple[int, ...]
    limit: int
    seed: int


def messages(prompt: Prompt) -> list[Mapping[str, str]]:
    """The chat messages of a prompt, as the dataset's column ``prompt`` has them."""
    if isinstance(prompt, Problem):
        prompt = prompt.prompt()
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def make_requests(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], sampling: Sampling, context: int
) -> list[Request]:
    """``sampling.n`` requests for each prompt, side by side.

    Raises :class:`~rotbot.inference.engine.PromptRefused` that names the first prompt with no room for a completion in
    ``context`` tokens.
    """
    made: list[Request] = []
    for number, prompt in enumerate(prompts):
        ids = tuple(encode_prompt(tokenizer, messages(prompt)))
        room = context - len(ids)
        if room < 1:
            raise PromptRefused(
                f"prompt {number}: expected fewer than {context} tokens, which is the model's context, got {len(ids)}"
            )
        limit = min(sampling.max_tokens, room)
        made += [Request(ids, limit, derive("completion", sampling.seed, number, j)) for j in range(sampling.n)]
    return made


def one_request(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, sampling: Sampling, context: int) -> Request:
    """The request of a stream. Raises as :func:`make_requests` does, and for more than one completion."""
    if sampling.n != 1:
        raise InputError(f"n: expected 1 for a stream, got {sampling.n}")
    return make_requests(tokenizer, [prompt], sampling, context)[0]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model of any architecture says of itself: the most positions, and what a token takes in its cache."""

    max_positions: int
    layers: int
    kv_heads: int
    head_dim: int


def read_limits(path: Path) -> Limits:
    """The limits in a folder's ``config.json``. Raises :class:`~rotbot.errors.InputError` if it cannot be read."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path).get_text_config()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a language model's config.json: {error}") from error
    heads = config.num_attention_heads
    return Limits(
        config.max_position_embeddings,
        config.num_hidden_layers,
        getattr(config, "num_key_value_heads", None) or heads,
        getattr(config, "head_dim", None) or config.hidden_size // heads,
    )


def stop_ids(tokenizer: PreTrainedTokenizerBase, path: Path) -> list[int]:
    """The tokens that end an answer: the tokenizer's own end token, Qwen3's two tags where it has them, and what the
    folder's ``generation_config.json`` adds. Raises :class:`~rotbot.errors.InputError` if there is none."""
    vocabulary = tokenizer.get_vocab()
    found = [vocabulary[tag] for tag in (TURN_END, END_OF_TEXT) if tag in vocabulary]
    file = path / "generation_config.json"
    stored = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file.is_file() else None
    found += stored if isinstance(stored, list) else [stored]
    known = [token for token in dict.fromkeys([*found, tokenizer.eos_token_id]) if isinstance(token, int)]
    if not known:
        raise InputError(f"{path}: expected a tokenizer with an end token, this one has none")
    return known


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of ``ids``, special tokens included: one that a model writes where none belongs must be seen."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def completion(
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[int],
    reason: FinishReason,
    seconds: float,
    logprobs: Sequence[float] = (),
) -> Completion:
    """A completion from its tokens; the last is the end token when ``reason`` is ``stop``."""
    shown = tokens[:-1] if reason == "stop" else tokens
    return Completion(decode(tokenizer, shown), tuple(tokens), reason, seconds, tuple(logprobs))


def check_names(state: Mapping[str, Tensor], names: Iterable[str]) -> None:
    """Raises :class:`~rotbot.errors.InputError` unless ``state`` has just the tensors ``names``."""
    missing, surplus = sorted(set(names) - state.keys()), sorted(state.keys() - set(names))
    if missing or surplus:
        raise InputError(
            f"weights: expected this model's tensors; {len(missing)} missing {missing[:3]}, {len(surplus)} unknown "
            f"{surplus[:3]}"
        )


class TextStream:
    """Tokens in, text out, piece by piece: a character whose bytes are spread over tokens comes when it is whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []

    def push(self, token: int) -> str:
        """The text that ``token`` completes, often none."""
        self._pending.append(token)
        text = decode(self._tokenizer, self._pending)
        if text.endswith(_REPLACEMENT):
            return ""
        self._pending.clear()
        return text

    def flush(self) -> str:
        """What is left at the end: bytes that make no character."""
        text = decode(self._tokenizer, self._pending)
        self._pending.clear()
        return text


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How to run a model folder on this machine: the compute dtype's name (``auto``: as stored), and whether the model
    is so small that compiling it would cost more than it saves."""

    dtype: str
    small: bool
    gpu: bool


def plan_run(path: Path, dtype: str) -> RunPlan:
    """Decide by the size of the weights (512 MiB is small) and by whether torch sees a GPU."""
    import torch

    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    gpu = torch.cuda.is_available()
    small = size <= SMALL_BYTES
    return RunPlan("float32" if dtype == "auto" and small and not gpu else dtype, small, gpu)
