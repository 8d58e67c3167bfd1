"""One operation on metadata: eager's shapes and verdicts, values that decide, sizes that are never allocated."""

import resource
import time

import pytest
import torch

import rotbot
from rotbot.errors import LimitExceeded, UnsupportedSnippet
from rotbot.shapes import evaluate as evaluating
from rotbot.shapes.evaluate import evaluate
from rotbot.shapes.limits import LIMITS
from rotbot.shapes.metadata import Alias, Fields, ModuleSpec, Rejected, TensorMeta
from rotbot.shapes.running import is_small


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> TensorMeta:
    return TensorMeta.contiguous(shape, dtype)


def test_strides_and_dtypes_are_torchs_own() -> None:
    assert evaluate("Tensor.transpose", (meta(2, 3, 4), 0, 2), {}) == TensorMeta((4, 3, 2), (1, 4, 12), torch.float32)
    assert evaluate("Tensor.expand", (meta(3, 1), 3, 5), {}).stride == (1, 0)
    assert evaluate("operator.truediv", (meta(2, dtype=torch.int64), 2), {}).dtype is torch.float32
    assert evaluate("torch.argmax", (meta(2, 3), 1), {}) == meta(2, dtype=torch.int64)


def test_a_view_of_what_does_not_lie_in_order_is_rejected() -> None:
    turned = evaluate("Tensor.t", (meta(4, 6),), {})
    assert isinstance(evaluate("Tensor.view", (turned, 24), {}), Rejected)
    assert evaluate("Tensor.reshape", (turned, 24), {}).shape == (24,)


def test_in_place_operations_return_their_argument() -> None:
    assert evaluate("Tensor.add_", (meta(2, 3), meta(3)), {}) == Alias(0, meta(2, 3))
    grown = evaluate("operator.iadd", (meta(1, 3), meta(2, 3)), {})
    assert isinstance(grown, Rejected)
    assert "doesn't match the broadcast shape" in grown.message


def test_named_results_keep_their_fields() -> None:
    assert evaluate("torch.max", (meta(4, 5), 0), {}) == Fields(
        ("values", "indices"), (meta(5), meta(5, dtype=torch.int64))
    )
    assert evaluate("torch.linalg.svd", (meta(4, 5), False), {}).names == ("U", "S", "Vh")
    frexp = evaluate("torch.frexp", (meta(4),), {})
    assert (frexp.names, frexp.items[1].dtype) == (("mantissa", "exponent"), torch.int32)


def test_one_true_and_one_point_zero_are_cached_apart() -> None:
    assert evaluate("torch.full", ((2,), 1), {}).dtype is torch.int64
    assert evaluate("torch.full", ((2,), 1.0), {}).dtype is torch.float32
    assert evaluate("torch.full", ((2,), True), {}).dtype is torch.bool


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("torch.zeros", (meta(dtype=torch.int64),)),
        ("torch.arange", (meta(),)),
        ("Tensor.view", (meta(6), meta(dtype=torch.int64), 2)),
        ("Tensor.expand", (meta(1), meta(1, dtype=torch.int64))),
        ("torch.linspace", (0, 1, meta(dtype=torch.int32))),
    ],
)
def test_a_tensor_read_as_a_number_is_not_taken_for_zero(target: str, args: tuple[object, ...]) -> None:
    with pytest.raises(UnsupportedSnippet, match="depends on the values"):
        evaluate(target, args, {})


@pytest.mark.parametrize("size", [4, 4_000_000])
def test_residuals_of_a_least_squares_fit_are_refused_whatever_the_size(size: int) -> None:
    with pytest.raises(UnsupportedSnippet, match="values"):
        evaluate("torch.linalg.lstsq", (meta(size, 3), meta(size, 2)), {"driver": "gelsd"})


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("torch.linalg.inv", (meta(3, 3),)),  # zeros are singular
        ("torch.linalg.cholesky", (meta(3, 3),)),
        ("torch.linalg.lu_factor", (meta(3, 5),)),
        ("torch.linalg.ldl_factor", (meta(5, 5),)),
        ("torch.multinomial", (meta(5), 2)),  # zeros are no distribution
    ],
)
def test_a_complaint_about_values_is_no_verdict(target: str, args: tuple[object, ...]) -> None:
    assert not isinstance(evaluate(target, args, {}), Rejected)


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("torch.nn.functional.max_pool1d", (meta(1, 3, 8), 2, 1, 0, 0)),  # dilation 0
        ("torch.cumsum", (meta(2, 3), 2)),
        ("torch.gather", (meta(2, 3), 0, meta(2, 3))),  # a float index
        ("torch.index_select", (meta(2, 3), 2, meta(2, dtype=torch.int64))),
        ("Tensor.unfold", (meta(5), 0, 6, 1)),
    ],
)
def test_calls_that_eager_rejects_are_rejected_small_and_large(target: str, args: tuple[object, ...]) -> None:
    assert isinstance(evaluate(target, args, {}), Rejected)


def test_modules_are_trained_or_not_as_asked() -> None:
    norm = ModuleSpec("nn.BatchNorm1d", (4,), ())
    assert isinstance(evaluate("nn.BatchNorm1d", (meta(1, 4),), {}, norm), Rejected)
    evaluated = ModuleSpec("nn.BatchNorm1d", (4,), (), training=False)
    assert evaluate("nn.BatchNorm1d", (meta(1, 4),), {}, evaluated) == meta(1, 4)


BOMBS = {
    "y = x + w": (100_000, 100_000),
    "y = torch.outer(x[:, 0], w[0])": (100_000, 100_000),
    "y = torch.linalg.svd(x).U": (100_000, 100_000),
    "y = torch.diag_embed(x[0], offset=30_000)": (30_001, 30_001),
    "y = F.interpolate(x[None, None, :2], scale_factor=10_000)": (1, 1, 20_000, 10_000),
    "y = F.pad(x[:1], (20_000, 20_000, 20_000, 20_000))": (40_001, 40_001),
    "y = F.conv2d(x[None, :1], x[None, None, :1, :], padding=20_000)": (1, 40_001, 40_001),
    "y = torch.eye(50_000)": (50_000, 50_000),
    "y = torch.kron(x[:2000], w[:, :2000])": (2_000, 2_000),
    "y = x.expand(100_000, 60_000).contiguous()": (100_000, 60_000),
    "y = torch.full((50_000, 50_000), 1)": (50_000, 50_000),
    "y = F.embedding(torch.zeros(50_000, dtype=torch.int64), w[:, :60_000])": (50_000, 60_000),
    "y = w.index_select(0, torch.zeros(50_000, dtype=torch.int64))": (50_000, 100_000),
}


def test_large_results_are_not_allocated() -> None:
    rotbot.trace("y = torch.relu(x) @ w", {"x": [3, 2], "w": [2, 3]})
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for code, shape in BOMBS.items():
        trace = rotbot.trace(code, {"x": [100_000, 1], "w": [1, 100_000]}, "y")
        assert (code, trace.final) == (code, shape)
    assert time.process_time() - start < 10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 300  # MB


def test_scores_of_attention_are_not_allocated_for_a_small_result() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    query = meta(3, 20_000, 2)
    assert evaluate("torch.nn.functional.scaled_dot_product_attention", (query, query, query), {}).shape == query.shape
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 300  # MB; the scores are 4,800


def test_results_beyond_the_limits_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="elements of one tensor"):
        evaluate("Tensor.expand", (meta(1), LIMITS.elements + 1), {})
    with pytest.raises(LimitExceeded, match="dimensions of one tensor"):
        evaluate("Tensor.reshape", (meta(1), *[1] * (LIMITS.rank + 1)), {})
    with pytest.raises(LimitExceeded, match="tensors returned by split: at most 1024 allowed, got 3000"):
        evaluate("torch.split", (meta(3000), 1), {})
    with pytest.raises(LimitExceeded, match="tensors returned by chunk"):
        evaluate("Tensor.chunk", (meta(9000),), {"chunks": 5000})


def test_tracing_leaves_the_random_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    evaluating.clear_cache()
    rotbot.trace("y = F.dropout(nn.Linear(4, 3)(x)) + torch.rand(2, 3)", {"x": [2, 4]})
    assert torch.equal(torch.get_rng_state(), before)


def test_a_result_is_the_same_from_the_cache() -> None:
    evaluating.clear_cache()
    first = evaluate("torch.cat", ([meta(2, 3), meta(4, 3)],), {"dim": 0})
    assert first == meta(6, 3)
    assert evaluate("torch.cat", ([meta(2, 3), meta(4, 3)],), {"dim": 0}) is first


def test_attention_layers_are_small_by_the_square_of_their_width() -> None:
    assert is_small(ModuleSpec("nn.MultiheadAttention", (256, 8), ()))
    assert not is_small(ModuleSpec("nn.MultiheadAttention", (), (("embed_dim", 257), ("num_heads", 1))))
    assert not is_small(ModuleSpec("nn.TransformerEncoderLayer", (16, 2), ()))
