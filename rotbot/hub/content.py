"""What a push would send: the files of a folder held against those of a commit, by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rotbot.errors import InputError
from rotbot.hub.ids import Kind

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

CARD = "README.md"
_OWNED: dict[Kind, tuple[str, ...]] = {
    "dataset": ("sft/*", "rl/*", "eval/*", "distributions.png"),
    "model": (
        "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*.json",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
        "training.jsonl", "evaluation.json", "curves.png",
    ),
    "space": ("app.py", "requirements.txt"),
}  # fmt: skip
"""What a push replaces as a whole: a file of these that is no longer in the folder goes, anything else stays."""
_BLOCK = 2**20

Content = Path | bytes
"""A file, or what is to be written to one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a push; ``size`` in bytes is 0 for what is deleted."""

    path: str
    action: Literal["add", "update", "delete"]
    size: int


def folder_files(folder: Path, kind: Kind) -> dict[str, Content]:
    """Every file below ``folder`` that is not hidden, by its path in a repository.

    Raises :class:`~rotbot.errors.InputError` for a folder that is not of this kind.
    """
    if not folder.is_dir():
        raise InputError(
            f"expected a {kind} folder, got {folder}, which is {'a file' if folder.exists() else 'not there'}"
        )
    files: dict[str, Content] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            files["/".join(parts)] = path
    is_model = "config.json" in files and any(name.endswith(".safetensors") for name in files)
    is_dataset = CARD in files and any(fnmatchcase(name, p) for name in files for p in _OWNED["dataset"])
    if kind == "model" and not is_model:
        hint = "; this is a dataset: rotbot push-dataset" if is_dataset else ""
        raise InputError(f"expected a model folder (config.json and *.safetensors), got {folder}{hint}")
    if kind == "dataset" and not is_dataset:
        hint = "; this is a model: rotbot push-model" if is_model else ""
        raise InputError(f"expected what rotbot generate writes (README.md and sft/*.parquet), got {folder}{hint}")
    if kind == "space" and not {CARD, "app.py", "requirements.txt"} <= files.keys():
        raise InputError(f"expected a Space's folder (README.md, app.py, requirements.txt), got {folder}")
    return files


def compare(files: Mapping[str, Content], remote: Iterable[RepoFile], kind: Kind) -> tuple[Change, ...]:
    """What turns ``remote``, the files of a commit, into ``files``; nothing if they are the same already."""
    there = {file.path: file for file in remote}
    changes: list[Change] = []
    for path, content in files.items():
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if path not in there:
            changes.append(Change(path, "add", size))
        elif not _same(content, size, there[path]):
            changes.append(Change(path, "update", size))
    gone = [path for path in there if path not in files and any(fnmatchcase(path, p) for p in _OWNED[kind])]
    return (*changes, *(Change(path, "delete", 0) for path in sorted(gone)))


def _same(content: Content, size: int, remote: RepoFile) -> bool:
    if size != remote.size:
        return False
    if remote.lfs is not None:
        return _digest(hashlib.sha256(), content) == remote.lfs.sha256
    return _digest(hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), content) == remote.blob_id  # git's id


def _digest(hasher: hashlib._Hash, content: Content) -> str:
    if isinstance(content, bytes):
        hasher.update(content)
        return hasher.hexdigest()
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
