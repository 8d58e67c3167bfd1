"""What the page is made of: escaping, links, names, the picture's lines."""

from __future__ import annotations

import gc
import re
import shlex
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest

import rotbot
from rotbot.errors import InputError
from rotbot.space.answers import check_model
from rotbot.space.app import _filled
from rotbot.space.dims import links
from rotbot.space.examples import EXAMPLES
from rotbot.space.forms import names_of, read_problem
from rotbot.space.links import Filled, command, from_query, to_query
from rotbot.space.markup import esc
from rotbot.space.picture import describe, picture

HOSTILE = "<script>alert(1)</script>${alert(2)}{{x}}`'\"\x1b[0m"


def test_nothing_of_a_hostile_text_is_markup_or_a_template():
    text = esc(HOSTILE)
    assert not set("<>${}`'\"\x1b") & set(text)
    assert text.startswith("&lt;script&gt;")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.title)
def test_a_link_and_a_command_carry_the_whole_example(example):
    filled = Filled(example.code, example.args, example.target)
    assert from_query(dict(parse_qsl(to_query(filled)))) == filled
    words = shlex.split(command(filled))
    assert words[words.index("-c") + 1] == example.code
    assert names_of(example.code).free == tuple(name for name, _ in example.args)
    assert example.target in names_of(example.code).assigned


def test_a_link_without_usable_fields_fills_nothing_in():
    assert from_query({"target": "y"}) is None
    assert from_query({"code": "y = x", "arg.1x": "2", "arg.x": "9" * 201, "target": "<b>"}) == Filled("y = x", (), "")


@pytest.mark.parametrize(
    ("op", "before", "after", "expected"),
    [
        ("transpose(1, 2)", (2, 3, 3), (2, 3, 3), [(0, 0), (2, 1), (1, 2)]),
        ("view(2, 3, 8, 4)", (2, 3, 32), (2, 3, 8, 4), [(0, 0), (1, 1), (2, 2), (2, 3)]),
        ("flatten(1)", (2, 3, 4), (2, 12), [(0, 0), (1, 1), (2, 1)]),
        ("add dimension at position 0", (16,), (1, 16), [(0, 1)]),
        ("matmul", (2, 5, 3), (2, 5, 5), [(0, 0), (1, 1)]),
        ("sum(-1)", (6, 4, 3), (6, 4), [(0, 0), (1, 1)]),
        ("sum(1)", (4, 4, 4), (4, 4), [(0, 0), (2, 1)]),
        ("mean(dim=(0, 1), keepdim=True)", (4, 4, 4), (1, 1, 4), [(2, 2)]),
        ("max(0)", (4, 4), (4,), [(1, 0)]),
        ("select index 0 of dim 1", (4, 4, 4), (4, 4), [(0, 0), (2, 1)]),
        ("select(0, 2)", (4, 4), (4,), [(1, 0)]),
        ("Linear(4, 4)", (4, 4, 4), (4, 4, 4), [(0, 0), (1, 1)]),
        ("movedim((0, 1), (1, 0))", (4, 4, 4), (4, 4, 4), [(1, 0), (0, 1), (2, 2)]),
        ("movedim(0, -1)", (2, 3, 4), (3, 4, 2), [(1, 0), (2, 1), (0, 2)]),
        ("permute(2, 0, 1)", (4, 4, 4), (4, 4, 4), [(2, 0), (0, 1), (1, 2)]),
        ("view(B, 16*T)", ("B", "T", 16), ("B", "16*T"), [(0, 0), (1, 1), (2, 1)]),
        ("view(B, 8, C//8)", ("B", "C"), ("B", 8, "C//8"), [(0, 0), (1, 1), (1, 2)]),
        ("sum(1)", ("B", "T", 16), ("B", 16), [(0, 0), (2, 1)]),
        ("sum(9)", (4, 4), (4,), [(1, 0)]),
        ("slice dim 1 from 1 to 10", (2, 10, 10), (2, 9, 10), [(0, 0), (1, 1), (2, 2)]),
        ("chunk(3, dim=-1)", (2, 10, 192), (2, 10, 64), [(0, 0), (1, 1), (2, 2)]),
        ("expand(-1, 3, -1)", (4, 1, 5), (4, 3, 5), [(0, 0), (1, 1), (2, 2)]),
        ("repeat(2, 1, 1)", (4, 5), (2, 4, 5), [(0, 1), (1, 2)]),
        ("max_pool2d(2)", (2, 3, 8, 8), (2, 3, 4, 4), [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ("Conv2d(3, 6, 3)", (2, 3, 8, 8), (2, 6, 6, 6), [(0, 0), (2, 2), (3, 3)]),
        ("unfold(2, 2, 1)", (4, 2, 5), (4, 2, 4, 2), [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_lines_join_the_dimensions_that_belong_together(op, before, after, expected):
    assert links(op, (before,), after) == [expected]


@pytest.mark.parametrize(
    ("op", "inputs", "after", "expected"),
    [
        ("matmul", ((2, 10, 8), (2, 8, 10)), (2, 10, 10), [[(0, 0), (1, 1)], [(0, 0), (2, 2)]]),
        ("matmul", ((2, 4, 10, 8), (8, 10)), (2, 4, 10, 10), [[(0, 0), (1, 1), (2, 2)], [(1, 3)]]),
        ("matmul", ((3, 4), (4,)), (3,), [[(0, 0)], []]),
        ("matmul", ((4,), (4, 4)), (4,), [[], [(1, 0)]]),
        ("matmul", ((4,), (4,)), (), [[], []]),
        ("sub", ((6, 1, 3), (1, 4, 3)), (6, 4, 3), [[(0, 0), (1, 1), (2, 2)]] * 2),
        ("add", ((8, 10), (10,)), (8, 10), [[(0, 0), (1, 1)], [(0, 1)]]),
        ("add", (("B", "T"), ("T",)), ("B", "T"), [[(0, 0), (1, 1)], [(0, 1)]]),
        ("cat(dim=1)", ((2, 6, 16), (2, 10, 16)), (2, 16, 16), [[(0, 0), (1, 1), (2, 2)]] * 2),
        ("stack(1)", ((2, 2), (2, 2)), (2, 2, 2), [[(0, 0), (1, 2)]] * 2),
        ("stack", ((2, 2), (2, 2)), (2, 2, 2), [[(0, 1), (1, 2)]] * 2),
        ("conv2d(stride=2)", ((4, 3, 32, 32), (6, 3, 3, 3)), (4, 6, 15, 15), [[(0, 0), (2, 2), (3, 3)], [(0, 1)]]),
        ("conv_transpose1d", ((4, 3, 9), (3, 7, 2)), (4, 7, 10), [[(0, 0), (2, 2)], [(1, 1)]]),
        ("linear", ((4, 5), (7, 5)), (4, 7), [[(0, 0)], [(0, 1)]]),
        ("gather(0, _)", ((4, 5), (2, 2)), (2, 2), [[], []]),
    ],
)
def test_lines_of_two_operands(op, inputs, after, expected):
    assert links(op, inputs, after) == expected


@pytest.mark.parametrize(
    ("code", "args", "said"),
    [
        ("y = x[:, 1:]", {"x": [2, 10]}, "10 becomes 9."),
        ("y = a[:, None] - b[None]", {"a": [6, 3], "b": [4, 3]}, "1 becomes 4, 1 becomes 6."),
        ("y = x @ x.mT", {"x": [5, 3]}, "Gone: 3, 3."),
        ("y = torch.zeros(2, 3)", {}, "gives [2, 3]."),
    ],
)
def test_the_words_of_what_happens_to_sizes(code, args, said):
    step = rotbot.trace(code, args).steps[-1]
    assert describe(0, step).endswith(said)


def test_the_picture_is_wellformed_and_says_in_words_what_it_shows():
    drawn = picture(rotbot.trace("y = x.transpose(0, 1)\nz = y.flatten()", {"x": [2, 3]}))
    root = ET.fromstring(f"<div>{drawn}</div>")
    words = root.find("svg/desc").text
    assert "Step 0: transpose(0, 1) takes [2, 3] and gives [3, 2]. Dimensions move." in words
    assert "Step 1: flatten takes [3, 2] and gives [6]. Dimensions merge." in words
    assert len(root.findall("svg/path")) == 4


@pytest.mark.parametrize(
    ("code", "args", "notes", "boxes"),
    [
        ("y = torch.cat([x, x, z], 0)", {"x": [2, 3], "z": [7, 3]}, [], 8),
        ("y = torch.cat([x, x, x, x, x], 1)", {"x": [2, 3]}, ["2 more operands"], 8),
        ("a, b = x.split([2, 3], 1)", {"x": [4, 5]}, ["first of [4, 2], [4, 3]"], 4),
        ("a, b = x.chunk(2, 1)", {"x": [4, 6]}, ["2 ×"], 4),
        ("y = F.scaled_dot_product_attention(q, k, k)", {"q": [2, 5, 8], "k": [2, 7, 8]}, [], 12),
    ],
)
def test_the_picture_draws_all_or_says_what_it_leaves_out(code, args, notes, boxes):
    drawn = picture(rotbot.trace(code, args))
    assert re.findall(r'class="note"[^>]*>([^<]*)', drawn) == notes
    assert len(re.findall(r'<rect class="dim', drawn)) == boxes


def test_attention_joins_queries_values_and_batch():
    found = links("scaled_dot_product_attention", [(2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)], (2, 4, 5, 6))
    assert found == [[(0, 0), (1, 1), (2, 2)], [(0, 0), (1, 1)], [(0, 0), (1, 1), (3, 3)]]


def test_the_words_of_the_picture_keep_names_as_they_are():
    words = describe(0, rotbot.trace("y = x.sum(1)", {"x": "B,T,16"}).steps[0])
    assert words == "Step 0: sum(1) takes [B, T, 16] and gives [B, 16]. Gone: T."


def test_a_link_and_a_command_name_the_model():
    filled = Filled("y = x", (("x", "2"),), "y", "owner/name@v1")
    assert from_query(dict(parse_qsl(to_query(filled)))) == filled
    assert command(filled).startswith("rotbot predict owner/name@v1 -c")
    assert from_query({"code": "y = x", "model": "../secret"}).model == ""


def test_a_command_leaves_out_what_is_not_filled_in():
    assert command(Filled("y = x @ w", (("x", "2, 3"), ("w", " ")), "y")) == (
        "rotbot predict -c 'y = x @ w' --arg x=2,3 --target y"
    )
    assert command(Filled(" \n", (("x", "2"),), "y")) == ""


def test_a_visitors_model_is_never_a_path(tmp_path):
    assert check_model("owner/name@v1", ("embedded",)) == "owner/name@v1"
    for text in (str(tmp_path), "../x", "tests/space"):
        with pytest.raises(InputError, match="expected embedded or a Hub ID"):
            check_model(text, ("embedded",))


def test_without_a_target_it_is_the_last_name_assigned():
    problem, found = read_problem("q = x.flatten()\nz = q[None]", {"x": "2, 3"}, "")
    assert (problem.target, found.target, found.final) == ("z", "z", (1, 6))
    with pytest.raises(InputError, match="assign the result to a name"):
        read_problem("x.flatten()", {"x": "2, 3"}, "")


def test_threads_may_read_programs_at_once():
    """Python before 3.11.5 counts the depth of all trees in one place; a collection amid a tree lets others run."""

    def give_way(*_):
        time.sleep(0)

    code, before = "y = x + 1\n" * 50, gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(20)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda i: names_of(f"{code}z{i} = y"), range(100)))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(give_way)
    assert [names.assigned for names in found] == [("y", f"z{i}") for i in range(100)]


def test_a_row_that_is_not_filled_yet_has_an_empty_shape():
    filled = _filled("y = x @ w", "y", ["x", "w"], "", ("2, 3", None, None))
    assert filled.args == (("x", "2, 3"), ("w", ""))
    assert command(filled) == "rotbot predict -c 'y = x @ w' --arg x=2,3 --target y"
