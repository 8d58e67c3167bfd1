"""The training forward of a Qwen3: packed tokens in, summed loss out.

It computes what the torchtune module computes (tests hold them together), from that module's own parameters, but shaped
for speed. A pack is ``N`` tokens of whole samples end to end, so norms, projections and feed-forward see one dense
``[N, dim]`` matrix without padding; only attention spreads the samples over ``[samples, longest]`` rows, which is what
keeps them apart. Three things made it several times faster than a padded loop on a CPU with AMX: matrix products in
bfloat16 on float32 master weights, attention as batched products (the flash kernel's backward takes 4 times as long at
these lengths), and one compiled block reused for every layer. On a GPU attention is the fused kernel, since there the
scores of long samples would not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rotbot.models.config import ModelConfig

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder

    from rotbot.sft.packing import Pack


HEAD_LOGITS = 2**27
"""Logits held at once (512 MiB of float32): more rows than that make go through the head in parts, computed again in
the backward."""


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
    fused_attention: bool = False
    lora_scale: float = 0.0


def _norm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * scale


def _rotate(x_NHK: Tensor, cos_N1R: Tensor, sin_N1R: Tensor) -> Tensor:
    first, second = x_NHK.chunk(2, -1)
    return torch.cat([first * cos_N1R - second * sin_N1R, second * cos_N1R + first * sin_N1R], -1)


def _project(x_NC: Tensor, weights: Mapping[str, Tensor], names: Sequence[str], shape: _Shape) -> Tensor:
    """The products with the matrices ``names``, side by side; those with adapters (LoRA) get ``scale * B A x`` too."""
    matrices = [weights[name].to(shape.dtype) for name in names]
    out = F.linear(x_NC, matrices[0] if len(matrices) == 1 else torch.cat(matrices))
    if f"{names[0]}.lora_a" not in weights:
        return out
    low = [F.linear(x_NC, weights[f"{name}.lora_a"].to(shape.dtype)) for name in names]
    high = [F.linear(a, weights[f"{name}.lora_b"].to(shape.dtype)) for name, a in zip(names, low, strict=True)]
    return out + shape.lora_scale * torch.cat(high, -1)


def _block(x_ND: Tensor, weights: Mapping[str, Tensor], where: Mapping[str, Tensor], shape: _Shape) -> Tensor:
    """One transformer layer on a pack. The residual stream ``x_ND`` is float32, products are in ``shape.dtype``."""
    heads, kv_heads, head_dim, dtype = shape.heads, shape.kv_heads, shape.head_dim, shape.dtype
    rows, longest = where["slots_GL"].shape
    slots_P = where["slots_GL"].reshape(-1)

    def heads_first(t_NHK: Tensor) -> Tensor:
        spread = _Spread.apply(t_NHK, slots_P, where["places_N"])
        return spread.view(rows, longest, heads, head_dim).transpose(1, 2).reshape(rows * heads, longest, head_dim)

    normed_ND = _norm(x_ND, weights["sa_norm"], shape.eps).to(dtype)
    qkv = _project(normed_ND, weights, ("q", "k", "v"), shape).view(-1, heads + 2 * kv_heads, head_dim)
    q, k, v = qkv.split([heads, kv_heads, kv_heads], 1)
    q = _rotate(_norm(q, weights["q_norm"], shape.eps), where["cos"], where["sin"]) * head_dim**-0.5
    k = _rotate(_norm(k, weights["k_norm"], shape.eps), where["cos"], where["sin"])
    q = heads_first(q.to(dtype))
    k = heads_first(k.to(dtype).repeat_interleave(heads // kv_heads, 1))
    v = heads_first(v.repeat_interleave(heads // kv_heads, 1))
    if shape.fused_attention:
        mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, scale=1.0)
    else:
        scores = torch.bmm(q, k.transpose(1, 2)).float() + where["bias_LL"]
        mixed = torch.bmm(scores.softmax(-1).to(dtype), v)
    mixed = mixed.view(rows, heads, longest, head_dim)
    mixed = mixed.transpose(1, 2).reshape(rows * longest, heads * head_dim)
    mixed = _Collect.apply(mixed, slots_P, where["places_N"], where["filled_P1"])
    x_ND = x_ND + _project(mixed, weights, ("o",), shape).float()

    normed_ND = _norm(x_ND, weights["mlp_norm"], shape.eps).to(dtype)
    gate, up = _project(normed_ND, weights, ("gate", "up"), shape).chunk(2, -1)
    return x_ND + _project(F.silu(gate) * up, weights, ("down",), shape).float()


def _head(x_MD: Tensor, scale: Tensor, weight_VD: Tensor, targets_M: Tensor, shape: _Shape) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy and whether the likeliest token is the target, per row."""
    logits = F.linear(_norm(x_MD, scale, shape.eps).to(shape.dtype), weight_VD.to(shape.dtype)).float()
    return F.cross_entropy(logits, targets_M, reduction="sum"), logits.argmax(-1) == targets_M


def _policy_head(
    x_MD: Tensor, scale: Tensor, weight_VD: Tensor, targets_M: Tensor, shape: _Shape, temperature: float
) -> tuple[Tensor, Tensor]:
    """Each target's log-probability at ``temperature``, and the entropy of its distribution (detached)."""
    logits = F.linear(_norm(x_MD, scale, shape.eps).to(shape.dtype), weight_VD.to(shape.dtype)).float()
    logprobs_MV = (logits / temperature).log_softmax(-1)
    known_MV = logprobs_MV.detach()
    return logprobs_MV.gather(-1, targets_M[:, None])[:, 0], -(known_MV.exp() * known_MV).sum(-1)


@lru_cache(maxsize=1)
def _compiled_block() -> Callable[..., Tensor]:
    return torch.compile(_block, dynamic=False)


@lru_cache(maxsize=2)
def _compiled_head(head: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    return torch.compile(head, dynamic=True)


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


def _layer_weights(layer: nn.Module) -> dict[str, Tensor]:
    """A layer's own tensors under the names that :func:`_block` uses, those of its adapters too."""
    own = dict(layer.named_parameters())
    weights: dict[str, Tensor] = {}
    for key, name in _LAYER_WEIGHTS.items():
        weights[key] = own[name]
        for part in ("lora_a", "lora_b"):
            adapter = own.get(f"{name.removesuffix('weight')}{part}.weight")
            if adapter is not None:
                weights[f"{key}.{part}"] = adapter
    return weights


@dataclass(frozen=True)
class PackedForward:
    """``forward(pack) -> (loss_sum, correct_M)`` over a model's own parameters.

    ``dtype`` is that of the matrix products (norms, softmax, loss and the residual stream are float32). With
    ``compile`` the first call of each kind takes 10 to 40 s on two cores; later processes find the kernels cached.
    ``recompute`` keeps only the layers' inputs for the backward and computes the rest again; ``lora_scale`` is what
    adapters count by. With ``through_modules`` the model's and its layers' own calls run :meth:`whole` and
    :meth:`layer` (see :mod:`~rotbot.sft.sharding`), so that hooks on them see every pass.
    """

    model: TransformerDecoder
    config: ModelConfig
    dtype: torch.dtype
    compile: bool
    recompute: bool = False
    lora_scale: float = 0.0
    fused_attention: bool = False
    through_modules: bool = False

    def __call__(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Loss summed over the pack's completion tokens, and for each whether the likeliest token is right."""
        return self.model(pack) if self.through_modules else self.whole(pack)

    def logprobs(self, pack: Pack, temperature: float) -> tuple[Tensor, Tensor]:
        """Each completion token's log-probability at ``temperature``, ``[M]``, and the entropy there (detached), in
        nats."""
        return self.model(pack, temperature) if self.through_modules else self.whole(pack, temperature)

    def whole(self, pack: Pack, temperature: float | None = None) -> tuple[Tensor, Tensor]:
        """What calling this does; with a ``temperature`` what :meth:`logprobs` does."""
        where = self._where(pack)
        embeddings_VD = self.model.get_parameter("tok_embeddings.weight")
        x_ND = F.embedding(pack.tokens_N, embeddings_VD).float()
        for layer in self.model.layers:
            x_ND = layer(x_ND, where) if self.through_modules else self.layer(layer, x_ND, where)
        output_VD = embeddings_VD if self.config.tied else self.model.get_parameter("output.weight")
        x_MD = _TakeRows.apply(x_ND, pack.rows_M)
        rows = (x_MD, self.model.get_parameter("norm.scale"), output_VD, pack.targets_M)
        if temperature is None:
            losses, correct = zip(*self._parts(_head, *rows), strict=True)
            return torch.stack(losses).sum(), torch.cat(correct)
        logprobs, entropies = zip(*self._parts(_policy_head, *rows, temperature), strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def layer(self, layer: nn.Module, x_ND: Tensor, where: Mapping[str, Tensor]) -> Tensor:
        """One layer on a pack."""
        block = _compiled_block() if self.compile else _block
        arguments = (x_ND, _layer_weights(layer), where, self._shape)
        return checkpoint(block, *arguments, use_reentrant=False) if self.recompute else block(*arguments)

    @property
    def _shape(self) -> _Shape:
        c = self.config
        return _Shape(c.heads, c.kv_heads, c.head_dim, c.norm_eps, self.dtype, self.fused_attention, self.lora_scale)

    def _parts(
        self,
        head: Callable[..., tuple[Tensor, Tensor]],
        x_MD: Tensor,
        scale: Tensor,
        weight_VD: Tensor,
        targets_M: Tensor,
        *more: float,
    ) -> list[tuple[Tensor, Tensor]]:
        """What ``head`` says of the rows, in as many parts as :data:`HEAD_LOGITS` asks for."""
        if self.compile:
            head = _compiled_head(head)
        rows = max(1, HEAD_LOGITS // len(weight_VD))
        if len(x_MD) <= rows:
            return [head(x_MD, scale, weight_VD, targets_M, self._shape, *more)]
        return [
            checkpoint(head, x, scale, weight_VD, targets, self._shape, *more, use_reentrant=False)
            for x, targets in zip(x_MD.split(rows), targets_M.split(rows), strict=True)
        ]

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
