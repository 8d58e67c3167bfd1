"""Muon against its definition in float64, and who optimizes what."""

import pytest
import torch
from torch import nn

from rotbot.models.config import ModelConfig
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.sft.config import OptimizerSection
from rotbot.sft.optim import Muon, build_optimizers, orthogonalize


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 32, 96), (2, 96, 32)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_orthogonalize_is_near_the_polar_factor(shape, dtype):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = orthogonalize(matrices, dtype).double()
    assert result.shape == shape
    u, s, vh = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ result @ vh.mT  # diagonal, with the new singular values
    values = torch.linalg.svdvals(result)
    large = s > 0.05 * s[:, :1]
    assert values.max() < 1.3
    assert torch.diagonal(inside, dim1=1, dim2=2)[large].min() > 0.6
    off_diagonal = inside - torch.diag_embed(torch.diagonal(inside, dim1=1, dim2=2))
    assert off_diagonal.abs().max() < (1e-9 if dtype == torch.float64 else 0.05)


def test_orthogonalize_takes_each_matrix_by_itself():
    batch = torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = orthogonalize(batch, torch.float64)
    for i in range(3):
        torch.testing.assert_close(orthogonalize(1000 * batch[i : i + 1], torch.float64)[0], together[i])


def test_muon_steps_follow_the_definition():
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 24), (24, 16), (16, 24), (8, 8)]
    parameters = [nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    expected = [p.detach().double().clone() for p in parameters]
    buffers = [torch.zeros_like(e) for e in expected]
    muon = Muon(parameters, momentum=0.9, weight_decay=0.1, dtype=torch.float32)
    for lr in (0.02, 0.01):
        grads = [torch.randn(s, generator=generator) for s in shapes]
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad.clone()
        muon.step(lr)
        for i, grad in enumerate(grads):
            buffers[i] = 0.9 * buffers[i] + 0.1 * grad.double()
            nesterov = 0.1 * grad.double() + 0.9 * buffers[i]
            update = orthogonalize(nesterov[None], torch.float64)[0]
            expected[i] = expected[i] * (1 - lr * 0.1) - lr * 0.2 * max(shapes[i]) ** 0.5 * update
    for parameter, value in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.detach().double(), value, rtol=1e-4, atol=1e-5)


def test_a_large_eps_makes_adamw_gradient_descent():
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizers = build_optimizers(model, OptimizerSection("adamw", eps=1e4), torch.float32)
    model.weight.grad = torch.tensor([1.0, -2.0, 0.5])
    optimizers.step(0.0, 1e3)
    torch.testing.assert_close(model.weight.detach(), torch.tensor([0.9, 2.2, 2.95]), rtol=0, atol=1e-4)


def small_model():
    model = build_qwen3(ModelConfig(vocab_size=64, dim=32, layers=2, heads=2, kv_heads=1, head_dim=16, ffn_dim=48))
    init_weights(model, 0)
    return model


def test_matrices_go_to_muon_and_the_rest_to_adamw_undecayed():
    model = small_model()
    optimizers = build_optimizers(model, OptimizerSection("muon"), torch.float32)
    names = {id(p): n for n, p in model.named_parameters()}
    muon = {names[id(p)] for p in optimizers.muon.parameters}
    rest = {names[id(p)] for group in optimizers.adamw.param_groups for p in group["params"]}
    assert len(muon) == 2 * 7
    assert all(n.startswith("layers.") and n.endswith("weight") for n in muon)
    assert rest == set(names.values()) - muon
    assert "tok_embeddings.weight" in rest
    assert [group["weight_decay"] for group in optimizers.adamw.param_groups] == [0.0]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_state_round_trip_gives_the_same_next_step(name):
    def steps(model, optimizers, first, last):
        for step in range(first, last):
            generator = torch.Generator().manual_seed(step)
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizers.step(0.01, 0.02)
            assert all(p.grad is None for p in model.parameters())

    def build(model):
        return build_optimizers(model, OptimizerSection(name), torch.bfloat16)

    unbroken = small_model()
    steps(unbroken, build(unbroken), 0, 4)
    first, second = small_model(), small_model()
    optimizers = build(first)
    steps(first, optimizers, 0, 2)
    second.load_state_dict(first.state_dict())
    restored = build(second)
    restored.load_state_dict(optimizers.state_dict())
    steps(second, restored, 2, 4)
    for parameter, expected in zip(second.parameters(), unbroken.parameters(), strict=True):
        assert torch.equal(parameter, expected)
