"""A dataset's rows as token ids: read, checked, encoded once and kept beside the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from rotbot.errors import InputError, OutputError
from rotbot.hub.fetch import dataset_folder
from rotbot.models.folders import atomic_folder
from rotbot.models.tokenizer import end_ids, load_tokenizer, open_thinking, prompt_text, train_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

TOKENIZER_ROWS = 20_000
_BATCH = 1000
Note = Callable[[str], None]


@dataclass(frozen=True)
class Samples:
    """Encoded rows, end to end: sample ``i`` is ``ids[offsets[i]:offsets[i + 1]]``, its first ``prompts[i]`` tokens are
    the prompt. ``skipped`` counts the rows that were longer than the limit and are not here."""

    ids: np.ndarray
    offsets: np.ndarray
    prompts: np.ndarray
    skipped: int

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per sample, prompt and completion."""
        return np.diff(self.offsets)

    @property
    def completion_tokens(self) -> int:
        """Tokens that the loss is on, over all samples."""
        return int(self.offsets[-1] - self.prompts.sum())

    def length(self, index: int) -> int:
        """Tokens of one sample."""
        return int(self.offsets[index + 1] - self.offsets[index])

    def completion_length(self, index: int) -> int:
        """Tokens of one sample that the loss is on."""
        return self.length(index) - self.prompt_length(index)

    def prompt_length(self, index: int) -> int:
        """Tokens of one sample's prompt."""
        return int(self.prompts[index])

    def tokens(self, index: int) -> np.ndarray:
        """The token ids of one sample."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


def open_split(
    dataset: str, name: str, split: str, rows: int | None = None, columns: Sequence[str] = ("prompt", "completion")
) -> Dataset:
    """``columns`` of a split of a dataset folder or Hub ID (``owner/name@revision``), at most the first ``rows`` rows.

    Raises :class:`~rotbot.errors.InputError` that says what is missing: the dataset, the split, the columns, the rows;
    :class:`~rotbot.errors.HubError` where the Hub does not deliver it.
    """
    from datasets import load_dataset

    if not dataset:
        raise InputError("data.dataset: expected a dataset folder or a Hub ID, got none; add data.dataset=PATH")
    folder = dataset_folder(dataset, name)
    try:
        data: Any = load_dataset(str(folder), name, split=split, cache_dir=_local_cache(folder))
    except (ValueError, OSError) as error:
        raise InputError(f"data.dataset: cannot read {name!r} split {split!r} of {dataset!r}: {error}") from error
    missing = set(columns) - set(data.column_names)
    if missing:
        raise InputError(
            f"data.dataset: expected the columns {' and '.join(columns)}, {' and '.join(sorted(missing))} missing; "
            f"got {', '.join(data.column_names)}"
        )
    if not len(data):
        raise InputError(f"data.dataset: the split {split!r} of {dataset!r} has no rows")
    data = data.select_columns(list(columns))
    return data if rows is None or rows >= len(data) else data.select(range(rows))


def _local_cache(folder: Path) -> str:
    """A cache folder for this state of ``folder``: ``datasets`` tells local folders with a card apart by their last
    name only, and would hand us another folder's rows, or this one's before it was written anew."""
    from datasets import config

    files = sorted(p for p in folder.rglob("*") if p.is_file())
    state = [[str(p.absolute()), p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    return str(Path(config.HF_DATASETS_CACHE) / "rotbot" / hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16])


def _texts(data: Dataset) -> Iterator[tuple[list[dict[str, str]], str]]:
    for start in range(0, len(data), _BATCH):
        batch: Any = data[start : start + _BATCH]
        for prompt, completion in zip(batch["prompt"], batch["completion"], strict=True):
            if not _is_chat(prompt) or not _is_chat(completion) or len(completion) != 1:
                raise InputError(
                    "data.dataset: expected prompt and completion as lists of chat messages ({'role', 'content'}), the "
                    f"completion with one message; got {prompt!r:.80} and {completion!r:.80}"
                )
            yield prompt, completion[0]["content"]


def _is_chat(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(m, dict) and isinstance(m.get("content"), str) and "role" in m for m in value)
    )


def learn_tokenizer(data: Dataset, vocab_size: int) -> PreTrainedTokenizerBase:
    """A tokenizer of ``vocab_size`` trained on the prompts and completions of the first rows of ``data``."""
    rows = data.select(range(min(TOKENIZER_ROWS, len(data))))
    texts = (text for prompt, answer in _texts(rows) for text in (*(m["content"] for m in prompt), answer))
    return train_tokenizer(texts, vocab_size)


def encode(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, note: Note | None = None) -> Samples:
    """Encode every row as ``rotbot.models.tokenizer.encode_example`` does, in batches.

    Rows longer than ``max_length`` tokens (prompt, completion and end) are counted and left out, never cut. Raises
    :class:`~rotbot.errors.InputError` if none is left.
    """
    end = end_ids(tokenizer)[0]
    chunks: list[np.ndarray] = []
    lengths: list[int] = []
    prompts: list[int] = []
    skipped = done = 0
    rows = _texts(data)
    while batch := [row for _, row in zip(range(_BATCH), rows, strict=False)]:
        heads: Any = tokenizer([prompt_text(tokenizer, prompt) for prompt, _ in batch], add_special_tokens=False)
        tails: Any = tokenizer([answer for _, answer in batch], add_special_tokens=False)
        for head, tail in zip(heads["input_ids"], tails["input_ids"], strict=True):
            length = len(head) + len(tail) + 1
            if length > max_length:
                skipped += 1
                continue
            chunks.append(np.array([*head, *tail, end], dtype=np.int32))
            lengths.append(length)
            prompts.append(len(head))
        done += len(batch)
        if note is not None:
            note(f"encoded {done:,} of {len(data):,} rows")
    if not chunks:
        raise InputError(f"data.max_length: all {skipped} rows are longer than {max_length} tokens")
    offsets = np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))])
    return Samples(np.concatenate(chunks), offsets, np.array(prompts, dtype=np.int32), skipped)


def save_samples(path: Path, samples: Samples) -> None:
    """Write ``samples`` to ``path`` (NumPy's ``npz``)."""
    np.savez(path, ids=samples.ids, offsets=samples.offsets, prompts=samples.prompts, skipped=samples.skipped)


def load_samples(path: Path) -> Samples:
    """Read what :func:`save_samples` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Samples(file["ids"], file["offsets"], file["prompts"], int(file["skipped"]))


@dataclass(frozen=True)
class Prepared:
    """A run's tokenizer and its encoded splits. ``revision`` is the commit of a dataset from the Hub."""

    tokenizer: PreTrainedTokenizerBase
    train: Samples
    validation: Samples
    revision: str | None


def prepare(
    cache: Path, dataset: str, name: str, tokenizer: str | None, vocab_size: int, max_length: int,
    train_rows: int | None, validation_rows: int | None, note: Note | None = None,
) -> Prepared:  # fmt: skip
    """The tokenizer (``tokenizer``: a folder, or None to train one) and the encoded train and validation splits.

    Kept in the folder ``cache`` and read back from there as long as data and settings are the same. Runs that share the
    folder wait for each other here: each has its own rows in memory when the next one may write.
    """
    train = open_split(dataset, name, "train", train_rows)
    validation = open_split(dataset, name, "validation", validation_rows)
    folder = dataset_folder(dataset, name)
    revision = folder.name if folder.parent.name == "snapshots" else None
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.parent / f".{cache.name}.lock"):
            return _prepare(cache, train, validation, tokenizer, vocab_size, max_length, revision, note)
    except OSError as error:
        raise OutputError(f"data.cache {cache}: the encoded rows cannot be written: {error}") from error


def _prepare(
    cache: Path, train: Dataset, validation: Dataset, tokenizer: str | None, vocab_size: int, max_length: int,
    revision: str | None, note: Note | None,
) -> Prepared:  # fmt: skip
    settings = [_identity(train), _identity(validation), tokenizer, vocab_size, max_length]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    marker = cache / "key.json"
    if not marker.is_file() or json.loads(marker.read_text()) != key:
        learned = load_tokenizer(tokenizer) if tokenizer else learn_tokenizer(train, vocab_size)
        open_thinking(learned)
        encoded = {
            "train": encode(train, learned, max_length, note),
            "validation": encode(validation, learned, max_length),
        }
        with atomic_folder(cache) as folder:
            learned.save_pretrained(folder / "tokenizer")
            for split, samples in encoded.items():
                save_samples(folder / f"{split}.npz", samples)
            (folder / marker.name).write_text(json.dumps(key))
    return Prepared(
        load_tokenizer(cache / "tokenizer"),
        load_samples(cache / "train.npz"),
        load_samples(cache / "validation.npz"),
        revision,
    )


def _identity(data: Dataset) -> list[Any]:
    """What tells two versions of a split apart without reading all of it: its size, and rows from all over it."""
    return [len(data), data[:: max(1, len(data) // 256)]]
