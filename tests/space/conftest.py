"""The app on loopback, with an engine that writes the truth."""

from __future__ import annotations

import pytest

from rotbot.shapes.isolation import worker_pid
from rotbot.space.app import build, launch
from rotbot.space.service import Service
from tests.truthful import TruthfulEngine


@pytest.fixture(scope="module")
def app_url(free_port):
    service = Service(lambda model: TruthfulEngine())
    page = build(service=service)
    worker_pid()
    _, url, _ = launch(page, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    yield url
    page.close(verbose=False)
    service.close()
