"""Qwen3 out of torchtune's modules.

torchtune 0.6 has no Qwen3. Its attention has a place for query and key norms, but applies them *after* the rotary
embedding, and Qwen3 norms first: the two differ as soon as a norm's scales are not all equal, as in every trained
model. So the norm sits at the end of the query and key projections (:class:`NormedProjection`), and torchtune's
attention keeps the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from rotbot.models.config import ModelConfig
from rotbot.models.quiet import torchtune_imports

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder

MAX_ROPE_CACHE = 40_960
"""Positions cached unless asked for more: 40 MiB at Qwen3's head size, where all 262,144 would take 256 MiB."""


class NormedProjection(nn.Module):
    """A linear map into heads, each head then normed: ``[..., dim] -> [..., heads * head_dim]``."""

    def __init__(self, proj: nn.Linear, norm: nn.Module, head_dim: int) -> None:
        super().__init__()
        self.proj = proj
        self.norm = norm
        self.head_dim = head_dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project, then norm over the last ``head_dim`` values of each head."""
        heads: torch.Tensor = self.norm(self.proj(x).unflatten(-1, (-1, self.head_dim)))
        return heads.flatten(-2)


def build_qwen3(config: ModelConfig, max_seq_len: int | None = None) -> TransformerDecoder:
    """A Qwen3 with torch's default initial weights: follow with :func:`init_weights` or a load.

    ``model(tokens, mask=…, input_pos=…)`` takes tokens ``[b, s]``, an optional boolean mask ``[b, s, s]`` (True: row
    attends to column) and optional positions ``[b, s]`` for packed sequences; without a mask attention is causal. It
    returns float32 logits ``[b, s, vocab_size]``. ``max_seq_len`` (default: ``max_positions``, at most
    :data:`MAX_ROPE_CACHE`) is the longest sequence it accepts, in tokens. Raises
    :class:`~rotbot.errors.InputError` where torchtune is not installed.
    """
    with torchtune_imports():
        from torchtune.models.qwen2 import Qwen2RotaryPositionalEmbeddings
        from torchtune.modules import (
            FeedForward,
            MultiHeadAttention,
            RMSNorm,
            TiedLinear,
            TransformerDecoder,
            TransformerSelfAttentionLayer,
        )

    positions = min(config.max_positions, MAX_ROPE_CACHE) if max_seq_len is None else max_seq_len
    rope = Qwen2RotaryPositionalEmbeddings(config.head_dim, max_seq_len=positions, base=config.rope_base)

    def linear(inputs: int, outputs: int) -> nn.Linear:
        return nn.Linear(inputs, outputs, bias=False)

    def normed(heads: int) -> NormedProjection:
        norm = RMSNorm(config.head_dim, eps=config.norm_eps)
        return NormedProjection(linear(config.dim, heads * config.head_dim), norm, config.head_dim)

    def layer() -> nn.Module:
        attention = MultiHeadAttention(
            embed_dim=config.dim,
            num_heads=config.heads,
            num_kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            q_proj=normed(config.heads),
            k_proj=normed(config.kv_heads),
            v_proj=linear(config.dim, config.kv_heads * config.head_dim),
            output_proj=linear(config.heads * config.head_dim, config.dim),
            pos_embeddings=rope,
            max_seq_len=positions,
        )
        return TransformerSelfAttentionLayer(
            attn=attention,
            mlp=FeedForward(
                gate_proj=linear(config.dim, config.ffn_dim),
                down_proj=linear(config.ffn_dim, config.dim),
                up_proj=linear(config.dim, config.ffn_dim),
            ),
            sa_norm=RMSNorm(config.dim, eps=config.norm_eps),
            mlp_norm=RMSNorm(config.dim, eps=config.norm_eps),
        )

    embeddings = nn.Embedding(config.vocab_size, config.dim)
    return TransformerDecoder(
        tok_embeddings=embeddings,
        layers=[layer() for _ in range(config.layers)],
        max_seq_len=positions,
        num_heads=config.heads,
        head_dim=config.head_dim,
        norm=RMSNorm(config.dim, eps=config.norm_eps),
        output=TiedLinear(embeddings) if config.tied else linear(config.dim, config.vocab_size),
    )


def init_weights(model: TransformerDecoder, seed: int, std: float = 0.02) -> None:
    """Fill ``model`` for training from scratch, the same for the same seed whatever ran before.

    Matrices are normal with standard deviation ``std``; those that write into the residual stream (attention output,
    feed-forward down) are divided by ``sqrt(2 * layers)``, as in GPT-2; norm scales are one.
    """
    generator = torch.Generator().manual_seed(seed)
    residual_std = std / (2 * len(model.layers)) ** 0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("scale"):
                parameter.fill_(1.0)
            else:
                writes_residual = name.endswith(("attn.output_proj.weight", "mlp.w2.weight"))
                values = torch.empty(parameter.shape).normal_(
                    0.0, residual_std if writes_residual else std, generator=generator
                )
                parameter.copy_(values)


def parameter_count(config: ModelConfig) -> int:
    """How many numbers the model has (a tied embedding counts once). Built on the meta device: no memory is used."""
    with torch.device("meta"):
        model = build_qwen3(config, max_seq_len=1)
    return sum(parameter.numel() for parameter in model.parameters())
