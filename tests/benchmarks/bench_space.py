"""How long ten visitors at once wait for the ground truth of the page, the median in milliseconds.

Each asks ``/trace`` of ``rotbot space``, a process of its own, over HTTP on loopback, for a problem that nobody asked
before. The visitors share the machine's cores with it.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from statistics import median

import pytest
from gradio_client import Client

from tests.space.test_api import truth_seconds

VISITORS, TURNS = 10, 5
TARGET = 0.3


@pytest.mark.bench
def test_time_to_the_ground_truth(free_port):
    port = free_port()
    command = [sys.executable, "-m", "rotbot", "space", "--no-open", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait_for(url, server)
            client = Client(url, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": 60})
            medians = [median(truth_seconds(client, VISITORS, 200 + 100 * turn)) for turn in range(TURNS)]
            client.close()
        finally:
            server.terminate()
    for turn, seconds in enumerate(medians):
        print(f"turn {turn}: median {seconds * 1000:7.1f} ms")
    assert median(medians) < TARGET


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    while True:
        assert server.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
