"""The torchforge adapter against a stand-in of its two contracts: torchforge itself cannot be installed here."""

from __future__ import annotations

from statistics import fmean

import pytest

from rotbot.errors import InputError
from rotbot.problem import Problem
from rotbot.rl.forge import samples, shape_reward

TWO = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
LUCKY = "step 0: relu | [16] -> [16]\n</think>\nfinal: [4, 16]"


class RewardActor:
    """torchforge's signatures: reward functions ``(prompt, response, target) -> float``, their plain mean."""

    def __init__(self, reward_functions):
        self.reward_functions = reward_functions

    def evaluate_response(self, prompt: str, response: str, target: str) -> float:
        rewards = {f.__name__: f(prompt, response, target) for f in self.reward_functions}
        return fmean(rewards.values())


def test_samples_and_rewards_fit_the_signatures():
    row = {"code": TWO.code, "args": dict(TWO.args), "target": TWO.target, "completion": "not used"}
    (sample,) = samples([row], template=lambda text: f"<|im_start|>user\n{text}<|im_end|>\n")
    assert set(sample) == {"request", "target"}
    assert sample["request"] == f"<|im_start|>user\n{TWO.prompt()}<|im_end|>\n"
    actor = RewardActor([shape_reward()])
    assert actor.evaluate_response(sample["request"], TWO.truth().completion(), sample["target"]) == 1.0
    assert actor.evaluate_response(sample["request"], LUCKY, sample["target"]) == 0.0
    assert RewardActor([shape_reward("final-only")]).evaluate_response("", LUCKY, sample["target"]) == 1.0
    assert shape_reward().__name__ == "shape_reward"


def test_errors():
    with pytest.raises(InputError, match="row 1: row: expected the columns code"):
        list(samples([{"prompt": TWO.prompt()}, {}]))
    with pytest.raises(InputError, match="expected three lines"):
        shape_reward()("", "", "no problem")
