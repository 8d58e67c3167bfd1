"""Losses: of each element or sample, or one number for the whole batch where the program ends."""

from __future__ import annotations

from rotbot.problems.op import INDEX_DTYPE, Context, Draw, Op, Sampler, Shape

FAMILY = "losses"


def _reduced(
    c: Context, shape: Shape, call: str, module: str, reductions: tuple[str, ...] = ("", "", "mean", "sum")
) -> Draw:
    """The call (all but its last bracket) with a reduction: none gives ``shape``, any other a number.

    ``module`` names the ``nn`` class that does the same.
    """
    if c.last and c.coin(0.5):
        reduction = c.rng.choice(reductions)
        tail, out = (f", reduction='{reduction}'" if reduction else ""), ()
    else:
        tail, out = ", reduction='none'", shape
    operands = call.partition("(")[2]
    spellings = (f"{call}{tail})", f"nn.{module}({tail.removeprefix(', ')})({operands})")
    return Draw((out,), spellings, keeps=False)


def _pointwise(name: str, module: str) -> Sampler:
    """Losses of two tensors of one shape."""

    def sample(c: Context) -> Draw | None:
        y = c.partner(lambda y: y == c.x, lambda: c.x)
        return None if y is None else _reduced(c, c.x, f"F.{name}($x, $y", module)

    return sample


def _kl_div(c: Context) -> Draw | None:
    y = c.partner(lambda y: y == c.x, lambda: c.x)
    return None if y is None else _reduced(c, c.x, "F.kl_div($x, $y", "KLDivLoss", ("batchmean", "batchmean", "sum"))


def _classes(name: str, module: str) -> Sampler:
    """``F.cross_entropy`` and ``F.nll_loss``: dimension 1 are the classes, the target has the others."""

    def sample(c: Context) -> Draw | None:
        if c.x[1] == 1:
            return None
        rest = (c.x[0], *c.x[2:])
        if c.partner(lambda y: y == rest, lambda: rest, INDEX_DTYPE, c.x[1]) is None:
            return None
        return _reduced(c, rest, f"F.{name}($x, $y", module)

    return sample


def _tokens(c: Context) -> Draw | None:
    """Logits of a batch of sequences against their tokens, both flattened: the loss of language models."""
    if not c.contiguous or c.steps_left < 3 or c.x[-1] == 1:
        return None
    tokens = c.x[:2]
    if c.partner(lambda y: y == tokens, lambda: tokens, INDEX_DTYPE, c.x[-1]) is None:
        return None
    tail, shape = (")", ()) if c.steps_left == 3 else (", reduction='none')", (tokens[0] * tokens[1],))
    spellings = [
        f"F.cross_entropy($x.view(-1, {c.x[-1]}), $y.reshape(-1){tail}",
        f"F.cross_entropy($x.reshape(-1, $2), $y.flatten(){tail}",
        f"F.cross_entropy($x.flatten(0, 1), $y.flatten(){tail}",
    ]
    return Draw((shape,), tuple(spellings), steps=3)


def _pairs(name: str, module: str) -> Sampler:
    """Losses of two batches of vectors and a target for each pair."""

    def sample(c: Context) -> Draw | None:
        batch = c.x[:1]
        y = c.partner(lambda y: y == c.x, lambda: c.x)
        if y is None or c.partner(lambda z: z == batch, lambda: batch) is None:
            return None
        return _reduced(c, batch, f"F.{name}($x, $y, $z", module)

    return sample


def _triplet(c: Context) -> Draw | None:
    for _ in range(2):
        if c.partner(lambda y: y == c.x, lambda: c.x) is None:
            return None
    return _reduced(c, c.x[:1], "F.triplet_margin_loss($x, $y, $z", "TripletMarginLoss")


OPS = (
    Op("cross_entropy", FAMILY, _classes("cross_entropy", "CrossEntropyLoss"), ranks=(2, 4), weight=0.7),
    Op("cross_entropy_tokens", FAMILY, _tokens, ranks=(3, 3), weight=1.1),
    Op("nll_loss", FAMILY, _classes("nll_loss", "NLLLoss"), ranks=(2, 4), weight=0.5),
    Op("mse_loss", FAMILY, _pointwise("mse_loss", "MSELoss"), ranks=(1, 4), weight=0.5),
    Op("l1_loss", FAMILY, _pointwise("l1_loss", "L1Loss"), ranks=(1, 4), weight=0.4),
    Op("smooth_l1_loss", FAMILY, _pointwise("smooth_l1_loss", "SmoothL1Loss"), ranks=(1, 4), weight=0.3),
    Op("huber_loss", FAMILY, _pointwise("huber_loss", "HuberLoss"), ranks=(1, 4), weight=0.3),
    Op("binary_cross_entropy_with_logits", FAMILY,
       _pointwise("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"), ranks=(1, 4), weight=0.4),
    Op("soft_margin_loss", FAMILY, _pointwise("soft_margin_loss", "SoftMarginLoss"), ranks=(1, 4), weight=0.25),
    Op("kl_div", FAMILY, _kl_div, ranks=(1, 4), weight=0.4),
    Op("cosine_embedding_loss", FAMILY, _pairs("cosine_embedding_loss", "CosineEmbeddingLoss"),
       ranks=(2, 2), weight=0.5),
    Op("triplet_margin_loss", FAMILY, _triplet, ranks=(2, 2), weight=0.7),
)  # fmt: skip
