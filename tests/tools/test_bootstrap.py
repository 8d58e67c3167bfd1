"""The set-up for real, on a project without dependencies whose build backend is ten lines of its own."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1"
"""
BACKEND = """
import time, zipfile
from pathlib import Path

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if Path("slow").exists():
        Path("building").touch()
        time.sleep(60)
    requires = Path("requires").read_text() if Path("requires").exists() else ""
    name = "tiny-1-py3-none-any.whl"
    info = "tiny-1.dist-info/"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("tiny.py", "answer = 42")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n" + requires)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    return tmp_path


def start(project: Path) -> subprocess.Popen[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    command = [sys.executable, str(project / "tools" / "bootstrap.py")]
    return subprocess.Popen(command, env={**clean, "PIP_NO_INDEX": "1"}, stderr=subprocess.PIPE, text=True)


def set_up(project: Path) -> tuple[int, str]:
    process = start(project)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def answer(project: Path) -> str:
    python = project / ".venv" / "bin" / "python"
    return subprocess.check_output([str(python), "-c", "import tiny; print(tiny.answer)"], text=True).strip()


def test_a_dependency_that_cannot_be_had_gives_one_line_and_no_stamp(project: Path) -> None:
    (project / "requires").write_text("Requires-Dist: rotbot-names-no-such-package>=7\n")
    code, err = set_up(project)
    assert code == 1
    assert "Setting up .venv" in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("set-up failed: cannot get rotbot-names-no-such-package>=7")
    assert not (project / ".venv" / ".stamp").exists()

    (project / "requires").unlink()
    code, err = set_up(project)  # the environment itself is sound, so it is built upon
    assert (code, answer(project)) == (0, "42")
    assert "made again" not in err
    assert json.loads((project / ".venv" / ".stamp").read_text())["extras"] == []

    (project / "backend.py").unlink()  # another install would now fail
    started = time.monotonic()
    assert set_up(project) == (0, "")
    assert time.monotonic() - started < 3


def test_a_killed_install_leaves_no_stamp_and_is_made_again(project: Path) -> None:
    (project / "slow").touch()
    process = start(project)
    deadline = time.monotonic() + 60
    while not (project / "building").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (project / ".venv" / ".stamp").exists()
    (project / "slow").unlink()
    code, err = set_up(project)
    assert (code, answer(project)) == (0, "42")
    assert ".venv is made again: the last set-up was interrupted" in err


def test_reachable_follows_the_answer() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/whl/" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        assert bootstrap.reachable(f"{base}/whl/") is True
        assert bootstrap.reachable(f"{base}/other/") is False
        server.shutdown()
    assert bootstrap.reachable(f"{base}/whl/") is False


def test_a_silent_index_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert bootstrap.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.3) is False
        assert time.monotonic() - started < 2


@pytest.mark.parametrize(("script", "expected"), [("echo 'GPU 0: NVIDIA A100'", True), ("echo gone; exit 9", False)])
def test_has_gpu_asks_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: bool) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{script}\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert bootstrap.has_gpu() is expected


def test_browser_is_wanted_by_browser_tests_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # neither chromium nor apt-get
    bootstrap.ensure_browser(tmp_path)
    (tmp_path / "tests" / "e2e").mkdir(parents=True)
    test = tmp_path / "tests" / "e2e" / "test_kill.py"
    test.write_text("import os\n")
    bootstrap.ensure_browser(tmp_path)
    test.write_text("BROWSER = 'chromium'\n")
    with pytest.raises(bootstrap.SetupError, match="cannot get chromium for the browser tests"):
        bootstrap.ensure_browser(tmp_path)
