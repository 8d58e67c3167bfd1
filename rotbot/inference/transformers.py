"""Generation with transformers: batches padded on the left, a finished row leaves its batch at once.

The loop is our own rather than ``model.generate``: it streams without a thread, gives every completion its own random
stream, and does not keep computing rows that have ended.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from rotbot.errors import InputError
from rotbot.inference.engine import GREEDY, Completion, FinishReason, Prompt, Sampling
from rotbot.inference.requests import (
    Request,
    TextStream,
    check_names,
    completion,
    make_requests,
    one_request,
    plan_run,
    read_limits,
    stop_ids,
)
from rotbot.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from types import TracebackType

    from transformers import PreTrainedTokenizerBase

BATCH_ROWS = 64
BATCH_TOKENS = 65_536
"""The most tokens (rows times the longest row, prompt and completion) of a batch: it bounds the cache's memory."""

Event = tuple[int, int, float, FinishReason | None]
"""A row's number in its batch, its new token, that token's log-probability (0 unless asked for), and why the row ends
with it (None: it goes on)."""


class TransformersEngine:
    """An :class:`~rotbot.inference.Engine` on a model folder, on the GPU if there is one."""

    name = "transformers"

    def __init__(self, path: Path, dtype: str, context: int) -> None:
        from transformers import AutoModelForCausalLM

        plan = plan_run(path, dtype)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(path)
        self._ends = frozenset(stop_ids(self.tokenizer, path))
        self._context = min(context, read_limits(path).max_positions)
        self._device = torch.device("cuda" if plan.gpu else "cpu")
        try:
            with _no_progress_bar():
                model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=plan.dtype)
        except OSError as error:
            raise InputError(f"{path}: transformers cannot load this model: {error}") from error
        self._model = model.to(self._device).eval()

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY) -> list[Completion]:
        """See :class:`~rotbot.inference.Engine`. Batches are made of requests of like length."""
        start = time.perf_counter()
        requests = make_requests(self.tokenizer, prompts, sampling, self._context)
        done: dict[int, Completion] = {}
        for batch in _batches(requests):
            tokens: list[list[int]] = [[] for _ in batch]
            logprobs: list[list[float]] = [[] for _ in batch]
            for row, token, logprob, reason in self._run([requests[i] for i in batch], sampling):
                tokens[row].append(token)
                logprobs[row].append(logprob)
                if reason is not None:
                    seconds = time.perf_counter() - start
                    known = logprobs[row] if sampling.logprobs else ()
                    done[batch[row]] = completion(self.tokenizer, tokens[row], reason, seconds, known)
        return [done[i] for i in range(len(requests))]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Generator[str, None, Completion]:
        """See :class:`~rotbot.inference.Engine`."""
        start = time.perf_counter()
        request = one_request(self.tokenizer, prompt, sampling, self._context)
        text, tokens, logprobs, end = TextStream(self.tokenizer), list[int](), list[float](), None
        for _, token, logprob, end in self._run([request], sampling):
            tokens.append(token)
            logprobs.append(logprob)
            if end != "stop" and (piece := text.push(token)):
                yield piece
        if piece := text.flush():
            yield piece
        assert end is not None, "a row ends with a reason"
        known = logprobs if sampling.logprobs else ()
        return completion(self.tokenizer, tokens, end, time.perf_counter() - start, known)

    def update_weights(self, state: Mapping[str, torch.Tensor]) -> None:
        """See :class:`~rotbot.inference.PolicyEngine`."""
        own = dict(self._open_model().named_parameters())
        check_names(state, own)
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(state[name])

    def close(self) -> None:
        """See :class:`~rotbot.inference.Engine`."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_model(self) -> Any:
        if self._model is None:
            raise InputError("engine: expected an open engine, got one that is closed")
        return self._model

    def _run(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Event]:
        """Decode a batch to its end, one event a row and step."""
        if sampling.constrained:
            raise InputError("constrained: expected the engine vllm or a vLLM server, got transformers")
        from transformers import DynamicCache

        model = self._open_model()
        ids, mask = _pad_left(requests, self._device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache: Any = DynamicCache(config=model.config)
        randoms = [torch.Generator().manual_seed(request.seed) for request in requests]
        rows, made = list(range(len(requests))), 0
        while rows:
            with torch.inference_mode():
                output = model(
                    input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
                    logits_to_keep=1,
                )  # fmt: skip
                logits = output.logits[:, -1].float()
                chosen = choose(logits, sampling, [randoms[row] for row in rows])
                logprobs = _logprobs(logits, chosen, sampling) if sampling.logprobs else [0.0] * len(rows)
            made += 1
            going: list[int] = []
            for place, (row, token, logprob) in enumerate(zip(rows, chosen.tolist(), logprobs, strict=True)):
                reason = "stop" if token in self._ends else "length" if made == requests[row].limit else None
                if reason is None:
                    going.append(place)
                yield row, token, logprob, reason
            if len(going) < len(rows):
                rows = [rows[place] for place in going]
                kept = torch.tensor(going, dtype=torch.long, device=self._device)
                chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
                if rows:
                    with torch.inference_mode():
                        cache.batch_select_indices(kept)
            ids, positions = chosen[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)


@contextmanager
def _no_progress_bar() -> Generator[None]:
    """transformers draws one for every load, on whatever stderr is."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def choose(logits: torch.Tensor, sampling: Sampling, randoms: Sequence[torch.Generator]) -> torch.Tensor:
    """The next tokens, shape [rows], from ``logits`` [rows, vocabulary] in float32, each row with its own generator.

    Nucleus sampling (Holtzman et al., 2020) keeps the likeliest tokens up to the one at which their probability
    reaches ``top_p``.
    """
    if sampling.temperature == 0.0:
        return logits.argmax(-1)
    probabilities = (logits / sampling.temperature).softmax(-1).cpu()
    if sampling.top_p < 1.0:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0.0
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    drawn = [torch.multinomial(row, 1, generator=random) for row, random in zip(probabilities, randoms, strict=True)]
    return torch.cat(drawn).to(logits.device)


def _logprobs(logits: torch.Tensor, chosen: torch.Tensor, sampling: Sampling) -> list[float]:
    """The log-probabilities of the tokens ``chosen``, under the distribution they were drawn from."""
    known = (logits / (sampling.temperature or 1.0)).log_softmax(-1)
    return known.gather(-1, chosen[:, None])[:, 0].tolist()


def _pad_left(requests: Sequence[Request], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The prompts' ids and their mask, both [rows, longest prompt]; what the padding holds does not matter."""
    width = max(len(request.ids) for request in requests)
    ids = torch.tensor([[0] * (width - len(r.ids)) + list(r.ids) for r in requests], device=device)
    mask = torch.tensor([[0] * (width - len(r.ids)) + [1] * len(r.ids) for r in requests], device=device)
    return ids, mask


def _batches(requests: Sequence[Request]) -> Iterator[list[int]]:
    """Indices of requests that go together: like lengths, within the bounds on rows and tokens."""
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(requests)), key=lambda i: (len(requests[i].ids), i)):
        length = len(requests[index].ids) + requests[index].limit
        if batch and (len(batch) == BATCH_ROWS or (len(batch) + 1) * max(longest, length) > BATCH_TOKENS):
            yield batch
            batch, longest = [], 0
        batch.append(index)
        longest = max(longest, length)
    if batch:
        yield batch
