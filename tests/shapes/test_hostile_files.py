"""Hostile files for ``FILE::NAME``: what stands in one beside the definition, in it, and in the options that call it.

As on the command line, the program is cut out in this process and traced in the isolated worker.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rotbot.errors import InputError, LimitExceeded, SnippetError
from rotbot.shapes import isolation, parse_args
from rotbot.shapes.definitions import program

SPECS = parse_args({"x": "2,3"})
GOOD = "def f(x):\n    return x.mT\n"

HARMLESS = {
    "open('{c}', 'w')\n" + GOOD: "a call",
    "import os; os.system('touch {c}')\n" + GOOD: "an import and its use",
    "import evil\nfrom evil import relu\n" + GOOD: "a module that lies beside the file",
    "def __getattr__(n): open('{c}', 'w')\n" + GOOD: "a module's hook",
    "class T(type):\n    def __new__(*a): open('{c}', 'w')\nclass M(metaclass=T): pass\n" + GOOD: "a metaclass",
    "@open\ndef g('{c}'): pass\n".replace("'{c}'", "x='{c}'") + GOOD: "a decorator of another function",
    "def g(x=open('{c}', 'w')): pass\n" + GOOD: "a default of another function",
    "# -*- coding: utf-7 -*-\n#+AAo-open('{c}', 'w')\n" + GOOD: "an encoding that hides a line",
    "if __name__ == '__main__':\n    open('{c}', 'w')\n" + GOOD: "a script's end",
    "x: open('{c}', 'w') = 3\ndef f(x: open('{c}', 'w')) -> open('{c}', 'w'): return x.mT\n": "annotations",
}

CLASS = "from torch import nn\nclass f(nn.Module):\n"
FORWARD = "    def forward(self, x): return x"
ESCAPES = [
    "def f(x, y=open('{c}', 'w')): return x",
    "def f(x, *, y=__import__('os').system('touch {c}')): return x",
    "@open\ndef f(x): return x",
    "@(lambda g: open('{c}', 'w'))\ndef f(x): return x",
    "async def g(): open('{c}', 'w')\ndef f(x): return g()",
    "def f(x): return open('{c}', 'w')",
    "def f(x): return (lambda: open('{c}', 'w'))()",
    "def f(x): return [open('{c}', 'w') for a in range(2)]",
    "def f(x): return f.__globals__['open']('{c}', 'w')",
    "def f(x): return f.__code__.replace()",
    "def f(x): return f.__builtins__",
    "def f(x):\n    f.x = open('{c}', 'w')\n    return x",
    "def f(x):\n    global torch\n    torch = open('{c}', 'w')\n    return x",
    "def f(x):\n    import os\n    os.system('touch {c}')\n    return x",
    "def f(x):\n    class A(nn.Module):\n        y = open('{c}', 'w')\n    return x\nfrom torch import nn",
    "from os import system\ndef f(x): return system('touch {c}')",
    "from os import system as relu\ndef f(x): return relu('touch {c}')",
    "import os as torch\ndef f(x): return torch.system('touch {c}')",
    "import evil as torch\ndef f(x): return torch.relu(x)",
    "from evil import *\ndef f(x): return relu(x)",
    "from .evil import relu\ndef f(x): return relu(x)",
    "from . import evil\ndef f(x): return evil.relu(x)",
    "try:\n    from torch import relu\nexcept ImportError:\n    open('{c}', 'w')\ndef f(x): return relu(x)",
    "if True:\n    import os\ndef f(x): return os.system('touch {c}')",
    "HANDLE = open('{c}', 'w')\ndef f(x): return HANDLE",
    "A = B = open\ndef f(x): return B('{c}', 'w')",
    "A, = [open('{c}', 'w')]\ndef f(x): return A",
    "A = 1; open('{c}', 'w')\ndef f(x): return x + A",
    "(A := open('{c}', 'w'))\ndef f(x): return A",
    "for A in [open('{c}', 'w')]: pass\ndef f(x): return A",
    "with open('{c}', 'w') as A: pass\ndef f(x): return A",
    "class f(open('{c}', 'w')):\n    def forward(self, x): return x",
    "class f(dict):\n    def forward(self, x): return x",
    "import torch\nclass f(torch.autograd.Function):\n    def forward(self, x): return x",
    "class Module: pass\nclass nn: Module = open\nclass f(nn.Module):\n    def forward(self, x): return x",
    "from torch import nn\n@open\nclass f(nn.Module):\n    def forward(self, x): return x",
    "from torch import nn\nclass f(nn.Module, metaclass=open):\n    def forward(self, x): return x",
    CLASS + "    def __new__(cls): open('{c}', 'w')\n" + FORWARD,
    CLASS + "    def __init__(self): open('{c}', 'w')\n" + FORWARD,
    CLASS + "    @property\n    def y(self): return open('{c}', 'w')\n    def forward(self, x): return self.y",
    CLASS + "    def forward(self, x): return self.__class__.__mro__",
    CLASS + "    def forward(self, x): return self.forward.__func__.__globals__",
    CLASS.replace(" f(", " B(") + "    def __init_subclass__(cls): open('{c}', 'w')\nclass f(B):\n" + FORWARD,
]  # fmt: skip

OPTIONS = [
    ({"y": "__import__('os').system('touch {c}')"}, {}),
    ({"y": "1), open('{c}', 'w'"}, {}),
    ({"y": "[].__class__"}, {}),
    ({"y": "(lambda: 1)()"}, {}),
    ({"y": "f'{open}'"}, {}),
    ({"y": "9**9**9"}, {}),
    ({"y": "1e999"}, {}),
    ({"y": "b'1'"}, {}),
    ({"y": "{1: 2}"}, {}),
    ({"y)=open('{c}', 'w')#": "1"}, {}),
    ({"__class__": "1"}, {}),
    ({"y": "1\nopen('{c}', 'w')"}, {}),
    ({}, {"y": "open('{c}', 'w')"}),
    ({}, {"y=1)\nopen('{c}', 'w')\n(": "1"}),
]

NAMES = ["f()", "f\nopen('{c}', 'w')", "f.__globals__", "__builtins__", "open", "torch", "", "F"]

BOMBS = {
    "y = x" + ".T" * 2_900 + "\ndef f(x): return x + y": "levels of nesting|nested too deeply",
    "def f(x): return " + "-" * 2_000 + "x": "levels of nesting",
    "def f(x): return " + "x if x else " * 1_500 + "x": "levels of nesting",
    "y = " + "(" * 5_000 + ")" * 5_000 + "\ndef f(x): return x": "too many nested parentheses",
    "y = " + "[1]," * 400_000 + "\ndef f(x): return x": "syntax nodes",
    "".join([f"a{n} = a{n + 1}\n" for n in range(20_000)]) + "a20000 = 1\ndef f(x): return x + a0": "characters",
    "".join([f"def g{n}(x): return g{n + 1}(x)\n" for n in range(600)]) + "def g600(x): return x\n"
    "def f(x): return g0(x)": "nested calls",
    "def f(x): return f(x)": "nested calls",
    "def f(x):\n    while True: x = x.mT": "loop rounds|evaluated|operations|while",
    "def f(x): return x\0": "null bytes",
}  # fmt: skip


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that must never come to be, and a module in the working directory that would make it."""
    file = tmp_path / "canary"
    (tmp_path / "evil.py").write_text(f"open({str(file)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return file


def traced(source: str, name: str = "f", values: dict[str, str] | None = None, init: dict[str, str] | None = None):
    made = program(source, name, SPECS, values or {}, init or {})
    answer = isolation.ask(made.code, made.specs, None, 30.0)
    if answer.error is not None:
        raise answer.error
    return answer.trace


@pytest.mark.parametrize("source", HARMLESS, ids=HARMLESS.values())
def test_what_the_definition_does_not_need_has_no_effect(source: str, canary: Path) -> None:
    assert traced(source.replace("{c}", str(canary))).final == (3, 2)
    assert not canary.exists()


@pytest.mark.parametrize("source", ESCAPES)
def test_a_definition_has_no_way_out(source: str, canary: Path) -> None:
    with pytest.raises((SnippetError, InputError)) as refused:
        traced(source.replace("{c}", str(canary)))
    assert "would cause" not in str(refused.value), "only the audit hook stopped it"
    assert not isinstance(refused.value, LimitExceeded)
    assert not canary.exists()


@pytest.mark.parametrize(("values", "init"), OPTIONS)
def test_options_hold_literals_alone(values: dict[str, str], init: dict[str, str], canary: Path) -> None:
    source = "from torch import nn\nclass f(nn.Module):\n    def __init__(self, y=1): super().__init__()\n"
    source += "    def forward(self, x, y=1): return x\n"
    values, init = [
        {k.replace("{c}", str(canary)): v.replace("{c}", str(canary)) for k, v in d.items()} for d in (values, init)
    ]
    with pytest.raises(InputError, match=r"expected a|has no parameter __class__; expected x, y"):
        traced(source, values=values, init=init)
    assert not canary.exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_one_that_the_file_defines(name: str, canary: Path) -> None:
    with pytest.raises(InputError, match="expected the name of a function or class, one of f; got"):
        traced(GOOD, name.replace("{c}", str(canary)))
    assert not canary.exists()


@pytest.mark.parametrize("source", BOMBS, ids=BOMBS.values())
def test_a_file_takes_seconds_at_most(source: str) -> None:
    start = time.process_time()
    with pytest.raises(SnippetError) as refused:
        traced(source)
    assert any(words in str(refused.value) for words in BOMBS[source].split("|"))
    assert time.process_time() - start < 10


def test_classes_that_derive_from_each_other_end_as_in_python() -> None:
    source = "class A(B):\n    pass\nclass B(A):\n    pass\n"
    with pytest.raises(InputError, match="expected a class with a method forward, got A without one"):
        traced(source, "A")
    error = traced(source + "def f(x): return A()(x)\n").error
    assert (error.line, error.reason) == (1, "name 'B' is not defined")
