"""A function or class of a file as a program for the tracer, held against running the file."""

from __future__ import annotations

import pytest
import torch

from rotbot.errors import InputError, SnippetSyntaxError, UnsafeSnippet
from rotbot.shapes import parse_args, trace
from rotbot.shapes.definitions import program

FILE = '''"""A module as people write it."""
from __future__ import annotations
import os, math
import torch
from torch import Tensor
from torch.nn import functional as F

HEADS = 2
HEADS *= 2
CACHE = os.environ.get("CACHE")


def split(x: Tensor, heads: int = HEADS) -> Tensor:
    b, t, c = x.shape
    return x.view(b, t, heads, c // heads).transpose(1, 2)


def attention(q, k, v, causal=False, *, scale=None):
    q, k, v = split(q), split(k), later(v)
    scores = q @ k.mT / (scale or math.sqrt(q.shape[-1]))
    return F.softmax(scores, -1) @ v


def later(v):
    return split(v)


def padded(x, /, width, mode="constant"):
    return F.pad(x, (0, width), mode)


def shadow(HEADS, x):
    return x.reshape(HEADS, -1)


def environment(x):
    return x.view(len(CACHE))


def forgotten(x):
    return np.zeros(3) + x
'''


def shapes_of(name: str, args: dict[str, str], **values: str):
    made = program(FILE, name, parse_args(args), values, {})
    return made, trace(made.code, {key: spec.plain() for key, spec in made.specs.items()})


def test_line_numbers_are_the_file_s_and_the_rest_is_blank() -> None:
    made, result = shapes_of("attention", {"q": "2,5,8", "k": "2,7,8", "v": "2,7,8"})
    ours, theirs = made.code.split("\n"), FILE.split("\n")
    assert len(ours) == len(theirs) + 1
    assert all(line in ("", original) for line, original in zip(ours[3:], theirs[3:], strict=False))
    assert ours[2] == "import math"
    assert ours[-1] == "result = attention(q=q, k=k, v=v)"
    assert "CACHE" not in made.code
    assert "def padded" not in made.code
    assert {step.line for step in result.steps} == {15, 20, 21}
    scope: dict = {}
    exec(FILE, scope)
    expected = scope["attention"](torch.zeros(2, 5, 8), torch.zeros(2, 7, 8), torch.zeros(2, 7, 8))
    assert result.final == tuple(expected.shape) == (2, 4, 5, 2)


def test_literals_positional_only_parameters_and_defaults() -> None:
    made, result = shapes_of("padded", {"x": "2,3"}, width="4", mode="reflect ")
    assert made.code.endswith("result = padded(x, width=4, mode='reflect')")
    assert result.error is not None or result.final == (2, 7)
    assert shapes_of("padded", {"x": "2,3"}, width="4")[1].final == (2, 7)
    assert "mode=(1, 'a', None)" in shapes_of("padded", {"x": "2,3"}, width="4", mode="(1, 'a', None)")[0].code


def test_an_argument_that_is_called_like_something_in_the_file() -> None:
    made, result = shapes_of("split", {"x": "2,3,8"}, heads="8")
    assert result.final == (2, 8, 3, 1)
    assert shapes_of("shadow", {"x": "2,3,8"}, HEADS="6")[1].final == (6, 8)
    made = program("x = 3\ndef f(x, result): return x + result\n", "f", parse_args({"x": "2", "result": "2"}), {}, {})
    assert made.code.split("\n")[-1] == "result_ = f(x=x_, result=result)"
    assert list(made.specs) == ["x_", "result"]


@pytest.mark.parametrize(
    ("name", "args", "values", "words"),
    [
        ("nothing", {}, {}, "one of split, attention, later, padded, shadow, environment, forgotten; got 'nothing'"),
        ("HEADS", {}, {}, "expected the name of a function or class"),
        ("attention", {"q": "2"}, {}, r"attention needs k, v; add --arg k=2,3 --arg v=2,3 \(or --value"),
        ("later", {"w": "2"}, {}, "later has no parameter w; expected v"),
        ("later", {}, {"v": "open('x')"}, r"v: expected a number, a string, .*got \"open\('x'\)\""),
        ("later", {}, {"v": "9" * 300}, "v: expected a number"),
        ("later", {}, {"v": "..."}, "v: expected a number"),
        ("later", {}, {"v": "1e999"}, "v: expected a number"),
        ("later", {}, {"v)": "1"}, "expected a parameter's name"),
        ("forgotten", {"x": "3"}, {}, r"forgotten \(line 40\) reads np, which the file neither defines nor imports"),
    ],
)
def test_what_cannot_be_used_is_said(name, args, values, words) -> None:
    with pytest.raises(InputError, match=words):
        program(FILE, name, parse_args(args), values, {})


def test_init_is_for_classes() -> None:
    with pytest.raises(InputError, match="later is a function"):
        program(FILE, "later", parse_args({"v": "2"}), {}, {"dim": "3"})


def test_what_the_definition_needs_is_under_the_tracer_s_rules() -> None:
    with pytest.raises(UnsafeSnippet, match="line 3: import of os is not allowed"):
        shapes_of("environment", {"x": "3"})
    with pytest.raises(SnippetSyntaxError, match="line 1"):
        program("def f(:", "f", {}, {}, {})


def test_a_star_import_is_refused_for_it_may_bind_whatever_is_read() -> None:
    source = "from somewhere import *\ndef f(x): return x\ndef g(x): return helper(x)\n"
    made = program(source, "g", parse_args({"x": "2"}), {}, {})
    with pytest.raises(UnsafeSnippet, match="line 1: import of somewhere"):
        trace(made.code, {"x": [2]})


def test_only_the_needed_names_of_a_long_import_are_imported() -> None:
    source = "from torch import (\n    Tensor,\n    cat,\n    load,\n)\n\ndef f(x):\n    return cat([x, x]).view(3)\n"
    made = program(source, "f", parse_args({"x": "2,3"}), {}, {})
    assert made.code.split("\n")[0] == "from torch import cat"
    error = trace(made.code, {"x": [2, 3]}).error
    assert (error.step, error.line) == (1, 8)


CONFIGURED = """from dataclasses import dataclass, field
import dataclasses as dc
import wandb
from torch import nn, no_grad


@dataclass
class Config:
    dim: int = 8
    heads: int = 2
    names: list = field(default_factory=lambda: ["a", "b"])


@dc.dataclass
class Unused:
    path: str = wandb.run.dir


class Heads(nn.Module):
    def __init__(self, dim, config=Config(heads=4)):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleDict({name: nn.Linear(dim, config.dim) for name in config.names})

    @property
    def head_dim(self):
        return self.config.dim // self.config.heads

    @staticmethod
    def split(x, heads, size):
        return x.unflatten(-1, (heads, size))

    @no_grad()
    def forward(self, x, **options):
        return {name: self.split(layer(x), self.config.heads, self.head_dim) for name, layer in self.layers.items()}
"""


def test_a_class_with_settings_and_decorators_keeps_what_they_need() -> None:
    made = program(CONFIGURED, "Heads", parse_args({"x": "3,16"}), {}, {"dim": "16"})
    kept = [line for line in made.code.split("\n") if "import" in line]
    assert kept == ["from dataclasses import dataclass, field", "from torch import nn, no_grad"]
    found = trace(made.code, {key: spec.plain() for key, spec in made.specs.items()})
    assert found.final == ((3, 4, 2), (3, 4, 2))
    assert [(step.op, step.line) for step in found.steps] == [
        ("Linear(16, 8)", 35), ("unflatten(-1, (4, 2))", 31), ("Linear(16, 8)", 35), ("unflatten(-1, (4, 2))", 31),
    ]  # fmt: skip
