"""The policy losses: cases worked by hand, invariances, gradients by finite differences."""

from math import exp, log

import pytest
import torch

from rotbot.errors import ConfigError, InputError
from rotbot.rl.advantages import outcome_advantages
from rotbot.rl.config import LossConfig
from rotbot.rl.loss import add_up, completion_mask, policy_loss, step_normalizer

KINDS = ("grpo", "dr_grpo", "dapo", "gspo", "cispo")


def config(kind="grpo", **values):
    return LossConfig(kind, **({"max_length": 8} if kind == "dr_grpo" else {}) | values)


def draw(rows=6, length=8, seed=0):
    """Log-probabilities, old ones near them, advantages and a ragged mask."""
    g = torch.Generator().manual_seed(seed)
    logprobs = -3 * torch.rand(rows, length, generator=g, dtype=torch.float64)
    old = logprobs + 0.2 * torch.randn(rows, length, generator=g, dtype=torch.float64)
    advantages = torch.randn(rows, length, generator=g, dtype=torch.float64)
    lengths = torch.randint(1, length + 1, (rows,), generator=g).tolist()
    return logprobs, old, advantages, completion_mask(lengths, length)


def gradient(logprobs, *args, **options):
    leaf = logprobs.clone().requires_grad_()
    policy_loss(leaf, *args, **options).loss.backward()
    return leaf.grad


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo", "gspo"])
def test_loss_is_zero_on_policy_without_kl(kind):
    logprobs = draw()[0]
    advantages = outcome_advantages(torch.tensor([[0.0, 1.0, 0.5], [0.3, 0.3, 0.9]], dtype=torch.float64)).view(6, 1)
    result = policy_loss(logprobs, logprobs, advantages, torch.ones(6, 8), config(kind))
    assert abs(result.loss.item()) < 1e-15
    assert (result.ratio_mean, result.ratio_min, result.ratio_max, result.clip_fraction) == (1.0, 1.0, 1.0, 0.0)
    assert gradient(logprobs, logprobs, advantages, torch.ones(6, 8), config(kind)).abs().max() > 1e-3


def test_cispo_on_policy_has_dapos_gradient():
    logprobs, _, advantages, mask = draw()
    cispo, dapo = (gradient(logprobs, logprobs, advantages, mask, config(kind)) for kind in ("cispo", "dapo"))
    torch.testing.assert_close(cispo, dapo, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_add_up(kind):
    logprobs, old, advantages, mask = draw()
    reference = old - 0.1
    whole = policy_loss(logprobs, old, advantages, mask, config(kind, beta=0.1), reference_logprobs=reference)
    normalizer = step_normalizer(config(kind), 6, int(mask.sum()))
    for cut in ((1, 5), (2, 2, 2), (1, 1, 1, 1, 1, 1)):
        parts = [
            policy_loss(*rows[:4], config(kind, beta=0.1), reference_logprobs=rows[4], normalizer=normalizer)
            for rows in zip(*(t.split(cut) for t in (logprobs, old, advantages, mask, reference)), strict=True)
        ]
        total = add_up(parts)
        assert total.loss.item() == pytest.approx(whole.loss.item(), abs=1e-15)
        assert total.tokens == whole.tokens
        for name in ("kl", "clip_fraction", "ratio_mean", "ratio_min", "ratio_max"):
            assert getattr(total, name) == pytest.approx(getattr(whole, name), abs=1e-14), name


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing_whatever_it_holds(kind):
    logprobs, old, advantages, mask = draw()
    options = {"reference_logprobs": old - 0.1, "sampler_logprobs": old + 0.05}
    settings = config(kind, beta=0.1, truncate_is=1.01)

    def padded(values):
        wide = torch.full((6, 13), float("nan"), dtype=torch.float64)
        wide[:, :8] = values.masked_fill(~mask, float("nan"))
        return wide

    wide_mask = torch.zeros(6, 13, dtype=torch.bool)
    wide_mask[:, :8] = mask
    narrow = gradient(logprobs, old, advantages, mask, settings, **options)
    wide_options = {name: padded(values) for name, values in options.items()}
    wide = gradient(padded(logprobs), padded(old), padded(advantages), wide_mask, settings, **wide_options)
    torch.testing.assert_close(wide[:, :8], narrow, rtol=0, atol=1e-16)
    assert not wide[:, 8:].any()
    assert not narrow[~mask].any()


@pytest.mark.parametrize("kind", KINDS)
def test_end_of_sequence_is_trained_where_padding_is_the_same_token(kind):
    eos = 2
    tokens = torch.tensor([[5, 6, eos, eos], [7, eos, eos, eos]])
    mask = completion_mask([3, 2], 4)
    logprobs = torch.full((2, 4), -1.0, dtype=torch.float64)
    grads = gradient(logprobs, logprobs, torch.ones(2, 1), mask, config(kind))
    assert [row.tolist() for row in tokens.where(grads != 0, -1)] == [[5, 6, eos, -1], [7, eos, -1, -1]]


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("grpo", [[1 / 8, 1 / 8, 1 / 8, 1 / 8], [1 / 2, 0, 0, 0]]),  # every completion counts the same
        ("gspo", [[1 / 8, 1 / 8, 1 / 8, 1 / 8], [1 / 2, 0, 0, 0]]),
        ("dr_grpo", [[1 / 16, 1 / 16, 1 / 16, 1 / 16], [1 / 16, 0, 0, 0]]),  # every token, over a constant
        ("dapo", [[1 / 5, 1 / 5, 1 / 5, 1 / 5], [1 / 5, 0, 0, 0]]),  # every token
        ("cispo", [[1 / 5, 1 / 5, 1 / 5, 1 / 5], [1 / 5, 0, 0, 0]]),
    ],
)
def test_what_a_token_counts(kind, weights):
    logprobs = torch.full((2, 4), -1.0, dtype=torch.float64)
    grads = gradient(logprobs, logprobs, torch.ones(2, 1), completion_mask([4, 1], 4), config(kind))
    assert (-grads).tolist() == [pytest.approx(row) for row in weights]


def test_off_policy_by_hand():
    """Two completions; ratios 1.5, 1.1 | 0.5; advantages 2, -1 | -1; bounds 0.8 and 1.2.

    Terms: min(1.5 * 2, 1.2 * 2) = 2.4 and min(-1.1, -1.1) = -1.1 | min(-0.5, -0.8) = -0.8.
    GRPO: -((2.4 - 1.1) / 2 - 0.8) / 2 = 0.075. Gradients: 0 (clipped), 1.1 / 2 / 2 = 0.275 | 0 (clipped).
    """
    old = torch.full((2, 2), -1.0, dtype=torch.float64)
    logprobs = old + torch.tensor([[1.5, 1.1], [0.5, 1.0]], dtype=torch.float64).log()
    advantages = torch.tensor([[2.0, -1.0], [-1.0, 9.0]])
    mask = completion_mask([2, 1], 2)
    result = policy_loss(logprobs, old, advantages, mask, config(clip_low=0.2, clip_high=0.2))
    assert result.loss.item() == pytest.approx(0.075, abs=1e-7)
    assert result.clip_fraction == pytest.approx(2 / 3)
    assert (result.ratio_min, result.ratio_max) == (pytest.approx(0.5), pytest.approx(1.5))
    grads = gradient(logprobs, old, advantages, mask, config(clip_low=0.2, clip_high=0.2))
    assert grads.tolist() == [pytest.approx([0, 0.275]), [0, 0]]
    # DAPO lets the first ratio go to 1.28 and counts three tokens: -(2.56 - 1.1 - 0.8) / 3.
    assert policy_loss(logprobs, old, advantages, mask, config("dapo")).loss.item() == pytest.approx(-0.22, abs=1e-7)
    # Dr. GRPO divides by 2 completions of 8 tokens: -(2.4 - 1.1 - 0.8) / 16.
    dr_grpo = config("dr_grpo", clip_low=0.2, clip_high=0.2)
    assert policy_loss(logprobs, old, advantages, mask, dr_grpo).loss.item() == pytest.approx(-0.03125, abs=1e-7)
    # GSPO: the first completion's ratio is sqrt(1.5 * 1.1) = 1.28..., above its bound for 2 and below for -1.
    ratio = (1.5 * 1.1) ** 0.5
    gspo = config("gspo", clip_low=0.2, clip_high=0.2)
    expected = -((2 * 1.2 - ratio) / 2 - 0.8) / 2
    assert policy_loss(logprobs, old, advantages, mask, gspo).loss.item() == pytest.approx(expected, abs=1e-7)
    # CISPO caps the weight of the first token at 1.2 and keeps every gradient: -weight * advantage / 3.
    cispo = gradient(logprobs, old, advantages, mask, config("cispo", clip_high=0.2))
    assert cispo.tolist() == [pytest.approx([-1.2 * 2 / 3, 1.1 / 3]), pytest.approx([0.5 / 3, 0])]


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo", "gspo"])
@pytest.mark.parametrize(
    ("advantage", "ratio_place", "trained"),
    [
        (1, "above", False),
        (1, "below", True),
        (-1, "above", True),
        (-1, "below", False),
        (1, "in", True),
        (-1, "in", True),
    ],
)
def test_clipping_bounds_what_can_be_gained(kind, advantage, ratio_place, trained):
    low, high = config(kind).clip_range
    ratio = {"above": 1 + high * 1.01, "below": 1 - low * 1.01, "in": 1 + high * 0.99}[ratio_place]
    old = torch.full((1, 3), -2.0, dtype=torch.float64)
    logprobs = old + log(ratio)
    arguments = (old, torch.full((1, 1), float(advantage)), torch.ones(1, 3), config(kind))
    assert bool(gradient(logprobs, *arguments).any()) == trained
    result = policy_loss(logprobs, *arguments)
    assert result.clip_fraction == (0.0 if trained else 1.0)
    if not trained:
        bound = 1 + high if advantage > 0 else 1 - low
        assert result.loss.item() == pytest.approx(-advantage * bound * (3 / 8 if kind == "dr_grpo" else 1))


@pytest.mark.parametrize("kl", ["k2", "k3", "k3_weighted"])
@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo"])
def test_gradients_by_finite_differences(kind, kl):
    logprobs, old, advantages, mask = draw(3, 5)
    leaf = logprobs.requires_grad_()
    options = {"reference_logprobs": old - 0.1, "sampler_logprobs": old + 0.05}
    settings = config(kind, beta=0.3, kl=kl, truncate_is=1.0)

    def loss(x):
        return policy_loss(x, old, advantages, mask, settings, **options).loss

    assert torch.autograd.gradcheck(loss, (leaf,), eps=1e-6, atol=1e-8)


def test_gspo_by_finite_differences():
    """With one advantage a completion: GSPO-token's gradients are those of the sequence's ratio itself."""
    logprobs, old, advantages, mask = draw(4, 5)

    def by_definition(x):
        ratio = (((x - old) * mask).sum(1) / mask.sum(1)).exp()
        a = advantages[:, 0]
        return -torch.minimum(ratio * a, ratio.clamp(1 - 0.3, 1 + 0.3) * a).mean()

    expected = torch.autograd.functional.jacobian(by_definition, logprobs)
    ours = gradient(logprobs, old, advantages[:, :1], mask, config("gspo", clip_low=0.3, clip_high=0.3))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-15)
    step = 1e-6 * torch.ones(4, 5).masked_fill(~mask, 0)
    slope = (by_definition(logprobs + step) - by_definition(logprobs - step)) / 2e-6
    assert ours.sum().item() == pytest.approx(slope.item(), abs=1e-8)


def test_gspo_gives_each_token_its_own_advantage():
    old = torch.full((1, 2), -1.0, dtype=torch.float64)
    grads = gradient(old, old, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2), config("gspo"))
    assert grads.tolist() == [[-0.5, 0.0]]


def test_truncated_importance_sampling_by_hand():
    """Weights of the trainer's to the sampler's probabilities 3, 1.5 and 0.5 under a cap of 2: 2, 1.5, 0.5."""
    old = torch.full((1, 3), -2.0, dtype=torch.float64)
    sampler = old - torch.tensor([[3.0, 1.5, 0.5]], dtype=torch.float64).log()
    settings = config("dapo", truncate_is=2.0)
    grads = gradient(old, old, torch.ones(1, 1), torch.ones(1, 3), settings, sampler_logprobs=sampler)
    assert (-3 * grads).tolist() == [pytest.approx([2.0, 1.5, 0.5])]
    result = policy_loss(old, old, torch.ones(1, 1), torch.ones(1, 3), settings, sampler_logprobs=sampler)
    assert result.truncated_fraction == pytest.approx(1 / 3)
    assert result.mismatch == pytest.approx((log(3) + log(1.5) + log(2)) / 3)


@pytest.mark.parametrize(
    ("kl", "direction"), [("k1", "forward"), ("k2", "forward"), ("k3_weighted", "forward"), ("k3", "backward")]
)
def test_mean_gradient_of_the_penalty_over_all_tokens(kl, direction):
    """The expectation is exact: every token of a small vocabulary once, weighted by its probability."""
    g = torch.Generator().manual_seed(3)
    logits = torch.randn(7, generator=g, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(7, generator=g, dtype=torch.float64).log_softmax(0)

    def divergence(x):
        policy = x.log_softmax(0)
        forward, backward = policy.exp() * (policy - reference), reference.exp() * (reference - policy)
        return (forward if direction == "forward" else backward).sum()

    expected = torch.autograd.functional.jacobian(divergence, logits.detach())
    policy = logits.log_softmax(0)
    mean = torch.zeros(())
    for token in range(7):
        row, ref = policy[token].view(1, 1), reference[token].view(1, 1)
        settings = config(beta=1.0, kl=kl)
        part = policy_loss(row, row.detach(), torch.zeros(1, 1), torch.ones(1, 1), settings, reference_logprobs=ref)
        mean = mean + policy[token].exp().detach() * part.loss
    mean.backward()
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=1e-14)


def test_kl_is_reported_as_its_mean_over_tokens():
    old = torch.tensor([[-1.0, -2.0, -9.0]], dtype=torch.float64)
    reference = torch.tensor([[-1.5, -1.0, 7.0]], dtype=torch.float64)
    mask = completion_mask([2], 3)
    for kl, expected in (("k1", (0.5 - 1) / 2), ("k2", (0.125 + 0.5) / 2), ("k3", (exp(-0.5) - 0.5 + exp(1) - 2) / 2)):
        result = policy_loss(old, old, torch.zeros(1, 1), mask, config(kl=kl), reference_logprobs=reference)
        assert result.kl == pytest.approx(expected)


def test_a_batch_without_tokens_is_a_loss_of_zero():
    logprobs = torch.zeros(2, 3, requires_grad=True)
    result = policy_loss(logprobs, torch.zeros(2, 3), torch.ones(2, 1), torch.zeros(2, 3), config("dapo"))
    result.loss.backward()
    assert (result.loss.item(), result.tokens, result.ratio_mean) == (0.0, 0, 1.0)
    assert not logprobs.grad.any()


def test_errors_say_what_was_expected():
    x = torch.zeros(2, 3)
    with pytest.raises(InputError, match=r"one shape \[B, T\], got \[2, 4\] beside \[2, 3\]"):
        policy_loss(x, torch.zeros(2, 4), x, x, config())
    with pytest.raises(InputError, match=r"got \[2\] beside \[2, 3\]"):
        policy_loss(x, x, torch.zeros(2), x, config())
    with pytest.raises(InputError, match=r"got \[3\] beside \[3\]"):
        policy_loss(x[0], x[0], x[0], x[0], config())
    with pytest.raises(InputError, match=r"loss\.beta 0\.1: expected the reference's log-probabilities, got none"):
        policy_loss(x, x, x, x, config(beta=0.1))
    with pytest.raises(InputError, match=r"loss\.truncate_is: expected the sampler's log-probabilities, got none"):
        policy_loss(x, x, x, x, config(truncate_is=2.0))
    with pytest.raises(InputError, match="lengths: expected from 0 to 4 tokens, got 5"):
        completion_mask([2, 5], 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "ppo"}, "loss.kind: expected one of grpo, dr_grpo, dapo, gspo, cispo, got ppo"),
        ({"clip_low": 0.0}, "loss.clip_low: expected above 0, at most 1, got 0.0"),
        ({"clip_high": -1.0}, "loss.clip_high: expected a positive number, got -1.0"),
        ({"beta": -0.1}, "loss.beta: expected 0 or more, got -0.1"),
        ({"kl": "k4"}, "loss.kl: expected one of k1, k2, k3, k3_weighted, got k4"),
        ({"truncate_is": 0.0}, "loss.truncate_is: expected a positive number, got 0.0"),
        ({"kind": "dr_grpo"}, "loss.max_length: expected the most tokens of a completion, at least 1, got None"),
        ({"max_length": 0}, "loss.max_length: expected the most tokens of a completion, at least 1, got 0"),
    ],
)
def test_config_errors(values, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        LossConfig(**values)


def test_clip_ranges_are_the_published_ones_unless_given():
    assert LossConfig("dapo").clip_range == (0.2, 0.28)
    assert LossConfig("dapo", clip_low=0.1).clip_range == (0.1, 0.28)
    assert LossConfig().clip_range == (0.2, 0.2)
    assert [LossConfig(k, max_length=4).scale_by_std for k in KINDS] == [True, False, True, True, True]
    assert [LossConfig(k, max_length=4).drop_equal_groups for k in KINDS] == [False, False, True, False, False]
