"""The packed forward against torchtune's own, sample by sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rotbot.models.config import size
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.sft.data import Samples
from rotbot.sft.forward import PackedForward
from rotbot.sft.packing import build_pack

LENGTHS, PROMPTS = (23, 40, 31, 5, 17), (7, 10, 3, 2, 9)


def make_model(tied=True):
    small = replace(
        size("tiny"), vocab_size=96, dim=64, layers=2, heads=4, kv_heads=2, head_dim=16, ffn_dim=96, tied=tied
    )
    model = build_qwen3(small)
    init_weights(model, 0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # norm scales too: all ones would hide a wrong order of norm and rotation
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return model, small


def make_samples(change=None):
    ids = np.random.default_rng(0).integers(0, 96, sum(LENGTHS)).astype(np.int32)
    if change is not None:
        ids[change] = (ids[change] + 1) % 96
    return Samples(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), np.array(PROMPTS), 0)


def one_by_one(model, samples, chosen):
    """The unpacked truth: every sample alone through the torchtune module, loss on its completion."""
    total = torch.zeros(())
    for i in chosen:
        tokens = torch.from_numpy(samples.tokens(i)).long()[None]
        prompt = samples.prompt_length(i)
        total = total + F.cross_entropy(model(tokens)[0, prompt - 1 : -1], tokens[0, prompt:], reduction="sum")
    return total


def gradients(model):
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return grads


@pytest.mark.parametrize("way", ["recompute", "fused_attention", "head in parts"])
def test_ways_to_save_memory_change_neither_loss_nor_gradients(way, monkeypatch):
    model, small = make_model()
    pack = build_pack(make_samples(), (3, 0, 4, 1, 2), 128, 0)
    plain, plain_correct = PackedForward(model, small, torch.float32, compile=False)(pack)
    plain.backward()
    expected = gradients(model)
    if way == "head in parts":
        monkeypatch.setattr("rotbot.sft.forward.HEAD_LOGITS", 96 * 10)  # ten rows of 96 logits
        forward = PackedForward(model, small, torch.float32, compile=False)
    else:
        forward = PackedForward(model, small, torch.float32, compile=False, **{way: True})
    loss, correct = forward(pack)
    loss.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)
    assert torch.equal(correct, plain_correct)
    got = gradients(model)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_packed_loss_and_gradients_equal_unpacked(tied):
    model, small = make_model(tied)
    samples = make_samples()
    packed, _ = PackedForward(model, small, torch.float32, compile=False)(build_pack(samples, (3, 0, 4, 1, 2), 128, 0))
    packed.backward()
    ours = gradients(model)
    unpacked = one_by_one(model, samples, range(5))
    unpacked.backward()
    theirs = gradients(model)
    assert packed.item() == pytest.approx(unpacked.item(), rel=1e-6)
    assert ours.keys() == theirs.keys()
    for name, grad in theirs.items():
        torch.testing.assert_close(ours[name], grad, rtol=1e-4, atol=1e-5 * grad.abs().max().item(), msg=name)


def test_neighbours_in_a_pack_do_not_touch_each_other():
    model, small = make_model()
    forward = PackedForward(model, small, torch.float32, compile=False)
    first, later = slice(0, 23), slice(23, 116)
    with torch.no_grad():
        whole = forward(build_pack(make_samples(), tuple(range(5)), 128, 0))[0]
        changed_neighbour = forward(build_pack(make_samples(change=first), tuple(range(5)), 128, 0))[0]
        change = one_by_one(model, make_samples(change=first), [0]) - one_by_one(model, make_samples(), [0])
        assert change.abs() > 0.1
        assert (changed_neighbour - whole).item() == pytest.approx(change.item(), abs=1e-3)
        alone = forward(build_pack(make_samples(), (0,), 128, 0))[0]
        alone_again = forward(build_pack(make_samples(change=later), (0,), 128, 0))[0]
    assert alone.item() == alone_again.item()


def test_padding_has_no_effect():
    model, small = make_model()
    forward = PackedForward(model, small, torch.float32, compile=False)
    with torch.no_grad():
        losses = [
            forward(build_pack(make_samples(), (0, 1), *rest))[0].item() for rest in ((63, 0), (300, 0), (300, 7))
        ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    assert losses[2] == pytest.approx(losses[0], rel=1e-6)


def test_correct_marks_the_likeliest_tokens():
    model, small = make_model()
    samples = make_samples()
    _, correct = PackedForward(model, small, torch.float32, compile=False)(build_pack(samples, (1,), 64, 0))
    tokens = torch.from_numpy(samples.tokens(1)).long()
    expected = model(tokens[None])[0, 9:-1].argmax(-1) == tokens[10:]
    assert correct.tolist() == expected.tolist()


def test_bfloat16_products_stay_close():
    model, small = make_model()
    pack = build_pack(make_samples(), tuple(range(5)), 128, 0)
    exact, _ = PackedForward(model, small, torch.float32, compile=False)(pack)
    close, _ = PackedForward(model, small, torch.bfloat16, compile=False)(pack)
    assert close.dtype == torch.float32
    assert close.item() == pytest.approx(exact.item(), rel=5e-3)
    assert close.item() != exact.item()


@pytest.mark.slow
def test_compiled_equals_eager():
    model, small = make_model()
    pack = build_pack(make_samples(), tuple(range(5)), 128, 0)
    results = []
    for compile_it in (False, True):
        loss, correct = PackedForward(model, small, torch.float32, compile=compile_it)(pack)
        loss.backward()
        results.append((loss.item(), correct.tolist(), gradients(model)))
    (loss, correct, grads), (fast_loss, fast_correct, fast_grads) = results
    assert fast_loss == pytest.approx(loss, rel=1e-6)
    assert fast_correct == correct
    for name, grad in grads.items():
        torch.testing.assert_close(fast_grads[name], grad, rtol=1e-4, atol=1e-5 * grad.abs().max().item(), msg=name)
