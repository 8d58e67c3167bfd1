"""The views whose meta kernel is believed: eager torch accepts and rejects the same calls and finds the same shapes."""

import itertools
import random

import pytest
import torch

from rotbot.shapes.allowlist import FUNCTIONS
from rotbot.shapes.evaluate import clear_cache, evaluate
from rotbot.shapes.metadata import Rejected, TensorMeta, shapes_of
from rotbot.shapes.running import TORCH_ERRORS
from rotbot.shapes.trusted import VIEWS, is_trusted

SHAPES = ((), (0,), (1,), (6,), (2, 3), (4, 6), (1, 0, 3), (2, 3, 4), (2, 1, 3, 1))
INTS = (-4, -3, -2, -1, 0, 1, 2, 3, 6, 12)
INDICES = (0, -1, 2, 5, None, ..., slice(None), slice(1, 3), slice(-2, None), slice(0, 9, 2))
INT_PARAMETERS = {
    "T": 0, "mT": 0, "t": 0, "detach": 0, "squeeze": 1, "unsqueeze": 1, "transpose": 2, "swapaxes": 2, "swapdims": 2,
    "chunk": 2, "diagonal": 3, "narrow": 3, "select": 2, "split": 2, "tensor_split": 2, "unbind": 1, "unfold": 3,
    "movedim": 2, "moveaxis": 2,
}  # fmt: skip
SIZES = ("broadcast_to", "expand", "permute", "view")


def arguments(name: str, draw: random.Random) -> tuple[object, ...]:
    """Arguments after the tensor: right by chance, and often wrong."""
    if name in INT_PARAMETERS:
        return tuple(draw.choice(INTS) for _ in range(INT_PARAMETERS[name]))
    sizes = tuple(draw.choice((-1, 0, 1, 2, 3, 4, 6)) for _ in range(draw.randint(0, 4)))
    if name in SIZES:
        return (sizes,)
    if name == "split_with_sizes":
        return (list(sizes), draw.choice(INTS))
    if name == "unflatten":
        return (draw.choice(INTS), sizes)
    if name == "getitem":
        return (tuple(draw.choice(INDICES) for _ in range(draw.randint(1, 3))),)
    assert name in ("expand_as", "view_as")
    return (TensorMeta.contiguous(draw.choice(SHAPES)),)


def real(meta: object) -> object:
    return torch.zeros(meta.shape).as_strided(meta.shape, meta.stride) if isinstance(meta, TensorMeta) else meta


def shapes(result: object) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    if isinstance(result, torch.Tensor):
        return [((), tuple(result.shape))]
    return [((i,), tuple(part.shape)) for i, part in enumerate(result)]


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_views_are_accepted_and_rejected_as_by_eager(name: str) -> None:
    target = next(t for t in (f"Tensor.{name}", f"operator.{name}") if t in FUNCTIONS)
    draw, verdicts = random.Random(name), []
    clear_cache()
    for shape, _ in itertools.product(SHAPES, range(25)):
        meta = TensorMeta.contiguous(shape)
        if len(shape) > 1 and draw.random() < 0.3:
            meta = TensorMeta(shape[::-1], meta.stride[::-1], meta.dtype)
        args = (meta, *arguments(name, draw))
        assert is_trusted(target, [arg for arg in args if isinstance(arg, TensorMeta)])
        found = evaluate(target, args, {})
        try:
            expected = shapes(FUNCTIONS[target](*map(real, args)))
        except TORCH_ERRORS:
            assert isinstance(found, Rejected), f"{target}{args}: eager rejects it"
            verdicts.append(False)
        else:
            assert not isinstance(found, Rejected), f"{target}{args}: {found}"
            assert shapes_of(found) == expected, f"{target}{args}"
            verdicts.append(True)
    assert any(verdicts)
    assert name in ("detach", "T", "view_as", "expand_as") or not all(verdicts)


def test_indexing_with_tensors_is_not_trusted() -> None:
    metas = [TensorMeta.contiguous((3, 4)), TensorMeta.contiguous((2,), torch.int64)]
    assert not is_trusted("operator.getitem", metas)
    assert is_trusted("operator.getitem", metas[:1])
    assert not is_trusted("torch.linalg.diagonal", metas[:1])
