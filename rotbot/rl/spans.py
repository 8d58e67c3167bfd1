"""Which tokens a step of a completion is: from characters, where scores speak, to tokens, where losses do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from rotbot.inference.requests import TextStream, decode
from rotbot.rl.advantages import Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_REPLACEMENT = "\ufffd"


class TokenTexts:
    """The text of tokens, each decoded once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._lengths: dict[int, int | None] = {}  # None: bytes that make no character by themselves

    def ends(self, tokens: Sequence[int]) -> list[int]:
        """For each token the number of characters of the text up to it and with it."""
        lengths = [length for token in tokens if (length := self._length(token)) is not None]
        if len(lengths) < len(tokens):
            text = TextStream(self._tokenizer)
            lengths = [len(text.push(token)) for token in tokens]
        return list(accumulate(lengths))

    def _length(self, token: int) -> int | None:
        if token not in self._lengths:
            text = decode(self._tokenizer, [token])
            self._lengths[token] = None if _REPLACEMENT in text else len(text)
        return self._lengths[token]


def token_spans(ends: Sequence[int], spans: Sequence[Span]) -> list[Span]:
    """The tokens of each span of characters, in order and apart: ``ends`` has each token's last character (exclusive).

    A token that reaches over two spans belongs to the first. The tokens between spans (line ends) belong to the next.
    After the spans comes one more, for what follows the last: the final line, end token included. One that gets no
    token of its own is empty.
    """
    found: list[Span] = []
    at = 0
    for _, last in spans:
        end = at
        while end < len(ends) and (ends[end - 1] if end else 0) < last:
            end += 1
        found.append((at, end))
        at = end
    return [*found, (at, len(ends))]
