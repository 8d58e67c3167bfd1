"""Calls too large to be tried while tracing: their verdict is still eager's, which runs them here for real."""

from __future__ import annotations

import pytest
import torch

import rotbot
from rotbot.shapes import surrogate
from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.rejected import Call
from tests.shapes import eager
from tests.shapes.opinfo import op_db

BIG = "4,512,256"
INTS, DOUBLES = f"{BIG}:int64", f"{BIG}:float64"

WRONG = [
    ("y = x @ z", {"x": BIG, "z": "256,8:float64"}, "dtypes float32 and float64 differ"),
    ("y = x @ z", {"x": INTS, "z": "256,8"}, "dtypes int64 and float32 differ"),
    ("y = nn.Linear(256, 8)(x)", {"x": DOUBLES}, "dtypes float64 and float32 differ"),
    ("y = nn.Linear(256, 8)(x)", {"x": INTS}, "expected a floating point input, got int64"),
    ("y = nn.Linear(256, 8).double()(x)", {"x": BIG}, "dtypes float32 and float64 differ"),
    ("y = nn.Linear(256, 8, dtype=torch.float64)(x)", {"x": BIG}, "dtypes float32 and float64 differ"),
    ("y = nn.LayerNorm(256, dtype=torch.bfloat16)(x)", {"x": BIG}, "dtypes float32 and bfloat16 differ"),
    (
        "y = nn.MultiheadAttention(256, 8, dtype=torch.float64)(x, x, x)",
        {"x": BIG},
        "dtypes float32 and float64 differ",
    ),
    ("y = x.take_along_dim(torch.zeros(4, 1, 256).int(), 1)", {"x": BIG}, "got int32: give it as '4,1,256:int64'"),
    ("y = F.linear(x, z)", {"x": INTS, "z": "8,256"}, "int64"),
    ("y = nn.LayerNorm(256)(x)", {"x": DOUBLES}, "dtypes float64 and float32 differ"),
    ("y = nn.BatchNorm1d(512)(x)", {"x": DOUBLES}, "dtypes float64 and float32 differ"),
    ("y = nn.GroupNorm(32, 512)(x)", {"x": DOUBLES}, "dtypes float64 and float32 differ"),
    ("y = x.softmax(-1)", {"x": INTS}, "softmax does not take int64"),
    ("y = F.gelu(x)", {"x": INTS}, "gelu does not take int64"),
    ("y = F.silu(x)", {"x": INTS}, "silu does not take int64"),
    ("y = x.std()", {"x": INTS}, "std does not take int64"),
    ("y = F.cross_entropy(x, t)", {"x": "4096,256", "t": "4096:int32"}, "got int32: give it as '4096:int64'"),
    ("y = F.binary_cross_entropy(x.sigmoid(), t)", {"x": BIG, "t": INTS}, "dtypes float32 and int64 differ"),
    ("y = x.index_select(0, i)", {"x": BIG, "i": "3"}, "got float32: give it as '3:int64'"),
    ("y = x & x", {"x": BIG}, "bitwise_and does not take float32"),
    ("y = x ** -1", {"x": INTS}, "negative integer powers"),
    ("y = x.max(0)", {"x": f"{BIG}:complex64"}, "complex"),
    ("y = F.max_pool1d(x, 2)", {"x": f"{BIG}:bool"}, "bool"),
    ("y = F.conv1d(x, w, b)", {"x": BIG, "w": "8,512,3", "b": "7"}, "expected a bias of [8], got [7]"),
    ("y = torch.bucketize(x, z)", {"x": BIG, "z": "5,5"}, "expected 1 dimension, got 2"),
    ("y = torch.multinomial(x[0].abs(), 300)", {"x": BIG}, "cannot draw 300 of 256 without replacement"),
    ("y = x.expand(40, 512, 256)\ny.mul_(2)", {"x": "256"}, "single memory location"),
    ("y = x.expand(40, 512, 256)\ny[0] = 2", {"x": "256"}, "single memory location"),
    ("y = x.expand(40, 512, 256)\ny.copy_(x)", {"x": "256"}, "single memory location"),
]
RIGHT = [
    ("y = x @ z", {"x": DOUBLES, "z": "256,8:float64"}),
    ("y = nn.Linear(256, 8).double()(x)", {"x": DOUBLES}),
    ("y = nn.Linear(256, 8, dtype=torch.float64)(x)", {"x": DOUBLES}),
    (
        "y = nn.Sequential(nn.Linear(256, 64), nn.GELU(), nn.LayerNorm(64)).to(torch.bfloat16)(x)",
        {"x": f"{BIG}:bfloat16"},
    ),
    ("y = nn.GroupNorm(32, 512).to(x)(x)", {"x": DOUBLES}),
    ("y = nn.Conv1d(512, 96, 5, stride=2, padding=1, groups=32).double()(x)", {"x": DOUBLES}),
    ("y = nn.Embedding(1000, 512)(i)", {"i": "64,500:int64"}),
    ("y = nn.Embedding(1000, 512)(i)", {"i": "64,500:int32"}),
    ("y = F.cross_entropy(x, t)", {"x": "4096,256", "t": "4096:int64"}),
    ("y = x.index_select(1, i)", {"x": BIG, "i": "700:int64"}),
    ("y = x.gather(2, i)", {"x": BIG, "i": "4,512,9:int64"}),
    ("y = (x > 0) & (x < 1)", {"x": BIG}),
    ("y = x.masked_fill(m, -1)", {"x": BIG, "m": "512,256:bool"}),
    ("y = x // z", {"x": INTS, "z": "256:int64"}),
    ("y = x.cumsum(1) + z", {"x": INTS, "z": "256:int32"}),
    ("y = F.conv1d(x, w, b)", {"x": BIG, "w": "8,512,3", "b": "8"}),
    ("y = torch.multinomial(x[0].abs(), 300, replacement=True)", {"x": BIG}),
    ("y = x.expand(40, 512, 256) * 2", {"x": "256"}),
    ("y = x.half().mean((0, 2))", {"x": BIG}),
    ("y = F.scaled_dot_product_attention(x, x, x)", {"x": "8,8,128,64:bfloat16"}),
    ("y = torch.fft.rfft(x, dim=1)", {"x": DOUBLES}),
    ("y = torch.stack([x, x.real]).abs()", {"x": DOUBLES}),
]


@pytest.mark.parametrize(("code", "args", "reason"), WRONG)
def test_what_eager_rejects_is_rejected_with_a_reason(code, args, reason):
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)):
        eager.run(code, args)
    trace = rotbot.trace(code, args)
    assert trace.error is not None
    assert reason in trace.error.reason


@pytest.mark.parametrize(("code", "args"), RIGHT)
def test_what_eager_accepts_is_accepted_with_its_shape(code, args):
    wanted = eager.shapes(eager.run(code, args)["y"])
    assert rotbot.trace(code, args).final == wanted


@pytest.mark.parametrize(
    "code",
    [
        "o, (h, c) = nn.LSTM(12, 16, 2, batch_first=True, bidirectional=True)(x)",
        "o, (h, c) = nn.LSTM(12, 16, proj_size=4)(x)",
        "o, h = nn.GRU(12, 16, 3)(x)",
        "o, h = nn.GRU(12, 16, 1, True, True)(x)",
        "o, h = nn.RNN(12, 16, 1, 'tanh', True, True)(x)",
        "o, h = nn.RNN(input_size=12, hidden_size=16, batch_first=True)(x)",
        "o, h = nn.RNN(12, 16)(input=x)",
        "o, h = nn.GRU(12, 16)(x[0])",
    ],
)
@pytest.mark.parametrize("shape", [[33, 5, 12], [2, 7, 12], [1, 3, 12], [700, 40, 12]], ids=str)
def test_recurrent_layers_of_any_length_have_eagers_shapes_and_strides(code, shape):
    code += "\nq = o.transpose(0, 1).contiguous()\ns = torch.as_strided(o, o.shape, o.stride())"
    made = eager.run(code, {"x": shape})
    trace = rotbot.trace(code, {"x": shape})
    assert trace.final == tuple(made["s"].shape)
    assert rotbot.trace(code, {"x": shape}, "h").final == tuple(made["h"].shape)
    strides = f"as_strided({trace.final}, {made['o'].stride()})".replace(" ", "")
    assert trace.steps[-1].op.replace(" ", "").replace("[", "(").replace("]", ")") == strides


def test_a_long_sequence_through_many_layers_takes_no_time():
    code = "y, _ = nn.LSTM(256, 512, 2, batch_first=True, bidirectional=True)(x)"
    assert rotbot.trace(code, {"x": "32,2000,256"}, isolated=True).steps[0].outputs[0] == (32, 2000, 1024)


def test_the_rules_that_stand_in_for_kernels_say_nothing_of_torch_s_valid_samples():
    seen = 0
    for info in op_db:
        name = info.name.removeprefix("nn.functional.")
        rule = surrogate._UNCHECKED.get(name)
        for sample in info.sample_inputs("cpu", torch.float32) if rule is not None else ():
            args = (meta_of(sample.input), *map(meta_of, sample.args))
            kwargs = {key: meta_of(value) for key, value in sample.kwargs.items()}
            assert rule(Call(name, args, kwargs)) is None, (name, args, kwargs)
            seen += 1
    assert seen > 60


def meta_of(value):
    return TensorMeta(tuple(value.shape), value.stride(), value.dtype) if isinstance(value, torch.Tensor) else value
