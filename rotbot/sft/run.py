"""Everything a run is made of, built from its configuration; nothing is trained here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rotbot.errors import ConfigError
from rotbot.models.config import ModelConfig, size
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.sft.config import ModelSection, ScheduleSection, SftConfig
from rotbot.sft.data import Samples, prepare
from rotbot.sft.forward import PackedForward
from rotbot.sft.lora import add_adapters
from rotbot.sft.optim import Optimizers, build_optimizers
from rotbot.sft.packing import PackStream
from rotbot.sft.parallel import World, own_device
from rotbot.sft.schedule import total_steps

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder
    from transformers import PreTrainedTokenizerBase

ALONE = World()
_VOCAB_MULTIPLE = 64
_FREE = (
    "output", "threads", "log_every", "eval_every", "save_every", "tensorboard", "trackio", "save_dtype",
    "recompute", "shard", "schedule.patience", "data.cache",
)  # fmt: skip
"""Settings that do not decide the weights, so a resumed run may change them."""


@dataclass(frozen=True)
class Run:
    """A run ready to train: ``packs_per_step`` packs from ``stream`` make a step, ``total`` steps the run.
    ``revision`` is the dataset's commit where it is from the Hub."""

    config: SftConfig
    model: TransformerDecoder
    model_config: ModelConfig
    tokenizer: PreTrainedTokenizerBase
    train: Samples
    validation: Samples
    forward: PackedForward
    optimizers: Optimizers
    stream: PackStream
    packs_per_step: int
    total: int
    world: World
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """The run's folder: ``checkpoints/``, ``model/``, ``metrics.jsonl``, and ``data/`` unless cached elsewhere."""
        return Path(self.config.output)

    @property
    def pad_id(self) -> int:
        """The token that fills up packs."""
        return int(self.tokenizer.pad_token_id or 0)  # pyright: ignore[reportArgumentType]

    def settings(self) -> dict[str, Any]:
        """The settings that decide the weights, flat."""
        flat = flatten(asdict(self.config))
        chosen = {key: value for key, value in flat.items() if key not in _FREE}
        derived = {"precision": str(self.forward.dtype), "total_steps": self.total, "data.revision": self.revision}
        return {**chosen, **derived}

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return self.model.get_parameter("norm.scale").device

    def parameters(self) -> int:
        """How many numbers the model has, its adapters among them."""
        return sum(p.numel() for p in self.model.parameters())

    def trained_parameters(self) -> int:
        """How many of them are trained."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


def default_settings() -> dict[str, Any]:
    """What a checkpoint means that was written before a setting existed."""
    return flatten(asdict(SftConfig(schedule=ScheduleSection(steps=1))))


def flatten(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """``{'a': {'b': 1}}`` → ``{'a.b': 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(flatten(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value})
    return flat


def precision(name: str) -> torch.dtype:
    """``auto`` is bfloat16 where the machine multiplies it natively (AMX, AVX512-BF16, a GPU's tensor cores)."""
    if name == "auto":
        if torch.cuda.is_available():
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            abilities = torch.cpu.get_capabilities()
            native = abilities.get("amx_bf16") or abilities.get("avx512_bf16")
        name = "bfloat16" if native else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def fresh_config(section: ModelSection, vocabulary: int) -> ModelConfig:
    """The configuration of a model from scratch; the vocabulary is rounded up to a multiple of 64."""
    names = ("dim", "layers", "heads", "kv_heads", "head_dim", "ffn_dim", "rope_base")
    given = {name: getattr(section, name) for name in names if getattr(section, name) is not None}
    rounded = -(-vocabulary // _VOCAB_MULTIPLE) * _VOCAB_MULTIPLE
    return replace(size(section.size), vocab_size=rounded, **given)


def build_run(config: SftConfig, note: Callable[[str], None] | None = None, world: World = ALONE) -> Run:
    """Read and encode the data, build model and optimizers, as one of the processes of ``world``. Raises
    :class:`~rotbot.errors.InputError` and :class:`~rotbot.errors.ConfigError` for anything that cannot be used."""
    packs_per_step = config.batch.step_tokens // config.batch.pack_tokens
    if packs_per_step % world.size:
        least = world.size * config.batch.pack_tokens
        raise ConfigError(
            f"batch.step_tokens: expected a multiple of processes x batch.pack_tokens = {least}, "
            f"got {config.batch.step_tokens}"
        )
    if config.threads or world.size > 1:
        torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // world.size))
    section, data = config.model, config.data
    tokenizer = section.tokenizer or section.init
    if tokenizer is not None:
        from rotbot.models.loading import resolve

        tokenizer = str(resolve(tokenizer))
    cache = Path(data.cache) if data.cache else Path(config.output) / "data"
    if not world.leads:
        world.wait()  # until the leader has written the cache
    prepared = prepare(
        cache, data.dataset, data.name, tokenizer, section.vocab_size, data.max_length, data.train_rows,
        data.validation_rows, note,
    )  # fmt: skip
    if world.leads:
        world.wait()
    dtype = precision(config.precision)
    if section.init is not None:
        from rotbot.models.loading import load

        loaded = load(section.init, dtype=dtype if config.lora.rank else torch.float32)
        model, model_config = loaded.model, loaded.config
    else:
        model_config = fresh_config(section, len(prepared.tokenizer))
        model = build_qwen3(model_config)
        init_weights(model, config.seed)
    if config.lora.rank:
        add_adapters(model, config.lora, config.seed)
    device = own_device()
    forward = PackedForward(
        model, model_config, dtype, config.compile, config.recompute,
        lora_scale=config.lora.scale,
        fused_attention=device.type == "cuda",
    )  # fmt: skip
    if config.shard and world.size > 1:
        from rotbot.sft.sharding import shard

        forward = shard(forward, world, device)
    model.to(device)
    optimizers = build_optimizers(model, config.optimizer, dtype)
    stream = PackStream(prepared.train, config.batch.pack_tokens, config.seed)
    total = total_steps(config.schedule, config.batch.step_tokens, stream.packs_per_epoch, packs_per_step)
    return Run(
        config, model, model_config, prepared.tokenizer, prepared.train, prepared.validation,
        forward, optimizers, stream, packs_per_step, total, world, prepared.revision,
    )  # fmt: skip
