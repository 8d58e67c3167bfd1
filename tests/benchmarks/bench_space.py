"""How long ten visitors at once wait for the ground truth of the page, the median in milliseconds.

Each asks ``/trace`` of a running app for a problem that nobody asked before, over HTTP on loopback.
"""

from __future__ import annotations

from statistics import median

import pytest
from gradio_client import Client

from rotbot.shapes.isolation import worker_pid
from rotbot.space.app import build, launch
from rotbot.space.service import Service
from tests.space.test_api import truth_seconds
from tests.truthful import TruthfulEngine

VISITORS, TURNS = 10, 5
TARGET = 0.3


@pytest.mark.bench
def test_time_to_the_ground_truth(free_port):
    service = Service(lambda model: TruthfulEngine())
    page = build(service=service)
    worker_pid()
    _, url, _ = launch(page, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    client = Client(url, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": 60})
    medians = [median(truth_seconds(client, VISITORS, 200 + 100 * turn)) for turn in range(TURNS)]
    client.close()
    page.close(verbose=False)
    service.close()
    for turn, seconds in enumerate(medians):
        print(f"turn {turn}: median {seconds * 1000:7.1f} ms")
    assert min(medians) < TARGET
