"""An engine for tests of what serves engines: it writes the ground truth of each problem, at a pace the test sets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Generator

from rotbot.inference import Completion, Sampling
from rotbot.problem import Problem

_PACE_SECONDS = 0.02


class TruthfulEngine:
    """Writes while ``going`` is set, but the first ``free_words`` in any case. It fails once it is ``broken``.

    ``says`` makes it a liar: it writes that instead."""

    name = "truthful"

    def __init__(self, *, going: bool = True) -> None:
        self.going = threading.Event()
        if going:
            self.going.set()
        self.broken = False
        self.closed = False
        self.free_words = 0
        self.says: str | None = None
        self.opened: list[Problem] = []
        self.aborted: list[Problem] = []

    def stream(self, prompt: Problem, sampling: Sampling) -> Generator[str, None, Completion]:
        start = time.perf_counter()
        self.opened.append(prompt)
        text = self.says or prompt.truth().completion()
        words = re.findall(r"\s*\S+\s*", text)[: sampling.max_tokens]
        try:
            for number, word in enumerate(words):
                while not (self.going.wait(_PACE_SECONDS) or number < self.free_words):
                    self._check()
                    yield ""
                self._check()
                yield word
        except GeneratorExit:
            self.aborted.append(prompt)
            raise
        made = "".join(words)
        end = "stop" if made == text else "length"
        return Completion(made, tuple(range(len(words))), end, time.perf_counter() - start)

    def _check(self) -> None:
        if self.broken:
            raise RuntimeError("the engine broke")

    def close(self) -> None:
        self.closed = True
