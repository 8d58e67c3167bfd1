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
from safetensors import SafetensorError

from rotbot.errors import ConfigError, OutputError, RotbotError
from rotbot.models.weights import save_folder
from rotbot.sft.checkpoint import (
    Position,
    best_checkpoint,
    check_settings,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from rotbot.sft.metrics import Metrics
from rotbot.sft.packing import build_pack, plan_epoch
from rotbot.sft.run import Run, default_settings
from rotbot.sft.schedule import lr_factor
from rotbot.sft.sharding import whole
from rotbot.sft.state import capture, exported, restore


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
    """The end of a run: the model's folder, steps and tokens in all, the last validation, seconds of this process, and
    whether it ended before its last step since the validation loss no longer fell."""

    model: Path
    steps: int
    tokens: int
    validation: Validation
    seconds: float
    stopped_early: bool = False


def train(run: Run, resume: bool = False, watch: Callable[[Progress], None] | None = None) -> SftResult:
    """Train ``run`` to its end and write ``model/`` (the weights of its last or best checkpoint); with ``resume`` from
    its last checkpoint, if there is one.

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
    step = tokens = stale = 0
    best_loss: float | None = None
    if existing:
        at = existing[-1]
        check_settings(at, settings, default_settings())
        step, tokens, best_loss, stale = at.step, at.tokens, at.best_loss, at.stale
        restore(run.model, run.optimizers, load_checkpoint(checkpoints, at))
        run.stream.seek(at.epoch, at.index)
    config, started = run.config, time.monotonic()
    patience, keeps_best = config.schedule.patience, config.export == "best" or config.schedule.patience > 0
    stopped = 0 < patience <= stale
    validation: Validation | None = None
    leads = run.world.leads
    with Metrics(run.folder, step, config.tensorboard, config.trackio, settings) if leads else nullcontext() as metrics:
        since, tokens_since = started, tokens
        while step < run.total and not stopped:
            factor = lr_factor(step, run.total, config.schedule.warmup, config.schedule.floor)
            loss, norm, seen = train_step(run, step, factor)
            step, tokens = step + 1, tokens + seen
            last = step == run.total
            save = last or step % config.save_every == 0
            speed = (tokens - tokens_since) / max(1e-9, time.monotonic() - since)  # without validation
            validation = validate(run, step) if save or step % config.eval_every == 0 else None
            if validation is not None:
                better = best_loss is None or validation.loss < best_loss
                best_loss, stale = (validation.loss, 0) if better else (best_loss, stale + 1)
                stopped = 0 < patience <= stale
                save = save or stopped or (keeps_best and better)
            lr = factor * config.optimizer.lr
            progress = Progress(step, run.total, loss, lr, norm, tokens, speed, run.stream.epoch, validation)
            told = validation is not None or step % config.log_every == 0
            if told and metrics is not None:
                metrics.write(progress)
            if save:  # after the metrics: a resumed run drops the lines beyond its checkpoint, but cannot add any
                assert validation is not None
                stream, state = run.stream, capture(run.model, run.optimizers, run.world)
                if leads:
                    place = (step, stream.epoch, stream.index, tokens, validation.loss)
                    save_checkpoint(checkpoints, Position(*place, settings, best_loss, stale), state)
                run.world.wait()
            if validation is not None:
                _release_memory()
            if told:
                since, tokens_since = time.monotonic(), tokens
                if watch is not None:
                    watch(progress)
    folder = run.folder / "model"
    if config.export == "best":
        best = best_checkpoint(list_checkpoints(checkpoints))
        restore(run.model, run.optimizers, load_checkpoint(checkpoints, best))
        validation = None
    weights = exported(run.model, config.lora, run.world)
    if leads:
        try:
            save_folder(folder, weights, run.model_config, run.tokenizer, getattr(torch, config.save_dtype))
        except (OSError, SafetensorError) as error:
            raise OutputError(f"model {folder}: cannot be written: {error}; add --resume to try again") from error
    run.world.wait()
    validation = validation or validate(run, step)
    return SftResult(folder, step, tokens, validation, time.monotonic() - started, step < run.total)


def train_step(run: Run, step: int, factor: float) -> tuple[float, float, int]:
    """One optimizer step at ``factor`` times the peak learning rates → loss per completion token, gradient norm before
    clipping, tokens of samples seen. The weights are untouched if it raises :class:`TrainingDiverged`."""
    chosen = [run.stream.next() for _ in range(run.packs_per_step)]
    completion_tokens = sum(run.train.completion_length(i) for samples in chosen for i in samples)
    total = 0.0
    for samples in run.world.share(chosen):
        pack = build_pack(run.train, samples, run.config.batch.pack_tokens, run.pad_id)
        loss, _ = run.forward(pack.to(run.device))
        (loss / completion_tokens).backward()
        total += loss.item()
    parameters = [p for p in run.model.parameters() if p.requires_grad]
    if not run.forward.through_modules:  # there they are summed already
        run.world.sum_gradients(parameters)
    (total,) = run.world.sum(total)
    norm = whole(torch.nn.utils.clip_grad_norm_(parameters, run.config.optimizer.clip)).item()
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
    packs = plan_epoch(run.validation.lengths, pack_tokens, run.config.seed, None)
    mine = run.world.share(packs)
    for turn in range(-(-len(packs) // run.world.size)):  # as many as the others: a sharded forward needs them all
        chosen = mine[turn] if turn < len(mine) else packs[0]
        pack = build_pack(run.validation, chosen, pack_tokens, run.pad_id).to(run.device)
        pack_loss, correct_M = run.forward(pack)
        if turn >= len(mine):
            continue
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
