"""Wrong programs whose mistake is Python's or ``nn.Module``'s business: dicts, calls, modules, classes, training."""

from __future__ import annotations

import traceback

import pytest

import rotbot
from rotbot.shapes.source import free_names
from tests.shapes import eager
from tests.shapes.snippets import ARGS

DATACLASS = "from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int\n    b: int = 2\n"
PARAMETER = (
    "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = nn.Parameter(x)\n"
)

# The code, the line it ends at, the operation, and the reason.
WRONG: list[tuple[str, int, str, str]] = [
    ("d = {'a': x}\nr = d['b']", 2, "index", "key 'b' is not in the dict"),
    ("d = {}\nd.pop('a')", 2, "pop", "key 'a' is not in the dict"),
    ("d = {}\nd.pop()", 2, "pop", "pop expected at least 1 argument, got 0"),
    ("d = {}\nd.keys(1)", 2, "keys", "dict.keys() takes no arguments (1 given)"),
    ("d = {'a': x}\ndel d['b']", 2, "index", "key 'b' is not in the dict"),
    ("r = {[1]: x}", 1, "key", "unhashable type: 'list'"),
    ("r = dict(3)", 1, "dict()", "'int' object is not iterable"),
    ("d = {'a': x}\nr = d.a", 2, "a", "dict has no attribute 'a'"),
    ("d = {'a': x}\nr = d.values()[0]", 2, "index", "the values of a dict cannot be indexed"),
    ("d = {'a': 1}\nfor k in d:\n    d[k + 'a'] = 1", 2, "iterate", "the dict changed its size during iteration"),
    ("d = {'a': 1}\nfor k in d.keys():\n    d.pop(k)", 2, "iterate", "the dict changed its size during iteration"),
    ("r = torch.cat({'a': x}.values())", 1, "cat", "expected tensors and plain values, got the values of a dict"),
    ("r = torch.stack({'a': x})", 1, "stack", "expected tensors and plain values, got a dict"),
    ("r = x + {'a': 1}", 1, "add", "the operator is not defined for a dict"),
    ("r = torch.relu * x", 1, "mul", "the operator is not defined for a function"),
    ("r = x @ nn.Linear(4, 5)", 1, "matmul", "the operator is not defined for a module"),
    ("r = x.clone()\nr += len", 2, "add_", "the operator is not defined for a function"),
    ("r = -nn.ReLU()", 1, "neg", "the operator is not defined for a module"),
    ("r = x.clone()\nr[0] = nn.ReLU()", 2, "setitem", "expected a tensor or a number, got a module"),
    ("r = x.sum(dim=1, **{'dim': 1})", 1, "call", "got multiple values for keyword argument 'dim'"),
    ("r = x.sum(**[1])", 1, "**", "a list is not a mapping"),
    ("r = x.sum(**{'dims': 1})", 1, "sum(dims=1)", "sum does not take arguments (dims=int)"),
    ("def f(a): return a\nr = f(x, **{'b': 1})", 2, "f()", "got an unexpected keyword argument 'b'"),
    ("def f(a, **kw): return a\nr = f(**{'b': 1})", 2, "f()", "missing argument 'a'"),
    ("def f(a, **kw): return a\nr = f(x, **{'a': 1})", 2, "f()", "got multiple values for argument 'a'"),
    ("r = map(torch.relu)", 1, "map()", "map() must have at least two arguments, and none by name"),
    ("r = filter(None)", 1, "filter()", "filter() takes two arguments"),
    ("r = sorted([1, 'a'], key=lambda s: s)", 1, "sorted()", "'<' not supported between instances of 'str' and 'int'"),
    ("r = list(zip([1], [1, 2], strict=True))", 1, "zip()", "zip() argument 2 is longer than argument 1"),
    ("r = 'a'.split('')", 1, "split", "empty separator"),
    ("layers = nn.ModuleDict({'a': nn.ReLU()})\nr = layers(x)", 2, "ModuleDict",
     "a ModuleDict cannot be called; call its items"),
    ("layers = nn.ModuleDict({'a': nn.ReLU()})\nr = layers['b'](x)", 2, "index", "key 'b' is not in the dict"),
    ("layers = nn.ModuleDict({'a': nn.ReLU()})\nr = layers.b(x)", 2, "ModuleDict.b", "ModuleDict has no attribute 'b'"),
    ("r = nn.ModuleDict({'a.b': nn.ReLU()})", 1, "ModuleDict",
     "a module's name is not empty and has no dot, got 'a.b'"),
    ("r = nn.ModuleDict({'type': nn.ReLU()})", 1, "ModuleDict",
     "nn.ModuleDict has an attribute 'type' already, so no module can have that name"),
    ("r = nn.ModuleDict({1: nn.ReLU()})", 1, "ModuleDict", "a module's name is a string, got 1"),
    ("r = nn.ModuleDict({'a': x})", 1, "ModuleDict", "expected modules, got a tensor"),
    ("r = nn.ModuleDict({}, {})", 1, "ModuleDict", "expected at most one argument, modules"),
    ("r = nn.Sequential(nn.Linear(4, 5), F.relu)", 1, "Sequential", "expected modules, got a function"),
    ("r = nn.Sequential({'a': nn.ReLU()})(x)", 1, "Sequential", "expected modules, got a dict"),
    ("layers = nn.ModuleList([nn.ReLU()])\nlayers[1] = nn.ReLU()", 2, "index", "index 1 is out of range for 1 modules"),
    ("lin = nn.Linear(4, 6)\nr = x @ lin.weight", 2, "matmul", "inner dimensions 4 and 6 differ"),
    ("lin = nn.Linear(4, 6)\nr = x @ lin.weights", 2, "Linear.weights", "Linear has no attribute 'weights'"),
    ("lin = nn.Linear(4, 5)\nlin.weight = n.T\nr = lin(x)", 2, "Linear.weight",
     "expected an nn.Parameter for 'weight', got a tensor"),
    ("r = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 3), 2)(seq)", 1, "TransformerEncoderLayer(8, 3)",
     "embed_dim must be divisible by num_heads"),
    ("w = nn.init.xavier_uniform_(v)", 1, "xavier_uniform_", "expected at least 2 dimensions, got 1"),
    ("w = nn.init.zeros_(3)", 1, "zeros_", "expected a tensor, got a value of type int"),
    ("r = torch.zeros(2, device='gpu')", 1, "device", "unknown device 'gpu'"),
    ("r = x.to('gpu')", 1, "device", "unknown device 'gpu'"),
    ("r = nn.Linear(4, 5)(x)\nr.backward()", 2, "backward", "expected a scalar, got [2, 3, 5]"),
    ("r = nn.Linear(4, 5)(x)\nr.backward(torch.ones(5))", 2, "backward", "shapes [2, 3, 5] and [5] differ"),
    ("if x.shape[0] % 4:\n    raise ValueError('no')\nr = x", 2, "raise ValueError('no')",
     "the program raises this here"),
    ("class P: pass\nr = P().n", 2, "P.n", "P has no attribute 'n'"),
    ("class P: pass\nr = P()(x)", 2, "P()", "P has no method __call__"),
    ("class P: pass\nr = P(x)", 2, "P()", "expected no arguments, got 1"),
    ("class P:\n    @property\n    def n(self): return 1\np = P()\np.n = 2", 5, "P.n",
     "cannot assign to 'n': it is of a property without setter"),
    ("class P: pass\nr = nn.Sequential(P())", 2, "Sequential", "expected modules, got an object of the class P"),
    ("class P: pass\nr = x + P()", 2, "add", "the operator is not defined for an object of the class P"),
    (PARAMETER + "        self.w = x\nr = A()", 5, "A.w",
     "cannot assign a tensor as the parameter 'w'; use nn.Parameter"),
    (DATACLASS + "r = C()", 6, "C()", "missing argument 'a'"),
    (DATACLASS + "r = C(1, a=2)", 6, "C()", "got multiple values for argument 'a'"),
    (DATACLASS + "r = C(1, c=2)", 6, "C()", "got an unexpected keyword argument 'c'"),
    (DATACLASS + "r = C(1, 2, 3)", 6, "C()", "takes 2 arguments but 3 were given"),
]  # fmt: skip


def args_of(code: str) -> dict[str, str]:
    return {name: ARGS[name] for name in free_names(code) if name in ARGS}


@pytest.mark.parametrize(("code", "line", "op", "reason"), WRONG)
def test_a_wrong_program_ends_where_and_why(code: str, line: int, op: str, reason: str) -> None:
    trace = rotbot.trace(code, args_of(code))
    assert trace.error is not None
    assert (trace.error.line, trace.steps[-1].op, trace.error.reason) == (line, op, reason)
    assert rotbot.ShapeTrace.parse(trace.render()) == trace


@pytest.mark.parametrize("code", [code for code, *_ in WRONG])
def test_python_rejects_it_on_the_same_line(code: str) -> None:
    with pytest.raises(Exception, match=r"(?s).") as caught:
        eager.run(code, args_of(code))
    frames = [frame.lineno for frame in traceback.extract_tb(caught.tb) if frame.filename == "<string>"]
    assert rotbot.trace(code, args_of(code)).error.line in frames  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tail", "line", "reason"),
    [
        ("class C:\n    a: list = []", 3, "the default of field 'a' is a list or dict; use field(default_factory=...)"),
        ("class C:\n    a: int = 1\n    b: int", 3, "the field 'b' without a default follows 'a', which has one"),
        ("class C:\n    a: int = 1\nc = C()\nc.a = 2", 6, "cannot assign to 'a': it is of a frozen dataclass"),
    ],
)
def test_what_dataclasses_reject_in_code_of_their_own(tail: str, line: int, reason: str) -> None:
    code = "from dataclasses import dataclass\n@dataclass(frozen=True)\n" + tail
    with pytest.raises((ValueError, AttributeError, TypeError)):
        eager.run(code, {})
    error = rotbot.trace(code, {}).error
    assert error is not None
    assert (error.line, error.reason) == (line, reason)
