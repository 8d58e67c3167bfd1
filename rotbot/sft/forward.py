"""The training forward of a Qwen3: packed tokens in, summed loss out.

It computes what the torchtune module computes (tests hold them together), from that module's own parameters, but shaped
for speed. A pack is ``N`` tokens of whole samples end to end, so norms, projections and feed-forward see one dense
``[N, dim]`` matrix without padding; only attention spreads the samples over ``[samples, longest]`` rows, which is what
keeps them apart. Three things made it several times faster than a padded loop on a CPU with AMX: matrix products in
bfloat16 on float32 master weights, attention as batched products (the flash kernel's backward takes 4 times as long at
these lengths), and one compiled block reused for every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rotbot.models.config import ModelConfig

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder

    from rotbot.sft.packing import Pack


class _Spread(torch.autograd.Function):
    """``[N, c] -> [G * L, c]`` by index; the way back is a gather too, since no token goes to two places."""

    @staticmethod
    def forward(ctx: Any, x_NC: Tensor, slots_P: Tensor, places_N: Tensor) -> Tensor:
        ctx.save_for_backward(places_N)
        return x_NC[slots_P]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (places_N,) = ctx.saved_tensors
        return grads[0][places_N], None, None


class _Collect(torch.autograd.Function):
    """``[G * L, c] -> [N, c]`` by index; slots that hold no token get no gradient."""

    @staticmethod
    def forward(ctx: Any, x_PC: Tensor, slots_P: Tensor, places_N: Tensor, filled_P1: Tensor) -> Tensor:
        ctx.save_for_backward(slots_P, filled_P1)
        return x_PC[places_N]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        slots_P, filled_P1 = ctx.saved_tensors
        return grads[0][slots_P] * filled_P1, None, None, None


class _TakeRows(torch.autograd.Function):
    """``x[rows]`` for rows without repeats, so that the backward writes instead of accumulating."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, rows_M: Tensor) -> Tensor:
        ctx.save_for_backward(rows_M)
        ctx.length = x_ND.shape[0]
        return x_ND[rows_M]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (rows_M,) = ctx.saved_tensors
        out = grads[0].new_zeros(ctx.length, grads[0].shape[1])
        return out.index_copy_(0, rows_M, grads[0]), None


@dataclass(frozen=True)
class _Shape:
    """The numbers a block is specialized on."""

    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    dtype: torch.dtype


def _norm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * scale


def _rotate(x_NHK: Tensor, cos_N1R: Tensor, sin_N1R: Tensor) -> Tensor:
    first, second = x_NHK.chunk(2, -1)
    return torch.cat([first * cos_N1R - second * sin_N1R, second * cos_N1R + first * sin_N1R], -1)


def _block(x_ND: Tensor, weights: Mapping[str, Tensor], where: Mapping[str, Tensor], shape: _Shape) -> Tensor:
    """One transformer layer on a pack. The residual stream ``x_ND`` is float32, products are in ``shape.dtype``."""
    heads, kv_heads, head_dim, dtype = shape.heads, shape.kv_heads, shape.head_dim, shape.dtype
    rows, longest = where["slots_GL"].shape
    slots_P = where["slots_GL"].reshape(-1)

    def heads_first(t_NHK: Tensor) -> Tensor:
        spread = _Spread.apply(t_NHK, slots_P, where["places_N"])
        return spread.view(rows, longest, heads, head_dim).transpose(1, 2).reshape(rows * heads, longest, head_dim)

    w_qkv = torch.cat([weights[name].to(dtype) for name in ("q", "k", "v")])
    qkv = F.linear(_norm(x_ND, weights["sa_norm"], shape.eps).to(dtype), w_qkv).view(-1, heads + 2 * kv_heads, head_dim)
    q, k, v = qkv.split([heads, kv_heads, kv_heads], 1)
    q = _rotate(_norm(q, weights["q_norm"], shape.eps), where["cos"], where["sin"]) * head_dim**-0.5
    k = _rotate(_norm(k, weights["k_norm"], shape.eps), where["cos"], where["sin"])
    q = heads_first(q.to(dtype))
    k = heads_first(k.to(dtype).repeat_interleave(heads // kv_heads, 1))
    v = heads_first(v.repeat_interleave(heads // kv_heads, 1))
    scores = torch.bmm(q, k.transpose(1, 2)).float() + where["bias_LL"]
    mixed = torch.bmm(scores.softmax(-1).to(dtype), v).view(rows, heads, longest, head_dim)
    mixed = mixed.transpose(1, 2).reshape(rows * longest, heads * head_dim)
    mixed = _Collect.apply(mixed, slots_P, where["places_N"], where["filled_P1"])
    x_ND = x_ND + F.linear(mixed, weights["o"].to(dtype)).float()

    w_gate_up = torch.cat([weights[name].to(dtype) for name in ("gate", "up")])
    gate, up = F.linear(_norm(x_ND, weights["mlp_norm"], shape.eps).to(dtype), w_gate_up).chunk(2, -1)
    return x_ND + F.linear(F.silu(gate) * up, weights["down"].to(dtype)).float()


def _head(x_MD: Tensor, scale: Tensor, weight_VD: Tensor, targets_M: Tensor, shape: _Shape) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy and whether the likeliest token is the target, per row."""
    logits = F.linear(_norm(x_MD, scale, shape.eps).to(shape.dtype), weight_VD.to(shape.dtype)).float()
    return F.cross_entropy(logits, targets_M, reduction="sum"), logits.argmax(-1) == targets_M


@lru_cache(maxsize=1)
def _compiled() -> tuple[Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]:
    return torch.compile(_block, dynamic=False), torch.compile(_head, dynamic=True)


_LAYER_WEIGHTS = {
    "q": "attn.q_proj.proj.weight",
    "k": "attn.k_proj.proj.weight",
    "v": "attn.v_proj.weight",
    "o": "attn.output_proj.weight",
    "q_norm": "attn.q_proj.norm.scale",
    "k_norm": "attn.k_proj.norm.scale",
    "gate": "mlp.w1.weight",
    "down": "mlp.w2.weight",
    "up": "mlp.w3.weight",
    "sa_norm": "sa_norm.scale",
    "mlp_norm": "mlp_norm.scale",
}


@dataclass(frozen=True)
class PackedForward:
    """``forward(pack) -> (loss_sum, correct_M)`` over a model's own parameters.

    ``dtype`` is that of the matrix products (norms, softmax, loss and the residual stream are float32). With
    ``compile`` the first call of each kind takes 10 to 40 s on two cores; later processes find the kernels cached.
    """

    model: TransformerDecoder
    config: ModelConfig
    dtype: torch.dtype
    compile: bool

    def __call__(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Loss summed over the pack's completion tokens, and for each whether the likeliest token is right."""
        config = self.config
        shape = _Shape(config.heads, config.kv_heads, config.head_dim, config.norm_eps, self.dtype)
        block, head = _compiled() if self.compile else (_block, _head)
        parameters = dict(self.model.named_parameters())
        where = self._where(pack)
        x_ND = F.embedding(pack.tokens_N, parameters["tok_embeddings.weight"]).float()
        for layer in range(config.layers):
            weights = {key: parameters[f"layers.{layer}.{name}"] for key, name in _LAYER_WEIGHTS.items()}
            x_ND = block(x_ND, weights, where, shape)
        output = parameters["tok_embeddings.weight" if config.tied else "output.weight"]
        x_MD = _TakeRows.apply(x_ND, pack.rows_M)
        return head(x_MD, parameters["norm.scale"], output, pack.targets_M, shape)

    def _where(self, pack: Pack) -> dict[str, Tensor]:
        half = self.config.head_dim // 2
        exponents = torch.arange(half, dtype=torch.float32, device=pack.tokens_N.device) / half
        angles_N1R = (pack.positions_N[:, None] * self.config.rope_base**-exponents)[:, None]
        longest = pack.slots_GL.shape[1]
        bias_LL = torch.full((longest, longest), float("-inf"), device=angles_N1R.device).triu(1)
        filled_P1 = pack.filled_P.to(self.dtype)[:, None]
        if self.compile:
            for tensor, dims in ((pack.slots_GL, (0, 1)), (bias_LL, (0, 1)), (filled_P1, (0,))):
                for dim in dims:
                    torch._dynamo.maybe_mark_dynamic(tensor, dim)
        return {
            "cos": angles_N1R.cos(), "sin": angles_N1R.sin(), "bias_LL": bias_LL, "filled_P1": filled_P1,
            "slots_GL": pack.slots_GL, "places_N": pack.places_N,
        }  # fmt: skip
