"""Packing: which samples go together, and the tensors of one pack.

A pack holds ``pack_tokens`` tokens of whole samples, end to end, of about the same length (attention then wastes little
on padding). Which samples meet, and in what order the packs come, follows from the seed and the epoch alone.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from rotbot.sft.data import Samples

SORT_WINDOW = 4096
"""Samples sorted by length together: enough for packs of even length, few enough to keep the order random."""
ROW_MULTIPLE = 16


@dataclass(frozen=True)
class Pack:
    """One pack's tensors. ``N`` tokens, ``G`` samples of at most ``L`` tokens, ``M`` completion tokens to predict.

    ``slots_GL`` says which token fills each attention slot, ``filled_P`` (``P = G * L``) whether one does, ``places_N``
    the slot of each token; ``rows_M`` are the positions whose next token counts, ``targets_M`` those tokens and
    ``owners_M`` their samples (an index into ``samples``). Positions restart with every sample.
    """

    samples: tuple[int, ...]
    tokens_N: Tensor
    positions_N: Tensor
    slots_GL: Tensor
    filled_P: Tensor
    places_N: Tensor
    rows_M: Tensor
    targets_M: Tensor
    owners_M: Tensor

    def to(self, device: torch.device) -> Pack:
        """The pack with its tensors on ``device``; itself if they are there."""
        if self.tokens_N.device == device:
            return self
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "samples"}
        return replace(self, **moved)


def plan_epoch(lengths: np.ndarray, pack_tokens: int, seed: int, epoch: int | None) -> list[tuple[int, ...]]:
    """Which samples (indices into ``lengths``, in tokens) form each pack of an epoch; every sample is in exactly one.

    ``epoch=None`` keeps the given order (validation). Samples longer than ``pack_tokens`` must be gone before.
    """
    if epoch is None:
        order = np.arange(len(lengths))
        rng = None
    else:
        digest = hashlib.sha256(f"rotbot.sft epoch {seed} {epoch}".encode()).digest()
        rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
        order = rng.permutation(len(lengths))
    packs: list[tuple[int, ...]] = []
    for start in range(0, len(order), SORT_WINDOW):
        window = order[start : start + SORT_WINDOW]
        packs.extend(_fill(window[np.argsort(lengths[window], kind="stable")].tolist(), lengths, pack_tokens))
    if rng is not None:
        packs = [packs[i] for i in rng.permutation(len(packs))]
    return packs


def _fill(by_length: list[int], lengths: np.ndarray, pack_tokens: int) -> Iterator[tuple[int, ...]]:
    """Longest first; the gap at a pack's end goes to the longest sample that fits it."""
    remaining = list(by_length)
    keys = [int(lengths[i]) for i in remaining]
    while remaining:
        pack, room = [], pack_tokens
        while remaining:
            at = bisect_right(keys, room) - 1
            if at < 0:
                break
            room -= keys.pop(at)
            pack.append(remaining.pop(at))
        yield tuple(pack)


def build_pack(samples: Samples, chosen: tuple[int, ...], pack_tokens: int, pad_id: int) -> Pack:
    """The tensors of the pack of ``chosen`` samples, filled up to ``pack_tokens`` with ``pad_id``.

    What fills up is in attention rows of its own and is never predicted.
    """
    lengths = [samples.length(i) for i in chosen]
    longest = -(-max(lengths) // ROW_MULTIPLE) * ROW_MULTIPLE
    gap = pack_tokens - sum(lengths)
    rows = lengths + [min(longest, gap - start) for start in range(0, gap, longest)]
    starts = np.concatenate([[0], np.cumsum(rows)])
    tokens = np.full(pack_tokens, pad_id, dtype=np.int64)
    positions = np.empty(pack_tokens, dtype=np.int64)
    places = np.empty(pack_tokens, dtype=np.int64)
    predict, owners = [], []
    for row, length in enumerate(rows):
        start = starts[row]
        positions[start : start + length] = np.arange(length)
        places[start : start + length] = row * longest + np.arange(length)
        if row < len(chosen):
            tokens[start : start + length] = samples.tokens(chosen[row])
            prompt = samples.prompt_length(chosen[row])
            predict.append(np.arange(start + prompt - 1, start + length - 1))
            owners.append(np.full(length - prompt, row))
    slots = np.zeros(len(rows) * longest, dtype=np.int64)
    filled = np.zeros(len(rows) * longest, dtype=np.bool_)
    slots[places] = np.arange(pack_tokens)
    filled[places] = True
    predict_M = np.concatenate(predict)
    return Pack(
        samples=chosen,
        tokens_N=torch.from_numpy(tokens),
        positions_N=torch.from_numpy(positions),
        slots_GL=torch.from_numpy(slots.reshape(len(rows), longest)),
        filled_P=torch.from_numpy(filled),
        places_N=torch.from_numpy(places),
        rows_M=torch.from_numpy(predict_M),
        targets_M=torch.from_numpy(tokens[predict_M + 1]),
        owners_M=torch.from_numpy(np.concatenate(owners)),
    )


class PackStream:
    """The endless sequence of packs over epochs, with a position that can be saved and set."""

    def __init__(self, samples: Samples, pack_tokens: int, seed: int) -> None:
        self._samples, self._pack_tokens, self._seed = samples, pack_tokens, seed
        self.epoch, self.index = 0, 0
        self._plan = plan_epoch(samples.lengths, pack_tokens, seed, 0)

    def seek(self, epoch: int, index: int) -> None:
        """Continue with pack ``index`` of ``epoch``."""
        self.epoch, self.index = epoch, index
        self._plan = plan_epoch(self._samples.lengths, self._pack_tokens, self._seed, epoch)

    @property
    def packs_per_epoch(self) -> int:
        """How many packs the current epoch has (another epoch's may differ by a few)."""
        return len(self._plan)

    def peek(self) -> tuple[int, ...]:
        """What :meth:`next` will give, unless the epoch is at its end: then its last pack."""
        return self._plan[min(self.index, len(self._plan) - 1)]

    def next(self) -> tuple[int, ...]:
        """The samples of the next pack; after an epoch's last comes the next epoch's first."""
        if self.index == len(self._plan):
            self.seek(self.epoch + 1, 0)
        chosen = self._plan[self.index]
        self.index += 1
        return chosen
