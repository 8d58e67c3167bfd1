"""What a fine-tuning run is made of: frozen dataclasses, one per section of a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rotbot.config import expect

SHORT_KEYS = {"model": "model.init", "dataset": "data.dataset"}
"""What ``rotbot sft`` takes for a longer key."""


def expand_keys(overrides: Iterable[str]) -> list[str]:
    """``key=value`` with the short keys spelled out: ``model=X`` is ``model.init=X``."""
    split = [override.partition("=") for override in overrides]
    return [SHORT_KEYS.get(key, key) + equals + value for key, equals, value in split]


@dataclass(frozen=True, slots=True)
class ModelSection:
    """The model to train. ``init`` is a folder or Hub ID to start from; without it, a fresh model of ``size``, varied
    by the numbers given here. ``tokenizer`` is a folder or Hub ID; without it, that of ``init``, or one trained on the
    dataset with ``vocab_size`` tokens."""

    init: str | None = None
    size: str = "tiny"
    tokenizer: str | None = None
    vocab_size: int = 1024
    dim: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    ffn_dim: int | None = None
    rope_base: float | None = None


@dataclass(frozen=True, slots=True)
class LoraSection:
    """Low-rank adapters on every matrix of the layers (arXiv 2106.09685): ``rank`` 0 trains the whole model instead.
    An adapter counts by ``alpha / rank``; the weights below stay as they are, in the dtype of the products."""

    rank: int = 0
    alpha: float = 32.0

    def __post_init__(self) -> None:
        expect(self.rank >= 0, "lora.rank", "0 or more", self.rank)
        expect(self.alpha > 0, "lora.alpha", "a positive number", self.alpha)

    @property
    def scale(self) -> float:
        """What adapters count by; 0 without any."""
        return self.alpha / self.rank if self.rank else 0.0


@dataclass(frozen=True, slots=True)
class DataSection:
    """The rows to train on. ``dataset`` is a folder or Hub ID[@revision], ``name`` its configuration; rows longer than
    ``max_length`` tokens are counted and left out. ``cache`` keeps the encoded rows (default: in the run's folder)."""

    dataset: str = ""
    name: str = "sft"
    max_length: int = 1024
    train_rows: int | None = None
    validation_rows: int | None = 1000
    cache: str | None = None


@dataclass(frozen=True, slots=True)
class BatchSection:
    """``step_tokens`` per optimizer step, in packs of ``pack_tokens``."""

    step_tokens: int = 16_384
    pack_tokens: int = 4096


@dataclass(frozen=True, slots=True)
class OptimizerSection:
    """``name`` is ``muon`` (matrices; the rest AdamW) or ``adamw``. ``lr`` is that of the matrices, ``other_lr`` that
    of embeddings and norms; gradients are clipped to the norm ``clip``. An ``eps`` of AdamW's far above the gradients'
    size makes it gradient descent with momentum, at the rate ``lr / eps``."""

    name: str = "muon"
    lr: float = 3e-3
    other_lr: float = 3e-3
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0


@dataclass(frozen=True, slots=True)
class ScheduleSection:
    """How long, and the learning rate's course: linear warmup over the fraction ``warmup`` of the steps, then a cosine
    down to ``floor`` times the peak. Exactly one of ``steps``, ``tokens`` and ``epochs`` says how long; the run ends
    early when ``patience`` validations in a row were no better than the best before them (0: never)."""

    steps: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    warmup: float = 0.02
    floor: float = 0.0
    patience: int = 0


@dataclass(frozen=True, slots=True)
class SftConfig:
    """A whole run. ``output`` is the run's folder; ``precision`` is ``auto``, ``bfloat16`` or ``float32`` (the dtype of
    the matrix products; weights stay float32); ``save_dtype`` that of the model it writes; ``threads`` 0 means torch's
    default. ``recompute`` saves memory: the layers' inner values are computed again in the backward. ``shard`` spreads
    weights and optimizer state over the processes (FSDP2) instead of repeating them. ``log_every``, ``eval_every`` and
    ``save_every`` count optimizer steps; ``export`` is which checkpoint becomes the model, ``last`` or ``best``;
    ``trackio`` is a project of trackio's to log to, beside TensorBoard's files with ``tensorboard``."""

    output: str = "runs/sft"
    seed: int = 0
    precision: str = "auto"
    compile: bool = True
    threads: int = 0
    recompute: bool = False
    shard: bool = False
    save_dtype: str = "bfloat16"
    export: str = "last"
    log_every: int = 10
    eval_every: int = 250
    save_every: int = 250
    tensorboard: bool = False
    trackio: str | None = None
    model: ModelSection = field(default_factory=ModelSection)
    lora: LoraSection = field(default_factory=LoraSection)
    data: DataSection = field(default_factory=DataSection)
    batch: BatchSection = field(default_factory=BatchSection)
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    schedule: ScheduleSection = field(default_factory=ScheduleSection)

    def __post_init__(self) -> None:
        batch, optimizer, schedule = self.batch, self.optimizer, self.schedule
        precisions = ("auto", "bfloat16", "float32")
        expect(self.precision in precisions, "precision", "auto, bfloat16 or float32", self.precision)
        expect(self.save_dtype in ("bfloat16", "float32"), "save_dtype", "bfloat16 or float32", self.save_dtype)
        expect(self.export in ("last", "best"), "export", "last or best", self.export)
        expect(not self.lora.rank or self.model.init is not None, "model.init", "a model to adapt (lora.rank)", "none")
        for key, needs in (("lora.rank", self.lora.rank > 0), ("shard", self.shard)):
            expect(not needs or optimizer.name == "adamw", "optimizer.name", f"adamw with {key}", optimizer.name)
        expect(optimizer.name in ("muon", "adamw"), "optimizer.name", "muon or adamw", optimizer.name)
        expect(optimizer.eps > 0, "optimizer.eps", "a positive number", optimizer.eps)
        for name in ("log_every", "eval_every", "save_every"):
            expect(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        expect(self.threads >= 0, "threads", "0 or more", self.threads)
        expect(batch.pack_tokens >= 16, "batch.pack_tokens", "at least 16", batch.pack_tokens)
        expect(
            batch.step_tokens >= 1 and batch.step_tokens % batch.pack_tokens == 0, "batch.step_tokens",
            f"a multiple of batch.pack_tokens ({batch.pack_tokens})", batch.step_tokens,
        )  # fmt: skip
        expect(
            2 <= self.data.max_length <= batch.pack_tokens, "data.max_length",
            f"from 2 to batch.pack_tokens ({batch.pack_tokens})", self.data.max_length,
        )  # fmt: skip
        for name in ("lr", "other_lr", "clip"):
            expect(getattr(optimizer, name) > 0, f"optimizer.{name}", "a positive number", getattr(optimizer, name))
        for name in ("momentum", "beta1", "beta2"):
            value = getattr(optimizer, name)
            expect(0 <= value < 1, f"optimizer.{name}", "from 0 to below 1", value)
        expect(0 <= schedule.warmup <= 1, "schedule.warmup", "a fraction from 0 to 1", schedule.warmup)
        expect(0 <= schedule.floor <= 1, "schedule.floor", "a fraction from 0 to 1", schedule.floor)
        expect(schedule.patience >= 0, "schedule.patience", "0 or more", schedule.patience)
        lengths = {k: getattr(schedule, k) for k in ("steps", "tokens", "epochs") if getattr(schedule, k) is not None}
        expect(
            len(lengths) == 1, "schedule", "exactly one of steps, tokens and epochs, the others null", lengths or "none"
        )
        expect(all(v > 0 for v in lengths.values()), "schedule", "a positive length", lengths)
