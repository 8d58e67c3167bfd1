"""Every clause of what people write: our shapes against torch's own, on every variable a snippet leaves."""

from __future__ import annotations

import pytest

import rotbot
from rotbot.errors import SnippetError, SnippetSyntaxError, UnsafeSnippet, UnsupportedSnippet
from rotbot.shapes.source import free_names
from tests.shapes import eager
from tests.shapes.snippets import ALL, ARGS, SNIPPETS


def args_of(code: str) -> dict[str, str]:
    return {name: ARGS[name] for name in free_names(code) if name in ARGS}


def final_shapes(trace: rotbot.ShapeTrace) -> list[tuple[int | str, ...]]:
    """The final shapes in order; a target that is one tensor counts as one."""
    final = trace.final
    assert final is not None
    return list(final) if final and isinstance(final[0], tuple) else [final]  # type: ignore[list-item]


def test_the_table_is_large() -> None:
    assert len(set(ALL)) == len(ALL) >= 350
    assert all(len(codes) >= 4 for codes in SNIPPETS.values())


@pytest.mark.parametrize("clause", SNIPPETS)
def test_every_variable_has_the_shape_that_torch_gives_it(clause: str) -> None:
    for code in SNIPPETS[clause]:
        args = args_of(code)
        variables = {name: eager.shapes(value) for name, value in eager.run(code, args).items()}
        assert "r" in variables, code
        for name, expected in variables.items():
            if expected is None:
                continue
            trace = rotbot.trace(code, args, name)
            assert trace.error is None, f"{code}\n{trace.error}"
            assert final_shapes(trace) == eager.flat(expected), f"{name} in\n{code}"


def test_every_snippet_round_trips_through_text() -> None:
    for code in ALL:
        trace = rotbot.trace(code, args_of(code))
        assert rotbot.ShapeTrace.parse(trace.render()) == trace, code


RENDERED = {
    "r = torch.softmax((x @ n).transpose(1, 2) / 2.0, dim=-1).mean()": [
        "step 0: matmul | [2, 3, 4], [4, 5] -> [2, 3, 5]",
        "step 1: transpose(1, 2) | [2, 3, 5] -> [2, 5, 3]",
        "step 2: div(2.0) | [2, 5, 3] -> [2, 5, 3]",
        "step 3: softmax(dim=-1) | [2, 5, 3] -> [2, 5, 3]",
        "step 4: mean | [2, 5, 3] -> []",
        "final: []",
    ],
    "bs, t, d = seq.size()\nr = seq.view(bs, t, 2, d // 2).transpose(1, 2)": [
        "step 0: view(2, 5, 2, 4) | [2, 5, 8] -> [2, 5, 2, 4]",
        "step 1: transpose(1, 2) | [2, 5, 2, 4] -> [2, 2, 5, 4]",
        "final: [2, 2, 5, 4]",
    ],
    "r = x.view(x.size(0), -1)": [
        "step 0: view(2, -1) | [2, 3, 4] -> [2, 12]",
        "final: [2, 12]",
    ],
    "r = torch.zeros(x.shape[0] // 2, x.shape[1] * 2 - 1)": [
        "step 0: zeros(1, 5) | none -> [1, 5]",
        "final: [1, 5]",
    ],
    "r = x[None, 0, ..., None, 1:4:2]": [
        "step 0: add dimension at position 0 | [2, 3, 4] -> [1, 2, 3, 4]",
        "step 1: select index 0 of dim 1 | [1, 2, 3, 4] -> [1, 3, 4]",
        "step 2: add dimension at position 2 | [1, 3, 4] -> [1, 3, 1, 4]",
        "step 3: slice dim 3 from 1 to 4 step 2 | [1, 3, 1, 4] -> [1, 3, 1, 2]",
        "final: [1, 3, 1, 2]",
    ],
    "r = x[[0, 1], :, [1, 2]]": [
        "step 0: index dims 0, 2 with [2], [2] | [2, 3, 4] -> [2, 3]",
        "final: [2, 3]",
    ],
    "r = x[z, :, [0, 1]]": [
        "step 0: select index _ of dim 0 | [2, 3, 4], [] -> [3, 4]",
        "step 1: index dim 1 with [2] | [3, 4] -> [3, 2]",
        "final: [3, 2]",
    ],
    "r = x[:, i, None]": [
        "step 0: add dimension at position 2 | [2, 3, 4] -> [2, 3, 1, 4]",
        "step 1: index dim 1 with [3] | [2, 3, 1, 4], [3] -> [2, 3, 1, 4]",
        "final: [2, 3, 1, 4]",
    ],
    "r = x[:]": [
        "step 0: keep all dims | [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = x[1:100, 5:2]": [
        "step 0: slice dim 0 from 1 to 2 | [2, 3, 4] -> [1, 3, 4]",
        "step 1: slice dim 1 from 3 to 3 | [1, 3, 4] -> [1, 0, 4]",
        "final: [1, 0, 4]",
    ],
    "r = -(x + 1) ** 2": [
        "step 0: add(1) | [2, 3, 4] -> [2, 3, 4]",
        "step 1: pow(2) | [2, 3, 4] -> [2, 3, 4]",
        "step 2: neg | [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = 2 ** x": [
        "step 0: pow(2, _) | [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = ~flag & (x > 0)": [
        "step 0: bitwise_not | [2, 3, 4] -> [2, 3, 4]",
        "step 1: gt(0) | [2, 3, 4] -> [2, 3, 4]",
        "step 2: bitwise_and | [2, 3, 4], [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = x.clone()\nr += m": [
        "step 0: clone | [2, 3, 4] -> [2, 3, 4]",
        "step 1: add_ | [2, 3, 4], [3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = x.clone()\nr[0, 1:] = v": [
        "step 0: clone | [2, 3, 4] -> [2, 3, 4]",
        "step 1: setitem [0, 1:] | [2, 3, 4], [4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = x.clone()\nr[0] += 1": [
        "step 0: clone | [2, 3, 4] -> [2, 3, 4]",
        "step 1: select index 0 of dim 0 | [2, 3, 4] -> [3, 4]",
        "step 2: add_(1) | [3, 4] -> [3, 4]",
        "step 3: setitem [0] | [2, 3, 4], [3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = torch.cat([x, y], dim=1)": [
        "step 0: cat(dim=1) | [2, 3, 4], [2, 3, 4] -> [2, 6, 4]",
        "final: [2, 6, 4]",
    ],
    "r = torch.einsum('bij,bjk->bik', x, x.mT)": [
        "step 0: mT | [2, 3, 4] -> [2, 4, 3]",
        "step 1: einsum('bij,bjk->bik', _, _) | [2, 3, 4], [2, 4, 3] -> [2, 3, 3]",
        "final: [2, 3, 3]",
    ],
    "r = torch.where(x > 0, x, 0.0)": [
        "step 0: gt(0) | [2, 3, 4] -> [2, 3, 4]",
        "step 1: where(0.0) | [2, 3, 4], [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "r = F.pad(x, (1, 2))": [
        "step 0: pad((1, 2)) | [2, 3, 4] -> [2, 3, 7]",
        "final: [2, 3, 7]",
    ],
    "r = nn.Conv2d(3, 6, kernel_size=3, padding=1)(img)": [
        "step 0: Conv2d(3, 6, kernel_size=3, padding=1) | [2, 3, 8, 8] -> [2, 6, 8, 8]",
        "final: [2, 6, 8, 8]",
    ],
    "r = nn.Sequential(nn.Linear(4, 8), nn.ReLU())(x)": [
        "step 0: Linear(4, 8) | [2, 3, 4] -> [2, 3, 8]",
        "step 1: ReLU() | [2, 3, 8] -> [2, 3, 8]",
        "final: [2, 3, 8]",
    ],
    "r, (h, c0) = nn.LSTM(8, 6)(seq)": [
        "step 0: LSTM(8, 6) | [2, 5, 8] -> [2, 5, 6], [1, 5, 6], [1, 5, 6]",
        "final: [2, 5, 6], [1, 5, 6], [1, 5, 6]",
    ],
    "a, w, r = seq.split([1, 3, 4], dim=-1)": [
        "step 0: split([1, 3, 4], dim=-1) | [2, 5, 8] -> [2, 5, 1], [2, 5, 3], [2, 5, 4]",
        "final: [2, 5, 1], [2, 5, 3], [2, 5, 4]",
    ],
    "a, *r = x.unbind(1)": [
        "step 0: unbind(1) | [2, 3, 4] -> 3 x [2, 4]",
        "final: 3 x [2, 4]",
    ],
    "r = x.max(dim=1).values": [
        "step 0: max(dim=1) | [2, 3, 4] -> 2 x [2, 4]",
        "final: [2, 4]",
    ],
    "r = torch.stack([x[:, j] for j in range(3)])": [
        "step 0: select index 0 of dim 1 | [2, 3, 4] -> [2, 4]",
        "step 1: select index 1 of dim 1 | [2, 3, 4] -> [2, 4]",
        "step 2: select index 2 of dim 1 | [2, 3, 4] -> [2, 4]",
        "step 3: stack | [2, 4], [2, 4], [2, 4] -> [3, 2, 4]",
        "final: [3, 2, 4]",
    ],
    "if x.ndim == 3:\n    r = x[0]": [
        "step 0: select index 0 of dim 0 | [2, 3, 4] -> [3, 4]",
        "final: [3, 4]",
    ],
    "r = x.to(torch.float16)": [
        "step 0: to(torch.float16) | [2, 3, 4] -> [2, 3, 4]",
        "final: [2, 3, 4]",
    ],
    "def f(a):\n    return a.T\nr = f(m)": [
        "step 0: T | [3, 4] -> [4, 3]",
        "final: [4, 3]",
    ],
    "r = torch.full((2, 3), 1.5, dtype=torch.int64)": [
        "step 0: full((2, 3), 1.5, dtype=torch.int64) | none -> [2, 3]",
        "final: [2, 3]",
    ],
    "for a, w in zip(x, y):\n    r = a @ w.T": [
        "step 0: unbind | [2, 3, 4] -> 2 x [3, 4]",
        "step 1: unbind | [2, 3, 4] -> 2 x [3, 4]",
        "step 2: T | [3, 4] -> [4, 3]",
        "step 3: matmul | [3, 4], [4, 3] -> [3, 3]",
        "step 4: T | [3, 4] -> [4, 3]",
        "step 5: matmul | [3, 4], [4, 3] -> [3, 3]",
        "final: [3, 3]",
    ],
    "r = torch.gather(x, 1, torch.zeros(2, 1, 4, dtype=torch.long))": [
        "step 0: zeros(2, 1, 4, dtype=torch.int64) | none -> [2, 1, 4]",
        "step 1: gather(1, _) | [2, 3, 4], [2, 1, 4] -> [2, 1, 4]",
        "final: [2, 1, 4]",
    ],
    "r = x.permute(*reversed(range(x.ndim)))": [
        "step 0: permute(2, 1, 0) | [2, 3, 4] -> [4, 3, 2]",
        "final: [4, 3, 2]",
    ],
    "r = torch.arange(x.size(1), device=x.device)": [
        "step 0: arange(3) | none -> [3]",
        "final: [3]",
    ],
}


@pytest.mark.parametrize("code", RENDERED)
def test_the_text_is_exactly(code: str) -> None:
    assert rotbot.trace(code, args_of(code)).render().split("\n") == RENDERED[code]


UNSUPPORTED = [
    ("r = x.nonzero()", 1, ("nonzero", "number of nonzero elements")),
    ("a = x\nr = torch.nonzero(a)", 2, ("nonzero", "number of nonzero elements")),
    ("r = torch.argwhere(x)", 1, ("argwhere", "number of nonzero elements")),
    ("r = torch.where(flag)", 1, ("where", "number of nonzero elements")),
    ("r = x[x > 0]", 1, ("mask", "how many values are true")),
    ("\n\nr = x[flag]", 3, ("mask", "how many values are true")),
    ("r = x.clone()\nr[flag] = v[:2]", 2, ("mask", "how many values are true")),
    ("r = x[[True, False]]", 1, ("list", "integers")),
    ("r = torch.masked_select(x, flag)", 1, ("masked_select", "number of selected elements")),
    ("r = torch.unique(x)", 1, ("unique", "number of distinct values")),
    ("r = x.unique_consecutive()", 1, ("unique_consecutive", "runs of values")),
    ("n0 = x.sum().item()", 1, ("item", "value")),
    ("r = x.tolist()", 1, ("tolist", "values")),
    ("r = x.numpy()", 1, ("numpy", "values")),
    ("r = int(x.sum())", 1, ("int()", "values")),
    ("r = float(v[0])", 1, ("float()", "values")),
    ("r = torch.zeros(z)", 1, ("zeros", "values")),
    ("r = x.view(z, -1)", 1, ("view", "values")),
    ("r = torch.arange(z)", 1, ("arange", "values")),
    ("r = x[:z]", 1, ("slice", "value")),
    ("r = [x, y][z]", 1, ("index", "value")),
    ("r = F.one_hot(ids)", 1, ("one_hot", "num_classes")),
    ("r = torch.bincount(i)", 1, ("bincount", "largest value")),
    ("r = torch.repeat_interleave(v, i)", 1, ("repeat_interleave", "repeat counts")),
    ("r = torch.tensor_split(x, i)", 1, ("tensor_split", "split points")),
    ("r = x\nif x.sum() > 0:\n    r = x[0]", 2, ("condition", "values")),
    ("while x.any():\n    x = x[0]", 1, ("condition", "values")),
    ("r = x if x[0, 0, 0] > 0 else y", 1, ("condition", "values")),
    ("assert torch.allclose(x, y)", 1, ("allclose", "values")),
    ("assert (x == y).all()", 1, ("condition", "values")),
    ("r = x and y", 1, ("condition", "values")),
    ("r = not x", 1, ("condition", "values")),
    ("r = [t for t in x if t.mean() > 0]", 1, ("condition", "values")),
    ("for j in range(x.max()):\n    pass", 1, ("range()", "values")),
    ("r = max(x, y)", 1, ("max()", "values")),
    ("r = sorted([x, y])", 1, ("sorted", "values")),
    ("r = x in [x, y]", 1, ("comparing", "values")),
    ("r = x\nclass A(int):\n    pass", 2, ("class",)),
    ("r = {x: 1}", 1, ("key of a dict", "number")),
    ("d = {'a': x}\nr = d[y]", 2, ("index", "value")),
    ("r = str(x)", 1, ("str()", "values")),
    ("r = str([x])", 1, ("str of tensors",)),
    ("r = {x for x in y}", 1, ("set comprehension",)),
    ("r = sorted([x, y], key=lambda t: t.sum())", 1, ("sorted", "values")),
    ("r = nn.ModuleList([None])", 1, ("None in place of a module",)),
    ("r = nn.TransformerEncoder(nn.Linear(4, 4), 2)(x)", 1, ("nn.TransformerEncoderLayer",)),
    ("lin = nn.Linear(4, 5)\nlin.weight = nn.Parameter(n)\nr = lin(x)", 2, ("weight", "another shape")),
    ("r = nn.Linear(4, 5).state_dict", 1, ("state_dict of Linear",)),
    ("r = f'{x}'", 1, ("f-string",)),
    ("r = x.view(int(f'{24:>100}'))", 1, ("f-string",)),
    ("raise", 1, ("raise", "exception")),
    ("return x", 1, ("return",)),
    ("r = nn.Parameter()", 1, ("nn.Parameter", "got None")),
    ("r = nn.Parameter(3)", 1, ("nn.Parameter", "type int")),
    ("r = 3", None, ("no tensor",)),
]


@pytest.mark.parametrize(("code", "line", "words"), UNSUPPORTED)
def test_what_depends_on_values_is_refused_by_name_line_and_reason(
    code: str, line: int | None, words: tuple[str, ...]
) -> None:
    with pytest.raises(UnsupportedSnippet) as caught:
        rotbot.trace(code, args_of(code))
    assert caught.value.line == line
    assert [word for word in words if word not in caught.value.message] == []


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import numpy as np", UnsafeSnippet, "line 1: import of numpy is not allowed"),
        ("r = x\nx.data = y", UnsafeSnippet, "line 2: assigning to an attribute is not allowed"),
        ("r = torch.save(x, 'f')", UnsafeSnippet, "line 1: torch.save is not among the allowed operations"),
        ("r = x.to_sparse()", UnsafeSnippet, "line 1: Tensor.to_sparse is not among the allowed tensor operations"),
        ("r = torch.ones(2, out=x)", UnsafeSnippet, "line 1: ones: the argument out= is not allowed"),
        ("r, *a, *b = x", SnippetSyntaxError, "line 1: not Python: multiple starred expressions in assignment"),
        ("r = [x\n", SnippetSyntaxError, "line 1: not Python: '[' was never closed"),
    ],
)
def test_what_is_not_a_shape_program_says_so(code: str, kind: type[SnippetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        rotbot.trace(code, args_of(code))
    assert str(caught.value).startswith(message)


def test_a_missing_argument_and_a_missing_target_are_named() -> None:
    with pytest.raises(rotbot.errors.InputError, match="no shape given for w; expected one for each free name, got x"):
        rotbot.trace("r = x @ w", {"x": [2, 3]})
    with pytest.raises(rotbot.errors.InputError, match="the target 'q' is never assigned; assigned names: r"):
        rotbot.trace("r = x + 1", {"x": [2, 3]}, "q")


def test_a_local_name_read_before_it_is_bound_is_an_error_of_the_program() -> None:
    trace = rotbot.trace("def f(a):\n    x = x + 1\n    return x\nr = f(x)", {"x": [2]})
    assert trace.error is not None
    assert (trace.error.line, trace.error.reason) == (2, "name 'x' is not defined")
