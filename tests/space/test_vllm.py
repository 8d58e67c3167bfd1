"""The service on vLLM itself: streams side by side, and a cancelled one is gone from the engine."""

from __future__ import annotations

import pytest

from rotbot.inference import open_engine
from rotbot.space.service import Done, Service, Stopped, Writing
from tests.space.test_service import Visitor

pytestmark = pytest.mark.slow


class PatientVisitor(Visitor):
    """One that waits for vLLM to be imported on a machine that does other things."""

    patience = 400.0


class LongVisitor(PatientVisitor):
    """One that cancels itself at the first word, so that the model cannot have ended."""

    def _report(self, event):
        if isinstance(event, Writing):
            self.ticket.cancel()
        super()._report(event)


def test_streams_on_vllm_and_a_cancelled_one_is_aborted_there():
    engines = []

    def open_vllm(model):
        engines.append(open_engine(model, "vllm", context=1024))
        return engines[-1]

    service = Service(open_vllm)
    stays, leaves = PatientVisitor(service), LongVisitor(service, 7)
    assert leaves.until(Stopped) == Stopped("Stopped.")
    done = stays.until(Done)
    assert done.engine == "vllm"
    assert [event for event in stays.events if isinstance(event, Writing)]
    assert engines[0].llm.llm_engine.get_num_unfinished_requests() == 0
    (alone,) = engines[0].generate([stays.problem])
    service.close()
    assert done.completion.text == alone.text
