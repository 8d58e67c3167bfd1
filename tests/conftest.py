"""What every test gets: one thread, no network, caches of its own, the same hypothesis examples on every run."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import tempfile

import pytest
from hypothesis import settings

# Before torch and the Hub's libraries are imported; pytest-xdist's workers inherit these from the first process.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if "ROTBOT_TEST_HOME" not in os.environ:
    home = os.environ["ROTBOT_TEST_HOME"] = os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="rotbot-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)

# What a shell starts in the background ignores Ctrl-C, and so would its children: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("rotbot", derandomize=True, deadline=None, database=None)
settings.load_profile("rotbot")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` are taken out where there is no NVIDIA driver."""
    if shutil.which("nvidia-smi"):
        return
    for_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if for_gpu:
        config.hook.pytest_deselected(items=for_gpu)
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]


@pytest.fixture(scope="session")
def free_port():
    """A function that names a port on loopback that is free now."""

    def find() -> int:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]

    return find
