"""Elementwise: the same shape, or what broadcasting makes of two."""

from __future__ import annotations

from rotbot.problems.op import (
    COMPLEX,
    FLOAT,
    NUMBERS,
    REAL,
    UNBOUNDED,
    Context,
    Draw,
    Op,
    Sampler,
    Shape,
    both,
    broadcast,
)  # fmt: skip

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
        y = c.partner(lambda y: bool(y) and broadcast(c.x, y) is not None, lambda: _beside(c), c.dtype)
        shape = None if y is None else broadcast(c.x, y)
        if shape is None:
            return None
        operator = f"$x {symbol} $y"
        return Draw(
            (shape,),
            (operator, operator, operator, f"$y {symbol} $x", f"torch.{name}($x, $y)", f"$x.{name}($y)"),
            keeps=y == c.x,
            bound=UNBOUNDED,
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


def _activation(name: str, module: str = "", argument: str = "") -> Sampler:
    """``F.name(x)``, and the module that does the same."""
    spellings = [f"F.{name}($x{', ' if argument else ''}{argument})"]
    return _unary(*spellings, *([f"nn.{module}({argument})($x)"] if module else []))


def _abs(c: Context) -> Draw | None:
    return Draw((c.x,), both("abs", ""), dtypes=FLOAT if c.dtype in COMPLEX else (c.dtype,), bound=UNBOUNDED)


def _pairwise(name: str) -> Sampler:
    """Functions of two tensors with broadcasting: ``torch.maximum``."""

    def sample(c: Context) -> Draw | None:
        y = c.partner(lambda y: bool(y) and broadcast(c.x, y) is not None, lambda: _beside(c))
        shape = None if y is None else broadcast(c.x, y)
        return None if shape is None else Draw((shape,), both(name, "$y"), keeps=y == c.x)

    return sample


def _modulo(c: Context) -> Draw | None:
    number = c.rng.choice(("2", "3", "4", "10"))
    return Draw((c.x,), (f"$x % {number}", f"torch.remainder($x, {number})", f"$x.remainder({number})"))


def _floor_divide(c: Context) -> Draw | None:
    number = c.rng.choice(("2", "3", "4", "10"))
    return Draw(
        (c.x,),
        (f"$x // {number}", f"torch.floor_divide($x, {number})", f"torch.div($x, {number}, rounding_mode='floor')"),
    )


def _clamp(c: Context) -> Draw | None:
    low, high = c.rng.choice((("0", "1"), ("-1", "1"), ("-5", "5"), ("0.0", "1.0"), ("1e-6", "1.0")))
    return Draw((c.x,), both("clamp", f"{low}, {high}", f"min={low}", f"max={high}", f"min={low}, max={high}"))


def _power(c: Context) -> Draw | None:
    number = c.rng.choice(("2", "2", "3", "0.5", "-1"))
    return Draw((c.x,), (f"$x ** {number}", *both("pow", number)))


def _lerp(c: Context) -> Draw | None:
    y = c.partner(lambda y: y == c.x, lambda: c.x)
    return None if y is None else Draw((c.x,), both("lerp", f"$y, {c.rng.choice(('0.5', '0.1', '0.9'))}"), keeps=False)


def _addc(name: str) -> Sampler:
    """``torch.addcmul`` and ``torch.addcdiv``: ``x + value * y * z``."""

    def sample(c: Context) -> Draw | None:
        for _ in range(2):
            if c.partner(lambda y: y == c.x, lambda: c.x) is None:
                return None
        return Draw((c.x,), both(name, "$y, $z", "$y, $z, value=0.5"), keeps=False)

    return sample


def _plain(name: str, weight: float, dtypes: tuple[str, ...] = FLOAT) -> Op:
    """A function of one tensor, element by element, that is a method too."""
    return Op(name, FAMILY, _unary(*both(name, "")), weight=weight, dtypes=dtypes)


OPS = (
    Op("add", FAMILY, _binary("add", "+"), weight=1.3, joins=True, dtypes=NUMBERS),
    Op("sub", FAMILY, _binary("sub", "-"), weight=0.7, joins=True, dtypes=NUMBERS),
    Op("mul", FAMILY, _binary("mul", "*"), weight=1.2, joins=True, dtypes=(*NUMBERS, *COMPLEX)),
    Op("div", FAMILY, _binary("div", "/"), weight=0.5),
    Op("scale", FAMILY, _scale, weight=0.4),
    Op("pow", FAMILY, _power, weight=0.2),
    Op("remainder", FAMILY, _modulo, weight=0.2, dtypes=NUMBERS),
    Op("floor_divide", FAMILY, _floor_divide, weight=0.2, dtypes=NUMBERS),
    Op("maximum", FAMILY, _pairwise("maximum"), weight=0.2),
    Op("minimum", FAMILY, _pairwise("minimum"), weight=0.2),
    Op("atan2", FAMILY, _pairwise("atan2"), weight=0.18),
    Op("hypot", FAMILY, _pairwise("hypot"), weight=0.18),
    Op("lerp", FAMILY, _lerp, weight=0.25),
    Op("addcmul", FAMILY, _addc("addcmul"), weight=0.2),
    Op("addcdiv", FAMILY, _addc("addcdiv"), weight=0.18),
    Op("clamp", FAMILY, _clamp, weight=0.2),
    Op("relu", FAMILY, _unary("F.relu($x)", "torch.relu($x)", "$x.relu()", "nn.ReLU()($x)"), weight=0.35),
    Op("gelu", FAMILY, _activation("gelu", "GELU"), weight=0.25),
    Op("silu", FAMILY, _activation("silu", "SiLU"), weight=0.2),
    Op("elu", FAMILY, _activation("elu", "ELU"), weight=0.18),
    Op("leaky_relu", FAMILY, _activation("leaky_relu", "LeakyReLU", "0.1"), weight=0.18),
    Op("softplus", FAMILY, _activation("softplus", "Softplus"), weight=0.18),
    Op(
        "sigmoid", FAMILY, _unary("torch.sigmoid($x)", "$x.sigmoid()", "F.sigmoid($x)", "nn.Sigmoid()($x)"), weight=0.25
    ),
    Op("tanh", FAMILY, _unary("torch.tanh($x)", "$x.tanh()", "nn.Tanh()($x)"), weight=0.25),
    Op("abs", FAMILY, _abs, weight=0.3, dtypes=(*NUMBERS, *COMPLEX)),
    _plain("exp", 0.2),
    _plain("log", 0.15),
    _plain("log1p", 0.2),
    _plain("sqrt", 0.15),
    _plain("rsqrt", 0.15),
    _plain("sin", 0.15),
    _plain("cos", 0.15),
    _plain("erf", 0.2),
    _plain("square", 0.15),
    _plain("sign", 0.15),
    _plain("neg", 0.15),
    _plain("floor", 0.15),
    _plain("ceil", 0.15),
    _plain("round", 0.15),
    _plain("reciprocal", 0.15),
    _plain("nan_to_num", 0.15),
    _plain("clone", 0.15, REAL),
    _plain("detach", 0.15, REAL),
)
