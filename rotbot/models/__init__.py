"""Qwen3 models: sizes, weights both ways between transformers and torchtune, tokenizer, loading by Hub ID or folder.

Importing this package is cheap: each name brings its module (and torch, transformers, torchtune) when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotbot.models.config import SIZES, ModelConfig, size
    from rotbot.models.folders import atomic_folder
    from rotbot.models.loading import EMBEDDED, LoadedModel, embedded_path, load, resolve
    from rotbot.models.qwen3 import build_qwen3, init_weights, parameter_count
    from rotbot.models.tokenizer import (
        encode_completion,
        encode_example,
        encode_prompt,
        end_ids,
        load_tokenizer,
        prompt_text,
        train_tokenizer,
    )
    from rotbot.models.weights import load_folder, read_config, save_folder, to_transformers

_HOMES = {
    "config": ("SIZES", "ModelConfig", "size"),
    "folders": ("atomic_folder",),
    "loading": ("EMBEDDED", "LoadedModel", "embedded_path", "load", "resolve"),
    "qwen3": ("build_qwen3", "init_weights", "parameter_count"),
    "tokenizer": (
        "encode_completion", "encode_example", "encode_prompt", "end_ids", "load_tokenizer", "prompt_text",
        "train_tokenizer",
    ),
    "weights": ("load_folder", "read_config", "save_folder", "to_transformers"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "EMBEDDED", "SIZES", "LoadedModel", "ModelConfig", "atomic_folder", "build_qwen3", "embedded_path",
    "encode_completion", "encode_example", "encode_prompt", "end_ids", "init_weights", "load", "load_folder",
    "load_tokenizer", "parameter_count", "prompt_text", "read_config", "resolve", "save_folder", "size",
    "to_transformers", "train_tokenizer",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
