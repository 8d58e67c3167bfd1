"""Whole runs of a small model: it learns, it resumes bit for bit, it stops when the loss is no number."""

import json

import pytest
import torch

from rotbot.errors import ConfigError
from rotbot.sft.checkpoint import list_checkpoints, load_checkpoint
from rotbot.sft.packing import build_pack
from rotbot.sft.run import build_run
from rotbot.sft.trainer import TrainingDiverged, train, train_step


def weights(run):
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def lines(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


OVERFIT = [
    "data.train_rows=8", "data.validation_rows=8", "schedule.steps=120", "optimizer.lr=0.02", "optimizer.other_lr=0.02",
    "optimizer.weight_decay=0", "batch.step_tokens=512", "eval_every=60", "save_every=60", "log_every=20",
]  # fmt: skip


def test_learns_eight_samples_by_heart_and_writes_them_greedily(eight, make_config):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rotbot.models.tokenizer import encode_prompt

    folder, rows = eight
    run = build_run(make_config(*OVERFIT, f"data.dataset={folder}"))
    result = train(run)
    assert result.validation.loss < 0.02
    assert result.validation.exact == 1.0
    assert result.steps == 120
    seen = lines(run)
    assert [line["step"] for line in seen] == [20, 40, 60, 80, 100, 120]
    assert seen[-1]["loss"] < 0.02 < 1.0 < seen[0]["loss"]
    assert [line["step"] for line in seen if "validation_exact" in line] == [60, 120]
    assert seen[-1]["tokens"] == result.tokens

    model = AutoModelForCausalLM.from_pretrained(result.model)
    tokenizer = AutoTokenizer.from_pretrained(result.model)
    for row in rows:
        prompt = encode_prompt(tokenizer, row["prompt"])
        out = model.generate(torch.tensor([prompt]), max_new_tokens=150, do_sample=False)[0, len(prompt) :]
        assert out[-1] == tokenizer.eos_token_id  # the end is learned too
        assert tokenizer.decode(out[:-1]) == row["completion"][0]["content"]


def test_accumulated_packs_have_the_loss_and_gradient_of_one_large_pack(make_config):
    run = build_run(make_config("schedule.steps=1", "optimizer.clip=1e9"))
    packs = [run.stream.next(), run.stream.next()]
    run.stream.seek(0, 0)
    loss, norm, _ = train_step(run, 0, 0.0)  # at a learning rate of 0: the weights stay
    together = build_pack(run.train, packs[0] + packs[1], 1024, run.pad_id)
    total, _ = run.forward(together)
    mean = total / len(together.targets_M)
    mean.backward()
    assert loss == pytest.approx(mean.item(), rel=1e-5)
    squares = sum(p.grad.double().square().sum().item() for p in run.model.parameters())
    assert norm == pytest.approx(squares**0.5, rel=1e-5)


SHORT = ["schedule.steps=8", "save_every=3", "eval_every=100", "log_every=1"]


def test_a_broken_and_resumed_run_ends_in_the_same_weights(tmp_path, make_config):
    unbroken = build_run(make_config(*SHORT, f"output={tmp_path / 'a'}"))
    train(unbroken)
    broken = build_run(make_config(*SHORT, f"output={tmp_path / 'b'}"))

    class Stop(Exception):
        pass

    def stop_after_five(progress):
        if progress.step >= 5:
            raise Stop

    with pytest.raises(Stop):
        train(broken, watch=stop_after_five)
    assert [p.step for p in list_checkpoints(broken.folder / "checkpoints")] == [3]
    resumed = build_run(make_config(*SHORT, f"output={tmp_path / 'b'}"))
    result = train(resumed, resume=True)
    assert result.steps == 8
    expected = weights(unbroken)
    for name, value in weights(resumed).items():
        assert torch.equal(value, expected[name]), name
    kept = ("step", "loss", "lr", "tokens")
    assert [[line[k] for k in kept] for line in lines(resumed)] == [[line[k] for k in kept] for line in lines(unbroken)]


def test_a_run_is_not_overwritten_and_other_settings_do_not_resume(make_config):
    train(build_run(make_config("schedule.steps=2")))
    with pytest.raises(ConfigError, match="add --resume or change output"):
        train(build_run(make_config("schedule.steps=2")))
    with pytest.raises(ConfigError, match=r"optimizer\.lr was 0\.003, now 0\.5"):
        train(build_run(make_config("schedule.steps=2", "optimizer.lr=0.5")), resume=True)
    done = train(build_run(make_config("schedule.steps=2", "log_every=7")), resume=True)
    assert done.steps == 2


def test_resume_without_a_checkpoint_starts_at_the_beginning(make_config):
    assert train(build_run(make_config("schedule.steps=1")), resume=True).steps == 1


def test_a_loss_that_is_no_number_stops_the_run_before_it_does_harm(make_config):
    run = build_run(make_config("schedule.steps=6", "save_every=2", "eval_every=2"))

    def poison(progress):
        if progress.step == 4:
            with torch.no_grad():
                run.model.get_parameter("layers.0.mlp.w2.weight")[0, 0] = float("nan")

    with pytest.raises(TrainingDiverged, match=r"step 4: expected a finite loss, got loss nan"):
        train(run, watch=poison)
    positions = list_checkpoints(run.folder / "checkpoints")
    assert positions[-1].step == 4
    again = build_run(make_config("schedule.steps=6", "save_every=2", "eval_every=2"))
    train(again, resume=True)
    assert all(torch.isfinite(p).all() for p in again.model.parameters())


def test_weights_that_give_no_number_are_not_saved(make_config):
    run = build_run(make_config("schedule.steps=3", "save_every=1", "optimizer.lr=1e38", "schedule.warmup=0.9"))
    with pytest.raises(TrainingDiverged, match=r"step \d: expected a finite loss, got validation loss nan"):
        train(run)
    assert list_checkpoints(run.folder / "checkpoints") == []


def test_starting_from_a_model_keeps_its_tokenizer_and_config(tmp_path, make_config):
    first = train(build_run(make_config("schedule.steps=2")))
    second = build_run(make_config("schedule.steps=1", f"model.init={first.model}", f"output={tmp_path / 'second'}"))
    assert second.model_config.dim == 32
    assert second.tokenizer.get_vocab() == build_run(make_config("schedule.steps=2")).tokenizer.get_vocab()
    assert train(second).validation.loss < 10


def test_adamw_alone_learns_too(make_config):
    run = build_run(make_config("schedule.steps=30", "optimizer.name=adamw", "optimizer.lr=0.01", "log_every=1"))
    assert run.optimizers.muon is None
    train(run)
    losses = [line["loss"] for line in lines(run)]
    assert losses[-1] < 0.7 * losses[0]


STALE = [
    "schedule.steps=60", "schedule.patience=2", "eval_every=2", "save_every=50", "optimizer.lr=0.1",
    "optimizer.other_lr=0.1", "data.train_rows=4", "batch.step_tokens=512", "log_every=100",
]  # fmt: skip


def test_a_run_whose_validation_no_longer_falls_ends_and_its_best_weights_become_the_model(make_config):
    from rotbot.models.weights import load_folder

    run = build_run(make_config(*STALE, "export=best"))
    result = train(run)
    assert result.stopped_early
    assert result.steps < 60
    scores = {line["step"]: line["validation_loss"] for line in lines(run)}
    best = min(scores, key=scores.get)
    assert result.steps == best + 4  # two validations that were no better
    assert [p.step for p in list_checkpoints(run.folder / "checkpoints")] == [best, result.steps]
    assert result.validation.loss == pytest.approx(scores[best], rel=1e-6)
    saved = load_checkpoint(run.folder / "checkpoints", list_checkpoints(run.folder / "checkpoints")[0])["model"]
    exported = load_folder(result.model)[0].state_dict()
    assert all(torch.equal(exported[name], value) for name, value in saved.items())
    again = train(build_run(make_config(*STALE, "export=best")), resume=True)
    assert (again.steps, again.stopped_early) == (result.steps, True)


def test_without_patience_a_run_goes_on_and_the_last_weights_become_the_model(make_config):
    run = build_run(make_config(*STALE, "schedule.patience=0", "schedule.steps=20"))
    result = train(run)
    assert (result.steps, result.stopped_early) == (20, False)
    assert result.validation.loss > min(line["validation_loss"] for line in lines(run))
