"""The family of every operation that a trace can name (see :func:`rotbot.problems.graphs.op_name`)."""

from __future__ import annotations

from collections import Counter
from functools import cache

from rotbot.problems.families import FAMILIES

_MORE = {
    "index": "keep_all new_axis select_index slice index setitem unpack size",
    "masks": "bitwise_not bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift to bool",
    "elementwise": "logsigmoid log10 relu6 hardswish conj",
    "creation": "tensor",
    "nn": "embedding_bag gumbel_softmax grucell",
    "conv": "conv3d",
    "windows": "grid_sample",
    "linalg": "cholesky_solve",
}
"""Names that no declaration has: indexing reads as primitives, wrong programs ask for a dimension that is not there,
idioms and real programs use what the composer does not."""


@cache
def _families() -> dict[str, str]:
    table = {name: family for family, names in _MORE.items() for name in names.split()}
    return table | {op.name.lower(): family for family, declared in FAMILIES.items() for op in declared}


def family_of(op: str) -> str:
    """The family of an operation by its graph name; ``other`` for one that is in none."""
    return _families().get(op.lower(), "other")


def family_shares(ops: Counter[str]) -> dict[str, float]:
    """The share of steps of every family, the largest first, from the steps of every operation."""
    counts: Counter[str] = Counter()
    for op, count in ops.items():
        counts[family_of(op)] += count
    return {family: count / max(1, counts.total()) for family, count in counts.most_common()}
