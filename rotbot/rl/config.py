"""What a policy loss is made of: a frozen dataclass, a section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from rotbot.config import expect

PUBLISHED_CLIP = {
    "grpo": (0.2, 0.2),
    "dr_grpo": (0.2, 0.2),
    "dapo": (0.2, 0.28),
    "gspo": (3e-4, 4e-4),
    "cispo": (1.0, 4.0),
}
"""How far below and above 1 a ratio may go, by kind: DAPO's clip-higher (2503.14476), GSPO's ratios of whole sequences
(2507.18071), for CISPO no lower bound (2506.13585) and a cap of 5 (2510.13786)."""

KL_ESTIMATORS = ("k1", "k2", "k3", "k3_weighted")
"""k3 is the published one; ``k3_weighted`` is k3 times the importance ratio (DeepSeek-V3.2), TRL's default."""

TOKEN_KINDS = ("dapo", "cispo")
"""Kinds in which every token counts the same, whatever the length of its completion."""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Which policy loss.

    ``kind`` is ``grpo`` (2402.03300), ``dr_grpo`` (2503.20783), ``dapo``, ``gspo`` or ``cispo``. ``clip_low`` and
    ``clip_high`` bound the importance ratio to ``[1 - clip_low, 1 + clip_high]``; None means as published for the kind.
    ``beta`` weighs the divergence from a reference policy, estimated by ``kl`` (one of :data:`KL_ESTIMATORS`).
    ``truncate_is`` caps the weight that corrects the sampler's log-probabilities to the trainer's (truncated importance
    sampling); None leaves it out. ``max_length`` is the most tokens of a completion, which ``dr_grpo`` divides by.
    Raises :class:`~rotbot.errors.ConfigError` for values that do not fit.
    """

    kind: str = "grpo"
    clip_low: float | None = None
    clip_high: float | None = None
    beta: float = 0.0
    kl: str = "k3"
    truncate_is: float | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        expect(self.kind in PUBLISHED_CLIP, "loss.kind", f"one of {', '.join(PUBLISHED_CLIP)}", self.kind)
        low, high = self.clip_range
        expect(0 < low <= 1, "loss.clip_low", "above 0, at most 1", low)
        expect(high > 0, "loss.clip_high", "a positive number", high)
        expect(self.beta >= 0, "loss.beta", "0 or more", self.beta)
        expect(self.kl in KL_ESTIMATORS, "loss.kl", f"one of {', '.join(KL_ESTIMATORS)}", self.kl)
        expect(
            self.truncate_is is None or self.truncate_is > 0, "loss.truncate_is", "a positive number", self.truncate_is
        )
        if self.kind == "dr_grpo" or self.max_length is not None:
            expected = "the most tokens of a completion, at least 1"
            expect(self.max_length is not None and self.max_length >= 1, "loss.max_length", expected, self.max_length)

    @property
    def clip_range(self) -> tuple[float, float]:
        """How far below and above 1 the ratio may go."""
        low, high = PUBLISHED_CLIP[self.kind]
        return low if self.clip_low is None else self.clip_low, high if self.clip_high is None else self.clip_high

    @property
    def scale_by_std(self) -> bool:
        """Whether advantages are divided by the standard deviation of their group: not in Dr. GRPO."""
        return self.kind != "dr_grpo"

    @property
    def drop_equal_groups(self) -> bool:
        """Whether groups without a difference in reward are replaced before the loss: in DAPO (dynamic sampling)."""
        return self.kind == "dapo"
