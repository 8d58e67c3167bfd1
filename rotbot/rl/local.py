"""The plain synchronous loop in one process: draw, score, learn, take over the new weights, repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rotbot.config import expect
from rotbot.inference.engine import Completion, Engine, PolicyEngine, Sampling, open_engine
from rotbot.models.weights import save_folder
from rotbot.problem import Problem
from rotbot.rewards.score import score
from rotbot.rl.buffer import StepGroups
from rotbot.rl.curriculum import Curriculum, load_prompts
from rotbot.rl.figures import Clock, Figures, group_figures, update_figures
from rotbot.rl.learner import Learner
from rotbot.rl.marks import save_samples
from rotbot.rl.probe import ask, check_answer
from rotbot.rl.record import last_position, rate_figures, restore, save
from rotbot.rl.rollout import evaluate_response, rollout
from rotbot.rl.settings import GrpoConfig
from rotbot.sft.metrics import Metrics


@dataclass(frozen=True, slots=True)
class GrpoResult:
    """The end of a run: the model's folder, steps and updates (steps without signal make none), completions and their
    tokens in all, the last figures, and the seconds of this process."""

    model: Path
    steps: int
    updates: int
    tokens: int
    figures: Figures
    seconds: float


Watch = Callable[[int, Figures], None]


def train_local(config: GrpoConfig, resume: bool = False, watch: Watch | None = None) -> GrpoResult:
    """Train to the end and write ``model/``; with ``resume`` from the last checkpoint, if there is one.

    A resumed run takes the steps that an unbroken one would have taken. Raises :class:`~rotbot.errors.ConfigError` as
    :func:`~rotbot.rl.record.last_position` does and for several generators, and
    :class:`~rotbot.sft.trainer.TrainingDiverged`.
    """
    began = time.monotonic()
    for name in ("generators", "trainers"):
        expect(getattr(config, name) == 1, name, "1 with the runner local", getattr(config, name))
    folder = Path(config.output)
    position = last_position(config, resume)
    learner = Learner(config)
    prompts = load_prompts(config.dataset, config.eval_rows)
    curriculum = Curriculum(prompts, learner.tokenizer, config.curriculum, config.max_prompt, config.seed)
    step = tokens = 0
    if position is not None:
        step, tokens = position.step, position.tokens
        curriculum.load_state_dict(restore(config, position, learner))
    context = config.max_prompt + config.max_tokens
    figures: Figures = {}
    with (
        open_engine(config.model, config.engine, context=context) as engine,
        Metrics(folder, step, config.tensorboard, config.trackio) as metrics,
    ):
        engine.update_weights(learner.weights())
        if step == 0 and prompts.validation:
            metrics.log(0, evaluate(engine, prompts.validation, config))
        clock = Clock()
        while step < config.steps:
            figures, drawn = local_step(config, engine, learner, curriculum, clock)
            step, tokens = step + 1, tokens + drawn.tokens
            last = step == config.steps
            if prompts.validation and (last or step % config.eval_every == 0):
                figures |= evaluate(engine, prompts.validation, config)
            if last or step % config.sample_every == 0:
                save_samples(folder, step, drawn.groups)
            figures["tokens"] = tokens
            metrics.log(step, figures)
            if last or step % config.save_every == 0:
                save(config, step, tokens, learner, curriculum.state_dict())
            if watch is not None:
                watch(step, figures)
    write_model(config, learner)
    return GrpoResult(folder / "model", step, learner.version, tokens, figures, time.monotonic() - began)


def local_step(
    config: GrpoConfig, engine: PolicyEngine, learner: Learner, curriculum: Curriculum, clock: Clock
) -> tuple[Figures, StepGroups]:
    """One step → its figures and what was drawn for it. Groups without signal are drawn but not trained on; a step
    that has no others makes no update."""
    drawn = StepGroups(config.groups, config.curriculum.replace)
    while drawn.missing:
        tasks = [curriculum.sample() for _ in range(drawn.missing)]
        with clock.busy("generator"):
            groups = rollout(engine, tasks, config, learner.version)
        with clock.busy("reward"):
            drawn.add([evaluate_response(group, config.rubric) for group in groups])
        for scored in drawn.groups[-len(tasks) :]:
            curriculum.learn(scored)
    figures = group_figures(drawn.groups, learner.version)
    if drawn.useful:
        with clock.busy("trainer"):
            figures |= update_figures(learner.train_step(drawn.useful))
        with clock.busy("sync"):
            engine.update_weights(learner.weights())
            figures["probe"] = check_answer(learner, ask(engine))
    figures |= clock.lap(drawn.tokens, sum(scored.group.tokens for scored in drawn.useful))
    return figures | rate_figures(curriculum) | {"version": learner.version}, drawn


def evaluate(engine: Engine, problems: Sequence[Problem], config: GrpoConfig) -> Figures:
    """Answers to validation problems, as figures."""
    figures: Figures = {}
    for name, sampling in validation_samplings(config).items():
        figures |= validation_figures(name, problems, engine.generate(problems, sampling), config)
    return figures


def validation_samplings(config: GrpoConfig) -> dict[str, Sampling]:
    """How validation problems are answered, by the name of the figures: greedily, and as completions are drawn."""
    drawn = Sampling(config.max_tokens, config.temperature, seed=config.seed, n=max(1, config.eval_samples))
    samplings = {"validation": Sampling(config.max_tokens), "validation_sampled": drawn}
    return samplings if config.eval_samples else {"validation": samplings["validation"]}


def validation_figures(
    name: str, problems: Sequence[Problem], completions: Sequence[Completion], config: GrpoConfig
) -> Figures:
    """The figures of answers, as many to each problem: the shares that are faithful, right in the end, and lucky; the
    mean reward."""
    count = len(completions) // len(problems)
    scores = [score(problems[i // count], c.text, config.rubric) for i, c in enumerate(completions)]
    return {
        f"{name}_faithful": sum(s.faithful for s in scores) / len(scores),
        f"{name}_final": sum(s.final_correct for s in scores) / len(scores),
        f"{name}_lucky": sum(s.lucky for s in scores) / len(scores),
        f"{name}_reward": sum(s.total for s in scores) / len(scores),
    }


def write_model(config: GrpoConfig, learner: Learner) -> None:
    """The policy as a model folder in ``model/``. Of several processes the first one writes it."""
    import torch

    dtype, state = getattr(torch, config.save_dtype), learner.plain_state()
    if learner.world.leads:
        save_folder(Path(config.output) / "model", state, learner.model_config, learner.tokenizer, dtype)
