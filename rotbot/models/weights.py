"""Weights between transformers' names and torchtune's, and model folders that transformers and vLLM read.

The values are never touched: both libraries rotate halves and store matrices as ``[out, in]``, so a conversion is a
renaming, and there and back is bit-exact.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rotbot.errors import InputError
from rotbot.models.config import ModelConfig
from rotbot.models.folders import atomic_folder
from rotbot.models.qwen3 import build_qwen3

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder
    from transformers import PreTrainedTokenizerBase

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"

_TOP = {
    "model.embed_tokens.weight": "tok_embeddings.weight",
    "model.norm.weight": "norm.scale",
    "lm_head.weight": "output.weight",
}
_LAYER = {
    "self_attn.q_proj.weight": "attn.q_proj.proj.weight",
    "self_attn.k_proj.weight": "attn.k_proj.proj.weight",
    "self_attn.v_proj.weight": "attn.v_proj.weight",
    "self_attn.o_proj.weight": "attn.output_proj.weight",
    "self_attn.q_norm.weight": "attn.q_proj.norm.scale",
    "self_attn.k_norm.weight": "attn.k_proj.norm.scale",
    "mlp.gate_proj.weight": "mlp.w1.weight",
    "mlp.down_proj.weight": "mlp.w2.weight",
    "mlp.up_proj.weight": "mlp.w3.weight",
    "input_layernorm.weight": "sa_norm.scale",
    "post_attention_layernorm.weight": "mlp_norm.scale",
}
State = Mapping[str, torch.Tensor]


def weight_names(config: ModelConfig) -> dict[str, str]:
    """transformers' name → torchtune's, for every tensor that ``config`` has (no ``lm_head`` when tied)."""
    names = {hub: ours for hub, ours in _TOP.items() if not (config.tied and hub == "lm_head.weight")}
    for layer in range(config.layers):
        for hub, ours in _LAYER.items():
            names[f"model.layers.{layer}.{hub}"] = f"layers.{layer}.{ours}"
    return names


def from_transformers(state: State, config: ModelConfig) -> dict[str, torch.Tensor]:
    """A transformers state dict under torchtune's names; the tensors are shared, not copied.

    With tied embeddings a stored ``lm_head.weight`` is dropped, as transformers does. Raises
    :class:`~rotbot.errors.InputError` that names tensors missing or too many.
    """
    names = weight_names(config)
    extra = {"lm_head.weight"} if config.tied else set[str]()
    return _renamed(state, names, extra)


def to_transformers(state: State, config: ModelConfig) -> dict[str, torch.Tensor]:
    """The way back from :func:`from_transformers`, with the same sharing and errors."""
    return _renamed(state, {ours: hub for hub, ours in weight_names(config).items()}, set())


def _renamed(state: State, names: Mapping[str, str], droppable: set[str]) -> dict[str, torch.Tensor]:
    missing = sorted(names.keys() - state.keys())
    surplus = sorted(state.keys() - names.keys() - droppable)
    if missing or surplus:
        raise InputError(
            f"weights: expected the {len(names)} tensors of this Qwen3; "
            f"{len(missing)} missing {missing[:3]}, {len(surplus)} unknown {surplus[:3]}"
        )
    return {new: state[old] for old, new in names.items()}


def read_state(folder: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Every tensor of a transformers folder, from one file or from the shards that its index lists.

    Raises :class:`~rotbot.errors.InputError` that names the file that is missing or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    root = Path(folder)
    if (root / WEIGHTS).is_file():
        files = [WEIGHTS]
    elif (root / INDEX).is_file():
        files = sorted(set(_read_json(root / INDEX).get("weight_map", {}).values()))
    else:
        raise InputError(f"expected {WEIGHTS} or {INDEX} in {root}, found neither")
    state: dict[str, torch.Tensor] = {}
    for name in files:
        if not (root / name).is_file():
            raise InputError(f"{root / INDEX}: lists {name}, which is missing")
        try:
            state.update(load_file(root / name))
        except SafetensorError as error:
            raise InputError(f"{root / name}: not a readable safetensors file ({error})") from error
    return state


def model_from_state(
    state: State, config: ModelConfig, dtype: torch.dtype | None = None, max_seq_len: int | None = None
) -> TransformerDecoder:
    """A model holding ``state`` (torchtune's names), in ``dtype`` or as stored. Raises
    :class:`~rotbot.errors.InputError` for a tensor whose shape is not the config's.

    Memory: the tensors are taken over where the dtype fits, so a 4B model is never held twice.
    """
    with torch.device("meta"):
        model = build_qwen3(config, max_seq_len)
    for name, expected in model.state_dict().items():
        if name in state and state[name].shape != expected.shape:
            raise InputError(f"weights: {name}: expected {list(expected.shape)}, got {list(state[name].shape)}")
    taken = _renamed(state, {name: name for name in weight_names(config).values()}, set())
    model.load_state_dict({k: v if dtype is None else v.to(dtype) for k, v in taken.items()}, assign=True)
    rope: Any = model.get_submodule("layers.0.attn.pos_embeddings")
    rope.rope_init()  # one module for all layers; its cache is no part of the state
    return model


def load_folder(
    path: str | os.PathLike[str], dtype: torch.dtype | None = None, max_seq_len: int | None = None
) -> tuple[TransformerDecoder, ModelConfig, PreTrainedTokenizerBase]:
    """Read a transformers folder: the model (in ``dtype``, default as stored), its config and its tokenizer.

    Raises :class:`~rotbot.errors.InputError` that says which file is missing or does not fit.
    """
    from rotbot.models.tokenizer import load_tokenizer

    config = read_config(path)
    model = model_from_state(from_transformers(read_state(path), config), config, dtype, max_seq_len)
    return model, config, load_tokenizer(path)


def read_config(path: str | os.PathLike[str]) -> ModelConfig:
    """The :class:`ModelConfig` of a transformers folder. Raises :class:`~rotbot.errors.InputError`."""
    return ModelConfig.from_transformers(_read_json(Path(path) / CONFIG))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"expected a model folder with {path.name}, found none in {path.parent}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def save_folder(
    path: str | os.PathLike[str],
    model_or_state: nn.Module | State,
    config: ModelConfig,
    tokenizer: PreTrainedTokenizerBase,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a folder that ``AutoModelForCausalLM``, ``AutoTokenizer``, vLLM and :func:`load_folder` read.

    ``model_or_state`` has torchtune's names; the weights are written in ``dtype``. Atomic: a process killed on the way
    leaves the folder that was at ``path`` whole (:func:`~rotbot.models.folders.atomic_folder`). Raises
    :class:`~rotbot.errors.InputError` if the state is not that of ``config`` or the tokenizer has more tokens than it.
    """
    from safetensors.torch import save_file

    from rotbot.models.tokenizer import end_ids

    state = model_or_state.state_dict() if isinstance(model_or_state, nn.Module) else model_or_state
    if len(tokenizer) > config.vocab_size:
        raise InputError(f"the tokenizer has {len(tokenizer)} tokens, the model only {config.vocab_size}")
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in to_transformers(state, config).items()
    }
    ids = {"eos_token_id": end_ids(tokenizer)[0], "pad_token_id": tokenizer.pad_token_id}
    body = config.to_transformers() | ids | {"dtype": str(dtype).removeprefix("torch.")}
    generation = ids | {"eos_token_id": end_ids(tokenizer), "do_sample": False}
    with atomic_folder(path) as folder:
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        tokenizer.save_pretrained(folder)
        for name, value in ((CONFIG, body), ("generation_config.json", generation)):
            (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
