"""einops' functions against einops itself: the same torch operations in the same order with the same shapes."""

from __future__ import annotations

import einops
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

import rotbot
from rotbot.errors import UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.einops_patterns import PatternError, letters, named_sizes, plan
from rotbot.shapes.source import free_names
from tests.shapes import eager

IMPORTS = (
    "import einops\nfrom einops import rearrange, reduce, repeat\nfrom einops.layers.torch import Rearrange, Reduce\n"
)
ARGS = {"x": "2,12,5", "img": "2,3,8,8", "v": "6", "q": "2,4,6,8", "k": "2,4,6,8", "flag": "2,3:bool"}

RIGHT = [
    "rearrange(img, 'b c h w -> b h w c')",
    "rearrange(img, 'b c h w -> b c h w')",
    "rearrange(img, 'b c (h p) (w q) -> b (h w) (p q c)', p=4, q=2)",
    "rearrange(img, 'b c (h p1) (w p2) -> (b h w) c p1 p2', p1=4, w=2)",
    "rearrange(x, 'b (h d) n -> b h n d', h=3)",
    "rearrange(x, 'b ... -> b (...)')",
    "rearrange(x, '... n -> n ...')",
    "rearrange(img, 'b ... w -> (b w) ... 1')",
    "rearrange(v, '(a b) -> a 1 b ()', b=2)",
    "rearrange(x[:1], '1 a b -> (a b)')",
    "rearrange([x, x, x], 'k b n d -> b (k n) d')",
    "rearrange(x, 'b n d -> (b n d)')",
    "rearrange(tensor=x, pattern='b n d -> n (b d)')",
    "reduce(img, 'b c (h p) (w q) -> b c h w', 'mean', p=2, q=2)",
    "reduce(img, 'b c h w -> b c', 'max')",
    "reduce(img, 'b c h w -> c 1 1', reduction='sum')",
    "reduce(img, 'b c h w ->', 'min')",
    "reduce(img, 'b ... -> b', 'prod')",
    "reduce(flag, 'a b -> b', 'any')",
    "reduce(img, 'b c h (w 2) -> b c h w', 'max')",
    "repeat(v, 'd -> b n d', b=2, n=3)",
    "repeat(x, 'b n d -> (b r) n d', r=3)",
    "repeat(v, 'd -> d 3')",
    "repeat(img, 'b c h w -> b c (h 2) (w 2)')",
    "repeat(x, '... -> n ...', n=4)",
    "repeat(v, 'd -> (d r) 1', r=x.shape[0])",
    "einops.einsum(q, k, 'b h i dim, b h j dim -> b h i j')",
    "einops.einsum(x, 'batch n d -> n')",
    "einops.einsum(q, v, '... d8, six -> ... six')",
    "Rearrange('b n d -> b (n d)')(x)",
    "einops.layers.torch.Rearrange('b n d -> (b n) d')(x)",
    "Reduce('b c h w -> b c', 'mean')(img)",
    "nn.Sequential(nn.Conv2d(3, 4, 3), Rearrange('b c h w -> b (h w) c'), nn.Linear(4, 7))(img)",
    "nn.Sequential(Rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=4, q=4), nn.LayerNorm(48)).eval()(img)",
    "torch.zeros(einops.parse_shape(img, '_ c h _')['h'], len(einops.parse_shape(img, 'b_1 ... w')))",
]


class Calls(TorchFunctionMode):
    """The name and the result's shape of each torch function that is called with a tensor."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if isinstance(result, torch.Tensor) and name not in ("__get__", "numpy_T"):
            self.found.append((name, tuple(result.shape)))
        return result


@pytest.mark.parametrize("call", RIGHT)
def test_the_same_operations_as_einops_makes(call):
    code = f"{IMPORTS}r = {call}"
    args = {name: shape for name, shape in ARGS.items() if name in free_names(code)}
    trace = rotbot.trace(code, args, "r")
    assert trace.error is None
    assert trace.final == tuple(eager.run(code, args)["r"].shape)
    if "nn." in call or "torch.zeros" in call:
        return
    with Calls() as calls:
        eager.run(code, args)
    shown = [(step.op.partition("(")[0], step.outputs[0]) for step in trace.steps if not step.op.startswith("slice")]
    skipped = ("randn", "to", "ones", "randint", "bool", "__getitem__")
    assert shown == [(name, shape) for name, shape in calls.found if name not in skipped]


WRONG = {
    "rearrange(x, 'b n -> n b')": "expected 2 dimensions, got 3",
    "rearrange(x, 'b c d e ... -> b ...')": "the axis c is on one side only",
    "rearrange(x, 'b c d e ... -> b c d e ...')": "expected at least 4 dimensions, got 3",
    "rearrange(x, 'b (h d) n -> b h n d', h=5)": "a dimension of size 12 cannot be divided by 5",
    "rearrange(x, 'b (h d) n -> b h n d', h=0)": "a dimension of size 12 cannot be divided by 0",
    "rearrange(x, 'b (h d) n -> b h n d', h=3, d=5)": "the dimension h d should have size 15, got 12",
    "rearrange(x, 'b (h d) n -> b h n d')": "the sizes of h and d in one group are not known",
    "rearrange(x, '1 n d -> n d')": "the dimension 1 should have size 1, got 2",
    "rearrange(x, 'b n d -> b n', d=5)": "the axis d is on one side only",
    "rearrange(x, 'b n d -> b n d', z=5)": "the axis z has a size, but it is not in the pattern",
    "rearrange(x, 'b n d')": "expected '->' once in the pattern, got it 0 times",
    "rearrange(x, 'b n n -> b n')": "the axis n is there twice on one side",
    "rearrange(x, 'b (n d -> b n d')": "a ( without its )",
    "rearrange(x, 'b n d) -> b n d')": "a ) without its (",
    "rearrange(x, '((b n) d) -> b n d')": "a group within a group",
    "rearrange(x, 'b n, d -> b n d')": "has no place in a pattern",
    "rearrange(x, 'b n d -> b n d 2')": "rearrange takes no numbers but 1",
    "rearrange(x, 'b n d -> b n d ...')": "... is on the right side alone",
    "rearrange(x, '(...) -> ...')": "... may be in a group on the right side only",
    "rearrange(x, 'b n _d -> b n _d')": "_d cannot be the name of an axis",
    "rearrange(x, 'b (h d) n -> b h n d', h='3')": "expected a number as the size of h, got '3'",
    "rearrange('b n d -> n b d', x)": "expected a tensor",
    "rearrange(x)": "missing argument 'pattern'",
    "repeat(x, 'b n d -> b n')": "the axis d is on the left side only",
    "repeat(x, 'b n d -> b n d r')": "the new axis r needs a size",
    "reduce(x, 'b n d -> b z', 'mean')": "the axis z is on the right side only",
    "reduce(x, 'b n d -> b', 'median')": "expected one of min, max, sum, mean, prod, any, all, got 'median'",
    "reduce(x, 'b n d -> b')": "missing argument 'reduction'",
    "einops.einsum(x, x, 'b n d, b n d')": "expected '->' once in the pattern",
    "einops.einsum(x, v, 'b n d, d -> b n')": "size",
    "nn.Sequential(Rearrange('b c -> c b'))(x)": "expected 2 dimensions, got 3",
}


@pytest.mark.parametrize("call", WRONG)
def test_what_einops_rejects_and_why(call):
    code = f"{IMPORTS}r = {call}"
    args = {name: shape for name, shape in ARGS.items() if name in free_names(code)}
    with pytest.raises((ValueError, TypeError, RuntimeError, ZeroDivisionError, AttributeError, KeyError)):
        eager.run(code, args)
    error = rotbot.trace(code, args).error
    assert error is not None
    assert WRONG[call] in error.reason
    assert error.line == 4


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("einops.asnumpy(x)", UnsafeSnippet),
        ("einops.layers.torch.EinMix('b n -> b m')", UnsafeSnippet),
        ("reduce(x, 'b n d -> b', torch.mean)", UnsupportedSnippet),
    ],
)
def test_what_is_refused(call, kind):
    with pytest.raises(kind):
        rotbot.trace(f"{IMPORTS}r = {call}", {"x": ARGS["x"]})


def test_as_layers_of_a_model():
    code = f"""{IMPORTS}
class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(Rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=4, q=4), nn.Linear(48, 8))
        self.turn = Rearrange('b n d -> b d n')

    def forward(self, img):
        return self.turn(self.embed(img))

net = Patches().eval()
net.requires_grad_(False)
r = net.double()(img.double())
counts = torch.zeros(len(list(net.modules())), len(list(net.parameters())), len(list(net.children())))
kinds = torch.zeros([isinstance(m, nn.Module) + 1 for m in net.embed])
"""
    ran = eager.run(code, {"img": ARGS["img"]})
    for name in ("r", "counts", "kinds"):
        assert rotbot.trace(code, {"img": ARGS["img"]}, name).final == tuple(ran[name].shape)


def test_named_sizes_go_through():
    code = f"{IMPORTS}r = rearrange(x, 'b (h d) n -> (b h) n d', h=4)"
    trace = rotbot.trace(code, {"x": ["B", "C", "N"]})
    assert trace.final == ("4*B", "N", "C//4")
    assert trace.promise.assumptions == ("C % 4 == 0",)


AXES = ["a", "b", "c", "d"]


@st.composite
def patterns(draw):
    """A call of rearrange that is right: axes with sizes, grouped one way on the left and another on the right."""
    axes = AXES[: draw(st.integers(1, 4))]
    sizes = {axis: draw(st.integers(1, 4)) for axis in axes}

    def side(order):
        groups, at = [], 0
        while at < len(order):
            width = draw(st.integers(1, len(order) - at))
            groups.append(order[at : at + width])
            at += width
            if draw(st.integers(0, 4)) == 0:
                groups.append([])
        return groups

    left, right = side(axes), side(draw(st.permutations(axes)))

    def text(groups):
        return " ".join(["1" if not g else g[0] if len(g) == 1 else f"({' '.join(g)})" for g in groups])

    shape = tuple([torch.Size([sizes[axis] for axis in group]).numel() for group in left])
    return f"{text(left)} -> {text(right)}", shape, sizes


@settings(max_examples=150, deadline=None)
@given(patterns())
def test_any_rearrangement_has_the_shape_and_the_plan_of_einops(case):
    pattern, shape, sizes = case
    with Calls() as calls:
        result = einops.rearrange(torch.zeros(shape), pattern, **sizes)
    trace = rotbot.trace(
        f"from einops import rearrange\nr = rearrange(x, {pattern!r}, **{sizes!r})", {"x": list(shape)}
    )
    assert trace.final == tuple(result.shape) if trace.steps else shape == tuple(result.shape)
    made = [(name, shape) for name, shape in calls.found if name != "zeros"]
    assert [(step.op.partition("(")[0], step.outputs[0]) for step in trace.steps] == made


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab1() .->_2,", max_size=14), st.sampled_from(["rearrange", "repeat", "reduce"]))
def test_no_pattern_is_a_crash_and_what_einops_takes_is_taken(pattern, operation):
    more = ("sum",) if operation == "reduce" else ()
    try:
        wanted = tuple(getattr(einops, operation)(torch.zeros(2, 3), pattern, *more).shape)
    except (einops.EinopsError, ValueError, RuntimeError):
        wanted = None
    try:
        found = plan(operation, pattern, (2, 3), {})
    except PatternError:
        assert wanted is None, pattern
        return
    assert wanted is not None, (pattern, found)


def test_the_letters_of_einsum_and_sizes_by_name():
    assert letters("batch head i, batch head j -> batch i j") == "abc,abd->acd"
    assert letters("... x, x -> ...") == "...a,a->..."
    assert named_sizes("b _ n_heads", (2, 3, 4)) == {"b": 2, "n_heads": 4}
    with pytest.raises(PatternError, match="at most 52 axes"):
        letters(" ".join([f"a{i}" for i in range(53)]) + " -> a0")
