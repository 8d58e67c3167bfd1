"""Generation by an OpenAI-compatible server: vLLM's, llama.cpp's, a provider's.

The server applies the model's chat template (and, asked for it in vLLM's words, the grammar). A server that tells a
model's thoughts apart from its answer gives both; they are put together again as the model wrote them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from rotbot.errors import InputError, RotbotError
from rotbot.hub.trouble import client_errors, patiently, status_of
from rotbot.inference.engine import GREEDY, Completion, Prompt, Sampling
from rotbot.inference.requests import messages
from rotbot.problems.seeds import derive
from rotbot.shapes.grammar import trace_grammar
from rotbot.shapes.text import THINK_END

if TYPE_CHECKING:
    from types import TracebackType

    import httpx2

CONCURRENT = 16
"""Requests open at a time: the server makes batches of them."""

TIMEOUT = 600.0
"""Seconds that an answer may take."""

_SEEDS = 2**31
_Job = tuple["Future[Completion]", Callable[[], Completion]]


class Endpoint:
    """A model behind ``url`` (``http://127.0.0.1:8000/v1``); ``model`` is its name there, None for the only one.

    An answer may take ``timeout`` seconds. The key, where one is needed, comes from the environment's
    ``OPENAI_API_KEY``. Completions have no token ids. Raises :class:`~rotbot.errors.InputError` where the server cannot
    be reached, does not have the model, or has several and none is named.
    """

    def __init__(self, url: str, model: str | None = None, timeout: float = TIMEOUT) -> None:
        import httpx2

        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
        try:
            self._client = httpx2.Client(base_url=f"{self.url}/", headers=headers, timeout=timeout)
        except httpx2.InvalidURL as error:
            raise InputError(f"endpoint: expected a URL such as http://127.0.0.1:8000/v1, got {url!r:.200}") from error
        self.model = _choose(self._client, model)
        self.name = f"{self.model} at {self.url}"

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY) -> list[Completion]:
        """See :class:`~rotbot.inference.Engine`. Raises :class:`~rotbot.errors.InputError` for a request that fails."""
        start, jobs = time.perf_counter(), SimpleQueue[_Job]()
        found: list[Future[Completion]] = []
        for i, prompt in enumerate(prompts):
            for j in range(sampling.n):
                seed = derive("completion", sampling.seed, i, j)
                job = partial(self._complete, messages(prompt), sampling, seed, start)
                found.append(Future())
                jobs.put((found[-1], job))
        for _ in range(min(CONCURRENT, len(found))):  # daemons: who leaves need not wait for a server's answer
            threading.Thread(target=_work, args=(jobs,), name="rotbot-endpoint", daemon=True).start()
        try:
            return [future.result() for future in found]
        finally:
            for future in found:
                future.cancel()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _complete(self, chat: list[Any], sampling: Sampling, seed: int, start: float) -> Completion:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in chat],
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed % _SEEDS,
        }
        if sampling.constrained:
            body["structured_outputs"] = {"grammar": trace_grammar()}
        answer = _ask(self._client, "POST", "/chat/completions", body)
        try:
            choice = answer["choices"][0]
            message = choice["message"]
            text, thoughts = message.get("content") or "", message.get("reasoning_content") or message.get("reasoning")
            if not (isinstance(text, str) and isinstance(thoughts or "", str)):
                raise TypeError("content is no text")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InputError(f"endpoint {self.url}: expected a chat completion, got {answer!s:.200}") from error
        whole = f"{thoughts}\n{THINK_END}\n{text}" if thoughts else text
        reason = "length" if choice.get("finish_reason") == "length" else "stop"
        return Completion(whole, (), reason, time.perf_counter() - start)


def _work(jobs: SimpleQueue[_Job]) -> None:
    """One of the threads: a request after the other, until none is left.

    What is raised besides a :class:`~rotbot.errors.RotbotError` is a fault of ours: it ends the thread with its
    traceback on standard error, and whoever waits for this answer is told so.
    """
    while True:
        try:
            future, job = jobs.get_nowait()
        except Empty:
            return
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(job())
        except RotbotError as error:
            future.set_exception(error)
        finally:
            if not future.done():
                future.set_exception(
                    RotbotError("the request ended by a fault of rotbot's own: see its traceback above")
                )


def _ask(client: httpx2.Client, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON of an answer; a failure that may pass is tried again. Raises :class:`~rotbot.errors.InputError`."""
    import httpx2
    from huggingface_hub.utils import hf_raise_for_status

    def call() -> Any:
        response = client.request(method, path.lstrip("/"), json=body)
        hf_raise_for_status(response)
        return response.json()

    try:
        return patiently(call, slow_again=False)
    except httpx2.ReadTimeout as error:
        seconds = client.timeout.read
        raise InputError(f"endpoint {client.base_url}: expected an answer within {seconds:g} s (--timeout)") from error
    except httpx2.ConnectError as error:
        raise InputError(f"endpoint {client.base_url}: cannot connect, is a server running there? ({error})") from error
    except (*client_errors(), ValueError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if status_of(error) == HTTPStatus.UNAUTHORIZED:
            said += "; the key comes from the environment's OPENAI_API_KEY"
        raise InputError(f"endpoint {client.base_url}: expected an OpenAI-compatible server: {said}") from error


def _choose(client: httpx2.Client, model: str | None) -> str:
    """The model's name at the server."""
    answer = _ask(client, "GET", "/models")
    try:
        names = [str(entry["id"]) for entry in answer["data"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"endpoint {client.base_url}: expected a list of models, got {answer!s:.200}") from error
    if model is not None and model not in names:
        raise InputError(f"endpoint: expected one of {', '.join(names) or 'no models'}, got {model!r:.200}")
    if model is None and len(names) != 1:
        raise InputError(f"endpoint: expected --model-name, one of {', '.join(names) or 'no models'}, got none")
    return model or names[0]
