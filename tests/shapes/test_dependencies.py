"""The steps that a target depends on: by value, and by shapes read along the way, whatever held them meanwhile."""

from __future__ import annotations

import pytest

import rotbot

HEAD = "h = x.flatten()\nskip = x.sum()\n"
"""``h`` has 6 elements; ``skip`` is what no target below depends on."""

CASES: dict[str, tuple[str, list[str]]] = {
    "a dict display": ("d = {'n': h.shape[0]}\nr = torch.zeros(d['n'])", ["flatten", "zeros(6)"]),
    "an item of a dict": ("d = {}\nd['n'] = h.shape[0]\nr = torch.zeros(d['n'])", ["flatten", "zeros(6)"]),
    "update": ("d = {}\nd.update(n=h.shape[0])\nr = torch.zeros(d['n'])", ["flatten", "zeros(6)"]),
    "update with tensors among it": (
        "d = {}\nd.update(n=h.shape[0], t=x)\nr = torch.zeros(d['n'])", ["flatten", "zeros(6)"],
    ),
    "|=": ("d = {}\nd |= {'n': h.shape[0]}\nr = torch.zeros(d['n'])", ["flatten", "zeros(6)"]),
    "setdefault": ("d = {}\nr = torch.zeros(d.setdefault('n', h.shape[0]))", ["flatten", "zeros(6)"]),
    "append": ("sizes = []\nsizes.append(h.shape[0])\nr = torch.zeros(sizes)", ["flatten", "zeros([6])"]),
    "extend": ("sizes = []\nsizes.extend(h.shape)\nr = torch.zeros(sizes)", ["flatten", "zeros([6])"]),
    "insert": ("sizes = [2]\nsizes.insert(0, h.shape[0])\nr = torch.zeros(sizes)", ["flatten", "zeros([6, 2])"]),
    "+=": ("sizes = [2]\nsizes += [h.shape[0]]\nr = torch.zeros(sizes)", ["flatten", "zeros([2, 6])"]),
    "another name for it": (
        "sizes = []\nalias = sizes\nalias.append(h.shape[0])\nr = torch.zeros(sizes)", ["flatten", "zeros([6])"],
    ),
    "+= by another name": (
        "sizes = [2]\nalias = sizes\nalias += [h.shape[0]]\nr = torch.zeros(sizes)", ["flatten", "zeros([2, 6])"],
    ),
    "a function that fills it": (
        "def fill(d, n):\n    d['n'] = n\nd = {}\nfill(d, h.shape[0])\nr = torch.zeros(d['n'])",
        ["flatten", "zeros(6)"],
    ),
    "a dict in a dict": (
        "d = {'a': {}}\nd['a']['n'] = h.shape[0]\ne = d['a']\nr = torch.zeros(e['n'])", ["flatten", "zeros(6)"],
    ),
    "an index": ("d = {6: 2, 7: 3}\nr = torch.zeros(d[h.shape[0]])", ["flatten", "zeros(2)"]),
    "an index that is assigned to": (
        "t = [x, x, x, x, x, x, x]\nt[h.shape[0]] = x.exp()\nr = t[6] + 1", ["flatten", "exp", "add(1)"],
    ),
    "del": ("d = [1, 2, 3, 4, 5, 6, 7]\ndel d[h.shape[0]]\nr = torch.zeros(len(d))", ["flatten", "zeros(6)"]),
    "pop": ("d = [1, 2, 3, 4, 5, 6, 7]\nn = d.pop(h.shape[0])\nr = torch.zeros(n)", ["flatten", "zeros(7)"]),
    "what pop left": ("d = [1, 2, 3, 4, 5, 6, 7]\nd.pop(h.shape[0])\nr = torch.zeros(len(d))", ["flatten", "zeros(6)"]),
    "** in a call": ("kw = {'dim': h.ndim - 1}\nr = x.sum(**kw)", ["flatten", "sum(dim=0)"]),
    "** in parameters": (
        "def f(**kw):\n    return torch.zeros(kw['n'])\nr = f(n=h.shape[0])", ["flatten", "zeros(6)"],
    ),
    "a list in an attribute": (
        (
            "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.sizes = []\n"
            "    def forward(self, t):\n        self.sizes.append(t.shape[0])\n        return t\n"
            "net = A()\nnet(h)\nr = torch.zeros(net.sizes)"
        ),
        ["flatten", "zeros([6])"],
    ),
    "a module in a dict of modules": (
        "layers = nn.ModuleDict()\nlayers['a'] = nn.Linear(h.shape[0], 3)\nr = layers['a'](torch.ones(6))",
        ["flatten", "ones(6)", "Linear(6, 3)"],
    ),
    "a module in a list of modules": (
        "layers = nn.ModuleList()\nlayers.append(nn.Linear(h.shape[0], 3))\nr = layers[0](torch.ones(6))",
        ["flatten", "ones(6)", "Linear(6, 3)"],
    ),
    "a parameter": ("r = nn.Linear(h.shape[0], 3).weight", ["flatten"]),
    "a parameter of a module with a name": (
        "lin = nn.Linear(h.shape[0], 3)\nw = lin.weight\nr = w.T", ["flatten", "T"],
    ),
    "a parameter read twice": (
        "lin = nn.Linear(2, 3)\na = lin.weight.exp()\nr = lin.weight.T", ["T"],
    ),
    "a parameter that was filled": (
        "lin = nn.Linear(2, 3)\nwith torch.no_grad():\n    lin.weight.mul_(2)\nr = lin.weight.T", ["mul_(2)", "T"],
    ),
    "map": ("n = list(map(len, [h]))\nr = torch.zeros(n)", ["flatten", "zeros([6])"]),
    "sorted by a key": (
        "n = sorted([h.shape[0], 2], key=lambda s: -s)\nr = torch.zeros(n)", ["flatten", "zeros([6, 2])"],
    ),
    "tensors in a dict, each by itself": (
        "d = {}\nd['a'] = x.view(x.shape[0], -1)\nd['b'] = h.view(h.shape[0], 1)\nr = d['a'] + 1",
        ["view(2, -1)", "add(1)"],
    ),
    "tensors in a list, each by itself": (
        "t = []\nt.append(h.exp())\nt.append(x.exp())\nr = t[1] + 1", ["exp", "add(1)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_steps_of_a_target_are_those_it_depends_on(name: str) -> None:
    code, ops = CASES[name]
    trace = rotbot.trace(HEAD + code, {"x": [2, 3]}, "r")
    assert trace.error is None
    assert [step.op for step in trace.steps] == ops


def test_a_rejected_program_has_the_steps_that_the_rejection_depends_on() -> None:
    code = HEAD + "d = {}\nd['n'] = h.shape[0]\nr = x.view(d['n'], 2)"
    trace = rotbot.trace(code, {"x": [2, 3]}, "r")
    assert [step.op for step in trace.steps] == ["flatten", "view(6, 2)"]
