"""Advantages: by hand, against TRL's own, and what they must never do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rotbot.errors import InputError
from rotbot.rl.advantages import (
    gate_after_first_false,
    has_signal,
    outcome_advantages,
    process_advantages,
    tree_advantages,
)


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


def test_tree_by_hand():
    """Four completions: all begin with 5; then three take 1 and one 2; of the three one takes 7, two take 8 and end.

    Values: of the root 1/2, after 5, 1 it is 2/3, after 5, 2 it is 0, after 5, 1, 7 it is 0, after 5, 1, 8 it is 1.
    """
    rewards = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    tokens = [[5, 1, 7, 3, 9], [5, 1, 8, 9], [5, 1, 8, 9], [5, 2, 8, 9]]
    advantages = tree_advantages(rewards, tokens, scale_by_std=False)
    assert advantages.dtype == torch.float64
    assert advantages.tolist() == [
        pytest.approx([0, 1 / 6, -2 / 3, 0, 0]),
        pytest.approx([0, 1 / 6, 1 / 3, 0, 0]),
        pytest.approx([0, 1 / 6, 1 / 3, 0, 0]),
        pytest.approx([0, -1 / 2, 0, 0, 0]),
    ]
    std = (1 / 3) ** 0.5 + 1e-4
    torch.testing.assert_close(tree_advantages(rewards, tokens), advantages / std, rtol=0, atol=1e-12)


def test_tree_of_a_completion_that_ends_where_others_go_on():
    """The one that ends has no token where the others choose, so none of its own is to blame but the one before."""
    advantages = tree_advantages(torch.tensor([[1.0, 0.0, 0.0]]), [[1], [1, 2], [1, 3]], scale_by_std=False)
    assert advantages.tolist() == [[0, 0], [0, pytest.approx(-1 / 3)], [0, pytest.approx(-1 / 3)]]


@given(
    st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=6, max_size=6),
    st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=6, max_size=6),
)
def test_tree_advantages_add_up(tokens, rewards):
    """Along a completion they telescope: from the group's mean to the mean of those with the same beginning. Equal
    groups, and tokens all agree on, have none; groups do not touch."""
    rewards_GS = torch.tensor(rewards, dtype=torch.float64).view(2, 3)
    ended = [[*row, 9] for row in tokens]
    advantages = tree_advantages(rewards_GS, ended, scale_by_std=False)
    for index, row in enumerate(ended):
        group = range(index // 3 * 3, index // 3 * 3 + 3)
        alike = [rewards[other] for other in group if ended[other] == row]
        mean = sum(rewards[other] for other in group) / 3
        assert advantages[index].sum().item() == pytest.approx(sum(alike) / len(alike) - mean, abs=1e-9)
        assert advantages[index, len(row) :].eq(0).all()
        if len({rewards[other] for other in group}) == 1:
            assert advantages[index].eq(0).all()


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
        (lambda: tree_advantages(torch.zeros(3, 1), []), r"with 2 samples or more, got \[3, 1\]"),
        (lambda: tree_advantages(torch.zeros(1, 2), [[1]]), "expected tokens of 2 completions, got 1"),
        (lambda: gate_after_first_false(torch.zeros(2, 3), [None]), "expected 2 entries, one a completion, got 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
