"""What a GRPO run is made of: frozen dataclasses, read from a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from rotbot.config import expect
from rotbot.inference.engine import KINDS
from rotbot.rewards.rubric import rubric_named
from rotbot.rl.config import LossConfig
from rotbot.sft.config import LoraSection, OptimizerSection

ADVANTAGES = ("outcome", "process", "tree")


@dataclass(frozen=True, slots=True)
class CurriculumSection:
    """Which prompts a step is made of.

    Levels are drawn by how much there is to learn, ``p (1 - p) + floor`` for a measured pass rate of ``p``; the rate is
    an average in which the newest group counts ``memory``. Groups whose rewards are all equal are replaced by others in
    up to ``replace`` more rounds. When the pass rates of all levels are above ``saturated``, a new level is opened: its
    problems are two of the dataset composed, then three, up to ``most_parts``.
    """

    floor: float = 0.05
    memory: float = 0.1
    replace: int = 1
    saturated: float = 0.9
    most_parts: int = 3

    def __post_init__(self) -> None:
        expect(self.floor > 0, "curriculum.floor", "a positive number", self.floor)
        expect(0 < self.memory <= 1, "curriculum.memory", "above 0, at most 1", self.memory)
        expect(self.replace >= 0, "curriculum.replace", "0 or more", self.replace)
        expect(0 < self.saturated <= 1, "curriculum.saturated", "above 0, at most 1", self.saturated)
        expect(self.most_parts >= 1, "curriculum.most_parts", "1 or more", self.most_parts)


def _optimizer() -> OptimizerSection:
    return OptimizerSection(name="adamw", lr=1e-4, other_lr=1e-4, beta2=0.95, weight_decay=0.0)


@dataclass(frozen=True, slots=True)
class GrpoConfig:
    """A whole run. ``model`` is a folder, a Hub ID or ``embedded``, ``dataset`` a folder or Hub ID with the
    configuration ``rl``, ``output`` the run's folder.

    Each of ``steps`` optimizer steps is made of ``groups`` prompts with ``samples`` completions of at most
    ``max_tokens`` tokens each, drawn at ``temperature``; prompts longer than ``max_prompt`` tokens are left out.
    ``rubric`` is a preset's name. ``advantages`` is ``outcome`` (one number a completion), ``process`` (from the
    rewards of the steps still to come) or ``tree`` (what each token changed, from the group's common beginnings); with
    ``gate`` nothing after a completion's first false step is encouraged.
    The ratio of the loss is to the sampler's policy, so it corrects what is off policy; with ``loss.truncate_is`` it is
    to the trainer's own, and the truncated weight corrects.

    ``max_policy_age`` (of the runner ``monarch``) is how many updates behind the weights may be that a completion was
    drawn with; 0 is synchronous. ``engine`` is that of generation; ``generators`` processes (of the same runner) each
    draw a share of every step, ``trainers`` processes share the weights in training (FSDP2). ``eval_every``,
    ``save_every`` and ``sample_every`` count steps; ``eval_rows`` validation problems are answered at the
    start, the end and in between: greedily, and ``eval_samples`` times as completions are drawn. The latter tells how a
    run goes: figures of the steps are of problems that get harder as the model learns, and greedy answers hardly move.
    ``threads`` are those of each process that computes; 0 shares the cores among those that do so at the same time.
    ``precision``, ``compile``, ``recompute``, ``save_dtype`` and ``lora`` are as in
    :class:`~rotbot.sft.config.SftConfig`; with ``lora`` the sampler gets the weights with the adapters merged.
    """

    model: str = "embedded"
    dataset: str = ""
    output: str = "runs/grpo"
    seed: int = 0
    rubric: str = "faithful"
    advantages: str = "outcome"
    gate: bool = True
    steps: int = 100
    groups: int = 8
    samples: int = 8
    max_tokens: int = 384
    max_prompt: int = 384
    temperature: float = 1.0
    max_policy_age: int = 0
    engine: str = "auto"
    generators: int = 1
    trainers: int = 1
    warmup: int = 5
    pack_tokens: int = 4096
    precision: str = "auto"
    compile: bool = True
    recompute: bool = False
    threads: int = 0
    save_dtype: str = "bfloat16"
    eval_rows: int = 200
    eval_samples: int = 4
    eval_every: int = 50
    save_every: int = 10
    sample_every: int = 10
    tensorboard: bool = True
    trackio: str | None = None
    loss: LossConfig = field(default_factory=LossConfig)
    lora: LoraSection = field(default_factory=LoraSection)
    optimizer: OptimizerSection = field(default_factory=_optimizer)
    curriculum: CurriculumSection = field(default_factory=CurriculumSection)

    def __post_init__(self) -> None:
        expect(bool(self.dataset), "dataset", "a folder or Hub ID", self.dataset or "none")
        rubric_named(self.rubric)
        expect(self.advantages in ADVANTAGES, "advantages", f"one of {', '.join(ADVANTAGES)}", self.advantages)
        expect(self.engine in KINDS, "engine", f"one of {', '.join(KINDS)}", self.engine)
        precisions = ("auto", "bfloat16", "float32")
        expect(self.precision in precisions, "precision", f"one of {', '.join(precisions)}", self.precision)
        expect(self.save_dtype in precisions[1:], "save_dtype", "bfloat16 or float32", self.save_dtype)
        expect(self.samples >= 2, "samples", "2 or more", self.samples)
        expect(self.temperature > 0, "temperature", "a positive number", self.temperature)
        counts = ("steps", "groups", "generators", "trainers", "max_tokens", "max_prompt")
        for name in (*counts, "eval_every", "save_every", "sample_every"):
            expect(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name, needs in (("lora.rank", self.lora.rank > 0), ("trainers", self.trainers > 1)):
            kind = self.optimizer.name
            expect(kind == "adamw" or not needs, "optimizer.name", f"adamw with {name}", kind)
        for name in ("max_policy_age", "warmup", "threads", "eval_rows", "eval_samples"):
            expect(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        longest = self.max_prompt + self.max_tokens
        expect(self.pack_tokens >= longest, "pack_tokens", f"max_prompt + max_tokens = {longest}", self.pack_tokens)
