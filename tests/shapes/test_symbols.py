"""Expressions of dimensions: one spelling each, exact arithmetic, and a reader that no text can hurt."""

from __future__ import annotations

import contextlib
import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotbot.shapes.symbols import Expr, TooLarge
from rotbot.shapes.symbols_text import MAX_CHARS, canonical, parse, render, same_dim


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("T", "T"),
        ("C*3", "3*C"),
        ("C - 1 + T*B*2", "2*B*T + C - 1"),
        ("(T + B)*(T - B)", "-B*B + T*T"),
        ("0*T + 5", 5),
        ("T - T", 0),
        ("7//2", 3),
        ("-7//2", -4),
        ("8*C//8", "C"),
        ("6*C//8", "3*C//4"),
        ("(6*C + 5)//8", "(3*C + 2)//4"),
        ("(T - 3)//2 + 1", "(T - 1)//2"),
        ("(T + 1)//2 - 1", "(T - 1)//2"),
        ("(C + 8)//8", "C//8 + 1"),
        ("T + T//2", "3*T//2"),
        ("B*T + C//8", "B*T + C//8"),
        ("T - T//2", "(T + 1)//2"),
        ("S - T//2", "S - T//2"),
        ("5 - T//2", "-(T//2) + 5"),
        ("-T//2", "-((T + 1)//2)"),
        ("T//2//3", "T//6"),
        ("((T - 1)//2 - 1)//2", "(T - 3)//4"),
        ("(T - T//2)//2", "(T + 1)//4"),
        ("(H//16)*(W//16) + 1", "(H//16)*(W//16) + 1"),
        ("(H*W//256)", "H*W//256"),
        ("(W//2)*(H//3)//5", "(H//3)*(W//2)//5"),
        ("B*(C//8 + 1)", "B*(C//8 + 1)"),
        ("B*((T - 3)//2 + 1)", "B*((T - 1)//2)"),
        ("((H - 3)//2 + 1)*((W - 3)//2 + 1)", "((H - 1)//2)*((W - 1)//2)"),
        ("T//2*2", "2*(T//2)"),
        ("(T + 7)//8*8 - T", "-T + 8*((T + 7)//8)"),
        ("T*(T - 1)//2", "(T*T - T)//2"),
        ("(T*T + T + 1)//2", "(T*T + T)//2"),
        ("( (T) )", "T"),
        ("B - -T", "B + T"),
        ("x_1*Y2", "Y2*x_1"),
    ],
)
def test_canonical_spelling(text: str, expected: str | int) -> None:
    assert canonical(text) == expected
    assert canonical(str(expected)) == expected
    assert same_dim(text, str(expected)) or isinstance(expected, int)


NO_EXPRESSIONS = "|+ T|T +|T T|2T|T.x|T/2|T%2|T**2|T//T|T//0|T//-2|T//(1 - 1)|(T|T)|()|é|T,B|T\n|f(T)| ".split("|")
HUGE = ["T" * (MAX_CHARS + 1), "*".join("T" * 20), "9" * 30 + "*T", "(A+B+C+D+E)*" * 9 + "A", "(T*T + 1)//" + "9" * 9]
DEEP = ["--" * 40 + "T", "(" * 60 + "T" + ")" * 60]


@pytest.mark.parametrize("text", [*NO_EXPRESSIONS, *HUGE, *DEEP])
def test_what_is_no_expression(text: str) -> None:
    assert parse(text) is None
    assert canonical(text) is None
    assert not same_dim(text, "T")
    assert same_dim(text, text)


def test_same_dim() -> None:
    assert same_dim("T + 1", "1+T")
    assert same_dim(3, 3)
    assert not same_dim("T", "B")
    assert not same_dim("T//2", "T")
    assert not same_dim(3, "3")
    assert not same_dim(0, "T - T")
    assert not same_dim("(T + 1)//2", "T//2")


def test_evaluation_floors_and_misses_names() -> None:
    expr = parse("B*((T - 3)//2 + 1) - 1")
    assert expr is not None
    assert expr.names == {"B", "T"}
    assert [expr.evaluate({"B": 2, "T": t}) for t in (0, 2, 3, 4, 5)] == [-3, -1, 1, 1, 3]
    with pytest.raises(KeyError):
        expr.evaluate({"B": 2})


def test_arithmetic_refuses_what_is_too_large() -> None:
    name = Expr.name("T")
    with pytest.raises(ZeroDivisionError):
        _ = name // 0
    with pytest.raises(TooLarge):
        _ = name * 2**63
    with pytest.raises(TooLarge):
        _ = name * name * name * name * name * name * name * name * name


# --- properties ------------------------------------------------------------------------------------------------------

_NAMES = "BTC"
_small = st.integers(-6, 6)


def _linear(names: str = _NAMES) -> st.SearchStrategy[Expr]:
    """Sums that are linear in every name: ``2*B*T - C + 3``."""
    pairs = [Expr.name(a) * Expr.name(b) for a in names for b in names if a < b]
    factors = st.sampled_from([*map(Expr.name, names), *pairs])
    terms = st.lists(st.tuples(factors, _small), min_size=1, max_size=3)
    return st.builds(lambda terms, number: sum([f * c for f, c in terms], Expr.number(number)), terms, _small)


_quotients = st.builds(lambda expr, divisor: expr // divisor, _linear(), st.integers(1, 12))
_products = st.builds(
    lambda b, t, p, q, c, d: (b // p) * (t // q) * c + d,
    _linear("B"),
    _linear("T"),
    st.integers(1, 6),
    st.integers(1, 6),
    _small,
    _small,
)
_polynomials = st.builds(lambda a, b, c: a * b + c, _linear(), _linear(), _linear())
_unique = _quotients | _products | _polynomials
_any = st.recursive(
    st.sampled_from(_NAMES).map(Expr.name) | _small.map(Expr.number),
    lambda inner: st.builds(Expr.__add__, inner, inner) | st.builds(Expr.__sub__, inner, inner)
    | st.builds(Expr.__mul__, inner, inner) | st.builds(Expr.__floordiv__, inner, st.integers(1, 6)),
    max_leaves=5,
)  # fmt: skip


def _values(expr: Expr) -> list[int]:
    """Enough of the function: quotients have a period of at most 12 in a name."""
    grid = product(range(0, 26, 1), (0, 1, 2, 5, 7, 12, 24, 13), (0, 1, 3, 12, 5))
    return [expr.evaluate(dict(zip("BTC", values, strict=True))) for values in grid]


@settings(max_examples=100)
@given(_any)
def test_the_text_reads_back_and_is_canonical(expr: Expr) -> None:
    text = render(expr)
    if len(text) <= MAX_CHARS:
        assert parse(text) == expr
        assert canonical(text) == (text if expr.names else expr.constant)


@settings(max_examples=80)
@given(_any, _any, st.integers(1, 9), st.fixed_dictionaries({name: st.integers(0, 500) for name in _NAMES}))
def test_arithmetic_is_that_of_the_values(one: Expr, other: Expr, divisor: int, values: dict[str, int]) -> None:
    a, b = one.evaluate(values), other.evaluate(values)
    assert (one + other).evaluate(values) == a + b
    assert (one - other).evaluate(values) == a - b
    assert (one // divisor).evaluate(values) == a // divisor
    with contextlib.suppress(TooLarge):
        assert (one * other).evaluate(values) == a * b


@settings(max_examples=60)
@given(_unique, _unique)
def test_equal_functions_are_equal_texts(one: Expr, other: Expr) -> None:
    assert (render(one) == render(other)) == (_values(one) == _values(other))
    assert (one == other) == (render(one) == render(other))


@settings(max_examples=60)
@given(_linear(), st.integers(1, 12), st.integers(1, 4), st.integers(-20, 20), st.integers(1, 6))
def test_spellings_of_one_function_are_one_text(expr: Expr, divisor: int, times: int, shift: int, again: int) -> None:
    plain = expr // divisor
    assert render((expr * times) // (divisor * times)) == render(plain)
    assert render((expr + shift * divisor) // divisor - shift) == render(plain)
    assert render(-((-expr + (divisor - 1)) // divisor)) == render(plain)
    assert render(plain // again) == render(expr // (divisor * again))


@settings(max_examples=100)
@given(st.text(max_size=60) | st.text("BT0123456789+-*/() ", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    expr = parse(text)
    if expr is not None:
        assert parse(render(expr)) == expr or len(render(expr)) > MAX_CHARS


def test_hostile_texts_take_no_time() -> None:
    texts = [
        "(" * 199,
        "-" * 200,
        "T//2" * 50,
        "(T+1)*" * 33 + "T",
        "((T*T+T)//" + "7)" * 20,
        "+".join(f"A{n}" for n in range(50)),
    ]
    texts += [
        "*".join(f"(A{n}+B{n})" for n in range(18)),
        "//".join(["(T*T*T*T)"] + ["61"] * 40),
        "+".join(["(A//2)*(B//3)"] * 14),
    ]
    texts += ["(A//2+B//3)*(C//5+D//7)*(E//11+F//13)*(G//17+H//19)*(I//23+J//29)", "T" * 100_000, "(" * 100_000]
    start = time.perf_counter()
    for text in texts:
        expr = parse(text)
        assert expr is None or render(expr)
    assert time.perf_counter() - start < 5
