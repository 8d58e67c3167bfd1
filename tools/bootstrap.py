"""Makes ``.venv`` with rotbot and its extras, for the Makefile. Needs Python 3.11+ and nothing else.

    python3 tools/bootstrap.py [--browser] [EXTRA ...]

When the environment already has the extras for this ``pyproject.toml`` it returns at once. A stamp says so; it is taken
away before an install and written after it, so an interrupted install is seen, and made again from nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from plan import CPU_INDEX, Plan, explain, extras_to_install, fingerprint, plan, reason_to_start_over

INDEX_TIMEOUT = 3.0
PYTHONS = ((3, 12), (3, 11), (3, 13), (3, 14))
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


class SetupError(Exception):
    """What stops the set-up, in one line: what could not be had, and what to do."""


# --- what this machine has --------------------------------------------------------------------------------------------


def has_gpu() -> bool:
    """An NVIDIA GPU that its driver can see."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return False
    listed = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=60, check=False)
    return listed.returncode == 0 and "GPU " in listed.stdout


def reachable(url: str, timeout: float = INDEX_TIMEOUT) -> bool:
    """Whether ``url`` answers within ``timeout`` seconds, name resolution included."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout):
                answers.append(True)
        except OSError:  # urllib's errors are OSErrors too
            answers.append(False)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    return answers == [True]


def apt_install(package: str) -> bool:
    """Install a Debian package where that is possible without asking. False where it is not."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "-qq", "update"], [apt, "-qq", "install", "-y", "--no-install-recommends", package]):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return False
    return True


# --- setting up -------------------------------------------------------------------------------------------------------


def make_environment(venv: Path) -> None:
    """An environment with pip in it, for the Python that runs this, and a marker in it until it is whole."""
    reason = reason_to_start_over(venv, sys.version_info[:2])
    if reason is not None:
        print(f"{venv.name} is made again: {reason}", file=sys.stderr)
        shutil.rmtree(venv)
    fresh = not venv.exists()
    venv.mkdir(exist_ok=True)
    (venv / ".installing").touch()
    if not fresh:
        return
    command = [sys.executable, "-m", "venv", str(venv)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode != 0 and apt_install(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"):
        made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(venv)
        raise SetupError(f"{sys.executable} -m venv fails; on Debian and Ubuntu: apt-get install python3-venv")


def run(command: list[str], log: Path) -> int:
    """Run ``command``, its output in ``log``; a terminal also shows which package it is at."""
    terminal = sys.stderr.isatty()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    )
    with log.open("a", encoding="utf-8") as file, process:
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if terminal and line.lstrip().startswith(("Collecting ", "Downloading ", "Installing ")):
                print(f"\r\033[K  {line.strip():.76}", end="", file=sys.stderr, flush=True)
    if terminal:
        print("\r\033[K", end="", file=sys.stderr)
    return process.returncode


def install(root: Path, venv: Path, what: Plan) -> None:
    """Let pip carry out the plan. Raises :class:`SetupError` that names the dependency that could not be had."""
    log = venv / "install.log"
    log.write_text("")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    project = f"{root}[{','.join(what.extras)}]" if what.extras else str(root)
    if run([*pip, "install", "--editable", project, *what.options], log) != 0:
        raise SetupError(f"{explain(log.read_text(encoding='utf-8'))} (pip's output: {log})")
    if what.uninstall and run([*pip, "uninstall", "--yes", *what.uninstall], log) != 0:
        raise SetupError(f"pip could not uninstall {', '.join(what.uninstall)} (pip's output: {log})")


def ensure(root: Path, wanted: Iterable[str]) -> bool:
    """Bring ``root/.venv`` to where it has ``wanted``. True if something had to be installed."""
    venv, pyproject = root / ".venv", root / "pyproject.toml"
    stamp, fresh_stamp = venv / ".stamp", venv / ".stamp.new"
    digest = fingerprint(pyproject.read_text(encoding="utf-8"))
    with pyproject.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once: the second waits and finds the work done
        usable = stamp.exists() and reason_to_start_over(venv, sys.version_info[:2]) is None
        extras = extras_to_install(stamp.read_text() if usable else None, wanted, digest)
        if extras is None:
            return False
        stamp.unlink(missing_ok=True)
        make_environment(venv)
        gpu = has_gpu()
        what = plan(extras, gpu, cpu_index=not gpu and reachable(f"{CPU_INDEX}/"))
        print(f"Setting up .venv ({', '.join(what.extras)}). The first time takes several minutes.", file=sys.stderr)
        try:
            install(root, venv, what)
        except SetupError:
            (venv / ".installing").unlink()  # pip itself has undone what it had begun
            raise
        fresh_stamp.write_text(json.dumps({"fingerprint": digest, "extras": extras}))
        fresh_stamp.replace(stamp)
        (venv / ".installing").unlink()
        return True


def ensure_browser(root: Path) -> None:
    """Chromium, if a test under ``tests/e2e`` wants it."""
    wanted = any("chromium" in path.read_text(encoding="utf-8") for path in (root / "tests" / "e2e").glob("*.py"))
    if not wanted or any(shutil.which(name) for name in CHROMIUM_NAMES):
        return
    print("Installing Chromium for the browser tests.", file=sys.stderr)
    if not apt_install("chromium"):
        raise SetupError("cannot get chromium for the browser tests: install it (on Debian: apt-get install chromium)")


def use_supported_python() -> None:
    """Start again under a Python from 3.11 to 3.14, if this one is another and such a one is on the PATH."""
    if sys.version_info[:2] in PYTHONS:
        return
    for major, minor in PYTHONS:
        other = shutil.which(f"python{major}.{minor}")
        if other and subprocess.run([other, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(other, [other, *sys.argv])
    found = sys.version.split()[0]
    raise SetupError(f"expected Python 3.11 to 3.14, got {found}; name one with make PYTHON=/path/to/python3")


def main() -> int:
    """Set up, or say in one line why that is not possible."""
    parser = argparse.ArgumentParser(description="Make .venv with rotbot and its extras.")
    parser.add_argument("--browser", action="store_true", help="also get Chromium if browser tests exist")
    parser.add_argument("extras", nargs="*", help="train rl vllm space dev")
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    try:
        use_supported_python()
        ensure(root, options.extras)
        if options.browser:
            ensure_browser(root)
    except SetupError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up interrupted: the next run starts it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
