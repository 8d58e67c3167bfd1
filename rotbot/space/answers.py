"""From a request to its answer, as a stream for the page and as data for the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rotbot.errors import InputError
from rotbot.hub.ids import parse_id
from rotbot.inference.engine import Engine, Sampling, open_engine
from rotbot.models import EMBEDDED
from rotbot.problem import Problem
from rotbot.shapes.trace import ShapeTrace
from rotbot.space.forms import read_problem
from rotbot.space.service import Done, Event, Service, Stopped, Ticket

MAX_TOKENS = 2048
_TRACERS = ThreadPoolExecutor(8, thread_name_prefix="rotbot-trace")


async def traced(code: str, args: dict[str, str], target: str | None) -> tuple[Problem, ShapeTrace]:
    """:func:`rotbot.space.forms.read_problem` beside the server's loop. Raises as it does."""
    return await asyncio.get_running_loop().run_in_executor(_TRACERS, read_problem, code, args, target)


def check_model(model: str, offered: tuple[str, ...]) -> str:
    """The model a visitor may use: one that is offered, or a Hub ID. A visitor's text is never a path.

    Raises :class:`~rotbot.errors.InputError` for anything else.
    """
    model = model.strip() or EMBEDDED
    if model in offered:
        return model
    if parse_id(model) is None or Path(model).exists():
        raise InputError(f"model: expected {EMBEDDED} or a Hub ID such as owner/name, got {model!r:.80}")
    return model


def sampling_of(max_tokens: float, temperature: float) -> Sampling:
    """Raises :class:`~rotbot.errors.InputError` for values out of the demo's range."""
    if not 1 <= max_tokens <= MAX_TOKENS:
        raise InputError(f"max_tokens: expected 1 to {MAX_TOKENS}, got {max_tokens:g}")
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


def opener(kind: str) -> Any:
    """How the service opens an engine of this kind: vLLM where it is installed for ``auto``, else transformers."""

    def open_model(model: str) -> Engine:
        return open_engine(model, kind, context=4096)

    return open_model
