"""LoRA with torchtune's modules: adapters in, adapters merged into plain weights on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rotbot.models.quiet import torchtune_imports
from rotbot.sft.config import LoraSection

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder


def add_adapters(model: TransformerDecoder, section: LoraSection, seed: int) -> None:
    """Give every matrix of the layers an adapter (float32) and freeze everything else.

    The adapters add nothing at first, since ``B`` is zero; ``A`` is the same for the same ``seed``.
    """
    with torchtune_imports():
        from torchtune.modules.peft import LoRALinear, get_adapter_params, set_trainable_params

    for parent in list(model.layers.modules()):
        for name, linear in list(parent.named_children()):
            if isinstance(linear, nn.Linear):
                with torch.device("meta"):
                    adapted = LoRALinear(linear.in_features, linear.out_features, section.rank, section.alpha)
                adapted.weight = linear.weight
                setattr(parent, name, adapted)
    adapters = get_adapter_params(model)
    generator = torch.Generator().manual_seed(seed)
    for name, meta in adapters.items():
        values = torch.zeros(meta.shape)
        if name.endswith("lora_a.weight"):  # as nn.Linear begins
            bound = meta.shape[1] ** -0.5
            values.uniform_(-bound, bound, generator=generator)
        module, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(module), leaf, nn.Parameter(values))
    set_trainable_params(model, adapters)


def merged_state(state: dict[str, Tensor], section: LoraSection) -> dict[str, Tensor]:
    """``state`` with its adapters added to the weights they belong to, in float32, under a plain model's names.

    Where ``section`` has no adapters it is returned as it is.
    """
    if not section.rank:
        return state
    with torchtune_imports():
        from torchtune.modules.peft import get_merged_lora_ckpt

    copies = {name: value.to(torch.float32, copy=True) for name, value in state.items()}
    return get_merged_lora_ckpt(copies, section.rank, section.alpha)
