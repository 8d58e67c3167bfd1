"""What a checkpoint holds of a run, and the way back: whole tensors, even if the run is spread over processes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rotbot.sft.config import LoraSection
from rotbot.sft.lora import merged_state
from rotbot.sft.optim import Optimizers
from rotbot.sft.parallel import World
from rotbot.sft.sharding import spread, spread_optimizer, whole


def capture(model: nn.Module, optimizers: Optimizers, world: World) -> dict[str, Any]:
    """The trained weights and the optimizers' state. Each process of the run must call this; the first one gets all."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    weights = {name: value for name, value in model.state_dict().items() if name in trained}
    return whole({"model": weights, "optimizers": optimizers.state_dict()}, world.leads)


def restore(model: nn.Module, optimizers: Optimizers, state: dict[str, Any]) -> None:
    """Take over what :func:`capture` gave; weights that are not trained stay."""
    own = model.state_dict()
    weights = {name: spread(value, own[name]) for name, value in state["model"].items()}
    model.load_state_dict({**own, **weights})
    parts = dict(state["optimizers"])
    groups = optimizers.adamw.param_groups
    parts["adamw"] = spread_optimizer(parts["adamw"], [p for group in groups for p in group["params"]])
    optimizers.load_state_dict(parts)


def exported(model: nn.Module, lora: LoraSection, world: World) -> dict[str, Tensor]:
    """The weights under torchtune's names, adapters merged. Each process of the run must call this; the first one gets
    them, the others nothing."""
    weights = whole(model.state_dict(), world.leads)
    return merged_state(weights, lora) if world.leads else {}
