"""Adapters: the packed forward counts them as torchtune does, training moves them alone, the export has them merged."""

import pytest
import torch
import torch.nn.functional as F

from rotbot.errors import ConfigError
from rotbot.sft.checkpoint import list_checkpoints, load_checkpoint
from rotbot.sft.packing import build_pack
from rotbot.sft.run import build_run
from rotbot.sft.trainer import train

LORA = ["lora.rank=4", "lora.alpha=16", "optimizer.name=adamw", "optimizer.lr=0.02", "optimizer.weight_decay=0"]


@pytest.fixture
def base(make_config, tmp_path):
    """A model folder to adapt, trained for one step."""
    return train(build_run(make_config("schedule.steps=1", f"output={tmp_path / 'base'}"))).model


def adapted(make_config, base, *more):
    return build_run(make_config(*LORA, f"model.init={base}", "schedule.steps=6", "save_every=3", *more))


def test_an_adapter_needs_a_model_and_adamw(make_config):
    with pytest.raises(ConfigError, match=r"model.init: expected a model to adapt \(lora.rank\), got none"):
        make_config(*LORA, "schedule.steps=1")
    with pytest.raises(ConfigError, match=r"optimizer.name: expected adamw with lora.rank, got muon"):
        make_config("lora.rank=4", "model.init=x", "schedule.steps=1")


def test_adapters_count_as_in_torchtunes_own_forward_with_recomputation_too(make_config, base):
    run = adapted(make_config, base, "recompute=true")
    generator = torch.Generator().manual_seed(0)
    for name, parameter in run.model.named_parameters():
        if name.endswith("lora_b.weight"):
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    chosen = (0, 1, 2)
    loss, _ = run.forward(build_pack(run.train, chosen, 512, run.pad_id))
    loss.backward()
    ours = {n: p.grad.clone() for n, p in run.model.named_parameters() if p.requires_grad}
    run.model.zero_grad()
    expected = torch.zeros(())
    for i in chosen:
        ids, prompt = torch.from_numpy(run.train.tokens(i)).long(), run.train.prompt_length(i)
        expected = expected + F.cross_entropy(run.model(ids[None])[0, prompt - 1 : -1], ids[prompt:], reduction="sum")
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert ours.keys() == {n for n, _ in run.model.named_parameters() if ".lora_" in n}
    for name, parameter in run.model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-3, atol=1e-4)


def test_training_moves_adapters_alone_and_exports_a_plain_merged_model(make_config, base, tmp_path):
    from transformers import AutoModelForCausalLM

    run = adapted(make_config, base)
    before = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    result = train(run)
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, before[name]) == (".lora_" not in name), name
    checkpoints = run.folder / "checkpoints"
    saved = load_checkpoint(checkpoints, list_checkpoints(checkpoints)[-1])["model"]
    assert all(".lora_" in name for name in saved)
    assert run.trained_parameters() == sum(value.numel() for value in saved.values()) < run.parameters() / 2

    merged = AutoModelForCausalLM.from_pretrained(result.model)
    plain = AutoModelForCausalLM.from_pretrained(base)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    ids = torch.from_numpy(run.train.tokens(0)).long()[None]
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, run.model(ids), rtol=1e-4, atol=1e-4)
        assert (merged(ids).logits - plain(ids).logits).abs().max() > 0.01


def test_a_resumed_run_of_adapters_ends_in_the_same_weights(make_config, base, tmp_path):
    from safetensors.torch import load_file

    whole = train(adapted(make_config, base, f"output={tmp_path / 'whole'}"))

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == 5:
            raise Stop

    with pytest.raises(Stop):
        train(adapted(make_config, base, f"output={tmp_path / 'broken'}", "log_every=1"), watch=stop)
    again = train(adapted(make_config, base, f"output={tmp_path / 'broken'}"), resume=True)
    expected, got = (load_file(r.model / "model.safetensors") for r in (whole, again))
    assert all(torch.equal(got[name], value) for name, value in expected.items())
