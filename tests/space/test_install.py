"""The requirements of a Space in an environment of their own, and the app started there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from gradio_client import Client

from rotbot.hub.space import write_space
from tests.space.served import fetched

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
OURS = ("torch", "nvidia-cublas", "triton")
"""Left out of the install and taken from this environment: the largest by far, and this machine's build of them."""


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A Space's folder that requires a wheel of this tree, and the Python of an environment with its requirements."""
    folder = tmp_path_factory.mktemp("space")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    write_space(folder, requirement=f"rotbot[space] @ {wheel.as_uri()}")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    requirements = (folder / "requirements.txt").read_text().splitlines()
    (folder / "installed.txt").write_text("\n".join(line for line in requirements[1:] if not line.startswith("torch=")))
    (folder / "excluded.txt").write_text("\n".join(OURS))
    install = [*uv, "pip", "install", "--python", str(python), "-r", "installed.txt", "--excludes", "excluded.txt"]
    subprocess.run(install, check=True, cwd=folder)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    ours = folder / "venv" / "lib" / version / "site-packages" / "ours.pth"  # after its own packages: those win
    ours.write_text(f"{sysconfig.get_paths()['purelib']}\n")
    return folder


def test_the_app_starts_from_its_requirements_alone(space, free_port):
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    environment.pop("PYTHONPATH", None)
    python = str(space / "venv" / "bin" / "python")
    where = [python, "-c", "import rotbot; print(rotbot.__file__)"]
    installed = subprocess.run(where, cwd=space, env=environment, capture_output=True, text=True, check=True).stdout
    assert installed.startswith(str(space))
    with (space / "log").open("wb") as log:
        app = subprocess.Popen([python, "app.py"], cwd=space, env=environment, stdout=log, stderr=log)
        try:
            text = fetched(f"http://127.0.0.1:{port}/", app, space / "log")
            client = Client(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False)
            traced = client.predict("y = x.T", {"x": [2, 3]}, api_name="/trace")
            answered = client.predict("y = x.T", {"x": [2, 3]}, api_name="/predict")
            client.close()
        finally:
            app.terminate()
            app.wait(60)
    assert "rotbot: tensor shapes, step by step" in text
    assert traced["final"] == [3, 2]
    assert answered["verdict"]["kind"] == "faithful"
