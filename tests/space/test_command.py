"""``rotbot space`` as a process, with the model that the package ships."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest
from gradio_client import Client

from tests.space.served import fetched

pytestmark = pytest.mark.slow


def start(port, *options, log):
    command = [sys.executable, "-m", "rotbot", "space", "--no-open", "--port", str(port), *options]
    return subprocess.Popen(command, stdout=log, stderr=log)


def test_it_serves_the_page_and_both_endpoints_until_it_is_interrupted(free_port, tmp_path):
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        app = start(port, "--engine", "transformers", log=log)
        try:
            assert "rotbot: tensor shapes, step by step" in fetched(f"http://127.0.0.1:{port}/", app, tmp_path / "log")
            client = Client(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False)
            assert client.predict("y = x.T", {"x": [2, 3]}, api_name="/trace")["final"] == [3, 2]
            data = client.predict("y = x.T", {"x": [2, 3]}, api_name="/predict")
            assert (data["engine"], data["verdict"]["kind"]) == ("transformers", "faithful")
            client.close()
            app.send_signal(signal.SIGINT)
            app.wait(60)
        finally:
            app.kill()


def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    with socket.socket() as taken, (tmp_path / "log").open("wb") as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert start(port, log=log).wait(120) == 2
    said = (tmp_path / "log").read_text()
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said
