"""The family of every operation that a trace can name (see :func:`rotbot.problems.graphs.op_name`)."""

from __future__ import annotations

from functools import cache

from rotbot.problems.families import FAMILIES

_MORE = {
    "index": "new_axis select_index slice index setitem unpack",
    "elementwise": "neg batch_norm dropout bitwise_not bitwise_and masked_fill pow sqrt normalize",
    "reduce": "min",
    "nn": "pixel_shuffle unfold adaptive_avg_pool2d scaled_dot_product_attention batch_norm layer_norm normalize",
    "losses": "cross_entropy",
    "creation": "ones arange one_hot",
    "windows": "tril",
}
"""Names that no declaration has: indexing reads as primitives, idioms use what the composer does not."""


@cache
def _families() -> dict[str, str]:
    table = {name: family for family, names in _MORE.items() for name in names.split()}
    return table | {op.name.lower(): family for family, declared in FAMILIES.items() for op in declared}


def family_of(op: str) -> str:
    """The family of an operation by its graph name; ``other`` for one that is in none."""
    return _families().get(op.lower(), "other")
