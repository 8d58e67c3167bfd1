"""Op families: one module each, one declaration per op. Adding an op is one sampler and one entry in ``OPS``."""

from __future__ import annotations

from rotbot.problems.families import elementwise, expand, index, join, nn, permute, products, reduce, reshape, split
from rotbot.problems.op import Op

FAMILIES: dict[str, tuple[Op, ...]] = {
    module.FAMILY: module.OPS
    for module in (reshape, permute, expand, join, split, index, reduce, products, elementwise, nn)
}
"""Every op by family, in the order of the documentation."""
