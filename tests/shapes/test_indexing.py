"""Indexing as primitives: what each step says, and that together they are torch's own indexing."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotbot.errors import UnsupportedSnippet
from rotbot.shapes.indexing import plan
from rotbot.shapes.metadata import TensorMeta

INTEGERS = {(): "k", (2,): "i", (3, 1): "j", (0,): "h"}


def meta(*shape: int, dtype: torch.dtype = torch.int64) -> TensorMeta:
    return TensorMeta.contiguous(shape, dtype)


def steps(shape: tuple[int, ...], index: Any) -> list[str]:
    return [f"{p.op} -> {p.reason or list(p.shape)}" for p in plan(shape, index).primitives]


@pytest.mark.parametrize(
    ("shape", "index", "expected"),
    [
        ((4, 5), 1, ["select index 1 of dim 0 -> [5]"]),
        ((4, 5), -1, ["select index 3 of dim 0 -> [5]"]),
        ((4, 5), (slice(None), 2), ["select index 2 of dim 1 -> [4]"]),
        ((4, 5), (1, 2), ["select index 1 of dim 0 -> [5]", "select index 2 of dim 0 -> []"]),
        ((4, 5), None, ["add dimension at position 0 -> [1, 4, 5]"]),
        ((4, 5), (Ellipsis, None), ["add dimension at position 2 -> [4, 5, 1]"]),
        ((9, 5), slice(2, 9, 3), ["slice dim 0 from 2 to 9 step 3 -> [3, 5]"]),
        ((9, 5), (Ellipsis, slice(-2, None)), ["slice dim 1 from 3 to 5 -> [9, 2]"]),
        ((4, 5), slice(3, 1), ["slice dim 0 from 3 to 3 -> [0, 5]"]),
        ((4, 5), slice(None), ["keep all dims -> [4, 5]"]),
        ((4, 5), (), ["keep all dims -> [4, 5]"]),
        ((4, 5, 6), (0, Ellipsis, 0), ["select index 0 of dim 0 -> [5, 6]", "select index 0 of dim 1 -> [5]"]),
        ((4, 5), [0, 2, 2], ["index dim 0 with [3] -> [3, 5]"]),
        ((4, 5), (slice(None), [[0], [1]]), ["index dim 1 with [2, 1] -> [4, 2, 1]"]),
        ((4, 5), [[0, 1], [2, 3]], ["index dims 0, 1 with [2], [2] -> [2]"]),
        ((4, 5, 6), ([0, 1], meta(3, 1)), ["index dims 0, 1 with [2], [3, 1] -> [3, 2, 6]"]),
        ((4, 5, 6), ([0, 1], slice(None), meta(2)), ["index dims 0, 2 with [2], [2] -> [2, 5]"]),
        (
            (4, 5, 6),
            (meta(), slice(None), [0]),
            ["select index _ of dim 0 -> [5, 6]", "index dim 1 with [1] -> [5, 1]"],
        ),
        ((4, 5), (0, 0, 0), ["index -> too many indices: 3 for 2 dimensions"]),
        ((4,), (0, 0), ["index -> too many indices: 2 for 1 dimension"]),
        ((5,), (None, 5), ["add dimension at position 0 -> [1, 5]",
                           "select index 5 of dim 1 -> index 5 is out of range for dim 1 of size 5"]),
        ((4, 5), slice(None, None, -1), ["slice dim 0 -> slice step must be positive, got -1"]),
        ((4, 5), [4], ["index dim 0 with [1] -> index 4 is out of range for dim 0 of size 4"]),
        ((4, 5), ([0, 1], [0, 1, 2]), ["index dims 0, 1 with [2], [3] -> index shapes [2] and [3] differ"]),
        ((0, 5), meta(2), ["index dim 0 with [2] -> dim 0 has size 0: there is nothing to index"]),
        (
            (4, 5),
            meta(3, dtype=torch.float32),
            ["index dim 0 with [3] -> an index tensor is needed, got float32: give it as '3:int64'"],
        ),
        ((4, 5), (Ellipsis, Ellipsis, 0), ["index -> an index can have only one ellipsis"]),
    ],
)  # fmt: skip
def test_an_index_is_these_primitives(shape: tuple[int, ...], index: Any, expected: list[str]) -> None:
    assert steps(shape, index) == expected


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (meta(4, dtype=torch.bool), "mask"),
        (meta(4, dtype=torch.uint8), "mask"),
        (True, "mask"),
        ((0, [True, False]), "integers"),
        (slice(None, meta()), "tensor's value"),
        (1.5, "float"),
        ("a", "str"),
    ],
)
def test_an_index_that_depends_on_values_is_refused(index: Any, words: str) -> None:
    with pytest.raises(UnsupportedSnippet, match=words):
        plan((4, 5), index)


ENDS = st.none() | st.integers(-5, 5)
ITEMS = st.one_of(
    st.integers(-3, 2),
    st.builds(slice, ENDS, ENDS, st.sampled_from([None, 1, 2, 3])),
    st.none(),
    st.lists(st.integers(-2, 2), max_size=3),
    st.sampled_from([[[0, 1], [1, 0]], range(2)]),
    st.sampled_from([torch.zeros(shape, dtype=torch.int64) for shape in INTEGERS]),
)


@st.composite
def indices(draw: st.DrawFn) -> Any:
    """A tuple of indices, with an ellipsis or not, or a single one."""
    items = draw(st.lists(ITEMS, max_size=4))
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@settings(max_examples=1000)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=4), indices())
def test_together_they_are_torchs_indexing(shape: list[int], index: Any) -> None:
    last = plan(tuple(shape), _metadata(index)).primitives[-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = tuple(torch.zeros(shape)[index].shape)
    except (IndexError, ValueError):
        assert last.reason is not None
    else:
        assert (last.reason, last.shape) == (None, expected)


def _metadata(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple([_metadata(item) for item in index])
    return meta(*index.shape) if isinstance(index, torch.Tensor) else index
