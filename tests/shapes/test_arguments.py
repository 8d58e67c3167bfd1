"""Argument specifications: every form a user writes, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotbot.errors import InputError
from rotbot.shapes.arguments import DTYPES, MAX_DIM, MAX_RANK, ArgSpec, parse_arg, parse_args


@pytest.mark.parametrize(
    ("value", "shape", "dtype"),
    [
        ([2, 3], (2, 3), "float32"),
        ((2, 3), (2, 3), "float32"),
        ([], (), "float32"),
        (range(3), (0, 1, 2), "float32"),
        ("2,3", (2, 3), "float32"),
        (" 2 , 3 ", (2, 3), "float32"),
        ("[2, 3]", (2, 3), "float32"),
        ("(2, 3)", (2, 3), "float32"),
        ("torch.Size([2, 3])", (2, 3), "float32"),
        ("2,", (2,), "float32"),
        ("", (), "float32"),
        ("[]", (), "float32"),
        ("16", (16,), "float32"),
        ("0,5", (0, 5), "float32"),
        ("3,5:int64", (3, 5), "int64"),
        ("[3, 5] : torch.int64", (3, 5), "int64"),
        (":bool", (), "bool"),
        (str(MAX_DIM), (MAX_DIM,), "float32"),
        (ArgSpec((2,), "uint8"), (2,), "uint8"),
        (["B", "T", 64], ("B", "T", 64), "float32"),
        ("B, C * 3 ,T+1:int64", ("B", "3*C", "T + 1"), "int64"),
        (["C//8", "x_1"], ("C//8", "x_1"), "float32"),
    ],
)
def test_accepted_forms(value: object, shape: tuple[int, ...], dtype: str) -> None:
    assert parse_arg(value) == ArgSpec(shape, dtype)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2,x y", "expected dimensions from 0 to 2**40 or names, as in '2,3', '3,5:int64' or 'B,T,3*C'"),
        ("2*3", "expected dimensions"),
        ("T/2", "expected dimensions"),
        ("T//0", "expected dimensions"),
        ("T - T", "expected dimensions"),
        ("é", "expected dimensions"),
        ("2,,3", "expected dimensions"),
        (",", "expected dimensions"),
        ("[2,3", "expected dimensions"),
        ("2 3", "expected dimensions"),
        ("2x3", "expected dimensions"),
        ("-1", "expected dimensions"),
        ("²", "expected dimensions"),
        ("1_0", "expected dimensions"),
        ("9" * 50, "expected dimensions"),
        ("2,3:", "unknown dtype ''"),
        ("2,3:int65", "unknown dtype 'int65'; expected one of float32"),
        ("2:3:int64", "unknown dtype"),
        ([2, -3], "expected dimensions"),
        ([2.0], "expected dimensions"),
        ([True], "expected dimensions"),
        (["2"], "expected dimensions"),
        ([2, [3]], "expected dimensions"),
        ([MAX_DIM + 1], "expected dimensions"),
        ([1] * (MAX_RANK + 1), f"expected at most {MAX_RANK} dimensions, got {MAX_RANK + 1}"),
        (ArgSpec((-1,)), "expected dimensions"),
        (ArgSpec((1,), "float8"), "unknown dtype 'float8'"),
        (b"\x02\x03", "got bytes"),
        (5, "got int"),
        (None, "got NoneType"),
        ({2: 3}, "got dict"),
    ],
)
def test_refused_forms_say_why_and_which(value: object, words: str) -> None:
    with pytest.raises(InputError, match=r"^weight: ") as caught:
        parse_arg(value, "weight")  # pyright: ignore[reportArgumentType]
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["", "2x", "a b", "a.b", "if", "None", "__class__", "x\n", 3, None])
def test_refused_names(name: object) -> None:
    with pytest.raises(InputError, match="expected variable names"):
        parse_args({name: [2]})  # pyright: ignore[reportArgumentType]


def test_arguments_keep_their_order() -> None:
    assert list(parse_args({"b": [1], "a": "2:int64", "é": []})) == ["b", "a", "é"]
    with pytest.raises(InputError, match="expected a mapping from names to shapes, got list"):
        parse_args([("x", [2])])  # pyright: ignore[reportArgumentType]


@given(st.lists(st.integers(0, MAX_DIM), max_size=6).map(tuple), st.sampled_from(DTYPES))
def test_the_plain_form_reads_back(shape: tuple[int, ...], dtype: str) -> None:
    spec = ArgSpec(shape, dtype)
    assert parse_arg(spec.plain()) == spec


@given(st.text(max_size=30) | st.text("0123456789,[]: int64", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        spec = parse_arg(text)
    except InputError:
        return
    assert parse_arg(spec.plain()) == spec
    numbers = [dim for dim in spec.shape if isinstance(dim, int)]
    assert all(str(dim) in text.replace(" ", "") or f"0{dim}" in text for dim in numbers)


def test_sizes_are_numbers_only() -> None:
    assert ArgSpec((2, 3)).sizes == (2, 3)
    assert not ArgSpec((2, 3)).symbolic
    assert ArgSpec((2, "T")).symbolic
    with pytest.raises(InputError, match=r"expected numbers for all dimensions, got \[2, T\]"):
        _ = ArgSpec((2, "T")).sizes
