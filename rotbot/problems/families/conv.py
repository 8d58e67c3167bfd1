"""Convolutions and pools, and what else changes the size of images: resizing, padding, shuffling pixels."""

from __future__ import annotations

from rotbot.problems.families.windows import windows, written
from rotbot.problems.op import Context, Draw, Op, Sampler, Shape, easy_product, listed, tupled

FAMILY = "conv"
CHANNELS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
KERNELS = ((3, 1, 1), (3, 1, 0), (3, 2, 1), (1, 1, 0), (5, 1, 2), (5, 1, 0), (2, 2, 0), (4, 4, 0), (4, 2, 1), (7, 2, 3))
"""Kernel, stride and padding as people combine them."""
UPWARDS = ((2, 2, 0), (2, 2, 0), (4, 2, 1), (4, 2, 1), (3, 1, 1), (3, 2, 1), (4, 4, 0))
"""The same for transposed convolutions."""


def _convolved(c: Context, spatial: int, kernel: int, stride: int, padding: int) -> Shape | None:
    if any(size + 2 * padding < kernel for size in c.x[-spatial:]):
        return None
    return tuple(windows(size, kernel, stride, padding) for size in c.x[-spatial:])


def _conv(spatial: int) -> Sampler:
    """``F.conv2d`` and its like, with a weight as partner."""

    def sample(c: Context) -> Draw | None:
        kernel, stride, padding = c.rng.choice(KERNELS)
        sizes, channels = _convolved(c, spatial, kernel, stride, padding), c.x[-spatial - 1]
        if sizes is None or channels > 64:
            return None
        weight = c.partner(
            lambda y: len(y) == spatial + 2 and y[1:] == (channels, *(kernel,) * spatial),
            lambda: (c.rng.choice(CHANNELS), channels, *(kernel,) * spatial),
        )
        if weight is None:
            return None
        shape = (*c.x[: -spatial - 1], weight[0], *sizes)
        return Draw((shape,), (f"F.conv{spatial}d($x, $y{written(stride, padding)})",), keeps=False)

    return sample


def _conv_module(spatial: int) -> Sampler:
    """``nn.Conv2d`` and its like; at times dilated or with a group for each channel."""

    def sample(c: Context) -> Draw | None:
        kernel, stride, padding = c.rng.choice(KERNELS)
        channels, out = c.x[-spatial - 1], c.rng.choice(CHANNELS)
        if channels > 64:
            return None
        tail, reach = written(stride, padding), kernel
        if kernel == 3 and stride == 1 and c.coin(0.25):
            reach, padding = 5, padding * 2
            tail = written(stride, padding) + ", dilation=2"
        elif channels > 1 and c.coin(0.12):
            out, tail = channels, f"{tail}, groups={channels}"
        sizes = _convolved(c, spatial, reach, stride, padding)
        if sizes is None:
            return None
        text = f"nn.Conv{spatial}d({channels}, {out}, "
        return Draw(
            ((*c.x[: -spatial - 1], out, *sizes),),
            (f"{text}{kernel}{tail})($x)", f"{text}kernel_size={kernel}{tail})($x)"),
            keeps=False,
        )

    return sample


def _conv_transpose(spatial: int) -> Sampler:
    """Transposed convolutions, as function and as module: (n - 1) * stride - 2 * padding + kernel."""

    def sample(c: Context) -> Draw | None:
        kernel, stride, padding = c.rng.choice(UPWARDS)
        channels, out = c.x[-spatial - 1], c.rng.choice(CHANNELS)
        sizes = tuple((size - 1) * stride - 2 * padding + kernel for size in c.x[-spatial:])
        if channels > 64 or min(sizes) < 1 or c.rank != spatial + 2:
            return None
        tail = written(stride, padding)
        if c.coin(0.5):
            text = f"nn.ConvTranspose{spatial}d({channels}, {out}, "
            spellings = (f"{text}{kernel}{tail})($x)", f"{text}kernel_size={kernel}{tail})($x)")
            return Draw(((c.x[0], out, *sizes),), spellings, keeps=False)
        weight = c.partner(
            lambda y: len(y) == spatial + 2 and y[0] == channels and y[2:] == (kernel,) * spatial,
            lambda: (channels, out, *(kernel,) * spatial),
        )
        if weight is None:
            return None
        shape = (c.x[0], weight[1], *sizes)
        return Draw((shape,), (f"F.conv_transpose{spatial}d($x, $y{tail})",), keeps=False)

    return sample


def _pooling(name: str, spatial: int) -> Sampler:
    """``F.max_pool2d`` and its like: without a stride the windows do not overlap."""
    module = f"nn.{'Max' if name.startswith('max') else 'Avg'}Pool{spatial}d"

    def sample(c: Context) -> Draw | None:
        kernel, stride, padding = c.rng.choice(
            ((2, 2, 0), (2, 2, 0), (4, 4, 0), (3, 3, 0), (3, 2, 1), (2, 1, 0), (3, 1, 1))
        )
        sizes = _convolved(c, spatial, kernel, stride, padding)
        if sizes is None:
            return None
        shape = c.x[:-spatial] + sizes
        tail = (f", stride={stride}" if stride != kernel else "") + (f", padding={padding}" if padding else "")
        spellings = [
            f"F.{name}($x, {kernel}{tail})",
            f"F.{name}($x, kernel_size={kernel}{tail})",
            f"{module}({kernel}{tail})($x)",
        ]
        if stride == kernel:
            spellings.append(f"F.{name}($x, {kernel}, {stride})")
        return Draw((shape,), tuple(spellings), keeps=False)

    return sample


def _adaptive(name: str, spatial: int) -> Sampler:
    """``F.adaptive_avg_pool2d`` and its like: the size is said, not calculated."""
    module = f"nn.Adaptive{'Max' if 'max' in name else 'Avg'}Pool{spatial}d"

    def sample(c: Context) -> Draw | None:
        sizes = tuple(c.rng.choice((1, 1, 2, 4, 7, 8)) for _ in range(spatial))
        if c.coin(0.7):
            sizes = sizes[:1] * spatial
        forms = [tupled(sizes)] if len(set(sizes)) > 1 else [str(sizes[0])] + ([tupled(sizes)] if spatial > 1 else [])
        spellings = [f"F.{name}($x, {text})" for text in forms] + [f"{module}({text})($x)" for text in forms]
        return Draw((c.x[:-spatial] + sizes,), tuple(spellings), keeps=False)

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
    spellings = [
        f"F.pad($x, {text})",
        f"F.pad($x, {text})",
        f"F.pad($x, [{listed(amounts)}])",
        f"F.pad($x, {text}, value=1.0)",
    ]
    if len(amounts) == 4 and len(set(amounts)) == 1 and c.rank in (3, 4):
        spellings.append(f"nn.ZeroPad2d({amounts[0]})($x)")
    return Draw((tuple(shape),), tuple(spellings), keeps=False)


def _interpolate(c: Context) -> Draw | None:
    if c.coin(0.25) and c.rank == 4:
        size = (c.size(32), c.size(32))
        spellings = [f"F.interpolate($x, size={size})", f"F.interpolate($x, size={size}, mode='bilinear')"]
        return Draw(((*c.x[:2], *size),), tuple(spellings), keeps=False)
    factor = c.rng.choice((2, 2, 3, 4))
    if not all(easy_product((size, factor), 256) for size in c.x[2:]):
        return None
    shape = c.x[:2] + tuple(size * factor for size in c.x[2:])
    spellings = (f"F.interpolate($x, scale_factor={factor})", f"nn.Upsample(scale_factor={factor})($x)")
    return Draw((shape,), spellings, keeps=False)


def _many_channels(shape: Shape) -> Shape:
    """A shape of images whose channels are a multiple of four."""
    return (*shape[:-3], 4 * max(1, shape[-3] // 4), *shape[-2:])


def _pixel_shuffle(c: Context) -> Draw | None:
    """Channels become a finer grid."""
    factors = [f for f in (2, 2, 3, 4) if c.x[-3] % (f * f) == 0]
    if not factors:
        return None
    f = c.rng.choice(factors)
    shape = (*c.x[:-3], c.x[-3] // (f * f), c.x[-2] * f, c.x[-1] * f)
    spellings = (f"F.pixel_shuffle($x, {f})", f"torch.pixel_shuffle($x, {f})", f"nn.PixelShuffle({f})($x)")
    return Draw((shape,), spellings, keeps=False)


def _even_images(shape: Shape) -> Shape:
    """A shape of images with even sides."""
    return (*shape[:-2], shape[-2] + shape[-2] % 2, shape[-1] + shape[-1] % 2)


def _pixel_unshuffle(c: Context) -> Draw | None:
    factors = [f for f in (2, 2, 4) if c.x[-2] % f == 0 and c.x[-1] % f == 0]
    if not factors:
        return None
    f = c.rng.choice(factors)
    shape = (*c.x[:-3], c.x[-3] * f * f, c.x[-2] // f, c.x[-1] // f)
    return Draw((shape,), (f"F.pixel_unshuffle($x, {f})", f"nn.PixelUnshuffle({f})($x)"), keeps=False)


def _channel_shuffle(c: Context) -> Draw | None:
    groups = [g for g in (2, 3, 4) if c.x[1] % g == 0 and c.x[1] > g]
    if not groups:
        return None
    return Draw((c.x,), (f"torch.channel_shuffle($x, {c.rng.choice(groups)})",), keeps=False)


OPS = (
    Op("conv1d", FAMILY, _conv(1), ranks=(3, 3), weight=1.0),
    Op("Conv1d", FAMILY, _conv_module(1), ranks=(2, 3), weight=0.6),
    Op("conv2d", FAMILY, _conv(2), ranks=(4, 4), weight=1.4),
    Op("Conv2d", FAMILY, _conv_module(2), ranks=(3, 4), weight=1.1),
    Op("conv_transpose1d", FAMILY, _conv_transpose(1), ranks=(3, 3), weight=0.5),
    Op("conv_transpose2d", FAMILY, _conv_transpose(2), ranks=(4, 4), weight=0.8),
    Op("max_pool1d", FAMILY, _pooling("max_pool1d", 1), ranks=(2, 3), weight=0.4),
    Op("max_pool2d", FAMILY, _pooling("max_pool2d", 2), ranks=(3, 4), weight=0.8),
    Op("avg_pool1d", FAMILY, _pooling("avg_pool1d", 1), ranks=(2, 3), weight=0.4),
    Op("avg_pool2d", FAMILY, _pooling("avg_pool2d", 2), ranks=(3, 4), weight=0.5),
    Op("adaptive_avg_pool1d", FAMILY, _adaptive("adaptive_avg_pool1d", 1), ranks=(2, 3), weight=0.4),
    Op("adaptive_avg_pool2d", FAMILY, _adaptive("adaptive_avg_pool2d", 2), ranks=(3, 4), weight=0.4),
    Op("adaptive_max_pool2d", FAMILY, _adaptive("adaptive_max_pool2d", 2), ranks=(3, 4), weight=0.5),
    Op("pad", FAMILY, _pad, weight=0.8),
    Op("interpolate", FAMILY, _interpolate, ranks=(3, 4), weight=0.7),
    Op("pixel_shuffle", FAMILY, _pixel_shuffle, ranks=(3, 4), weight=0.7, argument=_many_channels),
    Op("pixel_unshuffle", FAMILY, _pixel_unshuffle, ranks=(3, 4), weight=0.8, argument=_even_images),
    Op("channel_shuffle", FAMILY, _channel_shuffle, ranks=(4, 4), weight=0.9),
)
