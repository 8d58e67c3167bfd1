"""Programs in the idioms of real model code, written by hand: the benchmark's split ``real``.

Every program stands in one of the TOML files beside this one: ``args`` and ``code`` are text in which names of sizes
may stand (in ``code`` in braces), ``targets`` what may be asked for. A file's ``[sizes]`` are the choices for each
size; a program may have ``sizes`` of its own. Nothing here is a template of the generator.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.shapes.arguments import ArgLike, ArgSpec, parse_arg
from rotbot.shapes.symbols_text import parse

_SIZE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class RealProgram:
    """A program whose sizes are not chosen yet. ``args`` maps names to text such as ``b, 2*t : int64``; ``sizes`` maps
    the name of each size to what may be drawn for it."""

    name: str
    topic: str
    code: str
    args: Mapping[str, str]
    targets: tuple[str, ...]
    sizes: Mapping[str, tuple[int, ...]]

    def at(self, sizes: Mapping[str, int], target: str) -> Problem:
        """The problem at given sizes."""
        code = _SIZE.sub(lambda match: str(_value(match[1], sizes)), self.code)
        return Problem(code, {name: _spec(text, sizes) for name, text in self.args.items()}, target)

    def draw(self, rng: Random) -> Problem:
        """The problem at sizes drawn evenly, for one of the targets."""
        sizes = {name: rng.choice(choices) for name, choices in sorted(self.sizes.items())}
        return self.at(sizes, rng.choice(self.targets))


def _value(expression: str, sizes: Mapping[str, int]) -> int:
    parsed = parse(expression.strip())
    assert parsed is not None, f"not an expression of sizes: {expression!r}"
    return parsed.evaluate(sizes)


def _spec(text: str, sizes: Mapping[str, int]) -> ArgLike:
    dims, colon, dtype = text.partition(":")
    shape = tuple([_value(dim, sizes) for dim in dims.split(",")])
    return ArgSpec(shape, parse_arg(f"1:{dtype}").dtype) if colon else ArgSpec(shape)


@cache
def real_programs() -> tuple[RealProgram, ...]:
    """All programs, by topic (the file they are in) and name."""
    found: list[RealProgram] = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, entry in sorted(data["programs"].items()):
            code, args = entry["code"].strip("\n"), dict(entry["args"])
            sizes = {**data["sizes"], **entry.get("sizes", {})}
            used = set(re.findall(r"[a-z]\w*", " ".join([*_SIZE.findall(code), *args.values()])))
            chosen = {key: tuple(values) for key, values in sizes.items() if key in used}
            found.append(RealProgram(name, path.stem, code, args, tuple(entry["targets"]), chosen))
    return tuple(found)


def draw_real(rng: Random) -> tuple[str, Problem]:
    """One of the programs at sizes of its own, and its topic."""
    program = rng.choice(real_programs())
    return program.topic, program.draw(rng)


def real_problems(seed: int) -> Iterator[Problem]:
    """Endless problems of ``seed``, no two the same: round after round of all programs in a random order, each with
    sizes and a target of its own."""
    seen: set[str] = set()
    for turn in count():
        rng = seeds.stream("real", seed, turn)
        programs = list(real_programs())
        rng.shuffle(programs)
        for program in programs:
            problem = program.draw(rng)
            if problem.prompt() not in seen:
                seen.add(problem.prompt())
                yield problem
