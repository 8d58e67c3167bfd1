"""What the page is made of: escaping, links, names, the picture's lines."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from urllib.parse import parse_qsl

import pytest

import rotbot
from rotbot.errors import InputError
from rotbot.space.answers import check_model
from rotbot.space.examples import EXAMPLES
from rotbot.space.forms import names_of, read_problem
from rotbot.space.links import Filled, command, from_query, to_query
from rotbot.space.markup import esc
from rotbot.space.picture import links, picture

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
    ],
)
def test_lines_join_the_dimensions_that_belong_together(op, before, after, expected):
    assert links(op, before, after) == expected


def test_the_picture_is_wellformed_and_says_in_words_what_it_shows():
    drawn = picture(rotbot.trace("y = x.transpose(0, 1)\nz = y.flatten()", {"x": [2, 3]}))
    root = ET.fromstring(f"<div>{drawn}</div>")
    words = root.find("svg/desc").text
    assert "Step 0: transpose(0, 1) takes [2, 3] and gives [3, 2]. Dimensions move." in words
    assert "Step 1: flatten takes [3, 2] and gives [6]. Dimensions merge." in words
    assert len(root.findall("svg/path")) == 4


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
