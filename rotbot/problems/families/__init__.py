"""Op families: one module each, one declaration per op. Adding an op is one sampler and one entry in ``OPS``."""

from __future__ import annotations

from rotbot.problems.families import (
    conv,
    creation,
    elementwise,
    expand,
    fft,
    index,
    join,
    linalg,
    losses,
    masks,
    nn,
    permute,
    products,
    reduce,
    reshape,
    scan,
    scatter,
    split,
    windows,
)  # fmt: skip
from rotbot.problems.op import Op

_MODULES = (
    reshape, permute, expand, join, split, index, scatter, windows, reduce, scan, products, elementwise, masks, linalg,
    fft, creation, conv, nn, losses,
)  # fmt: skip

FAMILIES: dict[str, tuple[Op, ...]] = {module.FAMILY: module.OPS for module in _MODULES}
"""Every op by family, in the order of the documentation."""

SAME: dict[str, str] = {
    "new_axis": "getitem", "pick": "getitem", "slice": "getitem", "mixed_index": "getitem", "index_tensor": "getitem",
    "index_list": "getitem", "split_sizes": "split", "self_product": "matmul", "scale": "mul", "Linear": "linear",
    "Conv1d": "conv1d", "Conv2d": "conv2d", "causal_mask": "masked_fill", "cross_entropy_tokens": "cross_entropy",
}  # fmt: skip
"""Ops that are another use of a torch operation, and which one."""


def torch_operations() -> frozenset[str]:
    """The distinct torch operations that the ops of all families stand for."""
    return frozenset(SAME.get(op.name, op.name) for ops in FAMILIES.values() for op in ops)
