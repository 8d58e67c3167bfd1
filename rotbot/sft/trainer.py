"""The training loop: packs in, optimizer steps, validation, checkpoints, and the model's folder at the end."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from rotbot.errors import ConfigError, RotbotError
from rotbot.models.weights import save_folder
from rotbot.sft.checkpoint import Position, check_settings, list_checkpoints, load_checkpoint, save_checkpoint
from rotbot.sft.metrics import Metrics
from rotbot.sft.packing import build_pack, plan_epoch
from rotbot.sft.run import Run
from rotbot.sft.schedule import lr_factor


class TrainingDiverged(RotbotError):
    """The loss or a gradient is no longer a number. The checkpoints written before are whole."""


@dataclass(frozen=True, slots=True)
class Validation:
    """``loss`` per completion token (nats), ``token_accuracy``, and ``exact``: the share of samples of which every
    completion token is the likeliest one, so that greedy decoding writes the whole completion right."""

    loss: float
    token_accuracy: float
    exact: float


@dataclass(frozen=True, slots=True)
class Progress:
    """The state after a step, for who watches. ``loss`` is that step's, per completion token; ``tokens`` all so far."""

    step: int
    total: int
    loss: float
    lr: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    epoch: int
    validation: Validation | None


@dataclass(frozen=True, slots=True)
class SftResult:
    """The end of a run: the model's folder, steps and tokens in all, the last validation, seconds of this process."""

    model: Path
    steps: int
    tokens: int
    validation: Validation
    seconds: float


def train(run: Run, resume: bool = False, watch: Callable[[Progress], None] | None = None) -> SftResult:
    """Train ``run`` to its end and write ``model/``; with ``resume`` from its last checkpoint, if there is one.

    In a world of several processes each calls this; the first one writes. The final weights are the same, bit for bit,
    however often the run was broken and resumed (same machine, same number of processes and threads). Raises
    :class:`~rotbot.errors.ConfigError` if the folder holds a run and ``resume`` is not set, or if its settings were
    others, and :class:`TrainingDiverged` when the loss is no longer a number.
    """
    checkpoints = run.folder / "checkpoints"
    existing = list_checkpoints(checkpoints)
    if existing and not resume:
        raise ConfigError(
            f"output: expected a folder without a run, {run.folder} has one; add --resume or change output"
        )
    settings = run.settings()
    step = tokens = 0
    if existing:
        check_settings(existing[-1], settings)
        step, tokens = existing[-1].step, existing[-1].tokens
        state = load_checkpoint(checkpoints, existing[-1])
        run.model.load_state_dict(state["model"])
        run.optimizers.load_state_dict(state["optimizers"])
        run.stream.seek(existing[-1].epoch, existing[-1].index)
    config, started = run.config, time.monotonic()
    validation: Validation | None = None
    leads = run.world.leads
    with Metrics(run.folder, step, config.tensorboard) if leads else nullcontext() as metrics:
        since, tokens_since = started, tokens
        while step < run.total:
            factor = lr_factor(step, run.total, config.schedule.warmup, config.schedule.floor)
            loss, norm, seen = train_step(run, step, factor)
            step, tokens = step + 1, tokens + seen
            last = step == run.total
            save = last or step % config.save_every == 0
            speed = (tokens - tokens_since) / max(1e-9, time.monotonic() - since)  # without validation
            validation = validate(run, step) if save or step % config.eval_every == 0 else None
            lr = factor * config.optimizer.lr
            progress = Progress(step, run.total, loss, lr, norm, tokens, speed, run.stream.epoch, validation)
            told = validation is not None or step % config.log_every == 0
            if told and metrics is not None:
                metrics.write(progress)
            if (
                save and leads
            ):  # after the metrics: a resumed run drops the lines beyond its checkpoint, but cannot add any
                assert validation is not None
                position = Position(step, run.stream.epoch, run.stream.index, tokens, validation.loss, settings)
                state = {"model": run.model.state_dict(), "optimizers": run.optimizers.state_dict()}
                save_checkpoint(checkpoints, position, state)
            if validation is not None:
                _release_memory()
            if told:
                since, tokens_since = time.monotonic(), tokens
                if watch is not None:
                    watch(progress)
    folder = run.folder / "model"
    if leads:
        save_folder(folder, run.model, run.model_config, run.tokenizer, getattr(torch, config.save_dtype))
    run.world.wait()
    return SftResult(folder, step, tokens, validation or validate(run, step), time.monotonic() - started)


def train_step(run: Run, step: int, factor: float) -> tuple[float, float, int]:
    """One optimizer step at ``factor`` times the peak learning rates → loss per completion token, gradient norm before
    clipping, tokens of samples seen. The weights are untouched if it raises :class:`TrainingDiverged`."""
    chosen = [run.stream.next() for _ in range(run.packs_per_step)]
    completion_tokens = sum(run.train.completion_length(i) for samples in chosen for i in samples)
    total = 0.0
    for samples in run.world.share(chosen):
        loss, _ = run.forward(build_pack(run.train, samples, run.config.batch.pack_tokens, run.pad_id))
        (loss / completion_tokens).backward()
        total += loss.item()
    parameters = [p for p in run.model.parameters() if p.requires_grad]
    run.world.sum_gradients(parameters)
    (total,) = run.world.sum(total)
    norm = torch.nn.utils.clip_grad_norm_(parameters, run.config.optimizer.clip).item()
    mean = total / completion_tokens
    if not math.isfinite(mean) or not math.isfinite(norm):
        raise _diverged(step, f"loss {mean} and gradient norm {norm}")
    run.optimizers.step(factor * run.config.optimizer.lr, factor * run.config.optimizer.other_lr)
    return mean, norm, sum(run.train.length(i) for samples in chosen for i in samples)


def validate(run: Run, step: int) -> Validation:
    """Loss and accuracies over the validation samples. Raises :class:`TrainingDiverged` (naming ``step``) if the loss
    is no number, so that such weights are never saved."""
    pack_tokens = run.config.batch.pack_tokens
    loss = 0.0
    # Not under no_grad: that would compile the block a second time, which costs more than what it saves.
    right = exact = 0
    for chosen in run.world.share(plan_epoch(run.validation.lengths, pack_tokens, run.config.seed, None)):
        pack = build_pack(run.validation, chosen, pack_tokens, run.pad_id)
        pack_loss, correct_M = run.forward(pack)
        loss += pack_loss.item()
        right += int(correct_M.sum())
        wrong = torch.bincount(pack.owners_M, weights=(~correct_M).double(), minlength=len(chosen))
        exact += int((wrong == 0).sum())
    loss, right, exact = run.world.sum(loss, right, exact)
    if not math.isfinite(loss):
        raise _diverged(step, f"validation loss {loss}")
    tokens = run.validation.completion_tokens
    return Validation(loss / tokens, right / tokens, exact / len(run.validation))


def _release_memory() -> None:
    """Give freed memory back to the system (glibc). Packs differ in shape, so without this the heap falls to pieces: a
    process that needs 2 GB held 6 after an hour."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _diverged(step: int, got: str) -> TrainingDiverged:
    return TrainingDiverged(
        f"step {step}: expected a finite loss, got {got}; lower optimizer.lr and optimizer.other_lr "
        "(the checkpoints so far are whole)"
    )
