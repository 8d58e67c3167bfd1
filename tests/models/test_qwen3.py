import math

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rotbot.models import build_qwen3, init_weights, to_transformers


def reference(model, config):
    theirs = Qwen3ForCausalLM(Qwen3Config(**config.to_transformers())).eval()
    missing, unexpected = theirs.load_state_dict(to_transformers(model.state_dict(), config), strict=False)
    assert not unexpected
    assert missing == (["lm_head.weight"] if config.tied else [])
    return theirs


def test_logits_are_those_of_transformers(model, config):
    tokens = torch.randint(0, config.vocab_size, (2, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = model(tokens), reference(model, config)(tokens).logits
    assert ours.std() > 0.3  # the comparison is of something
    assert (ours - theirs).abs().max() < 1e-5


def test_gradients_are_those_of_transformers(make_config, make_model):
    config = make_config(tied=True)
    model = make_model(config)
    tokens = torch.randint(0, config.vocab_size, (1, 20), generator=torch.Generator().manual_seed(2))
    theirs = reference(model, config)
    for logits in (model(tokens), theirs(tokens).logits):
        torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:]).backward()
    expected = dict(theirs.named_parameters())
    ours = to_transformers({name: p.grad for name, p in model.named_parameters()}, config)
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name].grad, rtol=1e-4, atol=1e-6)


def test_packed_documents_read_as_if_alone(make_config, make_model):
    """A boolean block-causal mask and restarted positions keep documents in one row apart."""
    model = make_model(make_config(tied=True))
    lengths = (7, 1, 12, 5)
    documents = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    positions = torch.cat([torch.arange(n) for n in lengths])
    total = sum(lengths)
    tokens = torch.randint(0, 400, (1, total), generator=torch.Generator().manual_seed(3))
    mask = (documents[:, None] == documents[None, :]) & torch.ones(total, total, dtype=torch.bool).tril()
    with torch.no_grad():
        packed = model(tokens, mask=mask[None], input_pos=positions[None])
        alone = torch.cat([model(part) for part in tokens.split(lengths, dim=1)], dim=1)
        plain = model(tokens)
    torch.testing.assert_close(packed, alone, rtol=0, atol=1e-5)
    assert (plain - alone).abs().max() > 1e-2  # and without the mask they would not be


def test_a_later_token_changes_nothing_before_it(make_config, make_model):
    model = make_model(make_config(tied=False))
    tokens = torch.randint(0, 400, (1, 16), generator=torch.Generator().manual_seed(4))
    other = tokens.clone()
    other[0, 10] = (other[0, 10] + 1) % 400
    with torch.no_grad():
        one, two = model(tokens), model(other)
    assert torch.equal(one[:, :10], two[:, :10])
    assert not torch.equal(one[:, 10], two[:, 10])


def test_init_depends_on_the_seed_alone_and_scales_residual_writers(make_config):
    config = make_config(tied=True)
    models = [build_qwen3(config) for _ in range(3)]
    for model, seed, noise in zip(models, (5, 5, 6), (0, 1, 2), strict=True):
        torch.manual_seed(noise)
        init_weights(model, seed)
    one, same, other = (dict(m.named_parameters()) for m in models)
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert not torch.equal(one["layers.0.mlp.w1.weight"], other["layers.0.mlp.w1.weight"])
    assert one["layers.1.mlp.w1.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert one["layers.1.mlp.w2.weight"].std().item() == pytest.approx(0.02 / math.sqrt(6), rel=0.05)
    assert one["layers.2.attn.output_proj.weight"].std().item() == pytest.approx(0.02 / math.sqrt(6), rel=0.05)
    assert torch.equal(one["layers.0.attn.q_proj.norm.scale"], torch.ones(32))


def test_an_untrained_model_guesses_evenly(make_config):
    config = make_config(tied=True)
    model = build_qwen3(config)
    init_weights(model, seed=0)
    tokens = torch.randint(0, 400, (1, 64), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(tokens)[0, :-1], tokens[0, 1:]).item()
    assert loss == pytest.approx(math.log(400), abs=0.1)
