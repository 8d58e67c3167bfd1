"""Muon for the matrices, AdamW for everything else.

Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest semi-orthogonal matrix, found by five
Newton-Schulz steps; the update is scaled to the size AdamW's would have (0.2 RMS, arXiv 2502.16982), so that learning
rates carry over. Matrices of one shape are orthogonalized together as one batched product.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rotbot.sft.config import OptimizerSection

_NS_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_NS_STEPS = 5
_UPDATE_RMS = 0.2


def orthogonalize(matrices_BMN: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """For each matrix ``U S V^T`` of the batch about ``U V^T``: singular values land between 0.7 and 1.2.

    ``[b, m, n] -> [b, m, n]``, computed and returned in ``dtype``.
    """
    a, b, c = _NS_COEFFICIENTS
    tall = matrices_BMN.shape[1] > matrices_BMN.shape[2]
    x = (matrices_BMN.mT if tall else matrices_BMN).to(dtype)
    x = x / (torch.linalg.vector_norm(x.float(), dim=(1, 2), keepdim=True) + 1e-7).to(dtype)
    for _ in range(_NS_STEPS):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.mT if tall else x


class Muon:
    """Muon over ``parameters`` (2-D, float32), with Nesterov momentum and decoupled weight decay."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], momentum: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._dtype = dtype
        self._buffers = [torch.zeros_like(p) for p in self.parameters]
        self._groups: dict[tuple[int, ...], list[int]] = {}
        for index, parameter in enumerate(self.parameters):
            self._groups.setdefault((min(parameter.shape), max(parameter.shape)), []).append(index)

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Apply the gradients. ``lr`` is on AdamW's scale."""
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.parameters]
        torch._foreach_lerp_(self._buffers, grads, 1 - self.momentum)
        directions = torch._foreach_lerp(grads, self._buffers, self.momentum)
        torch._foreach_mul_(self.parameters, 1 - lr * self.weight_decay)
        for (rows, columns), members in self._groups.items():
            wide = [directions[i] if directions[i].shape[0] == rows else directions[i].T for i in members]
            updates = orthogonalize(torch.stack(wide), self._dtype).float()
            scale = -lr * _UPDATE_RMS * max(rows, columns) ** 0.5
            for i, update in zip(members, updates.unbind(), strict=True):
                parameter = self.parameters[i]
                parameter.add_(update if parameter.shape[0] == rows else update.T, alpha=scale)

    def state_dict(self) -> dict[str, Any]:
        """The momentum buffers, in the parameters' order."""
        return {"buffers": self._buffers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        for mine, theirs in zip(self._buffers, state["buffers"], strict=True):
            mine.copy_(theirs)


@dataclass(frozen=True)
class Optimizers:
    """Both optimizers of a run. ``muon`` is None where AdamW does everything."""

    muon: Muon | None
    adamw: torch.optim.AdamW

    def step(self, lr: float, adam_lr: float) -> None:
        """Apply the gradients, ``lr`` to the matrices and ``adam_lr`` to the rest, and clear them."""
        for group in self.adamw.param_groups:
            group["lr"] = lr if group["matrices"] else adam_lr
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        if self.muon is not None:
            self.muon.step(lr)
            for parameter in self.muon.parameters:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"adamw": self.adamw.state_dict(), "muon": None if self.muon is None else self.muon.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.adamw.load_state_dict(state["adamw"])
        if self.muon is not None:
            self.muon.load_state_dict(state["muon"])


def build_optimizers(model: nn.Module, section: OptimizerSection, dtype: torch.dtype) -> Optimizers:
    """Embeddings, output projection and norm scales always go to AdamW, undecayed.

    ``dtype`` is that of Muon's matrix products.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    matrices = [p for n, p in trained.items() if n.startswith("layers.") and p.ndim == 2]
    rest = [p for n, p in trained.items() if not (n.startswith("layers.") and p.ndim == 2)]
    groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": 0.0, "matrices": False}]
    if section.name == "adamw":
        groups.append({"params": matrices, "weight_decay": section.weight_decay, "matrices": True})
    adamw = torch.optim.AdamW(groups, lr=0.0, betas=(section.beta1, section.beta2), eps=section.eps, fused=True)
    muon = Muon(matrices, section.momentum, section.weight_decay, dtype) if section.name == "muon" else None
    return Optimizers(muon, adamw)
