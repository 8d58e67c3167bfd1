"""Classes, most of them ``nn.Module``s, interpreted, against the same text run by Python and torch."""

from __future__ import annotations

import pytest

import rotbot
from rotbot.errors import SnippetError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.source import free_names
from tests.shapes import eager
from tests.shapes.models import PROGRAMS as MODELS
from tests.shapes.snippets import ARGS as SNIPPET_ARGS

MLP = """
class MLP(nn.Module):
    def __init__(self, dim, hidden=32):
        super().__init__()
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))
"""
ATTENTION = """
class Attention(nn.Module):
    scale = 0.5

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(0.1)

    def split(self, x):
        b, t, c = x.shape
        return x.view(b, t, self.heads, c // self.heads).transpose(1, 2)

    def forward(self, x, mask=None):
        q, k, v = (self.split(part) for part in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) * self.scale
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        mixed = F.dropout(scores.softmax(-1), 0.1, self.training) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))
"""
BLOCK = (
    MLP
    + ATTENTION
    + """
class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attention, self.mlp = Attention(dim, heads), MLP(dim, 4 * dim)
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(2)])

    def forward(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))

class Model(nn.Module):
    def __init__(self, vocabulary, dim, heads, layers):
        super(Model, self).__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.position = nn.Parameter(torch.zeros(1, 64, dim))
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(layers)])
        self.head = nn.Linear(dim, vocabulary)
        self.register_buffer("mask", torch.ones(64, 64).triu(1).bool(), persistent=False)
        self.apply(self._init)

    def _init(self, module):
        nn.init.normal_(module.weight)

    def forward(self, tokens):
        b, t = tokens.shape
        x = self.embedding(tokens) + self.position[:, :t]
        for block in self.blocks:
            x = block(x)
        return self.head(x), self.mask[:t, :t]
"""
)
# What _init would do to modules without a weight is no business of shapes, and no example for running in Python.
RUNNABLE = BLOCK.replace("        self.apply(self._init)\n", "")

PROGRAMS = {
    "mlp": MLP + "y = MLP(8)(x)",
    "keyword arguments": MLP + "net = MLP(hidden=3, dim=8)\ny = net(x=x)",
    "forward by name": MLP + "y = MLP(8).forward(x)",
    "attention": ATTENTION + "y = Attention(8, 2)(x)",
    "attention with a mask": ATTENTION + "y = Attention(8, 2).eval()(x, mask=torch.ones(5, 5).triu(1).bool())",
    "a language model": RUNNABLE + "y, m = Model(50, 8, 2, 3)(i)",
    "inheritance": MLP
    + "class Wide(MLP):\n    def __init__(self, dim):\n        super().__init__(dim, 7 * dim)\n        self.extra = 3\n"
    "    def forward(self, x):\n        return super().forward(x).repeat(1, 1, self.extra)\ny = Wide(8)(x)",
    "inherited constructor": MLP + "class Same(MLP):\n    pass\ny = Same(8, 5)(x)",
    "no constructor": "class Flat(nn.Module):\n    'doc'\n    keep: int = 1\n    def forward(self, x):\n"
    "        return x.flatten(self.keep)\ny = Flat()(x)\nz = Flat.keep * y",
    "mutated state": "class Count(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.n = 0\n"
    "    def forward(self, x):\n        self.n += 1\n        return x.unsqueeze(0).expand(self.n, -1, -1, -1)\n"
    "c = Count()\na = c(x)\nb = c(x)\nd = c(a[0])",
    "buffers that change": "class Ring(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.register_buffer('last', None)\n    def forward(self, x):\n"
    "        if self.last is not None:\n            x = torch.cat([self.last, x])\n        self.last = x\n"
    "        return x\n"
    "ring = Ring()\na = ring(x)\nb = ring(x)\nc = ring(x)",
    "lists of modules": MLP + "layers = nn.ModuleList()\nfor n in range(3):\n    layers.append(MLP(8))\n"
    "layers.extend([nn.Linear(8, 4)])\ny = x\nfor k, layer in enumerate(layers):\n    y = layer(y)\n"
    "z = torch.zeros(len(layers), len(layers[1:]))\nfirst, *rest = layers\nw = nn.Sequential(*rest)[1:](x)",
    "training mode": "class Mode(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.inner = nn.ReLU()\n"
    "    def forward(self, x):\n        return x.flatten() if self.training else x.flatten(1)\n"
    "net = nn.Sequential(Mode())\na = net(x)\nnet.eval()\nb = net(x)\nc = net.train()(x)\nd = Mode().train(False)(x)",
    "a class in a function": "def make(n):\n    class Inner(nn.Module):\n        def forward(self, x):\n"
    "            return x.repeat(n, 1, 1)\n    return Inner()\ny = make(3)(x)",
    "imported base": "from torch.nn import Module\nimport torch.nn.functional as G\n"
    "class R(Module):\n    def forward(self, x): return G.relu(x).sum(0)\ny = R()(x)",
    "a method defined further down": "class A(nn.Module):\n    def forward(self, x): return helper(self.b(x))\n"
    "    def b(self, x): return x[0]\ndef helper(x): return x.T\ny = A()(x)",
    "a closure in a method": "class A(nn.Module):\n    def forward(self, x):\n        def twice(y):\n"
    "            return torch.cat([y, y], self.dim())\n        return twice(x)\n    def dim(self): return -1\n"
    "y = A()(x)",
}  # fmt: skip
ARGS = {"x": "2,5,8", "i": "2,5:int64"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_shapes_are_those_of_running_it(name: str) -> None:
    code = PROGRAMS[name]
    args = {key: ARGS[key] for key in free_names(code)}
    assert args, "every program reads an argument"
    ran = eager.run(code, args)
    wanted = {key: eager.flat(eager.shapes(value)) for key, value in ran.items() if eager.shapes(value) is not None}
    assert wanted
    for target, shapes in wanted.items():
        assert eager.flat(_listed(rotbot.trace(code, args, target).final)) == shapes, target


def _listed(final):
    return [final] if not final or isinstance(final[0], int) else list(final)


def test_steps_have_the_lines_of_forward() -> None:
    result = rotbot.trace(MLP + "y = MLP(8)(x)", {"x": [2, 8]})
    assert [(step.op, step.line) for step in result.steps] == [("Linear(8, 32)", 9), ("gelu", 9), ("Linear(32, 8)", 9)]


def test_a_shape_error_in_forward_is_there() -> None:
    result = rotbot.trace(MLP + "y = MLP(8)(x)", {"x": [2, 9]})
    assert result.error is not None
    assert (result.error.step, result.error.line) == (0, 9)
    assert "8" in result.error.reason
    assert "9" in result.error.reason


def test_a_shape_kept_in_an_attribute_is_a_dependency() -> None:
    code = (
        "class A(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        self.n = n\n"
        "    def forward(self, x): return torch.zeros(self.n)\n"
        "h = x.flatten()\nskip = x.sum()\nnet = A(h.shape[0])\ny = net(x)"
    )
    assert [step.op for step in rotbot.trace(code, {"x": [2, 3]}, "y").steps] == ["flatten", "zeros(6)"]


def test_symbolic_shapes_go_through_a_class() -> None:
    assert rotbot.trace(ATTENTION + "y = Attention(8, 2)(x)", {"x": ["B", "T", 8]}).final == ("B", "T", 8)


WRONG = {
    "self.a = nn.ReLU()\n        super().__init__()": "cannot assign a module before super().__init__() is called",
    "pass": "A.__init__ does not call super().__init__()",
    "super().__init__()\n        self.a = nn.ReLU()\n        self.a = 3": "as the child module 'a'",
    "super().__init__()\n        self.b = self.c": "A has no attribute 'c'",
    "super().__init__(3)": "expected no arguments, got 1",
    "super().__init__()\n        return 3": "__init__() should return None",
}


@pytest.mark.parametrize("body", WRONG)
def test_what_python_or_nn_module_would_reject_ends_the_trace(body: str) -> None:
    head = f"class A(nn.Module):\n    def __init__(self):\n        {body}\n"
    code = head + "    def forward(self, x): return x.relu()\ny = A()(x)"
    with pytest.raises((AttributeError, TypeError)):
        eager.run(code, {"x": "2"})
    error = rotbot.trace(code, {"x": [2]}).error
    assert error is not None
    assert WRONG[body] in error.reason


def test_calls_that_python_would_reject() -> None:
    base = "class A(nn.Module):\n    def f(self, x): return x.relu()\n"
    for line, words in (
        ("y = A()(x)", "A has no method forward"),
        ("y = A(3).f(x)", "expected no arguments, got 1"),
        ("y = A().f()", "missing argument 'x'"),
        ("y = A().f(x, x)", "takes 2 arguments but 3 were given"),
        ("y = A().g(x)", "A has no attribute 'g'"),
        ("class B(nn.Linear): pass\ny = B(3)(x)", "missing"),
        ("y = getattr(A(), 'g')", "A has no attribute 'g'"),
        ("y = getattr(A(), 3)", "expected a string as the name"),
        ("y = hasattr(A())", "takes 2 arguments, got 1"),
        ("class B(nn.Linear): pass\ny = B(3, 2).h(x)", "B has no attribute 'h'"),
        ("class B(nn.Sequential):\n    def __init__(self): pass\ny = B()(x)", "does not call super().__init__()"),
        ("class B(nn.Sequential): pass\ny = B(3)(x)", "expected modules, got"),
        ("class B(nn.ModuleList): pass\ny = B([nn.ReLU()])(x)", "cannot be called"),
        ("from functools import partial\ny = partial(3)(x)", "expected a function first"),
        ("from functools import partial\ny = partial(torch.relu, x)(x)", "takes 1 argument, got 2"),
    ):
        with pytest.raises((TypeError, AttributeError, NotImplementedError)):
            eager.run(base + line, {"x": "2"})
        assert words in rotbot.trace(base + line, {"x": [2]}).error.reason


REFUSED = {
    "class A(dict): pass": (UnsupportedSnippet, "derives from one class of torch.nn or"),
    "class A:\n    def __getattr__(self, n): return x": (UnsafeSnippet, "defining __getattr__ is not allowed"),
    "class A:\n    @staticmethod\n    def __init__(): pass": (UnsupportedSnippet, "__init__ as a static method"),
    "class A:\n    @property\n    def n(self): return 1\ny = A.n": (UnsupportedSnippet, "of an instance only"),
    "class A:\n    @property\n    @staticmethod\n    def n(): return 1": (UnsafeSnippet, "decorators are not allowed"),
    "class A:\n    n = 1\nA.n = 2": (UnsafeSnippet, "assigning to an attribute is not allowed"),
    "class A:\n    n = 1\ny = torch.relu(A())": (UnsupportedSnippet, "an object of the class A as an argument"),
    "from dataclasses import dataclass\n@dataclass(slots=x)\nclass A: pass": (UnsupportedSnippet, "the option slots"),
    "from dataclasses import dataclass\n@dataclass(kw_only=True)\nclass A: pass": (UnsupportedSnippet, "kw_only"),
    "from dataclasses import dataclass\n@dataclass\nclass A(nn.Module): pass": (UnsupportedSnippet, "a dataclass that"),
    "from dataclasses import dataclass\ny = dataclass(x)": (UnsupportedSnippet, "as a decorator only"),
    "from dataclasses import field\ny = field(init=False)": (UnsupportedSnippet, "with default= or default_factory="),
    "class A: pass\ny = getattr(A(), '__class__')": (UnsafeSnippet, "attribute __class__ is not allowed"),
    "class A: pass\nsetattr(A(), '__dict__', 1)": (UnsafeSnippet, "attribute __dict__ is not allowed"),
    "class A: pass\ny = list(map(setattr, [A()], ['__class__'], [x]))": (UnsafeSnippet, "attribute __class__"),
    "class A: pass\nsetattr(A, 'f', 1)": (UnsafeSnippet, "setattr of a class is not allowed"),
    "class A: pass\ny = getattr(A(), 'a b', 1)": (UnsupportedSnippet, "'a b' is not the name of an attribute"),
    "class A(nn.Module): pass\ny = getattr(A(), 'state_dict', 1)": (UnsupportedSnippet, "state_dict of a module"),
    "class A(nn.Module): pass\nsetattr(A(), '_parameters', 1)": (UnsupportedSnippet, "assigning to _parameters"),
    "y = getattr(torch, 'os')": (UnsafeSnippet, "getattr of a module is not allowed"),
    "y = getattr(x, 'data')": (UnsafeSnippet, "getattr of a tensor is not allowed"),
    "f = hasattr\ny = f(torch, 'sys')": (UnsafeSnippet, "hasattr of a module is not allowed"),
    "nn.Module.__init__(x)": (UnsafeSnippet, "allowed in a class that derives from it only"),
    "class A(nn.Linear):\n    def __init__(self): nn.Module.__init__(self)\nA()": (
        UnsupportedSnippet, "nn.Module is not the class that A derives from"),
    "class A(nn.Module, nn.Module): pass": (UnsupportedSnippet, "derives from one class of torch.nn or"),
    "class A(nn.Linear, nn.Conv2d): pass": (UnsupportedSnippet, "derives from one class of torch.nn or"),
    "class A(nn.Conv2d):\n    def _conv_forward(self, x): return x": (UnsupportedSnippet, "nn.Conv2d._conv_forward"),
    "class A(nn.Sequential):\n    def __iter__(self): return x": (UnsafeSnippet, "defining __iter__"),
    "class A(nn.Linear): pass\nA(2, 3).weight = x": (UnsupportedSnippet, "weight, an attribute of nn.Linear"),
    "class A(nn.Linear): pass\ny = A(2, 3).reset_parameters()": (UnsupportedSnippet, "reset_parameters of Linear"),
    "class A(nn.Linear): pass\ny = torch.relu(A(2, 3))": (UnsupportedSnippet, "a module as an argument"),
    "class A(nn.CrossEntropyLoss): pass\nA(weight=x)": (UnsupportedSnippet, "derives from nn.CrossEntropyLoss"),
    "from functools import reduce": (UnsafeSnippet, "functools.reduce is not among"),
    "import functools\ny = functools.lru_cache": (UnsafeSnippet, "functools.lru_cache is not among"),
    "from functools import partial\ny = partial(torch.relu).func": (UnsafeSnippet, "attribute func of"),
    "from functools import partial\ny = torch.relu(partial(torch.relu, x))": (UnsupportedSnippet, "as an argument"),
    "class A(nn.Module, metaclass=M): pass": (UnsafeSnippet, "a metaclass"),
    "@torch.no_grad()\nclass A(nn.Module): pass": (UnsafeSnippet, "decorators are not allowed"),
    "class A(nn.Module):\n    @torch.jit.export\n"
    "    def f(self): return 1": (UnsafeSnippet, "torch.jit is not among"),
    "class A(nn.Module):\n    def __call__(self, x): return x": (UnsafeSnippet, "defining __call__ is not allowed"),
    "class A(nn.Module):\n    def __getattr__(self, x): return x": (UnsafeSnippet, "defining __getattr__"),
    "class A(nn.Module):\n    __slots__ = ()": (UnsafeSnippet, "defining __slots__ is not allowed"),
    "class A(nn.Module):\n    def train(self, mode): pass": (UnsupportedSnippet, "overriding nn.Module.train"),
    "class A(nn.Module):\n    _modules = 3": (UnsupportedSnippet, "overriding nn.Module._modules"),
    "class A(nn.Module):\n    for n in range(3): pass": (UnsupportedSnippet, "For in the body of a class"),
    "class A(nn.Module):\n    x.data = 3": (UnsupportedSnippet, "only names may be assigned"),
    "class A(nn.Module):\n    class B(nn.Module): pass": (UnsupportedSnippet, "ClassDef in the body"),
    "class A(nn.Module):\n    f = 1\n    def f(self): pass": (UnsupportedSnippet, "A.f is a method and an attribute"),
    "class A(nn.Module): pass\nA().f = 1\nA().training = 1": (UnsupportedSnippet, "assigning to training"),
    "class A(nn.Module): pass\nA()._parameters = 1": (UnsupportedSnippet, "assigning to _parameters"),
    "class A(nn.Module): pass\nA().__class__ = 1": (UnsafeSnippet, "attribute __class__ is not allowed"),
    "class A(nn.Module): pass\nA().f = 1\nA.f = 1": (UnsafeSnippet, "assigning to an attribute is not allowed"),
    "class A(nn.Module):\n    def f(self): pass\nA().f = 1": (UnsupportedSnippet, "assigning to f, a method of A"),
    "class A(nn.Module):\n    p = None\na = A()\na.p = nn.ReLU()": (UnsupportedSnippet, "which would hide a module"),
    "class A(nn.Module): pass\ny = A().state_dict()": (UnsupportedSnippet, "state_dict of a module"),
    "class A(nn.Module): pass\nA().register_buffer(x, x)": (UnsupportedSnippet, "with a literal name"),
    "class A(nn.Module): pass\nA().register_buffer('__class__', x)": (UnsafeSnippet, "attribute __class__"),
    "class A(nn.Module):\n    def __init__(self):\n        self.t = x\n"
    "A()": (UnsupportedSnippet, "a tensor is assigned before"),
    "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        super().__init__()\nA()": (
        UnsupportedSnippet, "called twice"),
    "class A(nn.Module):\n    def f(self): return super(nn.Module, self)\n"
    "A().f()": (UnsupportedSnippet, "without arguments"),
    "class A(nn.Module):\n    def f(self): return super().state_dict\n"
    "A().f()": (UnsupportedSnippet, "super().state_dict"),
    "y = super()": (UnsafeSnippet, "super is not allowed"),
    "y = nn.Module()": (UnsafeSnippet, "nn.Module is allowed as the base of a class only"),
    "class A(nn.Module): pass\ny = torch.relu(A())": (UnsupportedSnippet, "a module as an argument"),
    "class A(nn.Module): pass\ny = A.forward": (UnsupportedSnippet, "of an instance only"),
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_what_is_refused_and_why(code: str) -> None:
    kind, words = REFUSED[code]
    with pytest.raises(SnippetError) as caught:
        rotbot.trace(code, {"x": [2]})
    assert type(caught.value) is kind
    assert any(part in str(caught.value) for part in words.split("|")), str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_whole_programs_have_the_shapes_of_running_them(name: str) -> None:
    code = MODELS[name]
    args = {key: SNIPPET_ARGS[key] for key in free_names(code) if key in SNIPPET_ARGS}
    ran = eager.run(code, args)
    wanted = {key: eager.flat(eager.shapes(value)) for key, value in ran.items() if eager.shapes(value) is not None}
    assert wanted
    for target, shapes in wanted.items():
        assert eager.flat(_listed(rotbot.trace(code, args, target).final)) == shapes, target
