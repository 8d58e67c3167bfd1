"""How much a snippet may ask for. Generous for people's code, small enough that nothing takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from rotbot.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds checked while a snippet is read and interpreted."""

    source_chars: int = 20_000
    ast_nodes: int = 6_000
    ast_depth: int = 120
    evaluations: int = 50_000
    """Expressions evaluated, over all loop rounds."""
    operations: int = 1_500
    """Torch operations recorded."""
    int_bits: int = 63
    sequence: int = 4_096
    """Length of a list, tuple, string or range."""
    rank: int = 24
    elements: int = 2**45
    """Elements of one tensor. Nothing is allocated for them."""
    fan_out: int = 1_024
    """Tensors that one operation may return."""
    eager_elements: int = 2**18
    """Calls on inputs up to this size are also run on real tensors, to settle whether torch accepts them."""
    eager_results: int = 2**20
    """... unless an output is larger than this."""
    eager_work: int = 2**26
    """... but only where the operation's work (:func:`rotbot.shapes.cost.work`) is no more than this."""
    small_work: int = 2**20
    """Operations of no more work than this are run on real tensors at once."""
    small_parameters: int = 2**18
    """Inline modules of no more parameters (:func:`rotbot.shapes.cost.parameters`) are made with real ones at once."""
    parameters: int = 2**34
    """Parameters of an inline module (on the meta device)."""


LIMITS = Limits()


def exceed(what: str, limit: int, got: object, line: int | None = None) -> NoReturn:
    """Raise :class:`LimitExceeded` in the one wording used everywhere."""
    text = str(got) if not isinstance(got, int) or abs(got) < 10**12 else f"about 10^{len(str(abs(got))) - 1}"
    raise LimitExceeded(f"{what}: at most {limit} allowed, got {text}", line)
