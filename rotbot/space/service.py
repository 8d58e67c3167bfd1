"""One engine for all visitors: a queue with a limit, streams side by side in one thread, cancelling, recovery.

A single thread owns the engine. It takes turns over the open streams (vLLM then decodes them as one batch, for a step
brings news to all), closes those that were cancelled or are out of time, which aborts them in the engine, and reports
to each visitor through a callback.

What a library raises while a model is loaded or writes is not foreseen here. It ends the thread, with its traceback in
the log: those whose streams were open are told, the engine is closed, and another thread takes over the queue. A
library's message may hold what a visitor or the model wrote, so no control character of it reaches the log, and every
line of it is marked as part of the traceback.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from rotbot.errors import RotbotError
from rotbot.inference.engine import Completion, Engine, Sampling
from rotbot.problem import Problem

_IDLE_SECONDS = 60.0
_NOT_LOADED = "The model cannot be loaded here. Choose another; the ground truth needs none."
_FAILED = "The model's engine failed and is started again. Press Run once more."


@dataclass(frozen=True, slots=True)
class Settings:
    """``running`` streams go side by side, ``waiting`` more may queue; a stream may take ``seconds``."""

    running: int = 4
    waiting: int = 60
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """``place`` requests are served first, this one included: 1 is next, and 0 starts at once."""

    place: int


@dataclass(frozen=True, slots=True)
class Loading:
    """The engine is being opened for this model."""

    model: str


@dataclass(frozen=True, slots=True)
class Writing:
    """All the text so far."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """The model ended by itself or at its token limit; ``engine`` is the engine's name."""

    completion: Completion
    engine: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was ended: the reason is a sentence with a next step."""

    reason: str


Event = Waiting | Loading | Writing | Done | Stopped


@dataclass(eq=False)
class Ticket:
    """One request on its way. ``report`` is called in the service's thread and must return at once."""

    problem: Problem
    model: str
    sampling: Sampling
    report: Callable[[Event], None]
    cancelled: bool = False
    _text: str = ""
    _began: float = 0.0
    _stream: Generator[str, None, Completion] | None = field(default=None, repr=False)

    def cancel(self) -> None:
        """Ask for its end; the engine drops it at its next turn."""
        self.cancelled = True


class Service:
    """The queue and the thread. ``open_engine(model)`` loads an engine, and raises what can be shown to a visitor."""

    def __init__(self, open_engine: Callable[[str], Engine], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._open = open_engine
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._engine: Engine | None = None
        self._model = ""
        self._changed = threading.Condition()
        self._closing = False
        self._begin()

    def submit(self, ticket: Ticket) -> None:
        """Queue a request; its first report is its place, or at once :class:`Stopped` if the queue is full."""
        with self._changed:
            place = sum(not waiting.cancelled for waiting in self._waiting) + 1
            if place == 1 and not self._running:
                place = 0
            if place <= self.settings.waiting:
                ticket.report(Waiting(place))  # before the other thread can report what comes next
                self._waiting.append(ticket)
                self._changed.notify()
                return
        ticket.report(
            Stopped(f"{self.settings.waiting} requests are waiting already. Try again in a minute, or run it locally.")
        )

    def close(self) -> None:
        """End the thread and the engine; open requests are stopped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        ended: threading.Thread | None = None
        while ended is not self._thread:  # a fault in the last moment leaves the end to another thread
            ended = self._thread
            ended.join()

    # --- the engine's thread ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._work, name="rotbot-engine", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        served = False
        try:
            self._serve()
            served = True
        except Exception as error:  # noqa: BLE001 - told in the log, and to those who lose by it
            _log(error)
        finally:
            if not served:
                self._hand_over()

    def _hand_over(self) -> None:
        """After a fault: tell those who lose by it, let go of the engine, and leave the queue to another thread."""
        failed, self._running = self._running, []
        for ticket in failed:
            loading = ticket._stream is None
            ticket.report(Stopped(_NOT_LOADED if loading else _FAILED))
        try:
            self._drop_engine()
        except Exception as error:  # noqa: BLE001 - told in the log; another engine will be opened
            _log(error)
        finally:
            with self._changed:
                self._begin()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._running or self._closing):
                    self._changed.wait(_IDLE_SECONDS)
                if self._closing:
                    break
            self._admit()
            for ticket in list(self._running):
                self._turn(ticket)
        for ticket in [*self._running, *self._waiting]:
            self._end(ticket, Stopped("The demo is shutting down. Try again in a minute."))
        self._drop_engine()

    def _admit(self) -> None:
        """Start what there is room for. A request for another model waits until the present one has no stream open."""
        moved = False
        while len(self._running) < self.settings.running:
            with self._changed:
                while self._waiting and self._waiting[0].cancelled:
                    self._waiting.popleft()
                    moved = True
                if not self._waiting or (self._running and self._waiting[0].model != self._model):
                    break
                ticket = self._waiting.popleft()
            moved = True
            self._start(ticket)
        if moved:
            with self._changed:
                waiting = [ticket for ticket in self._waiting if not ticket.cancelled]
            for place, ticket in enumerate(waiting, 1):
                ticket.report(Waiting(place))

    def _start(self, ticket: Ticket) -> None:
        self._running.append(ticket)
        try:
            engine = self._engine_for(ticket)
        except RotbotError as error:
            self._end(
                ticket, Stopped(f"The model cannot be loaded: {error}. Choose another; the ground truth needs none.")
            )
            return
        ticket._began = time.monotonic()
        ticket._stream = engine.stream(ticket.problem, ticket.sampling)

    def _engine_for(self, ticket: Ticket) -> Engine:
        if self._engine is not None and self._model == ticket.model:
            return self._engine
        self._drop_engine()
        ticket.report(Loading(ticket.model))
        self._engine, self._model = self._open(ticket.model), ticket.model
        return self._engine

    def _turn(self, ticket: Ticket) -> None:
        """One piece of text for one stream, or its end."""
        seconds = time.monotonic() - ticket._began
        if ticket.cancelled:
            self._end(ticket, Stopped("Stopped."))
            return
        if seconds > self.settings.seconds:
            limit = f"{self.settings.seconds:.0f} s"
            self._end(ticket, Stopped(f"The model took longer than {limit}. Try fewer steps or fewer tokens."))
            return
        assert ticket._stream is not None, "a running ticket has a stream"
        assert self._engine is not None, "a running ticket has an engine"
        try:
            ticket._text += next(ticket._stream)
        except StopIteration as end:
            self._end(ticket, Done(end.value, self._engine.name))
        except RotbotError as error:
            self._end(ticket, Stopped(f"{error}. Shorten the program, or ask for fewer tokens."))
        else:
            ticket.report(Writing(ticket._text, seconds))

    def _end(self, ticket: Ticket, event: Event) -> None:
        if ticket in self._running:
            self._running.remove(ticket)
        if ticket._stream is not None:
            ticket._stream.close()  # aborts the request in the engine
        ticket.report(event)

    def _drop_engine(self) -> None:
        engine, self._engine, self._model = self._engine, None, ""
        if engine is not None:
            engine.close()


def _log(error: Exception) -> None:
    """An exception's traceback on standard error."""
    text = "".join(traceback.format_exception(error))
    shown = "".join([c if c.isprintable() or c == "\n" else "�" for c in text])
    sys.stderr.write("".join([f"rotbot-engine | {line}\n" for line in shown.rstrip("\n").split("\n")]))
