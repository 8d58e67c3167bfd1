"""FSDP2: weights, gradients and optimizer state spread over the processes of a run, gathered a layer at a time.

Between processes a parameter is a ``DTensor``; checkpoints and exported models hold whole tensors, so that a run can go
on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from rotbot.sft.forward import PackedForward
from rotbot.sft.parallel import World


def shard(forward: PackedForward, world: World, device: torch.device) -> PackedForward:
    """Spread the parameters of ``forward.model`` over ``world``, each layer a unit, and compute through its modules.

    Gradients are summed, not averaged: the loss is divided by the whole step's tokens before.
    """
    model: Any = forward.model  # modules of its own kinds, whose ``forward`` is replaced
    forward = replace(forward, through_modules=True)
    mesh = init_device_mesh(device.type, (world.size,))
    for layer in model.layers:
        layer.forward = partial(forward.layer, layer)
        fully_shard(layer, mesh=mesh)
    model.forward = forward.whole
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other
    return forward


def whole(tree: Any, keep: bool = True) -> Any:
    """``tree`` with every spread tensor gathered on the CPU, one after the other; each process must call this.

    A process that does not ``keep`` them gets empty ones.
    """

    def gather(leaf: Any) -> Any:
        if not isinstance(leaf, DTensor):
            return leaf
        full = leaf.full_tensor()
        return full.cpu() if keep else full.new_empty(0)

    return tree_map(gather, tree)


def spread(value: Tensor, like: Tensor) -> Tensor:
    """``value`` (whole, the same in every process) spread as ``like`` is."""
    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def spread_optimizer(state: Mapping[str, Any], parameters: Iterable[Tensor]) -> dict[str, Any]:
    """An optimizer's ``state_dict`` spread as its ``parameters`` (in order) are."""
    entries = {
        index: {
            name: spread(value, parameter) if value.shape == parameter.shape else value
            for name, value in state["state"][index].items()
        }
        for index, parameter in enumerate(parameters)
        if index in state["state"]
    }
    return {**state, "state": entries}
