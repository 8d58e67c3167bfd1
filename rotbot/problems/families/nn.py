"""Layers of networks, as functions and as modules: linear maps, norms, gates, attention, embeddings, recurrence."""

from __future__ import annotations

from rotbot.problems.op import FLOAT, INDEX_DTYPE, NUMBERS, Context, Draw, Op, Sampler, tupled

FAMILY = "nn"
WIDTHS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)


LARGEST_TABLE = 50_000
"""Rows of an embedding people would write."""


def _linear(c: Context) -> Draw | None:
    weight = c.partner(lambda y: len(y) == 2 and y[1] == c.x[-1], lambda: (c.size(64), c.x[-1]))
    return None if weight is None else Draw(((*c.x[:-1], weight[0]),), ("F.linear($x, $y)",))


def _linear_module(c: Context) -> Draw | None:
    features = c.rng.choice(WIDTHS)
    text = f"{c.x[-1]}, {features}"
    return Draw(
        ((*c.x[:-1], features),),
        (f"nn.Linear({text})($x)", f"nn.Linear({text})($x)", f"nn.Linear({text}, bias=False)($x)"),
    )


def _over_last(name: str, module: str) -> Sampler:
    """``F.layer_norm`` and ``F.rms_norm`` over the last dimension."""

    def sample(c: Context) -> Draw | None:
        if c.x[-1] == 1:
            return None
        return Draw((c.x,), (f"F.{name}($x, {tupled(c.x[-1:])})", f"nn.{module}({c.x[-1]})($x)"), keeps=False)

    return sample


def _batch_norm(c: Context) -> Draw | None:
    """Dimension 1 are the channels; each needs two values."""
    channels = c.x[1]
    if max(c.x[:1] + c.x[2:]) == 1:
        return None
    return Draw((c.x,), (f"nn.BatchNorm{max(1, c.rank - 2)}d({channels})($x)",), keeps=False)


def _group_norm(c: Context) -> Draw | None:
    groups = [g for g in (1, 2, 3, 4, 8, 16) if c.x[1] % g == 0]
    if c.x[1] == 1 or max(c.x[2:]) == 1:
        return None
    groups = c.rng.choice(groups)
    return Draw((c.x,), (f"F.group_norm($x, {groups})", f"nn.GroupNorm({groups}, {c.x[1]})($x)"), keeps=False)


def _instance_norm(c: Context) -> Draw | None:
    if max(c.x[2:]) == 1:
        return None
    return Draw((c.x,), ("F.instance_norm($x)", f"nn.InstanceNorm{c.rank - 2}d({c.x[1]})($x)"), keeps=False)


def _dropout(c: Context) -> Draw | None:
    p = c.rng.choice(("0.1", "0.1", "0.2", "0.5"))
    return Draw((c.x,), (f"F.dropout($x, {p})", f"F.dropout($x, p={p})", f"nn.Dropout({p})($x)"))


def _glu(c: Context) -> Draw | None:
    halves = [i for i, size in enumerate(c.x) if size % 2 == 0]
    if not halves:
        return None
    dim = c.rank - 1 if c.rank - 1 in halves and c.coin(0.6) else c.rng.choice(halves)
    spelled = c.spell(dim)
    spellings = [f"F.glu($x, dim={spelled})", f"nn.GLU(dim={spelled})($x)"]
    spellings += ["F.glu($x)"] if dim == c.rank - 1 else []
    return Draw((c.replaced(dim, c.x[dim] // 2),), tuple(spellings), keeps=False)


def _embedding(c: Context) -> Draw | None:
    """Indices at hand looked up in a table, or a table at hand read by an index argument."""
    if c.dtype == INDEX_DTYPE:
        if c.bound > LARGEST_TABLE:  # these integers are no indices: a table for them would be endless
            return None
        if c.coin(0.5):
            rows, width = max(c.bound, c.rng.choice((10, 16, 32, 50, 64, 100))), c.rng.choice(WIDTHS)
            return Draw(((*c.x, width),), (f"nn.Embedding({rows}, {width})($x)",), keeps=False, dtypes=FLOAT)
        table = c.partner(lambda y: len(y) == 2 and y[0] >= c.bound, lambda: (max(c.bound, c.size()), c.size()))
        if table is None:
            return None
        return Draw(((*c.x, table[1]),), ("F.embedding($x, $y)",), keeps=False, dtypes=FLOAT)
    if c.rank != 2:
        return None
    index = c.partner(
        lambda y: 1 <= len(y) <= 2,
        lambda: (c.size(8), c.size(32)) if c.coin(0.7) else (c.size(32),),
        INDEX_DTYPE,
        c.x[0],
    )
    return None if index is None else Draw(((*index, c.x[1]),), ("F.embedding($y, $x)",), keeps=False)


def _attention(c: Context) -> Draw | None:
    """Queries against keys and values: as many rows as queries, as wide as the values."""
    if c.coin(0.3):
        tail = ", is_causal=True" if c.coin(0.4) else ""
        return Draw((c.x,), (f"F.scaled_dot_product_attention($x, $x, $x{tail})",), keeps=False)
    batch, width = c.x[:-2], c.x[-1]
    keys = c.partner(
        lambda y: len(y) == c.rank and y[:-2] == batch and y[-1] == width, lambda: (*batch, c.size(32), width)
    )
    if keys is None:
        return None
    values = None
    if c.coin(0.6):
        values = c.partner(
            lambda z: len(z) == c.rank and z[:-1] == keys[:-1],
            lambda: keys if c.coin(0.6) else (*keys[:-1], c.size(32)),
        )
    shape = (*c.x[:-1], values[-1] if values else width)
    return Draw((shape,), (f"F.scaled_dot_product_attention($x, $y, {'$z' if values else '$y'})",), keeps=False)


def _multihead(c: Context) -> Draw | None:
    """``nn.MultiheadAttention`` on itself: the output, and the weights averaged over the heads."""
    heads = [h for h in (1, 2, 4, 8) if c.x[-1] % h == 0 and h < c.x[-1]]
    if not heads:
        return None
    text = f"nn.MultiheadAttention({c.x[-1]}, {c.rng.choice(heads)}, batch_first=True)($x, $x, $x)"
    return Draw((c.x, (c.x[0], c.x[1], c.x[1])), (text,), keeps=False)


def _recurrent(name: str) -> Sampler:
    """``nn.GRU`` and its like on batches of sequences: all hidden states, and the last one of each layer."""

    def sample(c: Context) -> Draw | None:
        hidden, layers = c.rng.choice(WIDTHS[2:]), c.rng.choice((1, 1, 1, 2))
        both_ways = c.coin(0.2)
        tail = f", num_layers={layers}" if layers > 1 else ""
        text = (
            f"nn.{name}({c.x[-1]}, {hidden}{tail}, batch_first=True{', bidirectional=True' if both_ways else ''})($x)"
        )
        states = (*c.x[:-1], hidden * (1 + both_ways))
        if name == "LSTM":
            return Draw((states,), (f"{text}[0]",), keeps=False)
        return Draw((states, (layers * (1 + both_ways), c.x[0], hidden)), (text,), keeps=False)

    return sample


def _softmax(name: str, module: str) -> Sampler:
    """Functions that need a dimension and keep the shape."""

    def sample(c: Context) -> Draw | None:
        dim = c.spell(c.rank - 1 if c.coin(0.6) and c.x[-1] > 1 else c.wide())
        spellings = (
            f"$x.{name}(dim={dim})", f"F.{name}($x, dim={dim})", f"torch.{name}($x, dim={dim})", f"$x.{name}({dim})",
            f"nn.{module}(dim={dim})($x)",
        )  # fmt: skip
        return Draw((c.x,), spellings)

    return sample


def _normalize(c: Context) -> Draw | None:
    dim = c.spell(c.rank - 1 if c.coin(0.6) and c.x[-1] > 1 else c.wide())
    return Draw((c.x,), (f"F.normalize($x, dim={dim})", f"F.normalize($x, p=2, dim={dim})"))


OPS = (
    Op("linear", FAMILY, _linear, ranks=(1, 4), weight=1.2),
    Op("Linear", FAMILY, _linear_module, ranks=(1, 4), weight=1.0),
    Op("layer_norm", FAMILY, _over_last("layer_norm", "LayerNorm"), weight=0.4),
    Op("rms_norm", FAMILY, _over_last("rms_norm", "RMSNorm"), weight=0.3),
    Op("batch_norm", FAMILY, _batch_norm, ranks=(2, 4), weight=0.4),
    Op("group_norm", FAMILY, _group_norm, ranks=(3, 4), weight=0.3),
    Op("instance_norm", FAMILY, _instance_norm, ranks=(3, 4), weight=0.25),
    Op("dropout", FAMILY, _dropout, weight=0.3),
    Op("softmax", FAMILY, _softmax("softmax", "Softmax"), weight=0.7),
    Op("log_softmax", FAMILY, _softmax("log_softmax", "LogSoftmax"), weight=0.35),
    Op("normalize", FAMILY, _normalize, weight=0.3),
    Op("glu", FAMILY, _glu, weight=0.5),
    Op("embedding", FAMILY, _embedding, ranks=(1, 3), weight=1.0, dtypes=NUMBERS),
    Op("scaled_dot_product_attention", FAMILY, _attention, ranks=(3, 4), weight=0.8),
    Op("multihead_attention", FAMILY, _multihead, ranks=(3, 3), weight=0.5),
    Op("lstm", FAMILY, _recurrent("LSTM"), ranks=(3, 3), weight=0.4),
    Op("gru", FAMILY, _recurrent("GRU"), ranks=(3, 3), weight=0.3),
    Op("rnn", FAMILY, _recurrent("RNN"), ranks=(3, 3), weight=0.2),
)
