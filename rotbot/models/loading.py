"""Which model a user means: ``embedded``, a folder, or a Hub ID with an optional ``@revision``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rotbot.errors import HubError, InputError
from rotbot.hub.ids import HubId, parse_id

if TYPE_CHECKING:
    import torch
    from torchtune.modules import TransformerDecoder
    from transformers import PreTrainedTokenizerBase

    from rotbot.models.config import ModelConfig

EMBEDDED = "embedded"
"""The reserved name of the checkpoint that the package ships."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with all that belongs to it; ``path`` is the local folder it was read from."""

    model: TransformerDecoder
    config: ModelConfig
    tokenizer: PreTrainedTokenizerBase
    path: Path


def embedded_path() -> Path:
    """The folder of the shipped checkpoint. Raises :class:`~rotbot.errors.InputError` in a build without one."""
    path = Path(__file__).parent / EMBEDDED
    if not (path / "config.json").is_file():
        raise InputError(
            f"this build of rotbot has no embedded model (expected one in {path}); name a folder or Hub ID"
        )
    return path


def resolve(id_or_path: str | os.PathLike[str]) -> Path:
    """The local folder of a model: ``'embedded'``, an existing folder, or a Hub ID (downloaded or cached).

    A folder wins over a Hub ID of the same spelling. Raises :class:`~rotbot.errors.InputError` that names the nearest
    folder if it is none of these, and :class:`~rotbot.errors.HubError` with what the Hub answered if it cannot deliver.
    """
    text = os.fspath(id_or_path)
    if text == EMBEDDED:
        return embedded_path()
    path = Path(text).expanduser()
    if text and path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"expected a model folder with config.json, found none in {path}")
        return path
    if path.is_file():
        raise InputError(f"expected a model folder or a Hub ID, got the file {path}")
    hub_id = parse_id(text)
    if hub_id is not None:
        return _download(hub_id, _hint(path))
    raise InputError(
        f"expected {EMBEDDED!r}, a model folder or a Hub ID (owner/name[@revision]), got {text!r:.200}" + _hint(path)
    )


def _hint(path: Path) -> str:
    names = {EMBEDDED: EMBEDDED} if path.parent == Path() else {}
    if path.parent.is_dir():
        names |= {p.name: str(p) for p in path.parent.iterdir() if (p / "config.json").is_file()}
    near = get_close_matches(path.name, names, n=1)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


def _download(hub_id: HubId, hint: str) -> Path:
    from rotbot.hub.fetch import fetch_model

    try:
        return fetch_model(hub_id)
    except HubError as error:
        raise HubError(f"no such folder here, nor from the Hub: {error}{hint}", error.passing) from error


def load(
    id_or_path: str | os.PathLike[str], dtype: torch.dtype | None = None, max_seq_len: int | None = None
) -> LoadedModel:
    """Load a model by Hub ID (with optional ``@revision``), folder, or ``'embedded'``, as torchtune modules on the CPU.

    ``dtype`` defaults to the stored one, ``max_seq_len`` as in :func:`~rotbot.models.qwen3.build_qwen3`. Raises
    :class:`~rotbot.errors.InputError` as :func:`resolve` does, and for a folder that is not a Qwen3.
    """
    from rotbot.models.weights import load_folder

    path = resolve(id_or_path)
    model, config, tokenizer = load_folder(path, dtype, max_seq_len)
    return LoadedModel(model, config, tokenizer, path)
