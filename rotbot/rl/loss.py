"""The policy losses of GRPO and its kin on log-probabilities, advantages and a mask.

All kinds are one sum over tokens, ``loss = sum(weight_BT * term_BT)``. The kind decides the term (how the importance
ratio is clipped) and the weight (what a token counts). Weights divide by a normalizer of the *whole* optimizer step, so
the losses of its micro-batches add up to the same number however it is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rotbot.errors import InputError
from rotbot.rl.config import TOKEN_KINDS, LossConfig


@dataclass(frozen=True)
class LossOutput:
    """A loss to call ``backward`` on, and figures of the tokens it is made of (detached, means over those tokens).

    ``kl`` is the estimated divergence from the reference (0 without one), ``clip_fraction`` the share of tokens whose
    ratio the clipping cut off (for ``cispo``: capped), ``ratio_*`` those of policy to old policy (in ``gspo``
    of whole sequences), ``mismatch`` the mean absolute difference of the old policy's and the sampler's
    log-probabilities, and ``truncated_fraction`` the share of tokens whose correction for it met the cap.
    """

    loss: Tensor
    tokens: int
    kl: float
    clip_fraction: float
    ratio_mean: float
    ratio_min: float
    ratio_max: float
    mismatch: float
    truncated_fraction: float


def completion_mask(lengths: Sequence[int], length: int) -> Tensor:
    """Which tokens are a completion's own: ``[B, length]``, bool, True for the first ``lengths[i]`` of row i.

    The end-of-sequence token is one of them: a mask of ``token != pad`` loses it where padding is the same token, and
    the policy never learns to stop. Raises :class:`~rotbot.errors.InputError` for a length outside 0 to ``length``.
    """
    wrong = [n for n in lengths if not 0 <= n <= length]
    if wrong:
        raise InputError(f"lengths: expected from 0 to {length} tokens, got {wrong[0]}")
    return torch.arange(length) < torch.tensor(list(lengths), dtype=torch.int64)[:, None]


def step_normalizer(config: LossConfig, sequences: int, tokens: int) -> float:
    """What the sum over an optimizer step is divided by, from its numbers of completions and of completion tokens.

    Tokens for ``dapo`` and ``cispo``, completions for ``grpo`` and ``gspo`` (whose completions are means over their
    tokens), completions times ``max_length`` for ``dr_grpo``.
    """
    if config.kind in TOKEN_KINDS:
        return max(tokens, 1)
    return max(sequences, 1) * (config.max_length or 1 if config.kind == "dr_grpo" else 1)


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    config: LossConfig,
    *,
    reference_logprobs: Tensor | None = None,
    sampler_logprobs: Tensor | None = None,
    normalizer: float | None = None,
) -> LossOutput:
    """The loss of ``config`` on the log-probabilities of the tokens taken. All tensors are ``[B, T]``.

    Gradients flow through ``logprobs`` alone. ``old_logprobs`` are those of the policy at the start of the step (or the
    sampler's, whose difference the clipped ratio then corrects), ``sampler_logprobs`` those the tokens were drawn with,
    needed for ``truncate_is``; ``reference_logprobs`` are needed for ``beta``. Advantages may be ``[B, 1]``. What
    stands outside ``mask`` is ignored, NaN too. ``normalizer`` is the :func:`step_normalizer` of the whole step where
    this batch is a part of it; None means that it is all.

    ``gspo`` is the published GSPO-token: the numbers and gradients of GSPO where a completion has one advantage, and to
    each token its own where it has not. ``cispo`` has no lower clip, and only its gradient means something: its value
    is not 0 where nothing is to be learnt.

    Raises :class:`~rotbot.errors.InputError` where shapes do not agree or log-probabilities asked for are missing.
    """
    for given in (old_logprobs, mask, reference_logprobs, sampler_logprobs):
        _check_shape(given, logprobs.shape)
    _check_shape(advantages, logprobs.shape if advantages.shape[-1] != 1 else torch.Size((len(logprobs), 1)))
    mask_BT = mask.bool()
    lengths_B1 = mask_BT.sum(1, keepdim=True).clamp(min=1)
    advantages_BT = _inside(advantages.to(logprobs.dtype).expand_as(logprobs), mask_BT)
    log_ratio_BT = _inside(logprobs - old_logprobs, mask_BT)
    ratio_BT = token_ratio_BT = log_ratio_BT.exp()
    if config.kind == "gspo":
        mean_B1 = log_ratio_BT.detach().sum(1, keepdim=True) / lengths_B1
        ratio_BT = (mean_B1 + (log_ratio_BT - log_ratio_BT.detach())).exp()
    term_BT, clipped_BT = _surrogate(_inside(logprobs, mask_BT), ratio_BT, advantages_BT, config)

    nothing_BT = torch.zeros_like(ratio_BT)
    mismatch_BT, truncated_BT, kl_BT = nothing_BT, nothing_BT, nothing_BT
    if sampler_logprobs is not None:
        log_weight_BT = _inside(old_logprobs - sampler_logprobs, mask_BT).detach()
        mismatch_BT = log_weight_BT.abs()
        if config.truncate_is is not None:
            truncated_BT = log_weight_BT.exp() > config.truncate_is
            term_BT = term_BT * log_weight_BT.exp().clamp(max=config.truncate_is)
    elif config.truncate_is is not None:
        raise InputError("loss.truncate_is: expected the sampler's log-probabilities, got none")
    if reference_logprobs is not None:
        kl_BT = _divergence(_inside(reference_logprobs - logprobs, mask_BT), token_ratio_BT, config.kl)
        term_BT = term_BT + config.beta * kl_BT
    elif config.beta > 0:
        raise InputError(f"loss.beta {config.beta}: expected the reference's log-probabilities, got none")

    tokens = int(mask_BT.sum())
    whole = step_normalizer(config, len(mask_BT), tokens) if normalizer is None else normalizer
    weights_BT = mask_BT.to(term_BT.dtype) / whole
    if config.kind in ("grpo", "gspo"):
        weights_BT = weights_BT / lengths_B1
    figures = _figures(mask_BT, kl_BT, clipped_BT, ratio_BT, mismatch_BT, truncated_BT)
    return LossOutput((weights_BT * term_BT).sum(), tokens, *figures)


def add_up(parts: Sequence[LossOutput]) -> LossOutput:
    """The micro-batches of one optimizer step as one: losses are summed, means weighted by tokens."""
    tokens = sum(part.tokens for part in parts)

    def mean(name: str) -> float:
        return sum(getattr(part, name) * part.tokens for part in parts) / max(tokens, 1)

    return LossOutput(
        loss=torch.stack([part.loss for part in parts]).sum(),
        tokens=tokens,
        kl=mean("kl"),
        clip_fraction=mean("clip_fraction"),
        ratio_mean=mean("ratio_mean"),
        ratio_min=min(part.ratio_min for part in parts),
        ratio_max=max(part.ratio_max for part in parts),
        mismatch=mean("mismatch"),
        truncated_fraction=mean("truncated_fraction"),
    )


def _inside(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The values, 0 outside the mask: nothing of padding, not even a NaN, reaches the loss or a gradient."""
    return values_BT.masked_fill(~mask_BT, 0)


def _surrogate(
    logprobs_BT: Tensor, ratio_BT: Tensor, advantages_BT: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor]:
    """The term to minimize for each token, and where clipping cut it off."""
    low, high = config.clip_range
    if config.kind == "cispo":
        return -ratio_BT.detach().clamp(max=1 + high) * advantages_BT * logprobs_BT, ratio_BT > 1 + high
    clipped_BT = ratio_BT.clamp(1 - low, 1 + high)
    term_BT = -torch.minimum(ratio_BT * advantages_BT, clipped_BT * advantages_BT)
    return term_BT, torch.where(advantages_BT > 0, ratio_BT > 1 + high, (ratio_BT < 1 - low) & (advantages_BT < 0))


def _divergence(gap_BT: Tensor, ratio_BT: Tensor, kl: str) -> Tensor:
    """Schulman's estimators of KL(policy ‖ reference) from ``gap = log reference - log policy``.

    The gradient of a plain k1 has mean zero, so k1 is a weight on the ratio's. On policy the mean gradients of ``k1``,
    ``k2`` and ``k3_weighted`` (DeepSeek-V3.2, 2512.02556) are that of KL(policy ‖ reference); the published ``k3`` has
    that of KL(reference ‖ policy).
    """
    if kl == "k1":
        return -gap_BT.detach() * ratio_BT
    if kl == "k2":
        return gap_BT.square() / 2
    k3_BT = gap_BT.exp() - gap_BT - 1
    return k3_BT * ratio_BT if kl == "k3_weighted" else k3_BT


def _figures(mask_BT: Tensor, *values_BT: Tensor) -> list[float]:
    """Means over the tokens of the mask, and after the third (the ratio) its extremes: one transfer from the device."""
    if not mask_BT.any():
        return [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    taken = torch.stack([values.detach()[mask_BT].double() for values in values_BT])
    means, ratio = taken.mean(1), taken[2]
    return torch.cat([means[:3], torch.stack([ratio.amin(), ratio.amax()]), means[3:]]).tolist()


def _check_shape(given: Tensor | None, expected: torch.Size) -> None:
    if len(expected) != 2 or (given is not None and given.shape != expected):
        got = list(expected if given is None else given.shape)
        raise InputError(f"policy loss: expected tensors of one shape [B, T], got {got} beside {list(expected)}")
