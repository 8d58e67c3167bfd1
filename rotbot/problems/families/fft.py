"""Fourier transforms and complex tensors: to the frequencies and back."""

from __future__ import annotations

from rotbot.problems.op import COMPLEX, FLOAT, Context, Draw, Op, Sampler, even
from rotbot.shapes.arguments import DEFAULT_DTYPE

FAMILY = "fft"
WAVES = (DEFAULT_DTYPE, *COMPLEX)


def _along(c: Context) -> tuple[int, list[str]]:
    """A dimension, mostly the last, and the arguments that say so."""
    if c.coin(0.6) and c.x[-1] > 1:
        return c.rank - 1, ["", ", dim=-1", ", norm='ortho'"]
    dim = c.wide()
    return dim, [f", dim={c.spell(dim)}"]


def _fft(name: str) -> Sampler:
    """``fft`` and ``ifft``: the shape stays, or ``n`` is given."""

    def sample(c: Context) -> Draw | None:
        dim, texts = _along(c)
        if c.coin(0.15):
            n = c.rng.choice((8, 16, 32, 64))
            spelled = f"n={n}" if dim == c.rank - 1 else f"n={n}, dim={dim}"
            return Draw((c.replaced(dim, n),), (f"torch.fft.{name}($x, {spelled})",), keeps=False, dtypes=COMPLEX)
        return Draw((c.x,), tuple(f"torch.fft.{name}($x{text})" for text in texts), keeps=False, dtypes=COMPLEX)

    return sample


def _rfft(c: Context) -> Draw | None:
    """A real signal of n samples has n // 2 + 1 frequencies."""
    dim, texts = _along(c)
    shape = c.replaced(dim, c.x[dim] // 2 + 1)
    return Draw((shape,), tuple(f"torch.fft.rfft($x{text})" for text in texts), keeps=False, dtypes=COMPLEX)


def _irfft(c: Context) -> Draw | None:
    """The way back: 2 (n - 1) samples unless it is said how many."""
    dim, texts = _along(c)
    if c.x[dim] < 2 or c.x[dim] > 256:
        return None
    samples = 2 * (c.x[dim] - 1)
    if c.coin(0.4):
        samples += c.rng.choice((0, 1))
        texts = [f", n={samples}{text}" for text in texts]
    shape = c.replaced(dim, samples)
    return Draw((shape,), tuple(f"torch.fft.irfft($x{text})" for text in texts), keeps=False, dtypes=FLOAT)


def _planes(name: str) -> Sampler:
    """``fft2`` and its like, over the last two dimensions."""

    def sample(c: Context) -> Draw | None:
        size = c.x[-1]
        if name == "irfft2" and not 2 <= size <= 256:
            return None
        last = size // 2 + 1 if name == "rfft2" else 2 * (size - 1) if name == "irfft2" else size
        spellings = (f"torch.fft.{name}($x)", f"torch.fft.{name}($x)", f"torch.fft.{name}($x, norm='ortho')")
        return Draw(((*c.x[:-1], last),), spellings, keeps=False, dtypes=FLOAT if name == "irfft2" else COMPLEX)

    return sample


def _fftn(c: Context) -> Draw | None:
    first = c.rng.randrange(c.rank)
    dims = tuple(range(first, c.rank)) if c.coin(0.5) else tuple(range(first - c.rank, 0))
    texts = ["", f", dim={dims}"] if first == 0 else [f", dim={dims}"]
    return Draw((c.x,), tuple(f"torch.fft.fftn($x{text})" for text in texts), keeps=False, dtypes=COMPLEX)


def _shift(name: str) -> Sampler:
    """``fftshift`` and ``ifftshift``: the zero frequency to the middle and back."""

    def sample(c: Context) -> Draw | None:
        texts = ("", f", dim={c.spell(c.wide())}") if c.coin(0.5) else ("",)
        return Draw((c.x,), tuple(f"torch.fft.{name}($x{text})" for text in texts), keeps=False)

    return sample


def _part(name: str, *spellings: str) -> Sampler:
    """A real tensor out of a complex one."""
    return lambda c: Draw((c.x,), (*spellings, f"torch.{name}($x)"), keeps=False, dtypes=FLOAT)


def _conj(c: Context) -> Draw | None:
    return Draw((c.x,), ("$x.conj_physical()", "torch.conj_physical($x)"), keeps=False)


def _complex(name: str) -> Sampler:
    """``torch.complex`` of two parts, ``torch.polar`` of lengths and angles."""

    def sample(c: Context) -> Draw | None:
        y = c.partner(lambda y: y == c.x, lambda: c.x)
        return None if y is None else Draw((c.x,), (f"torch.{name}($x, $y)",), keeps=False, dtypes=COMPLEX)

    return sample


def _view_as_real(c: Context) -> Draw | None:
    return Draw(((*c.x, 2),), ("torch.view_as_real($x)",), keeps=False, dtypes=FLOAT)


def _view_as_complex(c: Context) -> Draw | None:
    """Pairs become complex numbers, as in rotary embeddings."""
    if not c.contiguous or c.x[-1] % 2:
        return None
    if c.x[-1] == 2 and c.rank > 1:
        return Draw((c.x[:-1],), ("torch.view_as_complex($x)",), keeps=False, dtypes=COMPLEX)
    if c.steps_left < 2:
        return None
    sizes = ", ".join([f"${i}" for i in range(c.rank - 1)])
    literal = ", ".join([str(size) for size in c.x[:-1]])
    spellings = [f"torch.view_as_complex($x.reshape({text}{', ' if text else ''}-1, 2))" for text in (sizes, literal)]
    return Draw(((*c.x[:-1], c.x[-1] // 2),), tuple(spellings), steps=2, keeps=False, dtypes=COMPLEX)


def _stft(c: Context) -> Draw | None:
    """Frames of a padded signal: n_fft // 2 + 1 frequencies, one frame for each hop and one more."""
    size = c.rng.choice((4, 8, 16, 32))
    hop = c.rng.choice((size // 4, size // 2))
    if c.x[-1] <= size // 2:
        return None
    shape = (*c.x[:-1], size // 2 + 1, c.x[-1] // hop + 1)
    if c.coin(0.5) and c.steps_left > 1:
        text = f"{size}, hop_length={hop}, window=torch.hann_window({size}), return_complex=True"
        return Draw((shape,), (f"torch.stft($x, {text})", f"$x.stft({text})"), steps=2, keeps=False, dtypes=COMPLEX)
    text = f"n_fft={size}, hop_length={hop}, return_complex=True"
    return Draw((shape,), (f"torch.stft($x, {text})", f"$x.stft({text})"), keeps=False, dtypes=COMPLEX)


OPS = (
    Op("fft", FAMILY, _fft("fft"), ranks=(1, 4), weight=0.35, dtypes=WAVES),
    Op("ifft", FAMILY, _fft("ifft"), ranks=(1, 4), weight=0.8, dtypes=COMPLEX),
    Op("rfft", FAMILY, _rfft, ranks=(1, 4), weight=0.5),
    Op("irfft", FAMILY, _irfft, ranks=(1, 4), weight=2.0, dtypes=COMPLEX),
    Op("fft2", FAMILY, _planes("fft2"), ranks=(2, 4), weight=0.25, dtypes=WAVES),
    Op("ifft2", FAMILY, _planes("ifft2"), ranks=(2, 4), weight=1.5, dtypes=COMPLEX),
    Op("rfft2", FAMILY, _planes("rfft2"), ranks=(2, 4), weight=0.45),
    Op("irfft2", FAMILY, _planes("irfft2"), ranks=(2, 4), weight=1.6, dtypes=COMPLEX),
    Op("fftn", FAMILY, _fftn, ranks=(2, 4), weight=0.3, dtypes=WAVES),
    Op("fftshift", FAMILY, _shift("fftshift"), ranks=(1, 4), weight=0.25, dtypes=WAVES),
    Op("ifftshift", FAMILY, _shift("ifftshift"), ranks=(1, 4), weight=0.2, dtypes=WAVES),
    Op("real", FAMILY, _part("real", "$x.real", "$x.real"), ranks=(1, 5), weight=2.5, dtypes=COMPLEX),
    Op("imag", FAMILY, _part("imag", "$x.imag"), ranks=(1, 5), weight=1.2, dtypes=COMPLEX),
    Op("angle", FAMILY, _part("angle", "$x.angle()"), ranks=(1, 5), weight=1.2, dtypes=COMPLEX),
    Op("conj_physical", FAMILY, _conj, ranks=(1, 5), weight=1.5, dtypes=COMPLEX),
    Op("complex", FAMILY, _complex("complex"), ranks=(1, 4), weight=0.3),
    Op("polar", FAMILY, _complex("polar"), ranks=(1, 4), weight=0.3),
    Op("view_as_real", FAMILY, _view_as_real, ranks=(1, 4), weight=1.5, dtypes=COMPLEX),
    Op("view_as_complex", FAMILY, _view_as_complex, ranks=(1, 4), weight=0.5, argument=even),
    Op("stft", FAMILY, _stft, ranks=(1, 2), weight=0.6),
)
