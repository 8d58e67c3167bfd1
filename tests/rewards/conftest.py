"""An environment of its own for libraries whose pins clash with ours: what it lacks comes from the host's."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from site import getsitepackages

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = ("verifiers==0.4.0", "reasoning-gym==0.1.25")


@pytest.fixture(scope="session")
def run_foreign(tmp_path_factory):
    """``run_foreign(code) -> stdout`` under a Python that has the libraries of :data:`FOREIGN`."""
    folder = tmp_path_factory.mktemp("foreign")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    home = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (home / "host.pth").write_text("\n".join([os.fspath(ROOT), *getsitepackages()]))
    pip = [sys.executable, "-m", "pip", "--python", os.fspath(python), "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", *FOREIGN], check=True, timeout=600)

    def run(code: str) -> str:
        result = subprocess.run(
            [python, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run
