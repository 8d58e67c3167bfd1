"""What a checkpoint holds of a run, and the way back: whole tensors, even if the run is spread over processes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from rotbot.sft.run import Run
from rotbot.sft.sharding import spread, spread_optimizer, whole


def capture(run: Run) -> dict[str, Any]:
    """The trained weights and the optimizers' state. Each process of the run must call this; the first one gets all."""
    trained = {name for name, parameter in run.model.named_parameters() if parameter.requires_grad}
    model = {name: value for name, value in run.model.state_dict().items() if name in trained}
    return whole({"model": model, "optimizers": run.optimizers.state_dict()}, run.world.leads)


def restore(run: Run, state: dict[str, Any]) -> None:
    """Take over what :func:`capture` gave; weights that are not trained stay."""
    own = run.model.state_dict()
    weights = {name: spread(value, own[name]) for name, value in state["model"].items()}
    run.model.load_state_dict({**own, **weights})
    optimizers = dict(state["optimizers"])
    groups = run.optimizers.adamw.param_groups
    optimizers["adamw"] = spread_optimizer(optimizers["adamw"], [p for group in groups for p in group["params"]])
    run.optimizers.load_state_dict(optimizers)


def exported(run: Run) -> dict[str, Tensor]:
    """The run's weights as a plain model's, adapters merged. Each process of the run must call this; the first one gets
    them, the others nothing."""
    weights = whole(run.model.state_dict(), run.world.leads)
    return run.plain_state(weights) if run.world.leads else {}
