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
TOLERANCE = {"cpu": 2e-3, "cuda": 0.1}
"""How far apart log-probabilities may be by rounding: both sides are float32 on a CPU, on a GPU vLLM is not."""


class WeightsDiffer(RotbotError):
    """The sampler does not answer as the trainer's weights would."""


def ask(engine: Engine) -> Completion:
    """The sampler's side: a greedy answer with its log-probabilities."""
    return engine.generate([QUESTION], Sampling(LENGTH, logprobs=True))[0]


def check_answer(learner: Learner, answer: Completion) -> float:
    """The trainer's side: the largest difference, in log-probability, between the answer and its own greedy choices.

    Raises :class:`WeightsDiffer` if that is more than rounding explains.
    """
    prompt = encode_prompt(learner.tokenizer, [{"role": "user", "content": QUESTION.prompt()}])
    device = next(learner.model.parameters()).device
    ids = torch.tensor([[*prompt, *answer.tokens]], device=device)
    with torch.no_grad():
        known = learner.model(ids)[0, len(prompt) - 1 : -1].float().log_softmax(-1).cpu()
    own = known.gather(-1, torch.tensor(answer.tokens)[:, None])[:, 0]
    said = torch.tensor(answer.logprobs)
    difference = max((own - said).abs().max().item(), (known.amax(-1) - own).max().item())
    if not difference <= TOLERANCE[device.type]:
        raise WeightsDiffer(
            f"after update {learner.version}: expected the sampler's greedy tokens to be the trainer's, within "
            f"{TOLERANCE[device.type]} in log-probability, got a difference of {difference:.4f}"
        )
    return difference
