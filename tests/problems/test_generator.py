"""Determinism, bounds, balance and variety of the generator."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from math import prod

import pytest

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problems import LEVELS, Level, get_level, level_of, ops, parse_levels, sample, seeds, stream
from rotbot.problems.op import Op
from rotbot.problems.rows import draft, make_item

DRAFTS = 2_000


@pytest.fixture(scope="module")
def drafts():
    return [(LEVELS[i % 6], *draft(seeds.item_seed(11, i), LEVELS[i % 6])) for i in range(DRAFTS)]


def test_same_seed_and_index_give_the_same_problem():
    first = [sample(5, i, i % 6) for i in range(40)]
    second = [sample(5, i, i % 6) for i in reversed(range(40))]
    assert first == second[::-1]


def test_a_known_problem_stays_what_it_was():
    """The stream is part of the dataset's identity: a change to it must be meant."""
    assert seeds.item_seed(1, 2) == seeds.derive("item", 1, 2) != seeds.derive("item", 12)
    assert seeds.derive("item", 1, 2) == 2123746949717128751


def test_neighbouring_seeds_share_next_to_nothing():
    texts = [{draft(seeds.item_seed(seed, i), LEVELS[3])[1].problem.prompt() for i in range(300)} for seed in (42, 43)]
    assert not texts[0] & texts[1]


def test_stream_is_sample_at_the_levels_drawn():
    levels = LEVELS[1:4]
    problems = list(islice(stream(9, levels), 12))
    assert problems == [sample(9, i, level_of(9, i, levels)) for i in range(12)]
    assert {level_of(9, i, levels).number for i in range(60)} == {1, 2, 3}


def test_programs_keep_within_their_level(drafts):
    for level, program, written in drafts:
        assert sum(program.calls[i].steps for i in program.live) == level.depth[0] == level.number + 1
        for value in program.values:
            assert len(value.shape) <= level.max_rank
            assert max(value.shape, default=1) <= level.max_size
            assert min(value.shape, default=1) >= 1
            assert prod(value.shape) <= level.max_numel
        assert len(written.problem.specs) <= level.max_args
        assert Problem.parse(written.problem.prompt()) == written.problem


def test_a_level_of_ones_own():
    level = Level(
        number=9, depth=(2, 3), max_rank=3, sizes=(3, 5), max_size=40, max_args=2, families=("permute", "join")
    )
    for i in range(30):
        item = make_item(seeds.item_seed(0, i), level)
        assert 2 <= len(item.trace.steps) <= 3
        program, _ = draft(item.seed, level)
        assert {program.calls[k].op.family for k in program.live} <= {"permute", "join"}
        first = dict(item.problem.specs)[next(iter(item.problem.args))]
        assert set(first.shape) <= {3, 5}
        assert all(len(value.shape) <= 3 and max(value.shape) <= 40 for value in program.values)
        assert len(item.problem.specs) <= 2


def test_every_op_appears_and_no_family_dominates():
    levels = [replace(level, ops=(), held_out=True) for level in LEVELS[:6]]
    counts: Counter[Op] = Counter()
    for i in range(4_000):
        program, _ = draft(seeds.item_seed(12, i), levels[i % 6])
        counts.update(program.calls[k].op for k in program.live)
    declared = {(family, name) for family, names in ops().items() for name in names}
    assert {(op.family, op.name) for op in counts} == declared
    families = Counter(op.family for op in counts.elements())
    shares = {family: n / families.total() for family, n in families.items()}
    assert min(shares.values()) > 0.02, shares
    assert max(shares.values()) < 0.15, shares


def test_complex_results_go_on_as_people_go_on():
    """After a Fourier transform: back, a part of it, its absolute value, or the end; seldom a view."""
    levels = [replace(level, ops=(), held_out=True) for level in LEVELS[2:6]]
    after: Counter[str] = Counter()
    for i in range(2_000):
        program, _ = draft(seeds.item_seed(13, i), levels[i % 4])
        for call in (program.calls[k] for k in program.live):
            if call.inputs and program.values[call.inputs[0]].dtype == "complex64":
                after[call.op.family] += 1
    assert after["fft"] + after["elementwise"] + after["linalg"] > 0.45 * after.total(), after


def test_programs_are_not_only_chains(drafts):
    deep = [(program, written) for level, program, written in drafts if level.number >= 3]
    code = [written.problem.code for _, written in deep]

    def share(flags) -> float:
        flags = list(flags)
        return sum(flags) / len(flags)

    assert share(len(written.problem.specs) > 1 for _, written in deep) > 0.5, "several arguments"
    assert share(any(len(set(c.inputs)) > 1 for c in program.calls) for program, _ in deep) > 0.5, "joins"
    assert share(written.style == "nested" for _, written in deep) > 0.15
    assert share(written.style == "reassigned" for _, written in deep) > 0.05
    assert share(".shape" in text or ".size(" in text for text in code) > 0.03, "shape arithmetic"
    assert share(any("," in line.split(" = ")[0] for line in text.split("\n")) for text in code) > 0.1, "unpacking"
    assert share(any(_reads(p, v) > 1 for v in range(len(p.values))) for p, _ in deep) > 0.3, "values read twice"
    assert share(any(sum(v not in p.args for v in c.inputs) > 1 for c in p.calls) for p, _ in deep) > 0.25, "branches"


def _reads(program, value) -> int:
    return sum(value in call.inputs for call in program.calls)


@pytest.mark.parametrize(("text", "numbers"), [("0-5", [0, 1, 2, 3, 4, 5]), ("3", [3]), ("2-2", [2])])
def test_level_ranges(text, numbers):
    assert [level.number for level in parse_levels(text)] == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10", "level: expected 0 to 9, got 10"),
        ("3-1", "expected a range that rises, got '3-1'"),
        ("", "expected a level such as 2 or a range such as 0-5, got ''"),
        ("1-", "got '1-'"),
        ("-1", "got '-1'"),
        ("²", "got '²'"),
    ],
)
def test_level_ranges_that_are_none(text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        parse_levels(text)


def test_unknown_level():
    with pytest.raises(InputError, match="level: expected 0 to 9, got 12"):
        sample(0, 0, 12)
    assert get_level(4).depth == (5, 5)
