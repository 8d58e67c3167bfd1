"""Running the benchmark: problems to a model, answers to a folder, verdicts from the answers.

What a model wrote is kept, one file a split, as soon as the split is done: a broken run goes on after the last one, and
every figure can be had again from the answers without the model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from rotbot import __version__
from rotbot.errors import InputError
from rotbot.evaluation.cases import dataset_cases, fresh_cases
from rotbot.evaluation.judge import Case, Judged, judge
from rotbot.evaluation.prompts import PLAIN, VARIANTS, Variant, messages
from rotbot.evaluation.variants import VARIANT_NAMES, vary
from rotbot.inference.engine import GREEDY, Completion, Prompt, Sampling

BATCH = 128
"""Problems given to an engine at a time; between two batches the progress moves on."""

Progress = Callable[[str, str, int, int], None]
"""Called with a split, what is done (``problems``, ``answers``), how many are done, and of how many."""


class Generates(Protocol):
    """What the benchmark needs of an engine: see :class:`rotbot.inference.Engine`."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY) -> list[Completion]:
        """``sampling.n`` completions for every prompt, side by side."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides the answers. ``model`` names it with its state; ``dataset`` None is for fresh problems of ``seed``.

    Raises :class:`~rotbot.errors.InputError` for values out of range.
    """

    model: str
    dataset: str | None = None
    rows: int = 100
    seed: int = 0
    prompt: Variant = PLAIN
    sampling: Sampling = GREEDY
    variants: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError(f"rows: expected at least 1, got {self.rows}")
        if self.prompt not in VARIANTS:
            raise InputError(f"prompt: expected one of {', '.join(VARIANTS)}, got {self.prompt!r:.80}")
        if self.sampling.n > 1 and self.sampling.temperature == 0:
            raise InputError(f"samples: expected a temperature above 0 for {self.sampling.n} samples, got 0")

    def data(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {"rotbot": __version__, **asdict(self)}


@dataclass(frozen=True)
class SplitResult:
    """The verdicts of a split; ``varied`` has those on variants of its first problems, by the kind of variant, each
    beside the verdict on the problem itself."""

    split: str
    judged: tuple[Judged, ...]
    varied: Mapping[str, tuple[tuple[Judged, Judged], ...]]


def run_split(
    split: str,
    setting: Setting,
    engine: Callable[[], Generates],
    out: Path | None = None,
    progress: Progress = lambda split, what, done, of: None,
) -> SplitResult:
    """One split of the benchmark. ``engine`` is called when the first answer is needed, not for a split whose answers
    are in the folder ``out``.

    Raises :class:`~rotbot.errors.InputError` if ``out`` has answers of another setting.
    """

    def made(done: int) -> None:
        progress(split, "problems", done, setting.rows)

    if setting.dataset is None:
        cases = fresh_cases(split, setting.rows, setting.seed, made)
    else:
        cases = dataset_cases(setting.dataset, split, setting.rows, made)
    varied = _varied(cases[: setting.variants])
    every = [*cases, *[case for pairs in varied.values() for _, case in pairs]]
    path = None if out is None else out / "answers" / f"{split}.json"
    answers = None if path is None else _read(path, setting, every)
    if answers is None:
        answers = _ask(engine(), every, setting, lambda done: progress(split, "answers", done, len(every)))
        if path is not None:
            _write(path, setting, every, answers)
    progress(split, "answers", len(every), len(every))
    judged = [judge(case, texts, setting.prompt) for case, texts in zip(every, answers, strict=True)]
    rest = iter(judged[len(cases) :])
    pairs = {name: tuple([(judged[i], next(rest)) for i, _ in found]) for name, found in varied.items()}
    return SplitResult(split, tuple(judged[: len(cases)]), pairs)


def _varied(cases: Sequence[Case]) -> dict[str, list[tuple[int, Case]]]:
    """The variants of each kind, each with the number of its original; not every problem has one of every kind."""
    found: dict[str, list[tuple[int, Case]]] = {}
    for name in VARIANT_NAMES if cases else ():
        made = [(i, vary(case, name)) for i, case in enumerate(cases)]
        found[name] = [(i, variant) for i, variant in made if variant is not None]
    return found


def _ask(
    engine: Generates, cases: Sequence[Case], setting: Setting, progress: Callable[[int], None]
) -> list[list[str]]:
    texts: list[list[str]] = []
    n = setting.sampling.n
    for start in range(0, len(cases), BATCH):
        batch = [messages(case.problem, setting.prompt) for case in cases[start : start + BATCH]]
        made = engine.generate(batch, setting.sampling)
        texts += [[one.text for one in made[i * n : (i + 1) * n]] for i in range(len(batch))]
        progress(len(texts))
    return texts


# --- the folder -------------------------------------------------------------------------------------------------------


def _read(path: Path, setting: Setting, cases: Sequence[Case]) -> list[list[str]] | None:
    """The answers of an earlier run; None if there are none."""
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        theirs, prompts, answers = kept["setting"], kept["prompts"], kept["answers"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected answers of an earlier run, cannot read them: {error}") from error
    ours = setting.data()
    if theirs != ours:
        differ = [key for key in ours if theirs.get(key) != ours[key]]
        said = ", ".join([f"{key} {theirs.get(key)!r:.60} there, {ours[key]!r:.60} here" for key in differ])
        raise InputError(f"{path}: expected answers of this run, got another's ({said}); choose another --out")
    if prompts != [case.problem.prompt() for case in cases]:
        raise InputError(f"{path}: expected answers to these problems, got others'; choose another --out")
    return answers


def _write(path: Path, setting: Setting, cases: Sequence[Case], answers: list[list[str]]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"setting": setting.data(), "prompts": [case.problem.prompt() for case in cases], "answers": answers}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data), encoding="utf-8")
    os.replace(part, path)


def model_state(model: str) -> str:
    """A model's name; that of a folder with a hash of its files' sizes and times, so that a retrained one is
    another."""
    from rotbot.models.loading import EMBEDDED, embedded_path

    path = embedded_path() if model == EMBEDDED else Path(model).expanduser()
    if not path.is_dir():
        return model
    files = sorted([*path.glob("*.safetensors"), *path.glob("*.json")])
    state = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return f"{model}#{hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]}"
