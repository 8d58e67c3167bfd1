"""The policy in training: its weights, its optimizer, and the step from scored groups.

In a world of several processes each has a learner with its part of the weights (FSDP2) and takes its share of a step's
packs; all of them call the same methods, with the same arguments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rotbot.models.loading import LoadedModel, load
from rotbot.models.weights import to_transformers
from rotbot.rl.batch import Batch, make_batch, samples_of
from rotbot.rl.episodes import ScoredGroup
from rotbot.rl.loss import LossOutput, add_up, policy_loss, step_normalizer
from rotbot.rl.settings import GrpoConfig
from rotbot.rl.spans import TokenTexts
from rotbot.sft.data import Samples
from rotbot.sft.forward import PackedForward
from rotbot.sft.lora import add_adapters
from rotbot.sft.optim import build_optimizers
from rotbot.sft.packing import Pack, build_pack, plan_epoch
from rotbot.sft.parallel import World, own_device
from rotbot.sft.run import ALONE, precision
from rotbot.sft.sharding import shard, whole
from rotbot.sft.state import capture, exported, restore
from rotbot.sft.trainer import TrainingDiverged

if TYPE_CHECKING:
    from torchtune.modules import TransformerDecoder


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

    def __init__(self, config: GrpoConfig, world: World = ALONE) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        self._config = config
        self.world = world
        self._device = own_device()
        self._dtype = precision(config.precision)
        loaded = self._load()
        self.model_config, self.tokenizer = loaded.config, loaded.tokenizer
        self.model = loaded.model
        if config.lora.rank:
            add_adapters(self.model, config.lora, config.seed)
        self._forward = self._forward_of(self.model)
        self._reference = self._make_reference() if config.loss.beta else None
        self._optimizers = build_optimizers(self.model, config.optimizer, self._dtype)
        self._texts = TokenTexts(self.tokenizer)
        self.version = 0

    def _load(self) -> LoadedModel:
        return load(self._config.model, dtype=self._dtype if self._config.lora.rank else torch.float32)

    def _forward_of(self, model: TransformerDecoder) -> PackedForward:
        config = self._config
        forward = PackedForward(
            model,
            self.model_config,
            self._dtype,
            config.compile,
            config.recompute,
            config.lora.scale,
            fused_attention=self._device.type == "cuda",
        )
        if self.world.size > 1:
            forward = shard(forward, self.world, self._device)
        model.to(self._device)
        return forward

    def _make_reference(self) -> PackedForward:
        """The policy at the start: with adapters the same weights without them, else (and with sharded weights) a
        second copy."""
        if self._config.lora.rank and self.world.size == 1:
            return replace(self._forward, lora_scale=0.0)
        return self._forward_of(self._load().model)

    def train_step(self, groups: Sequence[ScoredGroup]) -> StepFigures:
        """One update on the completions of ``groups``. The weights are untouched if it raises
        :class:`~rotbot.sft.trainer.TrainingDiverged`."""
        figures = self.backward(groups)
        if not math.isfinite(figures.grad_norm) or not math.isfinite(figures.loss.loss.item()):
            raise TrainingDiverged(
                f"update {self.version}: expected a finite loss, got {figures.loss.loss.item()} with gradient norm "
                f"{figures.grad_norm}; lower optimizer.lr (the checkpoints so far are whole)"
            )
        section = self._config.optimizer
        factor = min(1.0, (self.version + 1) / max(1, self._config.warmup))
        self._optimizers.step(factor * section.lr, factor * section.other_lr)
        self.version += 1
        return figures

    def backward(self, groups: Sequence[ScoredGroup]) -> StepFigures:
        """The gradient of the loss of ``groups``, clipped, into the weights' ``grad``."""
        config, loss = self._config, self._config.loss
        batch = make_batch(groups, self._texts, config.advantages, config.gate, loss.scale_by_std)
        normalizer = step_normalizer(loss, len(batch.samples), batch.tokens)
        packs = plan_epoch(batch.samples.lengths, config.pack_tokens, config.seed, None)
        mine, parts = self.world.share(packs), list[tuple[LossOutput, float, float]]()
        for turn in range(-(-len(packs) // self.world.size)):  # as many as the others: sharded weights need them all
            idle = turn >= len(mine)
            output, entropy, mismatch = self._part(batch, packs[0] if idle else mine[turn], normalizer)
            (0.0 * output.loss if idle else output.loss).backward()
            if not idle:
                parts.append((replace(output, loss=output.loss.detach().cpu()), entropy, mismatch))
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        norm = whole(torch.nn.utils.clip_grad_norm_(parameters, config.optimizer.clip)).item()
        outputs, entropies, mismatches = zip(*chain.from_iterable(self.world.collect(parts)), strict=True)
        return StepFigures(add_up(outputs), sum(entropies) / batch.tokens, norm, sum(mismatches) / batch.tokens)

    def _part(self, batch: Batch, chosen: tuple[int, ...], normalizer: float) -> tuple[LossOutput, float, float]:
        """The loss of one pack, and sums over its tokens of entropy and mismatch."""
        rows = torch.tensor(chosen)
        mask_BT = batch.mask_BT[rows]
        pack = self._pack(batch.samples, chosen)
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

    def _pack(self, samples: Samples, chosen: tuple[int, ...]) -> Pack:
        pad = int(self.tokenizer.pad_token_id or 0)  # pyright: ignore[reportArgumentType]
        return build_pack(samples, chosen, self._config.pack_tokens, pad).to(self._device)

    def own_logprobs(self, prompt: Sequence[int], tokens: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """What ``tokens`` after ``prompt`` are worth to the policy.

        Each one's log-probability, and that of the likeliest token in its place (None if the model is not
        :attr:`_plain`), both ``[T]``, on the CPU.
        """
        with torch.no_grad():
            if not self._plain:
                samples = samples_of([(prompt, tokens)])
                return self._forward.logprobs(self._pack(samples, (0,)), 1.0)[0].cpu(), None
            ids_BT = torch.tensor([[*prompt, *tokens]], device=self._device)
            known_TV = self.model(ids_BT)[0, len(prompt) - 1 : -1].float().log_softmax(-1).cpu()
        return known_TV.gather(-1, torch.tensor(tokens)[:, None])[:, 0], known_TV.amax(-1)

    @property
    def _plain(self) -> bool:
        """Whether the model itself can be called: its weights are whole, and all of one dtype."""
        return self.world.size == 1 and (not self._config.lora.rank or self._dtype is torch.float32)

    @property
    def exact(self) -> bool:
        """Whether :meth:`own_logprobs` and a sampler on the same kind of device are both float32."""
        return self._device.type == "cpu" and (self._plain or self._dtype is torch.float32)

    def plain_state(self) -> dict[str, Tensor]:
        """The weights under torchtune's names, adapters merged; nothing but in the first process."""
        return exported(self.model, self._config.lora, self.world)

    def weights(self) -> dict[str, Tensor]:
        """The same under transformers' names, on the CPU."""
        state = self.plain_state()
        named = to_transformers(state, self.model_config) if self.world.leads else {}
        return {name: value.detach().cpu() for name, value in named.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue; whole in the first process."""
        return {**capture(self.model, self._optimizers, self.world), "version": self.version}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        restore(self.model, self._optimizers, state)
        self.version = state["version"]


def _spread(values_M: Tensor, mask_BT: Tensor) -> Tensor:
    """``[M] -> [B, T]``: the tokens of completions end to end, back to one row each."""
    mask_BT = mask_BT.to(values_M.device)
    return values_M.new_zeros(mask_BT.shape).masked_scatter(mask_BT, values_M)
