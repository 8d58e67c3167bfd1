"""Layers of networks, as functions and as modules."""

from __future__ import annotations

from rotbot.problems.op import INDEX_DTYPE, Context, Draw, Op, Sampler, Shape, easy_product, listed, tupled

FAMILY = "nn"
CHANNELS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)


def windows(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """How many windows of ``kernel`` fit in ``size`` elements: the formula of torch's convolutions and pools."""
    return (size + 2 * padding - kernel) // stride + 1


def _linear(c: Context) -> Draw | None:
    weight = c.partner(lambda y: len(y) == 2 and y[1] == c.x[-1], lambda: (c.size(64), c.x[-1]))
    return None if weight is None else Draw(((*c.x[:-1], weight[0]),), ("F.linear($x, $y)",))


def _linear_module(c: Context) -> Draw | None:
    features = c.rng.choice(CHANNELS)
    text = f"{c.x[-1]}, {features}"
    return Draw(
        ((*c.x[:-1], features),),
        (f"nn.Linear({text})($x)", f"nn.Linear({text})($x)", f"nn.Linear({text}, bias=False)($x)"),
    )


def _kernel(c: Context) -> tuple[int, int, int]:
    """Kernel, stride and padding as people combine them."""
    return c.rng.choice(
        ((3, 1, 1), (3, 1, 0), (3, 2, 1), (1, 1, 0), (5, 1, 2), (5, 1, 0), (2, 2, 0), (4, 4, 0), (4, 2, 1), (7, 2, 3))
    )


def _written(stride: int, padding: int) -> str:
    return (f", stride={stride}" if stride > 1 else "") + (f", padding={padding}" if padding else "")


def _convolved(c: Context, spatial: int, kernel: int, stride: int, padding: int) -> Shape | None:
    sizes = tuple(windows(size, kernel, stride, padding) for size in c.x[-spatial:])
    return None if any(size + 2 * padding < kernel for size in c.x[-spatial:]) else sizes


def _conv(c: Context, spatial: int) -> Draw | None:
    kernel, stride, padding = _kernel(c)
    sizes = _convolved(c, spatial, kernel, stride, padding)
    channels = c.x[-spatial - 1]
    if sizes is None or channels > 64:
        return None
    weight = c.partner(
        lambda y: y[1:] == (channels, *(kernel,) * spatial),
        lambda: (c.rng.choice(CHANNELS), channels, *(kernel,) * spatial),
    )
    if weight is None:
        return None
    shape = (*c.x[: -spatial - 1], weight[0], *sizes)
    return Draw((shape,), (f"F.conv{spatial}d($x, $y{_written(stride, padding)})",))


def _conv1d(c: Context) -> Draw | None:
    return _conv(c, 1)


def _conv2d(c: Context) -> Draw | None:
    return _conv(c, 2)


def _conv2d_module(c: Context) -> Draw | None:
    kernel, stride, padding = _kernel(c)
    sizes = _convolved(c, 2, kernel, stride, padding)
    channels, out = c.x[-3], c.rng.choice(CHANNELS)
    if sizes is None or channels > 64:
        return None
    shape = (*c.x[:-3], out, *sizes)
    text = f"{channels}, {out}, "
    spellings = [
        f"nn.Conv2d({text}{kernel}{_written(stride, padding)})($x)",
        f"nn.Conv2d({text}kernel_size={kernel}{_written(stride, padding)})($x)",
    ]
    return Draw((shape,), tuple(spellings))


def _pooling(name: str, spatial: int) -> Sampler:
    """``F.max_pool2d`` and its like: without a stride the windows do not overlap."""

    def sample(c: Context) -> Draw | None:
        kernel, stride, padding = c.rng.choice(
            ((2, 2, 0), (2, 2, 0), (4, 4, 0), (3, 3, 0), (3, 2, 1), (2, 1, 0), (3, 1, 1))
        )
        sizes = _convolved(c, spatial, kernel, stride, padding)
        if sizes is None:
            return None
        shape = c.x[:-spatial] + sizes
        tail = (f", stride={stride}" if stride != kernel else "") + (f", padding={padding}" if padding else "")
        spellings = [f"F.{name}($x, {kernel}{tail})", f"F.{name}($x, kernel_size={kernel}{tail})"]
        if stride == kernel:
            spellings.append(f"F.{name}($x, {kernel}, {stride})")
        return Draw((shape,), tuple(spellings))

    return sample


def _pad(c: Context) -> Draw | None:
    amounts = [c.rng.choice((0, 1, 1, 2, 3)), c.rng.choice((0, 1, 1, 2, 3))]
    if c.rank > 1 and c.coin(0.35):
        amounts += [c.rng.choice((0, 1, 2)), c.rng.choice((0, 1, 2))]
    if not any(amounts):
        return None
    shape = list(c.x)
    for i, amount in enumerate(amounts):
        shape[-1 - i // 2] += amount
    text = tupled(amounts)
    return Draw(
        (tuple(shape),), (f"F.pad($x, {text})", f"F.pad($x, {text})", f"F.pad($x, [{listed(amounts)}])"), keeps=False
    )


def _layer_norm(c: Context) -> Draw | None:
    normalized = tupled(c.x[-1:])
    return Draw((c.x,), (f"F.layer_norm($x, {normalized})", f"nn.LayerNorm({c.x[-1]})($x)"))


def _glu(c: Context) -> Draw | None:
    even = [i for i, size in enumerate(c.x) if size % 2 == 0]
    if not even:
        return None
    dim = c.rank - 1 if c.rank - 1 in even and c.coin(0.6) else c.rng.choice(even)
    spelled = c.spell(dim)
    spellings = [f"F.glu($x, dim={spelled})"] + (["F.glu($x)"] if dim == c.rank - 1 else [])
    return Draw((c.replaced(dim, c.x[dim] // 2),), tuple(spellings))


def _interpolate(c: Context) -> Draw | None:
    factor = c.rng.choice((2, 2, 3, 4))
    if not all(easy_product((size, factor), 256) for size in c.x[2:]):
        return None
    shape = c.x[:2] + tuple(size * factor for size in c.x[2:])
    return Draw((shape,), (f"F.interpolate($x, scale_factor={factor})",), keeps=False)


def _embedding(c: Context) -> Draw | None:
    """A table at hand, looked up by an index argument."""
    index = c.partner(
        lambda y: 1 <= len(y) <= 2, lambda: (c.size(8), c.size(32)) if c.coin(0.7) else (c.size(32),), INDEX_DTYPE
    )
    return None if index is None else Draw(((*index, c.x[1]),), ("F.embedding($y, $x)",))


OPS = (
    Op("linear", FAMILY, _linear, ranks=(1, 4), weight=1.6),
    Op("Linear", FAMILY, _linear_module, ranks=(1, 4), weight=1.2),
    Op("conv1d", FAMILY, _conv1d, ranks=(3, 3), weight=1.6),
    Op("conv2d", FAMILY, _conv2d, ranks=(4, 4), weight=2.0),
    Op("Conv2d", FAMILY, _conv2d_module, ranks=(3, 4), weight=1.2),
    Op("max_pool2d", FAMILY, _pooling("max_pool2d", 2), ranks=(3, 4), weight=1.2),
    Op("avg_pool2d", FAMILY, _pooling("avg_pool2d", 2), ranks=(3, 4), weight=0.6),
    Op("pad", FAMILY, _pad, weight=1.2),
    Op("layer_norm", FAMILY, _layer_norm, weight=0.6),
    Op("glu", FAMILY, _glu, weight=0.6),
    Op("interpolate", FAMILY, _interpolate, ranks=(4, 4), weight=0.8),
    Op("embedding", FAMILY, _embedding, ranks=(2, 2), weight=1.0),
)
