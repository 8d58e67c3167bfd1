"""A problem's text: exactly the seed's, both ways, and clear words for what is none."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problem import MAX_TEXT
from rotbot.shapes.arguments import DTYPES, ArgSpec

SEED = "Code: 'q = s[None, :]\\nf = q.expand(4, -1)'\nArgs: {'s': [16]}\nTarget: f"

_names = st.from_regex(r"[a-zé_][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda s: not keyword.iskeyword(s) and not s.startswith("__")
)
_dims = st.integers(0, 2**40) | st.sampled_from(["B", "T + 1", "3*C", "(T - 1)//2", "B*T//8"])
_specs = st.builds(ArgSpec, st.lists(_dims, max_size=5).map(tuple), st.sampled_from(DTYPES))


def test_the_seed_problem_both_ways() -> None:
    problem = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
    assert problem.prompt() == SEED
    assert Problem.parse(SEED) == problem
    assert problem.specs == (("s", ArgSpec((16,))),)


def test_dtypes_are_written_in_the_text_form() -> None:
    problem = Problem("y = w[i]", {"w": "7,3", "i": "[5]:int64"}, "y")
    assert problem.prompt() == "Code: 'y = w[i]'\nArgs: {'w': [7, 3], 'i': '5:int64'}\nTarget: y"


@given(st.text(min_size=1).filter(str.strip), st.dictionaries(_names, _specs, max_size=4), _names)
def test_prompt_round_trip(code: str, specs: dict[str, ArgSpec], target: str) -> None:
    problem = Problem(code, specs, target)
    text = problem.prompt()
    assert text.count("\n") == 2
    assert Problem.parse(text) == problem
    assert Problem.parse(text).prompt() == text
    assert Problem.parse(f"\n {text}  \n") == problem


def test_names_of_dimensions_are_quoted_and_canonical() -> None:
    problem = Problem("y = w[i]", {"w": ["T", "C*3", 7], "i": "1 + B, 2:int64"}, "y")
    assert problem.prompt() == "Code: 'y = w[i]'\nArgs: {'w': ['T', '3*C', 7], 'i': 'B + 1,2:int64'}\nTarget: y"
    assert Problem.parse(problem.prompt()) == problem
    assert problem.truth().render() == (
        "step 0: index dim 0 with [B + 1, 2] | [T, 3*C, 7], [B + 1, 2] -> [B + 1, 2, 3*C, 7]\nfinal: [B + 1, 2, 3*C, 7]"
    )


def test_equal_problems_hash_alike_and_the_order_of_arguments_matters() -> None:
    one = Problem("z = x + y", {"x": [2], "y": [2]}, "z")
    same = Problem("z = x + y", {"x": "2", "y": ArgSpec((2,))}, "z")
    swapped = Problem("z = x + y", {"y": [2], "x": [2]}, "z")
    assert one == same
    assert hash(one) == hash(same)
    assert one != swapped
    assert len({one, same, swapped}) == 2
    with pytest.raises(AttributeError):
        one.code = "z = x"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("code", "args", "target", "words"),
    [
        ("", {}, "f", "code: expected Python source"),
        (" \n", {}, "f", "code: expected Python source"),
        (None, {}, "f", "code: expected Python source"),
        ("f = 1", {}, "", "target: expected a variable name, got ''"),
        ("f = 1", {}, "f.g", "target: expected a variable name, got 'f.g'"),
        ("f = 1", {}, "if", "target: expected a variable name, got 'if'"),
        ("f = 1", {}, None, "target: expected a variable name, got None"),
        ("f = 1", None, "f", "args: expected a mapping"),
        ("f = 1", {"s": "x y"}, "f", "s: expected dimensions"),
        ("f = 1", {"1": [2]}, "f", "args: expected variable names, got '1'"),
    ],
)
def test_unusable_parts(code: object, args: object, target: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Problem(code, args, target)  # pyright: ignore[reportArgumentType]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected three lines (Code, Args, Target), got 1"),
        (SEED + "\nMore: 1", "expected three lines (Code, Args, Target), got 4"),
        (SEED.replace("Code: ", "Code "), "expected a line starting with 'Code: '"),
        (SEED.replace("Args", "args"), "expected a line starting with 'Args: '"),
        (SEED.replace("Target: f", "Target f"), "expected a line starting with 'Target: '"),
        (SEED.replace("Target: f", "Target: f g"), "target: expected a variable name, got 'f g'"),
        (SEED.replace("'q = s[None, :]\\nf = q.expand(4, -1)'", "q = s"), "Code is not a Python literal: 'q = s'"),
        (SEED.replace("{'s': [16]}", "{'s': [16}"), "Args is not a Python literal"),
        (SEED.replace("{'s': [16]}", "{[]: 1}"), "Args is not a Python literal"),
        (SEED.replace("{'s': [16]}", "{'s': open('x')}"), "Args is not a Python literal"),
        (SEED.replace("{'s': [16]}", "[16]"), "Args must be a dict, got list"),
        (SEED.replace("{'s': [16]}", "{'s': 16}"), "s: expected a shape such as [2, 3]"),
        (SEED.replace("{'s': [16]}", "{'s': [-1]}"), "s: expected dimensions"),
        (SEED.replace("{'s': [16]}", "{'s': [" + "9" * 5000 + "]}"), "Args is not a Python literal"),
        (SEED.replace("{'s': [16]}", "{'s': " + "[" * 5000 + "]" * 5000 + "}"), "Args is not a Python literal"),
        (SEED.replace("'q = s", "b'q = s"), "Code must be a str, got bytes"),
        (SEED.replace("'q = s", "'\0q = s"), "Code is not a Python literal"),
        ("x" * (MAX_TEXT + 1), f"expected at most {MAX_TEXT} characters"),
    ],
)
def test_texts_that_are_no_problem(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Problem.parse(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300
