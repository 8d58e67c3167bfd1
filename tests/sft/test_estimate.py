"""The dry run's figures against what a run really holds."""

import pytest

from rotbot.sft.estimate import estimate, first_pack
from rotbot.sft.run import build_run
from rotbot.sft.trainer import train_step


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weights_gradients_and_optimizer_state_are_those_of_a_step(make_config, optimizer):
    run = build_run(make_config("schedule.steps=1", f"optimizer.name={optimizer}"))
    memory = estimate(run)
    train_step(run, 0, 1.0)
    weights = sum(p.numel() * 4 for p in run.model.parameters())
    adam = [t for entry in run.optimizers.adamw.state.values() for k, t in entry.items() if k != "step"]
    muon = [] if run.optimizers.muon is None else run.optimizers.muon.state_dict()["buffers"]
    assert memory.weights == memory.gradients == weights
    assert memory.optimizer == 4 * sum(t.numel() for t in (*adam, *muon))
    assert memory.total == memory.weights + memory.gradients + memory.optimizer + memory.activations


def test_activations_are_no_less_than_what_autograd_saves(make_config):
    import torch

    from rotbot.sft.packing import build_pack

    for recompute in ("false", "true"):
        run = build_run(make_config("schedule.steps=1", f"recompute={recompute}"))
        weights = {p.data_ptr() for p in run.model.parameters()}
        held = {}

        def keep(tensor, weights=weights, held=held):
            if tensor.data_ptr() not in weights:
                held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss, _ = run.forward(build_pack(run.train, run.stream.peek(), 512, run.pad_id))
        assert loss.requires_grad
        assert sum(held.values()) < estimate(run).activations


def test_the_first_pack_is_the_one_trained_on_first_with_its_mask(make_config):
    run = build_run(make_config("schedule.steps=1"))
    texts = first_pack(run)
    chosen = run.stream.next()
    assert len(texts) == len(chosen)
    for text, index in zip(texts, chosen, strict=True):
        given, _, learned = text.partition("⟦")
        assert given.endswith("<|im_start|>assistant\n<think>\n")
        assert learned.endswith("<|im_end|>⟧")
        assert run.tokenizer.decode(run.train.tokens(index)) == given + learned[:-1]
