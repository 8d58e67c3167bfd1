"""Waiting for an app that was started as a process."""

from __future__ import annotations

import time
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 300


def fetched(url, app, log):
    """The page, as soon as the app serves it; an app that ended fails the test with what it said."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert app.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=60) as answer:
                return answer.read().decode()
        except URLError:
            time.sleep(0.2)  # there is no other sign that a port is open
    raise AssertionError(f"no answer in {START_SECONDS} s: {log.read_text()}")
