"""``rotbot predict --endpoint`` against vLLM's own server, a process on loopback that serves the embedded model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from rotbot.inference import open_engine
from rotbot.models import resolve
from rotbot.problem import Problem
from rotbot.shapes import ShapeTrace

PROBLEM = Problem("h = x.flatten(1)\ny = (h @ w).relu()", {"x": [2, 4, 8], "w": [32, 5]}, "y")


def environment(**more):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@pytest.fixture(scope="module")
def served(tmp_path_factory, free_port):
    log, port = tmp_path_factory.mktemp("server") / "log", free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(resolve("embedded"))]
    command += ["--served-model-name", "embedded", "--host", "127.0.0.1", "--port", str(port), "--enforce-eager"]
    command += ["--dtype", "float32", "--max-model-len", "2048"]
    quiet = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment(**quiet), stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 400
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def answers(url):
    try:
        with urlopen(url, timeout=5) as response:
            return response.status == 200
    except (URLError, TimeoutError, ConnectionError):
        return False


def predict(url, *options):
    args = [f"--arg={name}={','.join(map(str, spec.shape))}" for name, spec in PROBLEM.specs]
    command = [sys.executable, "-m", "rotbot", "predict", "--endpoint", url, "-c", PROBLEM.code, *args, *options]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_the_server_writes_what_the_engine_here_writes(served):
    with open_engine("embedded", "transformers") as engine:
        here = engine.generate([PROBLEM])[0].text
    done = predict(served, "--json")
    data = json.loads(done.stdout)
    assert data["completion"]["text"] == here, done.stderr
    assert data["engine"] == f"embedded at {served}"
    assert data["completion"]["finish_reason"] == "stop"
    assert done.returncode == (0 if data["verdict"]["kind"] == "faithful" else 1)


@pytest.mark.slow
def test_the_server_keeps_the_grammar(served, tmp_path):
    """At the highest temperature that the server takes, where the model's own text falls apart."""
    problems, texts = tmp_path / "problems.jsonl", dict[bool, list[str]]()
    row = {"code": PROBLEM.code, "args": {name: list(spec.shape) for name, spec in PROBLEM.specs}, "target": "y"}
    problems.write_text(json.dumps(row) + "\n")
    for constrained in (False, True):
        out = tmp_path / f"{constrained}.jsonl"
        command = [sys.executable, "-m", "rotbot", "predict", "--endpoint", served, "--file", str(problems)]
        command += ["--out", str(out), "--samples", "16", "--temperature", "2", "--max-tokens", "300"]
        command += ["--constrained"] if constrained else []
        subprocess.run(command, env=environment(), check=True, timeout=300)
        made = json.loads(out.read_text())["completions"]
        texts[constrained] = [
            c["text"] if c["finish_reason"] == "stop" else c["text"].rpartition("\n")[0] for c in made
        ]
    assert any(ShapeTrace.parse(text).malformed for text in texts[False])
    assert not any(ShapeTrace.parse(text).malformed for text in texts[True]), texts[True]


@pytest.mark.slow
def test_what_the_server_refuses_is_said(served):
    done = predict(served, "--model-name", "other")
    assert (done.returncode, done.stdout) == (2, "")
    assert "endpoint: expected one of embedded, got 'other'" in done.stderr
    done = predict(served, "--max-tokens", "999999")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"rotbot: endpoint {served}/: expected an OpenAI-compatible server: " in done.stderr
    assert "Traceback" not in done.stderr
