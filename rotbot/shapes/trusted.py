"""Operations whose meta kernel is the real one: the same C++ code makes the same checks and finds the same shape.

What a meta kernel accepts is otherwise no verdict (see :mod:`rotbot.shapes.evaluate`). The tests hold every name here
against real tensors, on valid and invalid calls.
"""

from __future__ import annotations

from rotbot.shapes.metadata import TensorMeta

VIEWS = frozenset(
    """
    T broadcast_to chunk detach diagonal expand expand_as getitem mT movedim moveaxis narrow permute select split
    split_with_sizes squeeze swapaxes swapdims t tensor_split transpose unbind unflatten unfold unsqueeze view view_as
    """.split()
)
"""Only sizes and strides change, on any device. (``reshape`` is not here: it copies where it cannot view.)"""

_TRUSTED = frozenset(f"{owner}.{name}" for owner in ("torch", "Tensor", "operator") for name in VIEWS)


def is_trusted(target: str, metas: list[TensorMeta]) -> bool:
    """Whether to ask the meta kernel first, and to believe it when it accepts the call."""
    return target in _TRUSTED and (target != "operator.getitem" or len(metas) == 1)
