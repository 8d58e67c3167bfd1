"""Random streams derived from hashes, so that neighbouring seeds and indices share nothing.

``Random(seed + index)`` would make seeds 42 and 43 share almost all their items; a hash of all parts does not.
"""

from __future__ import annotations

import hashlib
from random import Random


def derive(*parts: int | str) -> int:
    """A 63-bit integer from the SHA-256 of ``parts``: the same for the same parts, on any machine."""
    digest = hashlib.sha256("\x1f".join([str(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def item_seed(seed: int, index: int) -> int:
    """The seed of item ``index`` of a dataset with seed ``seed``: what the column ``seed`` holds."""
    return derive("item", seed, index)


def stream(*parts: int | str) -> Random:
    """A random stream of its own for ``parts``."""
    return Random(derive(*parts))
