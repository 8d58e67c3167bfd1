"""Advantages: by hand, against TRL's own, and what they must never do."""

import pytest
import torch

from rotbot.errors import InputError
from rotbot.rl.advantages import gate_after_first_false, has_signal, outcome_advantages, process_advantages


def test_outcome_by_hand():
    """Rewards 0, 1, 2: mean 1, standard deviation 1. Rewards 3, 3, 3: no signal."""
    rewards = torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0]], dtype=torch.float64)
    unit = 1 / 1.0001
    assert outcome_advantages(rewards).tolist() == [pytest.approx([-unit, 0, unit]), [0, 0, 0]]
    assert outcome_advantages(rewards, scale_by_std=False).tolist() == [[-1, 0, 1], [0, 0, 0]]
    assert has_signal(rewards).tolist() == [True, False]


def test_equal_rewards_that_round_are_still_no_signal():
    rewards = torch.full((1, 3), 0.1)
    assert outcome_advantages(rewards).tolist() == [[0, 0, 0]]


def test_process_by_hand():
    """DeepSeekMath, 4.1.3. Rewards 1, 0 | 1, 1, 1, 0 of two completions: mean 2/3, standard deviation sqrt(4/15).

    A token sums what ends at it or later: the first completion's steps end with tokens 1 and 3.
    """
    spans = [[(0, 2), (2, 4)], [(0, 1), (1, 2), (2, 3), (3, 4)]]
    rewards = [[1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]
    std = (4 / 15) ** 0.5 + 1e-4
    good, bad = (1 / 3) / std, (-2 / 3) / std
    advantages = process_advantages(rewards, spans, samples=2, length=6)
    assert advantages.dtype == torch.float64
    assert advantages.tolist() == [
        pytest.approx([good + bad, good + bad, bad, bad, 0, 0]),
        pytest.approx([3 * good + bad, 2 * good + bad, good + bad, bad, 0, 0]),
    ]
    unscaled = process_advantages(rewards, spans, samples=2, length=6, scale_by_std=False)
    assert unscaled[0].tolist() == pytest.approx([-1 / 3, -1 / 3, -2 / 3, -2 / 3, 0, 0])


def test_process_of_one_step_each_is_the_outcome():
    rewards = torch.tensor([[0.0, 1.0, 0.5], [0.2, 0.9, 0.1]], dtype=torch.float64)
    steps = [[float(r)] for r in rewards.flatten()]
    advantages = process_advantages(steps, [[(0, 4)]] * 6, samples=3, length=4)
    torch.testing.assert_close(advantages, outcome_advantages(rewards).view(6, 1).expand(6, 4), rtol=0, atol=1e-15)


def test_groups_are_normalized_apart_and_equal_ones_have_no_signal():
    steps = [[1.0], [0.0], [5.0], [5.0], [], []]
    spans = [[(0, 1)]] * 4 + [[], []]
    advantages = process_advantages(steps, spans, samples=2, length=1)
    half = 0.5 / (0.5**0.5 + 1e-4)
    assert advantages[:, 0].tolist() == [pytest.approx(half), pytest.approx(-half), 0, 0, 0, 0]


def test_nothing_good_after_the_first_false_step():
    advantages = torch.tensor([[1.0, 2.0, 3.0, -1.0], [1.0, 2.0, 3.0, -1.0], [1.0, 2.0, -3.0, 4.0]])
    gated = gate_after_first_false(advantages, [2, None, 0])
    assert gated.tolist() == [[1, 2, 0, -1], [1, 2, 3, -1], [0, 0, -3, 0]]
    assert advantages[0, 2] == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: outcome_advantages(torch.zeros(3)), r"expected \[groups, samples\] with 2 samples or more, got \[3\]"),
        (lambda: outcome_advantages(torch.zeros(3, 1)), r"with 2 samples or more, got \[3, 1\]"),
        (
            lambda: process_advantages([[1.0]], [[(0, 1)]], 2, 1),
            "rewards and spans of groups of 2, got 1 rewards and 1",
        ),
        (lambda: process_advantages([[1.0]], [[(0, 3)]], 1, 2), r"in order within 2 tokens, got \[\(0, 3\)\]"),
        (lambda: process_advantages([[1.0]], [[(1, 1)]], 1, 2), r"in order within 2 tokens, got \[\(1, 1\)\]"),
        (lambda: process_advantages([[1.0, 2.0]], [[(0, 1)]], 1, 2), "a span for each of 2 rewards, got 1"),
        (lambda: gate_after_first_false(torch.zeros(2, 3), [None]), "expected 2 entries, one a completion, got 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
