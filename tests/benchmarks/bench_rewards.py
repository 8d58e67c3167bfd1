"""Completions scored a second on one core, and math-verify on the same answers.

Completions are gold, wrong in the end, wrong in a step and cut off, a quarter each, of 300 problems of all levels;
their truths are traced before. math-verify gets only the final lines, as lists, and compares each with the gold one.
Seconds are the process's own, best of several turns.
"""

from __future__ import annotations

import random
import time
from itertools import islice

import pytest
from math_verify import parse, verify

from rotbot.problems import stream
from rotbot.rewards import score

PROBLEMS, TURNS, ROUNDS = 300, 7, 10
MATH_VERIFY_ANSWERS = 60
TARGET, TIMES_MATH_VERIFY = 20_000, 20


def spoil(gold: str, kind: int, r: random.Random) -> str:
    if kind == 1:
        return gold.replace("final: [", "final: [9, ")
    if kind == 2:
        lines = gold.split("\n")
        at = r.randrange(max(len(lines) - 2, 1))
        lines[at] = lines[at].replace("-> [", "-> [7, ")
        return "\n".join(lines)
    return gold[: 2 * len(gold) // 3] if kind == 3 else gold


def seconds(work) -> float:
    best = []
    for _ in range(TURNS):
        start = time.process_time()
        work()
        best.append(time.process_time() - start)
    return min(best)


@pytest.mark.bench
def test_completions_a_second() -> None:
    r = random.Random(0)
    problems = list(islice(stream(11), PROBLEMS))
    golds = [problem.truth().completion() for problem in problems]
    rows = [(p, spoil(gold, i % 4, r)) for i, (p, gold) in enumerate(zip(problems, golds, strict=True))]

    def ours() -> float:
        return sum(score(problem, text).total for _ in range(ROUNDS) for problem, text in rows)

    assert 0 < ours() < ROUNDS * PROBLEMS
    rate = ROUNDS * PROBLEMS / seconds(ours)

    answers = [
        (gold.rpartition("final: ")[2], text.rpartition("final: ")[2])
        for gold, (_, text) in zip(golds, rows, strict=True)
    ]
    answers = [pair for i, pair in enumerate(answers) if i % 4 < 2][:MATH_VERIFY_ANSWERS]

    def theirs() -> int:
        return sum(verify(parse(f"${gold}$"), parse(f"${text}$")) for gold, text in answers)

    assert 0 < theirs() < len(answers)
    math_verify = len(answers) / seconds(theirs)
    steps = sum(len(problem.truth().steps) for problem in problems) / PROBLEMS
    print(f"\n| scorer | completions a second |\n|---|---:|\n| rotbot.score, {steps:.1f} steps each | {rate:,.0f} |")
    print(f"| math-verify, the final answer alone | {math_verify:,.0f} |\n\n{rate / math_verify:.0f} times")
    assert rate >= TARGET
    assert rate >= TIMES_MATH_VERIFY * math_verify
