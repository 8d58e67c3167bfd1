"""From a request to its answer, as a stream for the page and as data for the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rotbot.errors import InputError
from rotbot.hub.fetch import model_bytes
from rotbot.hub.ids import parse_id
from rotbot.inference.engine import Engine, Sampling, open_engine
from rotbot.models import EMBEDDED
from rotbot.problem import Problem
from rotbot.shapes.trace import ShapeTrace
from rotbot.space.forms import read_problem
from rotbot.space.service import Done, Event, Service, Stopped, Ticket

MAX_TOKENS = 2048
MOST_BYTES = 4_000_000_000
_TRACERS = ThreadPoolExecutor(8, thread_name_prefix="rotbot-trace")


async def traced(code: str, args: dict[str, str], target: str | None) -> tuple[Problem, ShapeTrace]:
    """:func:`rotbot.space.forms.read_problem` beside the server's loop. Raises as it does."""
    return await asyncio.get_running_loop().run_in_executor(_TRACERS, read_problem, code, args, target)


def check_model(model: str, offered: tuple[str, ...]) -> str:
    """The model a visitor may use: one that is offered, or a Hub ID. A visitor's text is never a path.

    An empty text is the first one offered. Raises :class:`~rotbot.errors.InputError` for anything else.
    """
    model = model.strip() or offered[0]
    if model in offered:
        return model
    if parse_id(model) is None or Path(model).exists():
        raise InputError(f"model: expected {EMBEDDED} or a Hub ID such as owner/name, got {model!r:.80}")
    return model


def sampling_of(max_tokens: float, temperature: float) -> Sampling:
    """Raises :class:`~rotbot.errors.InputError` for values out of the demo's range, and for what is no number."""
    if not (isinstance(max_tokens, (int, float)) and 1 <= max_tokens <= MAX_TOKENS):
        raise InputError(f"max_tokens: expected 1 to {MAX_TOKENS}, got {max_tokens!r:.80}")
    return Sampling(max_tokens=int(max_tokens), temperature=temperature)


async def streamed(service: Service, problem: Problem, model: str, sampling: Sampling) -> AsyncGenerator[Event]:
    """The events of one request; leaving early cancels it in the engine. Only the newest text is kept for the slow."""
    loop, news = asyncio.get_running_loop(), asyncio.Queue[Event]()

    def report(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.put_nowait, event)

    ticket = Ticket(problem, model, sampling, report)
    service.submit(ticket)
    try:
        while True:
            event = await news.get()
            while not news.empty() and not isinstance(event, (Done, Stopped)):
                event = news.get_nowait()
            yield event
            if isinstance(event, (Done, Stopped)):
                return
    finally:
        ticket.cancel()


def opener(kind: str, offered: tuple[str, ...]) -> Callable[[str], Engine]:
    """How the service opens an engine of this kind: vLLM where it is installed for ``auto``, else transformers.

    A model that is not ``offered`` but a visitor's choice may have :data:`MOST_BYTES` on the Hub, for all others wait
    while it is downloaded and loaded.
    """

    def open_model(model: str) -> Engine:
        hub_id = parse_id(model)
        if hub_id is not None and model not in offered and (size := model_bytes(hub_id)) > MOST_BYTES:
            raise InputError(f"expected at most {MOST_BYTES / 1e9:.0f} GB, {model} has {size / 1e9:.1f} GB")
        return open_engine(model, kind, context=4096)

    return open_model
