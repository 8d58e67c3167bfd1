"""Where a problem belongs: configuration and split follow from its graph and shapes, so that splits cannot overlap.

What lies outside the bounds of training (held-out operations, held-out pairs of operations, more steps, higher ranks,
larger sizes) goes to the benchmark split of that name. The rest goes by the hash of its canonical form, in which names,
spelling and the arguments of calls are gone: neither a program nor a near-duplicate of it can be in two splits.
Programs written by hand are for the benchmark alone, whatever their form; a build leaves out those whose form another
split has.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from rotbot.problems.graphs import Graph

SFT = ("train", "validation", "test")
RL = ("train", "validation")
EVAL = ("id", "ood_depth", "ood_rank", "ood_size", "ood_pair", "ood_op", "ood_style", "error", "symbolic", "real")
CONFIGS = {"sft": SFT, "rl": RL, "eval": EVAL}

KINDS = ("plain", "error", "symbolic", "idiom", "real")
"""What a problem is: a right program, a wrong one, one with named sizes, a template of model code with sizes drawn, a
program written by hand (:mod:`rotbot.problems.real`)."""

MAX_DEPTH, MAX_RANK, MAX_SIZE = 12, 5, 1024
"""Training has no more steps, no higher rank and no larger dimension than these."""

HELD_OUT_OPS = frozenset(
    """
    adaptive_max_pool2d diag_embed hsplit kthvalue lerp pixel_unshuffle rfft2 rot90 take_along_dim tensordot
    """.split()
)
"""Operations that training never sees, by the names of :func:`~rotbot.problems.graphs.op_name`."""

HELD_OUT_PAIRS_PERCENT = 1
_OF_KIND = {"error": "error", "symbolic": "symbolic"}
_SHARES = {
    "plain": (("validation", 2), ("test", 2), ("id", 1), ("ood_style", 1), ("rl", 10)),
    "idiom": (("validation", 2), ("test", 2), ("id", 2), ("rl", 10)),
}
_OTHER_SHARES = (("validation", 2), ("test", 2), ("eval", 16), ("rl", 10))
"""Percent of the hashes, in this order; the rest is for training."""


@dataclass(frozen=True, slots=True)
class Place:
    """A configuration and a split of it."""

    config: str
    split: str


@lru_cache(maxsize=1 << 16)
def is_held_out_pair(pair: tuple[str, str]) -> bool:
    """Whether training never feeds the result of the first operation to the second: 1% of all pairs, by their hash."""
    digest = hashlib.sha256("\x1f".join(("pair", *pair)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < HELD_OUT_PAIRS_PERCENT


def outside(graph: Graph) -> str | None:
    """The benchmark split for what training must not see in ``graph``; None where there is nothing."""
    if not HELD_OUT_OPS.isdisjoint(graph.ops):
        return "ood_op"
    if any(map(is_held_out_pair, graph.edges)):
        return "ood_pair"
    if graph.depth > MAX_DEPTH:
        return "ood_depth"
    if graph.rank > MAX_RANK:
        return "ood_rank"
    if graph.size > MAX_SIZE:
        return "ood_size"
    return None


def place_of(kind: str, graph: Graph, form: str) -> Place:
    """Where a problem of ``kind`` belongs; ``form`` is its canonical form."""
    if kind == "real":
        return Place("eval", "real")
    beyond = outside(graph)
    if beyond is not None:
        return Place("eval", _OF_KIND.get(kind, beyond))
    place = int.from_bytes(hashlib.sha256(form.encode()).digest()[:8], "big") % 100
    for name, percent in _SHARES.get(kind, _OTHER_SHARES):
        if place < percent:
            if name == "rl":
                return Place("rl", "validation" if place == 0 else "train")
            if name == "eval":
                return Place("eval", _OF_KIND[kind])
            return Place("sft" if name in SFT else "eval", name)
        place -= percent
    return Place("sft", "train")
