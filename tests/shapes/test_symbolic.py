"""Symbolic traces: shapes written by hand, held against concrete traces; what is assumed, and what is refused."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping

import pytest

import rotbot
from rotbot.errors import InputError, SnippetSyntaxError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes import ShapeTrace, isolation, symbolic
from rotbot.shapes.arguments import parse_args
from rotbot.shapes.symbols_text import parse

ATTENTION = """
b, t, c = x.shape
q, k, v = nn.Linear(c, 3 * c)(x).chunk(3, dim=-1)
q = q.view(b, t, 8, c // 8).transpose(1, 2)
k = k.view(b, t, 8, c // 8).transpose(1, 2)
v = v.view(b, t, 8, c // 8).transpose(1, 2)
a = (q @ k.transpose(-2, -1)) / math.sqrt(c // 8)
o = (a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)
"""
PATCHIFY = """
b, c, h, w = x.shape
y = x.view(b, c, h // 16, 16, w // 16, 16).permute(0, 2, 4, 1, 3, 5)
z = y.reshape(b, (h // 16) * (w // 16), c * 256)
"""
VIT = """
p = nn.Conv2d(3, 768, 16, stride=16)(x).flatten(2).transpose(1, 2)
c = torch.zeros(1, 1, 768).expand(x.shape[0], -1, -1)
y = torch.cat([c, p], dim=1)
"""
SWIN = """
b, t, c = x.shape
y = F.pad(x, (0, 0, 0, -t % 8)).view(b, -1, 8, c)
"""

SETTINGS = """
class Settings:
    def __init__(self, dim):
        self.dim = dim
    @property
    def head(self):
        return self.dim // 4
"""

SHAPES: list[tuple[str, dict[str, str], str]] = [
    (
        "b, t, c = x.shape\nlin = nn.Linear(c, 3 * c)\nr = F.linear(x, lin.weight, lin.bias)",
        {"x": "B,T,C"},
        "[B, T, 3*C]",
    ),
    (
        "d = {'b': x.shape[0], 'x': x}\nd.update(c=d['x'].shape[-1])\nr = d['x'].view(d['b'], -1, 8, d['c'] // 8)",
        {"x": "B,T,C"},
        "[B, T, 8, C//8]",
    ),
    (
        SETTINGS + "r = x.unflatten(-1, (4, Settings(x.shape[-1]).head))",
        {"x": "N,C"},
        "[N, 4, C//4]",
    ),
    (
        "n = sum(p.numel() for p in nn.Linear(x.shape[-1], 3).parameters())\nr = torch.zeros(n)",
        {"x": "N,C"},
        "[3*C + 3]",
    ),
    ("sizes = []\nfor s in x.shape:\n    sizes.append(2 * s)\nr = torch.zeros(sizes)", {"x": "N,C"}, "[2*N, 2*C]"),
    (ATTENTION, {"x": "B,T,C"}, "[B, T, C]"),
    ("y = (x @ x.mT).softmax(-1) @ x", {"x": "B,T,64"}, "[B, T, 64]"),
    ("y = F.scaled_dot_product_attention(q, k, v)", {"q": "B,8,T,D", "k": "B,8,S,D", "v": "B,8,S,E"}, "[B, 8, T, E]"),
    ("y = torch.einsum('bhid,bhjd->bhij', q, k)", {"q": "B,H,T,64", "k": "B,H,S,64"}, "[B, H, T, S]"),
    ("y = torch.einsum('bik,bjk,k->ij', x, z, w)", {"x": "B,T,D", "z": "B,S,D", "w": "D"}, "[T, S]"),
    ("y = nn.Conv1d(8, 16, 3)(x)", {"x": "B,8,T"}, "[B, 16, T - 2]"),
    ("y = nn.Conv1d(8, 16, 3, stride=2)(x)", {"x": "B,8,T"}, "[B, 16, (T - 1)//2]"),
    ("y = nn.Conv1d(8, 16, 3, stride=2, padding=1)(x)", {"x": "B,8,T"}, "[B, 16, (T + 1)//2]"),
    ("y = nn.Conv1d(8, 8, 5, stride=3, dilation=2)(x)", {"x": "B,8,T"}, "[B, 8, T//3 - 2]"),
    ("y = nn.Conv1d(8, 8, 3, stride=2)(nn.Conv1d(8, 8, 3, stride=2)(x))", {"x": "B,8,T"}, "[B, 8, (T - 3)//4]"),
    ("y = nn.Conv1d(8, 4, 3, stride=2)(x).flatten(1)", {"x": "B,8,T"}, "[B, 4*((T - 1)//2)]"),
    ("y = nn.Conv2d(3, 8, 3, stride=2)(x).flatten(2)", {"x": "B,3,H,W"}, "[B, 8, ((H - 1)//2)*((W - 1)//2)]"),
    ("y = nn.ConvTranspose1d(8, 4, 4, stride=2, padding=1)(x)", {"x": "B,8,T"}, "[B, 4, 2*T]"),
    ("y = F.max_pool2d(x, 2)", {"x": "B,C,H,W"}, "[B, C, H//2, W//2]"),
    ("y = F.max_pool1d(x, 3, ceil_mode=True)", {"x": "B,C,T"}, "[B, C, (T + 2)//3]"),
    ("y = F.avg_pool1d(x, 3, stride=1, padding=1)", {"x": "B,C,T"}, "[B, C, T]"),
    ("y = F.adaptive_avg_pool2d(x, 7)", {"x": "B,C,H,W"}, "[B, C, 7, 7]"),
    ("y = x[:, ::2]", {"x": "B,T"}, "[B, (T + 1)//2]"),
    ("y = x[:, 1::4]", {"x": "B,T"}, "[B, (T + 2)//4]"),
    ("y = x[:, 1:-3:3]", {"x": "B,T"}, "[B, (T - 2)//3]"),
    ("y = x[1:, :-1]", {"x": "T,S"}, "[T - 1, S - 1]"),
    ("y = x[:, -5:]", {"x": "B,T"}, "[B, 5]"),
    ("y = x[:, :100]", {"x": "B,T"}, "[B, 100]"),
    ("y = x[0, :, None]", {"x": "B,T"}, "[T, 1]"),
    ("y = x[i]", {"x": "V,C", "i": "B,T:int64"}, "[B, T, C]"),
    ("y = torch.cat([x, z], dim=1)", {"x": "B,T,64", "z": "B,S,64"}, "[B, S + T, 64]"),
    ("y = torch.cat([x, x, z])", {"x": "T", "z": "5"}, "[2*T + 5]"),
    ("y = torch.stack([x, x], 1).flatten(0, 2)", {"x": "B,T"}, "[2*B*T]"),
    ("y = torch.cat([x.flatten(), z])", {"x": "B,T", "z": "1"}, "[B*T + 1]"),
    ("y = F.pad(x, (1, 2))", {"x": "B,T"}, "[B, T + 3]"),
    (SWIN, {"x": "B,T,C"}, "[B, (T + 7)//8, 8, C]"),
    ("y = x.unfold(1, 4, 2)", {"x": "B,T"}, "[B, T//2 - 1, 4]"),
    ("y = F.unfold(x, 3)", {"x": "B,4,H,W"}, "[B, 36, H*W - 2*H - 2*W + 4]"),
    ("y = x.flatten(1)", {"x": "B,C,H,W"}, "[B, C*H*W]"),
    ("y = x.view(-1, 8)", {"x": "B,T,C"}, "[B*C*T//8, 8]"),
    ("y = x.reshape(x.shape[0], -1)", {"x": "B,T,3*C"}, "[B, 3*C*T]"),
    ("y = x.unflatten(-1, (12, -1)).transpose(1, 2)", {"x": "B,T,C"}, "[B, 12, T, C//12]"),
    (PATCHIFY, {"x": "B,3,H,W"}, "[B, H*W//256, 768]"),
    (VIT, {"x": "B,3,H,W"}, "[B, (H//16)*(W//16) + 1, 768]"),
    ("y = F.pixel_shuffle(x, 2)", {"x": "B,4*C,H,W"}, "[B, C, 2*H, 2*W]"),
    ("y = F.pixel_unshuffle(x, 2)", {"x": "B,C,2*H,2*W"}, "[B, 4*C, H, W]"),
    ("y = x + z", {"x": "B,T,64", "z": "T,1"}, "[B, T, 64]"),
    ("y = x[:, :, None] - x[:, None]", {"x": "B,T,D"}, "[B, T, T, D]"),
    ("y = x.split(x.shape[1] - 2, dim=1)", {"x": "B,T"}, "[B, T - 2], [B, 2]"),
    ("y = x.chunk(2, dim=1)", {"x": "B,2*T"}, "2 x [B, T]"),
    ("y = x.chunk(3, dim=1)", {"x": "B,T"}, "[B, (T + 2)//3], [B, (T + 2)//3], [B, T - 2*((T + 2)//3)]"),
    ("y = x.tensor_split(3, dim=1)", {"x": "B,T"}, "[B, (T + 2)//3], [B, (T + 1)//3], [B, T//3]"),
    ("y = x.repeat(2, 3)", {"x": "B,T"}, "[2*B, 3*T]"),
    ("y = x.expand(4, -1, -1)", {"x": "B,T"}, "[4, B, T]"),
    ("y = torch.kron(x, z)", {"x": "A,B", "z": "C,D"}, "[A*C, B*D]"),
    ("y = torch.cartesian_prod(x, z)", {"x": "A", "z": "C"}, "[A*C, 2]"),
    ("y = torch.triu_indices(x.shape[0], x.shape[0])", {"x": "N"}, "[2, (N*N + N)//2]"),
    ("y = F.pdist(x)", {"x": "N,4"}, "[(N*N - N)//2]"),
    ("y = torch.fft.rfft(x)", {"x": "B,T"}, "[B, T//2 + 1]"),
    ("y = F.interpolate(x, scale_factor=1.5)", {"x": "B,C,T"}, "[B, C, 3*T//2]"),
    ("y = x.max(dim=1).values.sum()", {"x": "B,T"}, "[]"),
    ("y = torch.zeros(x.shape[0] // 2, 3)", {"x": "B"}, "[B//2, 3]"),
    ("y = x.diff(n=2).diagonal()", {"x": "N,N + 2"}, "[N]"),
]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """As many entries as concrete traces were made."""
    made: list[None] = []
    original = symbolic.trace_program

    def counted(*args, **kwargs):
        made.append(None)
        return original(*args, **kwargs)

    monkeypatch.setattr(symbolic, "trace_program", counted)
    return made


def put_in(text: str, values: Mapping[str, int]) -> str:
    """Symbolic text with numbers for the names: every maximal piece that is an expression is evaluated."""
    names = "|".join(values)
    piece = re.compile(
        rf"(?<![\w.])-?(?:\d+\*)?\(*(?:{names})\b[^,\]|:'=]*?(?=[,\]|:]| step | to | of | at |\)\)?$|\)? \||$)"
    )

    def value(match: re.Match[str]) -> str:
        found = match[0]
        while found and parse(found) is None:
            found = found[:-1]
        expr = parse(found)
        return match[0] if expr is None else f"{expr.evaluate(values)}{match[0][len(found) :]}"

    return piece.sub(value, text)


def held_against_concrete_traces(code: str, args: Mapping[str, str], trace: ShapeTrace, number: int = 3) -> None:
    """Every step's shapes and the final line are those of concrete traces that fulfil the assumptions."""
    assert trace.promise is not None
    rng = random.Random(code)
    moduli = dict.fromkeys(trace.promise.names, 1)
    moduli |= {name: int(text) for name, text in re.findall(r"(\w+) % (\d+) == 0", " ".join(trace.promise.assumptions))}
    for _ in range(number):
        values = {name: m * rng.randint(-(-110 // m), 200 // m + 3) for name, m in moduli.items()}
        numbers = {n: [evaluated(d, values) for d in spec.shape] for n, spec in parse_args(args).items()}
        typed = {n: ",".join(map(str, shape)) + ":" + parse_args(args)[n].dtype for n, shape in numbers.items()}
        concrete = rotbot.trace(code, typed)
        shapes = [(shapes_at(s.inputs, values), shapes_at(s.outputs, values)) for s in trace.steps]
        assert shapes == [(s.inputs, s.outputs) for s in concrete.steps], values
        for step, true in zip(trace.steps, concrete.steps, strict=True):
            assert "sqrt" in step.op or "1/" in step.op or put_in(step.op, values) == true.op
            assert (step.reason is None) == (true.reason is None)


def evaluated(dim: int | str, values: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    assert set(re.findall(r"[A-Za-z_]\w*", dim)) <= set(values)
    return eval(compile(ast.parse(dim, mode="eval"), "dim", "eval"), {}, dict(values))


def shapes_at(shapes, values):
    return tuple(tuple(evaluated(dim, values) for dim in shape) for shape in shapes)


@pytest.mark.parametrize(("code", "args", "final"), SHAPES, ids=[case[2] for case in SHAPES])
def test_the_final_shape_and_every_step(code: str, args: dict[str, str], final: str, traces: list[None]) -> None:
    trace = rotbot.trace(code, args)
    assert trace.error is None
    assert trace.render().rpartition("\n")[2] == f"final: {final}"
    assert len(traces) <= 24
    assert ShapeTrace.parse(trace.render()) == trace
    assert ShapeTrace.parse(trace.completion()) == trace
    for step in trace.steps:
        assert all(str(parse(d)) == d for shape in (*step.inputs, *step.outputs) for d in shape if isinstance(d, str))
    held_against_concrete_traces(code, args, trace)


def test_operations_carry_the_expressions(traces: list[None]) -> None:
    trace = rotbot.trace(ATTENTION, {"x": ["B", "T", "C"]}, "o")
    assert [step.op for step in trace.steps[:4]] == [
        "Linear(C, 3*C)",
        "chunk(3, dim=-1)",
        "view(B, T, 8, C//8)",
        "transpose(1, 2)",
    ]
    assert "div(sqrt(C//8))" in [step.op for step in trace.steps]
    assert trace.promise is not None
    assert trace.promise.names == ("B", "T", "C")
    assert trace.promise.assumptions == ("C % 8 == 0",)
    assert trace.promise.verified == symbolic.VERIFIED
    assert len(traces) <= 16
    assert (trace.steps[2].line, trace.steps[3].name) == (4, "q")


@pytest.mark.parametrize(
    ("code", "op"),
    [
        ("y = x[:, 1:-3:3]", "slice dim 1 from 1 to T - 3 step 3"),
        ("y = x[:, -1]", "select index T - 1 of dim 1"),
        ("y = x.narrow(1, 2, x.shape[1] - 4)", "narrow(1, 2, T - 4)"),
        ("y = x * x.shape[1] ** -0.5", "mul(1/sqrt(T))"),
        ("y = x / x.shape[1]", "div(T)"),
        ("y = x * (1 / (x.shape[1] + 1))", "mul(1/(T + 1))"),
        ("y = torch.zeros(x.shape[0] * 2)", "zeros(2*B)"),
        ("y = x.sum(dim=-1, keepdim=True)", "sum(dim=-1, keepdim=True)"),
        ("y = x[[0, 1]]", "index dim 0 with [2]"),
        ("y = x.roll(-x.shape[1] + 3, 1)", "roll(-T + 3, 1)"),
    ],
)
def test_what_operations_say(code: str, op: str) -> None:
    assert rotbot.trace(code, {"x": ["B", "T"]}).steps[0].op == op


@pytest.mark.parametrize(
    ("code", "args", "assumptions"),
    [
        (PATCHIFY, {"x": "B,3,H,W"}, ("H % 16 == 0", "W % 16 == 0")),
        ("y = x.view(-1, 7)", {"x": "B,T"}, ("T % 7 == 0",)),
        ("y = x.view(x.shape[0], 7, -1)", {"x": "B,T"}, ("T % 7 == 0",)),
        ("assert x.shape[0] % 6 == 0\ny = x + 1", {"x": "T"}, ("T % 6 == 0",)),
        ("y = F.pixel_unshuffle(x, 2)", {"x": "B,C,H,W"}, ("H % 2 == 0", "W % 2 == 0")),
        ("y = nn.MultiheadAttention(x.shape[-1], 4, batch_first=True)(x, x, x)[0]", {"x": "B,T,C"}, ("C % 4 == 0",)),
        ("y = F.max_pool1d(x, 2)", {"x": "B,C,T"}, ()),
    ],
)
def test_assumptions(code: str, args: dict[str, str], assumptions: tuple[str, ...]) -> None:
    trace = rotbot.trace(code, args)
    assert trace.promise is not None
    assert trace.promise.assumptions == assumptions


# --- rejected programs -----------------------------------------------------------------------------------------------


REJECTED: list[tuple[str, dict[str, str], str]] = [
    (
        "y = x + z",
        {"x": "B,T", "z": "B,10"},
        "add | [B, T], [B, 10] -> error: sizes T and 10 do not broadcast at dim -1",
    ),
    ("y = x @ w", {"x": "B,T,C", "w": "D,E"}, "matmul | [B, T, C], [D, E] -> error: inner dimensions C and D differ"),
    (
        "y = (x @ w).view(3, 5)",
        {"x": "T,C", "w": "C,D"},
        "view(3, 5) | [T, D] -> error: D*T elements do not fit [3, 5]",
    ),
    ("y = x.sum(3)", {"x": "B,T"}, "sum(3) | [B, T] -> error: dim 3 is out of range for 2 dimensions"),
    (
        "y = torch.cat([x, z])",
        {"x": "T,C", "z": "T,C + 1"},
        "cat | [T, C], [T, C + 1] -> error: sizes C and C + 1 differ at dim 1",
    ),
    (
        "y = x[:, x.shape[1]]",
        {"x": "B,T"},
        "select index T of dim 1 | [B, T] -> error: index T is out of range for dim 1 of size T",
    ),
]


@pytest.mark.parametrize(("code", "args", "last"), REJECTED, ids=[case[0] for case in REJECTED])
def test_a_program_rejected_everywhere_ends_in_an_error_step(code: str, args: dict[str, str], last: str) -> None:
    trace = rotbot.trace(code, args)
    assert trace.error is not None
    lines = trace.render().split("\n")
    assert lines[-1] == f"final: error at step {len(trace.steps) - 1}"
    assert trace.error.reason == trace.steps[-1].reason
    assert lines[-2] == f"step {len(trace.steps) - 1}: {last}"
    assert ShapeTrace.parse(trace.render()) == trace
    held_against_concrete_traces(code, args, trace)


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "args", "words"),
    [
        (
            "for i in range(x.shape[0]):\n    x = x + 1",
            {"x": "B,3"},
            "the steps depend on the value of a dimension: step ",
        ),
        ("y = x.sum(0) if x.shape[0] > x.shape[1] else x.sum(1)", {"x": "T,S"}, "the steps depend on the value"),
        ("y = x.unbind(0)", {"x": "B,T"}, "the steps depend on the value of a dimension"),
        ("y = x.split(4)", {"x": "T"}, "the steps depend on the value of a dimension"),
        ("y = torch.zeros(min(x.shape))", {"x": "T,S"}, "step 0, zeros("),
        ("y = torch.zeros(x.shape[0] % 7)", {"x": "T"}, "step 0, zeros("),
        ("y = torch.zeros(x.shape[0] ** 5 % 1000)", {"x": "T"}, "no simple expression was found"),
        ("assert x.shape[0] % 2 == 1\ny = x + 1", {"x": "T"}, "the steps depend on the value of a dimension"),
        ("y = x.nonzero()", {"x": "T"}, "nonzero"),
    ],
)
def test_programs_without_a_symbolic_trace_are_refused(code: str, args: dict[str, str], words: str) -> None:
    with pytest.raises(UnsupportedSnippet) as caught:
        rotbot.trace(code, args)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


def test_other_errors_are_those_of_concrete_traces() -> None:
    with pytest.raises(SnippetSyntaxError):
        rotbot.trace("y = (", {"x": ["T"]})
    with pytest.raises(UnsafeSnippet):
        rotbot.trace("import os\ny = x", {"x": ["T"]})
    with pytest.raises(InputError, match="never assigned"):
        rotbot.trace("y = x + 1", {"x": ["T"]}, "z")
    with pytest.raises(InputError, match="expected at most 6 names of dimensions, got 7"):
        rotbot.trace("y = x", {"x": "A,B,C,D,E,F,G"})
    with pytest.raises(InputError, match=r"x: expected a positive dimension, got T - 1000000 = -\d+ at T="):
        rotbot.trace("y = x + 1", {"x": ["T - 1000000"]})


# --- around it -------------------------------------------------------------------------------------------------------


def test_the_same_trace_every_time_and_in_the_worker() -> None:
    here = rotbot.trace(VIT, {"x": ["B", 3, "H", "W"]})
    there = rotbot.trace(VIT, {"x": ["B", 3, "H", "W"]}, isolated=True)
    assert here == there == rotbot.trace(VIT, {"x": "B,3,H,W"})
    assert here.promise == there.promise
    assert [step.span for step in here.steps] == [step.span for step in there.steps]
    with pytest.raises(UnsupportedSnippet, match="the steps depend on the value of a dimension"):
        rotbot.trace("y = x.split(4)", {"x": ["T"]}, isolated=True)
    isolation.stop_worker()


def test_a_symbolic_trace_has_no_graph() -> None:
    trace = rotbot.trace("y = x + 1", {"x": ["T"]})
    assert trace.nodes == ()
    with pytest.raises(UnsupportedSnippet, match="a symbolic trace has no graph"):
        _ = trace.graph


def test_small_numbers_where_large_ones_are_too_large() -> None:
    """Tensors that are too large at the first plan's numbers, and would overflow."""
    args = {"x": "A,B", "y": "C,D", "z": "E,F"}
    trace = rotbot.trace("y = torch.einsum('ab,cd,ef->abcdef', x, y, z)", args)
    assert trace.render().endswith("final: [A, B, C, D, E, F]")
    trace = rotbot.trace("y = torch.einsum('a,b,c,d,e->abcde', x, x, x, x, x)", {"x": "T"})
    assert trace.render().endswith("final: [T, T, T, T, T]")
