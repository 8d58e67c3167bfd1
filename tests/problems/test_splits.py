"""Where problems belong: by their graph and shapes alone, so that nothing of the benchmark is ever trained on."""

from __future__ import annotations

from collections import Counter

import pytest

from rotbot import Problem
from rotbot.problems import splits
from rotbot.problems.graphs import Graph, form_of, graph_of, op_name
from rotbot.problems.rows import place_of_problem
from rotbot.problems.splits import Place, is_held_out_pair, place_of


def graph(code, target="y", **args):
    problem = Problem(code, args or {"x": [4, 6]}, target)
    return graph_of(problem.truth(), tuple(spec.shape for _, spec in problem.specs))


def form(code, target="y", **args):
    problem = Problem(code, args or {"x": [4, 6]}, target)
    return form_of(problem.truth(), tuple((spec.shape, spec.dtype) for _, spec in problem.specs))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("view(2, 3)", "view"), ("add dimension at position 0", "new_axis"),
        ("select index 3 of dim 1", "select_index"),
        ("slice dim 0 from 1 to 5 step 2", "slice"), ("index dims 0, 1 with [2], [2]", "index"), ("T", "T"),
        ("Linear(3, 4)", "linear"), ("Conv2d(3, 8, 3)", "conv2d"), ("MaxPool2d(2)", "max_pool2d"), ("ReLU", "relu"),
        ("GELU", "gelu"), ("LayerNorm(8)", "layer_norm"), ("BatchNorm2d(8)", "batch_norm"),
        ("swapaxes(0, 1)", "transpose"),
        ("add_(1)", "add"), ("concat(dim=1)", "cat"), ("unpack into 2 names", "unpack"), ("matmul", "matmul"),
        ("AdaptiveAvgPool2d(1)", "adaptive_avg_pool2d"), ("ConvTranspose2d(3, 4, 2)", "conv_transpose2d"),
    ],
)  # fmt: skip
def test_operations_have_their_torch_name(text, name):
    assert op_name(text) == name


def test_edges_follow_the_data_not_the_text():
    found = graph("a = x.relu()\nb = x.T\ny = b[:, :5] @ a[1:, 0:2]", "y", x=[6, 6])
    assert found.ops == ("relu", "T", "slice", "slice", "slice", "matmul")
    assert found.edges == {("relu", "slice"), ("slice", "slice"), ("slice", "matmul"), ("T", "slice")}
    assert (found.depth, found.rank, found.size) == (6, 2, 6)


def test_names_spelling_and_arguments_do_not_change_the_form():
    same = [
        "y = x.transpose(0, 1)",
        "y = torch.transpose(x, 1, 0)",
        "y = x.swapaxes(-1, 0)",
        "z = x.mT\ny = x.transpose(1, 0)",
    ]
    assert len({form(code) for code in same}) == 1
    others = ["y = x.T", "y = x.transpose(0, 0)", "y = x.transpose(0, 1).relu()"]
    assert len({form(code) for code in [same[0], *others]}) == 4
    assert form("y = x.relu()", x=[4, 6]) != form("y = x.relu()", x=[6, 4])


def test_spellings_are_in_one_split():
    for size in range(2, 60):
        spellings = ["y = x.transpose(0, 1)", "y = torch.transpose(x, 0, 1)", "y = torch.swapaxes(x, 1, 0)"]
        problems = [Problem(code, {"x": [size, 3]}, "y") for code in spellings]
        assert len({place_of_problem(problem, problem.truth()) for problem in problems}) == 1


SMALL = Graph(("view",), frozenset(), 1, 2, 8)


def test_shares():
    counts = Counter(place_of("plain", SMALL, f"form {i}") for i in range(20_000))
    assert set(counts) == {
        Place("sft", "train"), Place("sft", "validation"), Place("sft", "test"), Place("rl", "train"),
        Place("rl", "validation"), Place("eval", "id"), Place("eval", "ood_style"),
    }  # fmt: skip
    expected = {"sft/train": 84, "sft/validation": 2, "sft/test": 2, "rl/train": 9, "rl/validation": 1, "eval/id": 1}
    for place, percent in expected.items():
        count = counts[Place(*place.split("/"))]
        assert abs(count / 200 - percent) < 0.6, place


@pytest.mark.parametrize(("kind", "split"), [("error", "error"), ("symbolic", "symbolic")])
def test_other_kinds_have_a_split_of_the_benchmark(kind, split):
    counts = Counter(place_of(kind, SMALL, f"form {i}") for i in range(2_000))
    assert {place.split for place in counts if place.config == "eval"} == {split}
    assert 250 < counts[Place("eval", split)] < 390
    assert place_of(kind, Graph(("view",), frozenset(), 40, 2, 8), "x") == Place("eval", split)


def test_idioms_share_the_splits_of_plain_programs_and_programs_written_by_hand_have_one():
    idioms = Counter(place_of("idiom", SMALL, f"form {i}") for i in range(4_000))
    plain = {place_of("plain", SMALL, f"form {i}") for i in range(4_000)}
    assert set(idioms) == plain - {Place("eval", "ood_style")}
    assert 40 < idioms[Place("eval", "id")] < 130
    assert {place_of("real", SMALL, f"form {i}") for i in range(300)} == {Place("eval", "real")}


def held_out_pair():
    return next((f"a{i}", "b") for i in range(10_000) if is_held_out_pair((f"a{i}", "b")))


@pytest.mark.parametrize(
    ("found", "split"),
    [
        (Graph(("view",), frozenset(), splits.MAX_DEPTH + 1, 2, 8), "ood_depth"),
        (Graph(("view",), frozenset(), 1, splits.MAX_RANK + 1, 8), "ood_rank"),
        (Graph(("view",), frozenset(), 1, 2, splits.MAX_SIZE + 1), "ood_size"),
        (Graph(("view",), frozenset([held_out_pair()]), 1, 2, 8), "ood_pair"),
        (Graph((min(splits.HELD_OUT_OPS, default="none"),), frozenset(), 1, 2, 8), "ood_op"),
    ],
)
def test_what_is_outside_of_training_is_never_in_it(found, split):
    if split == "ood_op" and not splits.HELD_OUT_OPS:
        pytest.fail("no operation is held out")
    assert {place_of("plain", found, f"form {i}") for i in range(200)} == {Place("eval", split)}


def test_one_percent_of_pairs_are_held_out():
    held = sum(is_held_out_pair((f"op{i}", f"op{j}")) for i in range(100) for j in range(100))
    assert 60 < held < 140
