"""One engine for many visitors: order, limits, cancelling, faults."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from rotbot.errors import InputError
from rotbot.inference import GREEDY
from rotbot.problem import Problem
from rotbot.space.service import Done, Loading, Service, Settings, Stopped, Ticket, Waiting, Writing
from tests.truthful import TruthfulEngine

PATIENCE = 60.0


class Visitor:
    """A request and all that was reported of it."""

    patience = PATIENCE

    def __init__(self, service, size=2, model="embedded"):
        self.problem = Problem("y = x.flatten()\nz = y[None]", {"x": [size, 3]}, "z")
        self.events = []
        self._changed = threading.Condition()
        self.ticket = Ticket(self.problem, model, GREEDY, self._report)
        service.submit(self.ticket)

    def _report(self, event):
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, kind):
        """The first event of this kind."""
        with self._changed:
            self._changed.wait_for(lambda: any(isinstance(event, kind) for event in self.events), self.patience)
            return next(event for event in self.events if isinstance(event, kind))


@pytest.fixture
def engines():
    return []


@pytest.fixture
def serve(engines):
    """A function that makes a service; ``engines`` collects what it opens. All are closed in the end."""
    made = []

    def start(settings=None, **options):
        def open_engine(model):
            engines.append(TruthfulEngine(**options))
            return engines[-1]

        made.append(Service(open_engine, settings))
        return made[-1]

    yield start
    for service in made:
        service.close()


def test_a_request_is_placed_loaded_written_and_done(serve, engines):
    visitor = Visitor(serve())
    done = visitor.until(Done)
    assert done.completion.text == visitor.problem.truth().completion()
    assert done.engine == "truthful"
    kinds = [type(event) for event in visitor.events]
    assert visitor.events[0] == Waiting(0), "nobody is before it"
    assert kinds[1] is Loading
    assert set(kinds[2:-1]) == {Writing}
    texts = [event.text for event in visitor.events if isinstance(event, Writing)]
    assert all(later.startswith(text) for text, later in pairwise(texts))


def test_many_share_an_engine_and_each_gets_its_own_answer(serve, engines):
    service = serve()
    visitors = [Visitor(service, size) for size in range(1, 31)]
    for visitor in visitors:
        assert visitor.until(Done).completion.text == visitor.problem.truth().completion()
    assert len(engines) == 1


def test_places_move_up_and_a_full_queue_says_so(serve, engines):
    service = serve(Settings(running=1, waiting=2), going=False)
    first = Visitor(service)
    first.until(Writing)
    second, third, late = Visitor(service), Visitor(service), Visitor(service)
    assert late.events == [Stopped("2 requests are waiting already. Try again in a minute, or run it locally.")]
    assert (second.events[0], third.events[0]) == (Waiting(1), Waiting(2))
    engines[0].going.set()
    third.until(Done)
    assert Waiting(1) in third.events


def test_a_cancelled_stream_is_ended_in_the_engine(serve, engines):
    service = serve(going=False)
    visitor, other = Visitor(service), Visitor(service, 5)
    visitor.until(Writing)
    visitor.ticket.cancel()
    assert visitor.until(Stopped) == Stopped("Stopped.")
    assert engines[0].aborted == [visitor.problem]
    engines[0].going.set()
    other.until(Done)


def test_a_request_cancelled_in_the_queue_never_starts(serve, engines):
    service = serve(Settings(running=1), going=False)
    first = Visitor(service, 1)
    first.until(Writing)
    second, third = Visitor(service, 2), Visitor(service, 3)
    second.ticket.cancel()
    engines[0].going.set()
    third.until(Done)
    assert second.problem not in engines[0].opened


def test_a_stream_out_of_time_is_stopped_with_the_limit(serve, engines):
    visitor = Visitor(serve(Settings(seconds=0.2), going=False))
    assert visitor.until(Stopped).reason.startswith("The model took longer than 0 s.")
    assert engines[0].aborted == [visitor.problem]


def test_a_broken_engine_ends_its_streams_and_the_next_request_gets_a_new_one(serve, engines):
    service = serve(going=False)
    one, two = Visitor(service), Visitor(service)
    one.until(Writing), two.until(Writing)
    engines[0].broken = True
    for visitor in (one, two):
        assert visitor.until(Stopped).reason.endswith("Press Run once more.")
    after = Visitor(service)
    after.until(Writing)
    assert engines[0].closed
    engines[1].going.set()
    after.until(Done)


def test_what_a_library_says_of_a_prompt_cannot_forge_a_line_of_the_log(capfd):
    class Loud(TruthfulEngine):
        def _check(self):
            raise RuntimeError("bad prompt: \x1b[2J\x9b\rx\nINFO: all is well\u2028INFO: really")

    service = Service(lambda model: Loud())
    assert Visitor(service).until(Stopped).reason.endswith("Press Run once more.")
    service.close()
    written = capfd.readouterr().err
    assert "RuntimeError: bad prompt: �[2J��x" in written
    assert not set(written) & set("\x1b\x9b\r\u2028")
    assert all(line.startswith("rotbot-engine | ") for line in written.split("\n")[:-1])


def test_who_waits_while_an_engine_breaks_is_served_by_the_next(serve, engines):
    service = serve(Settings(running=1), going=False)
    first = Visitor(service)
    first.until(Writing)
    second = Visitor(service, 5)
    engines[0].broken = True
    assert first.until(Stopped).reason.endswith("Press Run once more.")
    second.until(Writing)
    engines[1].going.set()
    assert second.until(Done).completion.text == second.problem.truth().completion()


def test_an_engine_that_cannot_even_be_closed_stops_nobody_else(serve, engines):
    service = serve(going=False)
    first = Visitor(service)
    first.until(Writing)
    engines[0].close = lambda: 1 / 0
    engines[0].broken = True
    assert first.until(Stopped).reason.endswith("Press Run once more.")
    after = Visitor(service)
    after.until(Writing)
    engines[1].going.set()
    after.until(Done)


def test_another_model_waits_for_the_open_streams(serve, engines):
    service = serve(going=False)
    here = Visitor(service)
    here.until(Writing)
    there = Visitor(service, model="owner/name")
    engines[0].going.set()
    here.until(Done)
    assert there.until(Loading) == Loading("owner/name")
    engines_closed = engines[0].closed
    service.close()
    assert engines_closed


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            InputError("no such model"),
            "The model cannot be loaded: no such model. Choose another; the ground truth needs none.",
        ),
        (OSError("disk"), "The model cannot be loaded here. Choose another; the ground truth needs none."),
    ],
)
def test_a_model_that_cannot_be_loaded_is_a_sentence(fault, said):
    def open_engine(model):
        raise fault

    service = Service(open_engine)
    assert Visitor(service).until(Stopped) == Stopped(said)
    service.close()


def test_closing_stops_what_is_open(serve, engines):
    service = serve(Settings(running=1), going=False)
    running = Visitor(service)
    running.until(Writing)
    waiting = Visitor(service)
    service.close()
    for visitor in (running, waiting):
        assert visitor.until(Stopped) == Stopped("The demo is shutting down. Try again in a minute.")
    assert engines[0].closed


def test_who_has_left_takes_no_place_in_the_queue(serve, engines):
    service = serve(Settings(running=1, waiting=2), going=False)
    first = Visitor(service)
    first.until(Writing)
    gone, waiting = Visitor(service), Visitor(service)
    gone.ticket.cancel()
    late = Visitor(service)
    assert (waiting.events[0], late.events[0]) == (Waiting(2), Waiting(2))
    engines[0].going.set()
    late.until(Done)
