"""The policy in training: its weights, its optimizer, and the step from scored groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rotbot.models.loading import LoadedModel, load
from rotbot.models.weights import to_transformers
from rotbot.rl.batch import Batch, make_batch
from rotbot.rl.episodes import ScoredGroup
from rotbot.rl.loss import LossOutput, add_up, policy_loss, step_normalizer
from rotbot.rl.settings import GrpoConfig
from rotbot.rl.spans import TokenTexts
from rotbot.sft.forward import PackedForward
from rotbot.sft.optim import build_optimizers
from rotbot.sft.packing import Pack, build_pack, plan_epoch
from rotbot.sft.run import precision
from rotbot.sft.trainer import TrainingDiverged


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What an optimizer step tells of itself: the loss's figures, the entropy (nats a token), the norm of the gradient
    before clipping, and the mean absolute difference of the trainer's and the sampler's log-probabilities."""

    loss: LossOutput
    entropy: float
    grad_norm: float
    mismatch: float


class Learner:
    """The policy that ``config`` trains, after :attr:`version` updates; on the GPU if there is one."""

    def __init__(self, config: GrpoConfig) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        self._config = config
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = precision(config.precision)
        loaded = load(config.model, dtype=torch.float32)
        self.model_config, self.tokenizer = loaded.config, loaded.tokenizer
        self.model = loaded.model.to(self._device)
        self._forward = self._forward_of(loaded)
        self._reference = self._forward_of(load(config.model, dtype=torch.float32)) if config.loss.beta else None
        section = config.optimizer
        self._optimizers = build_optimizers(
            self.model,
            section.name,
            section.momentum,
            (section.beta1, section.beta2),
            section.weight_decay,
            self._dtype,
        )
        self._texts = TokenTexts(self.tokenizer)
        self.version = 0

    def _forward_of(self, loaded: LoadedModel) -> PackedForward:
        return PackedForward(loaded.model.to(self._device), loaded.config, self._dtype, self._config.compile)

    def train_step(self, groups: Sequence[ScoredGroup]) -> StepFigures:
        """One update on the completions of ``groups``. The weights are untouched if it raises
        :class:`~rotbot.sft.trainer.TrainingDiverged`."""
        config, loss = self._config, self._config.loss
        batch = make_batch(groups, self._texts, config.advantages, config.gate, loss.scale_by_std)
        normalizer = step_normalizer(loss, len(batch.samples), batch.tokens)
        outputs: list[LossOutput] = []
        entropy = mismatch = 0.0
        for chosen in plan_epoch(batch.samples.lengths, config.pack_tokens, config.seed, None):
            output, own_entropy, own_mismatch = self._part(batch, chosen, normalizer)
            output.loss.backward()
            outputs.append(replace(output, loss=output.loss.detach()))
            entropy += own_entropy
            mismatch += own_mismatch
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.optimizer.clip).item()
        figures = StepFigures(add_up(outputs), entropy / batch.tokens, norm, mismatch / batch.tokens)
        if not math.isfinite(norm) or not math.isfinite(figures.loss.loss.item()):
            raise TrainingDiverged(
                f"update {self.version}: expected a finite loss, got {figures.loss.loss.item()} with gradient norm "
                f"{norm}; lower optimizer.lr (the checkpoints so far are whole)"
            )
        factor = min(1.0, (self.version + 1) / max(1, config.warmup))
        self._optimizers.step(factor * config.optimizer.lr, factor * config.optimizer.other_lr)
        self.version += 1
        return figures

    def _part(self, batch: Batch, chosen: tuple[int, ...], normalizer: float) -> tuple[LossOutput, float, float]:
        """The loss of one pack, and sums over its tokens of entropy and mismatch."""
        rows = torch.tensor(chosen)
        mask_BT = batch.mask_BT[rows]
        pack = self._pack(batch, chosen)
        known_M, entropy_M = self._forward.logprobs(pack, self._config.temperature)
        own_BT = _spread(known_M, mask_BT)
        sampler_BT = batch.sampler_BT[rows].to(self._device)
        mask = mask_BT.to(self._device)
        reference_BT: Tensor | None = None
        if self._reference is not None:
            with torch.no_grad():
                reference_BT = _spread(self._reference.logprobs(pack, self._config.temperature)[0], mask_BT)
        output = policy_loss(
            own_BT,
            sampler_BT if self._config.loss.truncate_is is None else own_BT.detach(),
            batch.advantages_BT[rows].to(self._device),
            mask,
            self._config.loss,
            reference_logprobs=reference_BT,
            sampler_logprobs=sampler_BT,
            normalizer=normalizer,
        )
        mismatch = (own_BT.detach() - sampler_BT).abs()[mask].sum().item()
        return output, entropy_M.sum().item(), mismatch

    def _pack(self, batch: Batch, chosen: tuple[int, ...]) -> Pack:
        pack = build_pack(batch.samples, chosen, self._config.pack_tokens, int(self.tokenizer.pad_token_id or 0))  # pyright: ignore[reportArgumentType]
        if self._device.type == "cpu":
            return pack
        moved = {name: value.to(self._device) for name, value in vars(pack).items() if isinstance(value, Tensor)}
        return replace(pack, **moved)

    def weights(self) -> dict[str, Tensor]:
        """The weights under transformers' names, on the CPU."""
        state = to_transformers(self.model.state_dict(), self.model_config)
        return {name: value.detach().cpu() for name, value in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {
            "model": self.model.state_dict(), "optimizers": self._optimizers.state_dict(), "version": self.version,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self._optimizers.load_state_dict(state["optimizers"])
        self.version = state["version"]


def _spread(values_M: Tensor, mask_BT: Tensor) -> Tensor:
    """``[M] -> [B, T]``: the tokens of completions end to end, back to one row each."""
    mask_BT = mask_BT.to(values_M.device)
    return values_M.new_zeros(mask_BT.shape).masked_scatter(mask_BT, values_M)
