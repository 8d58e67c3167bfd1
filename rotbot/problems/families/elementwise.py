"""Elementwise: the same shape, or what broadcasting makes of two."""

from __future__ import annotations

from rotbot.problems.op import Context, Draw, Op, Sampler, Shape, broadcast

FAMILY = "elementwise"


def _beside(c: Context) -> Shape:
    """A fresh shape that broadcasts with ``x``."""
    kind = c.rng.random()
    if kind < 0.3 or c.rank == 0:
        return c.x
    if kind < 0.55:
        return c.x[c.rng.randrange(c.rank) :]
    shape = [1 if c.coin(0.4) else size for size in c.x]
    if kind < 0.85:
        shape = [c.size(32) if old == 1 and c.coin(0.6) else new for old, new in zip(c.x, shape, strict=True)]
    return tuple(shape)


def _binary(name: str, symbol: str) -> Sampler:
    """``x + y`` and its calls, with broadcasting."""

    def sample(c: Context) -> Draw | None:
        y = c.partner(lambda y: bool(y) and broadcast(c.x, y) is not None, lambda: _beside(c))
        shape = None if y is None else broadcast(c.x, y)
        if shape is None:
            return None
        operator = f"$x {symbol} $y"
        return Draw(
            (shape,),
            (operator, operator, operator, f"$y {symbol} $x", f"torch.{name}($x, $y)", f"$x.{name}($y)"),
            keeps=y == c.x,
        )

    return sample


def _scale(c: Context) -> Draw | None:
    number = c.rng.choice(("2", "0.5", "10", "3", "0.1", "8"))
    return Draw(
        (c.x,),
        (f"$x * {number}", f"$x / {number}", f"$x + {number}", f"$x - {number}", f"{number} * $x", "$x ** 2", "-$x"),
    )


def _unary(*spellings: str) -> Sampler:
    return lambda c: Draw((c.x,), spellings)


def _along(*names: str) -> Sampler:
    """Functions that need a dimension and keep the shape; a name with a dot is spelled as it is."""

    def sample(c: Context) -> Draw | None:
        dim, name = c.spell(c.dim()), c.rng.choice(names)
        if name == "cumsum":
            return Draw((c.x,), (f"$x.cumsum({dim})", f"torch.cumsum($x, dim={dim})", f"$x.cumsum(dim={dim})"))
        return Draw(
            (c.x,),
            (f"$x.{name}(dim={dim})", f"F.{name}($x, dim={dim})", f"torch.{name}($x, dim={dim})", f"$x.{name}({dim})"),
        )

    return sample


OPS = (
    Op("add", FAMILY, _binary("add", "+"), weight=1.6, joins=True),
    Op("sub", FAMILY, _binary("sub", "-"), weight=0.9, joins=True),
    Op("mul", FAMILY, _binary("mul", "*"), weight=1.5, joins=True),
    Op("div", FAMILY, _binary("div", "/"), weight=0.6, joins=True),
    Op("scale", FAMILY, _scale, weight=0.6),
    Op("relu", FAMILY, _unary("F.relu($x)", "torch.relu($x)", "$x.relu()"), weight=0.5),
    Op("gelu", FAMILY, _unary("F.gelu($x)"), weight=0.4),
    Op("silu", FAMILY, _unary("F.silu($x)"), weight=0.3),
    Op("sigmoid", FAMILY, _unary("torch.sigmoid($x)", "$x.sigmoid()"), weight=0.4),
    Op("tanh", FAMILY, _unary("torch.tanh($x)", "$x.tanh()"), weight=0.3),
    Op("exp", FAMILY, _unary("torch.exp($x)", "$x.exp()"), weight=0.3),
    Op("softmax", FAMILY, _along("softmax"), weight=0.7),
    Op("cumsum", FAMILY, _along("cumsum"), weight=0.5),
)
