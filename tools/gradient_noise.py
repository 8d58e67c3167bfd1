"""How much of a policy gradient is signal, by kind of advantage: what a step of GRPO can learn before it trains.

    python tools/gradient_noise.py [--groups 384] model=MODEL dataset=DATA [KEY=VALUE ...]

Draws so many groups from a model, and has the gradient of each of eight parts of those with a signal. The products of
different parts' gradients estimate the square of the true gradient without bias; what is left of a part's own square is
its noise. Printed is their ratio in a part, and how many completions would make it one (the critical batch size of
McCandlish et al., 1812.06162). KEY=VALUE are settings of ``rotbot grpo``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rotbot.config import apply_overrides, build, read_yaml
from rotbot.inference.engine import open_engine
from rotbot.recipes import find_recipe
from rotbot.rl.curriculum import Curriculum, load_prompts
from rotbot.rl.episodes import ScoredGroup
from rotbot.rl.learner import Learner
from rotbot.rl.rollout import evaluate_response, rollout
from rotbot.rl.settings import ADVANTAGES, GrpoConfig

PARTS = 8


def draw(config: GrpoConfig, learner: Learner, count: int) -> list[ScoredGroup]:
    """That many scored groups from the policy as it is."""
    prompts = load_prompts(config.dataset, 0)
    curriculum = Curriculum(prompts, learner.tokenizer, config.curriculum, config.max_prompt, config.seed)
    drawn: list[ScoredGroup] = []
    with open_engine(config.model, config.engine, context=config.max_prompt + config.max_tokens) as engine:
        engine.update_weights(learner.weights())
        while len(drawn) < count:
            tasks = [curriculum.sample() for _ in range(min(config.groups, count - len(drawn)))]
            drawn += [evaluate_response(group, config.rubric) for group in rollout(engine, tasks, config, 0)]
            print(f"\r{len(drawn)} of {count} groups", end="", flush=True)
    print()
    return drawn


def gradient(learner: Learner, groups: Sequence[ScoredGroup]) -> Tensor:
    """The gradient of the loss of ``groups``, end to end, float64."""
    learner.backward(groups)
    grads = [p.grad.flatten().double() for p in learner.model.parameters() if p.grad is not None]
    learner.model.zero_grad(set_to_none=True)
    return torch.cat(grads)


def signal_and_noise(parts_PN: Tensor) -> tuple[float, float]:
    """Estimates of the true gradient's square and of one part's noise, from the gradients of all parts."""
    parts = len(parts_PN)
    own = parts_PN.square().sum().item() / parts
    signal = (parts_PN.sum(0).square().sum().item() - parts * own) / (parts * (parts - 1))
    return signal, own - signal


def main() -> None:
    """Draw once, and print a line for every kind of advantage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=384)
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="settings of rotbot grpo")
    given = parser.parse_intermixed_args()
    unclipped = [*given.settings, "optimizer.clip=1e9"]
    config = build(GrpoConfig, apply_overrides(read_yaml(find_recipe("tiny-grpo", "grpo")), unclipped))
    useful = [scored for scored in draw(config, Learner(config), given.groups) if scored.has_signal]
    if len(useful) < PARTS:
        raise SystemExit(f"groups: expected {PARTS} or more with a signal, got {len(useful)} of {given.groups}")
    episodes = len(useful) * config.samples // PARTS
    print(f"{len(useful)} groups with a signal, {PARTS} parts of {episodes} completions\n")
    print(f"{'advantages':<12}{'gate':<8}{'signal²/noise²':>16}{'critical batch':>16}")
    for kind in ADVANTAGES:
        for gate in (False, True):
            learner = Learner(replace(config, advantages=kind, gate=gate))
            grads = [gradient(learner, useful[part::PARTS]) for part in range(PARTS)]
            signal, noise = signal_and_noise(torch.stack(grads))
            size = f"{episodes * noise / signal:,.0f}" if signal > 0 else "not seen"
            print(f"{kind:<12}{'yes' if gate else 'no':<8}{signal / noise:>16.3f}{size:>16}", flush=True)


if __name__ == "__main__":
    main()
