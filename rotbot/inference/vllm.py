"""Generation with vLLM, in this process. The only module that imports vllm.

vLLM gets token ids and gives token ids: prompts and texts are made as for the other engine. Requests are added and
stepped here rather than with ``LLM.generate``, which cannot stream.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from rotbot.errors import InputError
from rotbot.inference.engine import GREEDY, Completion, FinishReason, Prompt, Sampling
from rotbot.inference.requests import (
    Limits,
    Request,
    RunPlan,
    TextStream,
    completion,
    make_requests,
    one_request,
    plan_run,
    read_limits,
    stop_ids,
)
from rotbot.models.tokenizer import load_tokenizer
from rotbot.shapes.grammar import trace_grammar

if TYPE_CHECKING:
    from types import TracebackType

    from transformers import PreTrainedTokenizerBase
    from vllm import LLM

CPU_BATCH_TOKENS = 8192
"""The most tokens of prompts that start together on a CPU, unless the context is longer."""

_OUTPUT = "lm_head.weight"

CPU_CACHE_BYTES = 2**29
"""Memory for keys and values on a CPU, unless full contexts need more or ``VLLM_CPU_KVCACHE_SPACE`` (GiB) is set."""

_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the process is not vLLM's alone
}

_OPEN: list[LLM] = []
_CLOSED: list[LLM] = []
"""Shutting one engine down (or losing it to the garbage collector) takes from all others in the process the distributed
state they share: a closed one waits here for the last."""

Event = tuple[int, list[int], list[float], FinishReason | None]
"""A request's number, its new tokens, their log-probabilities if asked for, and why it ends (None: it goes on)."""


class VllmEngine:
    """An :class:`~rotbot.inference.Engine` on a model folder. ``llm`` is vLLM's own object, for what is not here.

    Raises :class:`~rotbot.errors.InputError` if vLLM is installed but cannot be imported.
    """

    name = "vllm"

    def __init__(self, path: Path, dtype: str, context: int) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        limits = read_limits(path)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(path)
        self._ends = stop_ids(self.tokenizer, path)
        self._context = min(context, limits.max_positions)
        self._numbers = count()
        self._inbox: dict[str, deque[Any]] = {}  # a step may bring news for another stream that is open
        self.llm: LLM | None = _load(path, limits, plan_run(path, dtype), self._context)
        _OPEN.append(self.llm)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY) -> list[Completion]:
        """See :class:`~rotbot.inference.Engine`."""
        start = time.perf_counter()
        requests = make_requests(self.tokenizer, prompts, sampling, self._context)
        tokens: list[list[int]] = [[] for _ in requests]
        logprobs: list[list[float]] = [[] for _ in requests]
        done: dict[int, Completion] = {}
        for number, new, known, reason in self._run(requests, sampling):
            tokens[number] += new
            logprobs[number] += known
            if reason is not None:
                seconds = time.perf_counter() - start
                done[number] = completion(self.tokenizer, tokens[number], reason, seconds, logprobs[number])
        return [done[number] for number in range(len(requests))]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Generator[str, None, Completion]:
        """See :class:`~rotbot.inference.Engine`."""
        start = time.perf_counter()
        request = one_request(self.tokenizer, prompt, sampling, self._context)
        text, tokens, logprobs, end = TextStream(self.tokenizer), list[int](), list[float](), None
        for _, new, known, end in self._run([request], sampling):
            tokens += new
            logprobs += known
            shown = new[:-1] if end == "stop" else new
            if piece := "".join([text.push(token) for token in shown]):
                yield piece
        if piece := text.flush():
            yield piece
        assert end is not None, "a request ends with a reason"
        return completion(self.tokenizer, tokens, end, time.perf_counter() - start, logprobs)

    def update_weights(self, state: Mapping[str, torch.Tensor]) -> None:
        """See :class:`~rotbot.inference.PolicyEngine`. Nothing is written to disk.

        vLLM keeps an output projection of its own beside a tied embedding, and would silently go on with the old one:
        so the embedding is sent a second time under that name. Tensors missing or too many raise no error here.
        """
        llm = self._open_llm()
        output = {} if _OUTPUT in state else {_OUTPUT: state["model.embed_tokens.weight"]}
        llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter([*state.items(), *output.items()])})
        llm.reset_prefix_cache()

    def close(self) -> None:
        """See :class:`~rotbot.inference.Engine`. The memory is freed when no other engine of vLLM's is open."""
        if self.llm is not None:
            _OPEN.remove(self.llm)
            _CLOSED.append(self.llm)
            self.llm = None
        if not _OPEN:
            while _CLOSED:
                _CLOSED.pop().llm_engine.engine_core.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_llm(self) -> LLM:
        if self.llm is None:
            raise InputError("engine: expected an open engine, got one that is closed")
        return self.llm

    def _run(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Event]:
        """Step vLLM until these requests end. Those still open when the caller stops listening are aborted."""
        engine: Any = self._open_llm().llm_engine
        numbers: dict[str, int] = {}
        try:
            for number, request in enumerate(requests):
                name = f"rotbot-{next(self._numbers)}"
                prompt = {"prompt_token_ids": list(request.ids)}
                engine.add_request(name, prompt, self._parameters(request, sampling))
                numbers[name], self._inbox[name] = number, deque()
            while numbers:
                for output in engine.step():
                    self._inbox[output.request_id].append(output.outputs[0])
                for name, number in list(numbers.items()):
                    for made in _drained(self._inbox[name]):
                        reason = _reason(made.finish_reason)
                        if reason is not None:
                            del numbers[name], self._inbox[name]
                        yield number, list(made.token_ids), _logprobs(made), reason
        finally:
            if numbers:
                engine.abort_request(list(numbers))
                for name in numbers:
                    del self._inbox[name]

    def _parameters(self, request: Request, sampling: Sampling) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        return SamplingParams(
            max_tokens=request.limit,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=request.seed,
            stop_token_ids=self._ends,
            detokenize=False,
            logprobs=0 if sampling.logprobs else None,  # 0: of the token drawn, and of no other
            output_kind=RequestOutputKind.DELTA,
            structured_outputs=StructuredOutputsParams(grammar=trace_grammar()) if sampling.constrained else None,
        )


def _logprobs(made: Any) -> list[float]:
    """The log-probabilities of the tokens of an output; none where they were not asked for."""
    return [known[token].logprob for token, known in zip(made.token_ids, made.logprobs or (), strict=False)]


def _drained(news: deque[Any]) -> Iterator[Any]:
    while news:
        yield news.popleft()


def _reason(text: str | None) -> FinishReason | None:
    if text is None or text == "stop" or text == "length":
        return text
    raise AssertionError(f"vLLM ended a request with {text!r}, which nobody asked for")


def _load(path: Path, limits: Limits, plan: RunPlan, context: int) -> LLM:
    set_num_threads = torch.set_num_threads
    try:
        from vllm import LLM
    except ImportError as error:
        raise InputError(
            f"engine: vllm is installed but cannot be imported ({error}); use the engine transformers"
        ) from error
    options: dict[str, Any] = {}
    if (
        not plan.gpu
    ):  # after the first part of a prompt vLLM puts the request's random state back, as only CUDA's can be
        options |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(context, CPU_BATCH_TOKENS)}
    if not plan.gpu and "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
        width = 2 if plan.dtype in ("bfloat16", "float16") else 4
        one_context = 2 * limits.layers * limits.kv_heads * limits.head_dim * width * context
        options["kv_cache_memory_bytes"] = max(CPU_CACHE_BYTES, 2 * one_context)
    try:
        return LLM(
            model=str(path),
            dtype=plan.dtype,  # pyright: ignore[reportArgumentType]
            max_model_len=context,
            enforce_eager=plan.small or not plan.gpu,
            distributed_executor_backend="uni",
            skip_tokenizer_init=False,  # a grammar is made of its tokens
            generation_config="vllm",
            disable_log_stats=True,
            logprobs_mode="processed_logprobs",  # of the distribution that was drawn from
            use_tqdm_on_load=False,
            **options,
        )
    finally:
        torch.set_num_threads = set_num_threads  # vLLM's CPU worker replaces it by a function that does nothing
