"""The benchmark in inspect-ai, in an environment of its own, with a real model behind an OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from rotbot.evaluation.cases import fresh_cases
from rotbot.evaluation.judge import judge
from rotbot.evaluation.metrics import measure
from rotbot.evaluation.prompts import messages
from rotbot.inference import Sampling, open_engine
from tests.chat_server import NAME, serving

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
TASK = "inspect_task.py"  # from its folder: inspect takes no absolute paths
PACKAGES = ("inspect-ai==0.3.285", "openai>=3,<4")
ROWS, TOKENS = 6, 160


@pytest.fixture(scope="module")
def inspect_env(tmp_path_factory):
    """An environment with inspect-ai and what it pins; torch, which a task's problems are traced with, is ours."""
    folder = tmp_path_factory.mktemp("inspect") / "venv"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "--python", str(python), *PACKAGES], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    ours = folder / "lib" / version / "site-packages" / "ours.pth"  # after its own packages, so that those win
    ours.write_text(f"{sysconfig.get_paths()['purelib']}\n")
    return folder


def test_a_task_gives_the_figures_of_rotbot_eval(inspect_env, tmp_path):
    with open_engine("embedded", "transformers") as engine, serving(engine) as (url, requests):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "LOCAL_BASE_URL": url, "LOCAL_API_KEY": "none", "OMP_NUM_THREADS": "1",
            "INSPECT_LOG_FORMAT": "json",
        }  # fmt: skip
        command = [
            str(inspect_env / "bin" / "inspect"), "eval", TASK, "--model", f"openai-api/local/{NAME}",
            "-T", "split=ood_size", "-T", f"rows={ROWS}", "-T", "seed=5", "-T", "prompt=plain",
            "-T", f"max_tokens={TOKENS}",
            "--log-dir", str(tmp_path), "--display", "none",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            env=environment,
            cwd=ROOT / "rotbot" / "evaluation",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        cases = fresh_cases("ood_size", ROWS, 5)
        made = engine.generate([messages(case.problem) for case in cases], Sampling(max_tokens=TOKENS))
    expected = measure([judge(case, [one.text]) for case, one in zip(cases, made, strict=True)])
    (log,) = tmp_path.glob("*.json")
    results = json.loads(log.read_text())
    assert results["status"] == "success"
    figures = {score["name"]: score["metrics"]["mean"]["value"] for score in results["results"]["scores"]}
    assert set(figures) == {"faithful", "final", "steps", "lucky", "parsed"}
    assert figures == {name: pytest.approx(expected[name].value) for name in figures}
    assert len(requests) == ROWS
    assert figures["parsed"] > 0
