"""Does the sampler have the trainer's weights? A greedy answer of the one, read by the other, says so.

A stale tensor (vLLM's copy of a tied embedding, say) changes no shape and raises nothing: it makes every completion off
policy. So after each update the sampler answers one prompt greedily, and the trainer computes what it would have
said at every token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rotbot.errors import RotbotError
from rotbot.inference.engine import Completion, Engine, Sampling
from rotbot.models.tokenizer import encode_prompt
from rotbot.problem import Problem

if TYPE_CHECKING:
    from rotbot.rl.learner import Learner

QUESTION = Problem("y = x.reshape(4, -1).T[None]", {"x": [2, 6]}, "y")
LENGTH = 24
TOLERANCE, COARSE = 2e-3, 0.1
"""How far apart log-probabilities may be by rounding, if both sides are float32, and if one is not (vLLM on a GPU, the
products of a trainer whose weights are sharded or have adapters)."""


class WeightsDiffer(RotbotError):
    """The sampler does not answer as the trainer's weights would."""


def ask(engine: Engine) -> Completion:
    """The sampler's side: a greedy answer with its log-probabilities."""
    return engine.generate([QUESTION], Sampling(LENGTH, logprobs=True))[0]


def check_answer(learner: Learner, answer: Completion) -> float:
    """The trainer's side: the largest difference, in log-probability, between the answer and its own greedy choices
    (where the trainer's model has no plain call: between what both give for the answer's tokens).

    Raises :class:`WeightsDiffer` if that is more than rounding explains.
    """
    prompt = encode_prompt(learner.tokenizer, [{"role": "user", "content": QUESTION.prompt()}])
    own_T, best_T = learner.own_logprobs(prompt, answer.tokens)
    difference = (own_T - torch.tensor(answer.logprobs)).abs().max().item()
    if best_T is not None:
        difference = max(difference, (best_T - own_T).max().item())
    tolerance = TOLERANCE if learner.exact else COARSE
    if not difference <= tolerance:
        raise WeightsDiffer(
            f"after update {learner.version}: expected the sampler's greedy tokens to be the trainer's, within "
            f"{tolerance} in log-probability, got a difference of {difference:.4f}"
        )
    return difference
