"""Samples to read: completions with a mark at every step, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rotbot.rl.episodes import ScoredGroup


def marked(text: str, score_spans: Sequence[tuple[int, int]], true: Sequence[bool], final: bool) -> str:
    """The text with a ✓ or ✗ before each step and before what follows the last: was the final line right?"""
    pieces: list[str] = []
    at = 0
    for (start, end), right in zip(score_spans, true, strict=True):
        pieces += [text[at:start], "✓ " if right else "✗ ", text[start:end]]
        at = end
    return "".join([*pieces, text[at:], " ✓" if final else " ✗"])


def save_samples(folder: Path, step: int, groups: Sequence[ScoredGroup]) -> Path:
    """Write ``samples/step-….jsonl``: of each group the prompt and its best and worst completion."""
    path = folder / "samples" / f"step-{step:08d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for scored in groups:
        order = sorted(range(len(scored.rewards)), key=lambda i: -scored.rewards[i])
        lines += [json.dumps(_line(step, scored, i), ensure_ascii=False) for i in dict.fromkeys((order[0], order[-1]))]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def _line(step: int, scored: ScoredGroup, index: int) -> dict[str, Any]:
    completion, score, task = scored.group.completions[index], scored.scores[index], scored.group.task
    return {
        "step": step,
        "level": task.level,
        "version": scored.group.version,
        "reward": score.total,
        "faithful": score.faithful,
        "lucky": score.lucky,
        "finish_reason": completion.finish_reason,
        "prompt": task.problem.prompt(),
        "completion": marked(completion.text, score.spans, score.true, score.final_correct),
    }
