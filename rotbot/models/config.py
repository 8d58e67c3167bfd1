"""The sizes of a Qwen3: one frozen :class:`ModelConfig`, its ``config.json`` both ways, and a table of known sizes.

The published figures are those of the models' own ``config.json`` files on the Hub and of the Qwen3 report
(arXiv 2505.09388, table 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from rotbot.errors import InputError

ARCHITECTURE = "Qwen3ForCausalLM"
MODEL_TYPE = "qwen3"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a Qwen3 is built from.

    ``dim`` is the width of the residual stream, ``ffn_dim`` that of the gated feed-forward's middle, ``tied`` says
    whether the embedding is also the output projection, ``max_positions`` is the longest sequence in tokens. ``heads``
    counts query heads; ``heads * head_dim`` need not be ``dim``. Raises :class:`~rotbot.errors.InputError` for numbers
    that make no model.
    """

    vocab_size: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn_dim: int
    rope_base: float = 1_000_000.0
    norm_eps: float = 1e-6
    tied: bool = True
    max_positions: int = 40_960

    def __post_init__(self) -> None:
        for name in ("vocab_size", "dim", "layers", "heads", "kv_heads", "head_dim", "ffn_dim", "max_positions"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"model config: {name} must be a positive integer, got {value!r}")
        for name in ("rope_base", "norm_eps"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                raise InputError(f"model config: {name} must be a positive number, got {value!r}")
        if self.heads % self.kv_heads:
            raise InputError(
                f"model config: heads must be a multiple of kv_heads, got {self.heads} and {self.kv_heads}"
            )
        if self.dim % self.heads:
            raise InputError(f"model config: dim must be a multiple of heads, got {self.dim} and {self.heads}")
        if self.head_dim % 2:
            raise InputError(f"model config: head_dim must be even (rotary pairs), got {self.head_dim}")

    def to_transformers(self) -> dict[str, Any]:
        """The keyword arguments of transformers' ``Qwen3Config``, and the body of a ``config.json``.

        ``rope_theta`` is written beside ``rope_parameters`` so that transformers 4 reads the same model.
        """
        return {
            "architectures": [ARCHITECTURE],
            "model_type": MODEL_TYPE,
            "vocab_size": self.vocab_size,
            "hidden_size": self.dim,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.ffn_dim,
            "rope_theta": self.rope_base,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_base},
            "rms_norm_eps": self.norm_eps,
            "tie_word_embeddings": self.tied,
            "max_position_embeddings": self.max_positions,
            "hidden_act": "silu",
            "attention_bias": False,
            "use_sliding_window": False,
        }

    @staticmethod
    def from_transformers(config: Mapping[str, Any]) -> ModelConfig:
        """Read a ``config.json`` (of transformers 4 or 5).

        Raises :class:`~rotbot.errors.InputError` that names the key for another architecture, a missing key, or a
        variant that is not built here (rope scaling, sliding windows, biases, another activation).
        """
        if config.get("model_type") != MODEL_TYPE:
            raise InputError(f"config.json: expected model_type 'qwen3', got {config.get('model_type')!r:.80}")
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        for key, value, expected in (
            ("rope_type", rope.get("rope_type", rope.get("type", "default")), "default"),
            ("hidden_act", config.get("hidden_act", "silu"), "silu"),
            ("attention_bias", config.get("attention_bias", False), False),
            ("use_sliding_window", config.get("use_sliding_window", False), False),
        ):
            if value != expected:
                raise InputError(f"config.json: only {key} {expected!r} is supported, got {value!r:.80}")
        rope_base = rope.get("rope_theta", config.get("rope_theta"))
        if rope_base is None:
            raise InputError("config.json: expected rope_theta (or rope_parameters with it), got neither")
        try:
            return ModelConfig(
                vocab_size=config["vocab_size"],
                dim=config["hidden_size"],
                layers=config["num_hidden_layers"],
                heads=config["num_attention_heads"],
                kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
                head_dim=config.get("head_dim", 128),
                ffn_dim=config["intermediate_size"],
                rope_base=rope_base,
                norm_eps=config.get("rms_norm_eps", 1e-6),
                tied=bool(config.get("tie_word_embeddings", False)),
                max_positions=config.get("max_position_embeddings", 32_768),
            )
        except KeyError as error:
            raise InputError(f"config.json: the key {error.args[0]!r} is missing") from error


def _published(dim: int, layers: int, heads: int, ffn_dim: int, **rest: Any) -> ModelConfig:
    return ModelConfig(151_936, dim, layers, heads, kv_heads=8, head_dim=128, ffn_dim=ffn_dim, **rest)


SIZES: dict[str, ModelConfig] = {
    "tiny": ModelConfig(
        vocab_size=1024, dim=256, layers=6, heads=4, kv_heads=2, head_dim=64, ffn_dim=768,
        rope_base=10_000.0, max_positions=4096,
    ),
    "qwen3-0.6b": _published(1024, 28, 16, 3072),
    "qwen3-1.7b": _published(2048, 28, 16, 6144),
    "qwen3-4b": _published(2560, 36, 32, 9728),
    "qwen3-4b-thinking-2507": _published(2560, 36, 32, 9728, rope_base=5_000_000.0, max_positions=262_144),
    "qwen3-8b": _published(4096, 36, 32, 12_288, tied=False),
}  # fmt: skip
"""Known sizes by name. ``tiny`` is ours; vary it with :func:`dataclasses.replace`."""


def size(name: str) -> ModelConfig:
    """The entry ``name`` of :data:`SIZES`. Raises :class:`~rotbot.errors.InputError` naming the nearest known one."""
    if name in SIZES:
        return SIZES[name]
    near = get_close_matches(name.lower(), SIZES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"model size: expected one of {', '.join(SIZES)}, got {name!r:.80}{hint}")
