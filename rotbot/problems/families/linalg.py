"""Linear algebra: decompositions, inverses, solutions and norms of matrices, or of batches of them."""

from __future__ import annotations

from rotbot.problems.op import COMPLEX, FLOAT, INDEX_DTYPE, UNBOUNDED, Context, Draw, Op, Sampler, Shape, square

FAMILY = "linalg"
SQUARE_MOST = 64


def _is_square(shape: Shape) -> bool:
    return len(shape) > 1 and shape[-1] == shape[-2] and 1 < shape[-1] <= SQUARE_MOST


def _matrix(c: Context) -> tuple[str, Shape, int] | None:
    """A square matrix made of ``x``: ``x`` itself, or its rows times its rows, in two steps more."""
    if _is_square(c.x):
        return "$x", c.x, 0
    if c.steps_left < 3 or max(c.x[-2:]) > SQUARE_MOST:
        return None
    if c.coin(0.5):
        return "$x @ $x.mT", (*c.x[:-1], c.x[-2]), 2
    return "$x.mT @ $x", (*c.x[:-2], c.x[-1], c.x[-1]), 2


def _matrix_exp(c: Context) -> Draw | None:
    """``torch.matrix_exp``, which takes a view of a batch and so rejects one that is laid out otherwise."""
    if c.rank > 2 and not c.contiguous:
        return None
    return _of_square("matrix", ("torch.linalg.matrix_exp({})", "torch.matrix_exp({})"))(c)


def _of_square(result: str, spellings: tuple[str, ...], dtypes: tuple[str, ...] = FLOAT) -> Sampler:
    """Calls on a square matrix, ``{}`` in the spellings. ``result`` is ``matrix``, ``vector`` or ``scalar``."""

    def sample(c: Context) -> Draw | None:
        found = _matrix(c)
        if found is None or (result == "scalar" and len(found[1]) == 2 and not c.last and not found[2]):
            return None
        text, shape, steps = found
        if result == "scalar" and len(shape) == 2 and c.steps_left != steps + 1:
            return None
        out = shape if result == "matrix" else shape[:-1] if result == "vector" else shape[:-2]
        texts = [s for s in spellings if steps == 0 or not s.startswith("{}.")]
        return Draw((out,), tuple(s.format(text) for s in texts), steps=steps + 1, keeps=False, dtypes=dtypes)

    return sample


def _matrix_power(c: Context) -> Draw | None:
    power = c.rng.choice((2, 2, 3, 4))
    return _of_square("matrix", (f"torch.linalg.matrix_power({{}}, {power})", f"{{}}.matrix_power({power})"))(c)


def _slogdet(c: Context) -> Draw | None:
    if not _is_square(c.x) or (c.rank == 2 and not c.last):
        return None
    spellings = ("torch.linalg.slogdet($x)",)
    return Draw((c.x[:-2], c.x[:-2]), spellings, keeps=False, fields=("sign", "logabsdet"))


def _eigh(c: Context) -> Draw | None:
    found = _matrix(c)
    if found is None:
        return None
    text, shape, steps = found
    fields = ("eigenvalues", "eigenvectors")
    return Draw((shape[:-1], shape), (f"torch.linalg.eigh({text})",), steps=steps + 1, keeps=False, fields=fields)


def _eig(c: Context) -> Draw | None:
    if not _is_square(c.x):
        return None
    fields = ("eigenvalues", "eigenvectors")
    return Draw((c.x[:-1], c.x), ("torch.linalg.eig($x)",), keeps=False, dtypes=COMPLEX * 2, fields=fields)


def _svd(c: Context) -> Draw | None:
    (rows, columns), batch = c.x[-2:], c.x[:-2]
    least = min(rows, columns)
    if c.coin(0.65):
        shapes = ((*batch, rows, least), (*batch, least), (*batch, least, columns))
        return Draw(shapes, ("torch.linalg.svd($x, full_matrices=False)",), keeps=False, fields=("U", "S", "Vh"))
    shapes = ((*batch, rows, rows), (*batch, least), (*batch, columns, columns))
    return Draw(shapes, ("torch.linalg.svd($x)",), keeps=False, fields=("U", "S", "Vh"))


def _svdvals(c: Context) -> Draw | None:
    return Draw(((*c.x[:-2], min(c.x[-2:])),), ("torch.linalg.svdvals($x)",), keeps=False)


def _qr(c: Context) -> Draw | None:
    (rows, columns), batch = c.x[-2:], c.x[:-2]
    if c.coin(0.75):
        least = min(rows, columns)
        spellings = ("torch.linalg.qr($x)", "torch.linalg.qr($x, mode='reduced')")
        return Draw(((*batch, rows, least), (*batch, least, columns)), spellings, keeps=False, fields=("Q", "R"))
    shapes = ((*batch, rows, rows), (*batch, rows, columns))
    return Draw(shapes, ("torch.linalg.qr($x, mode='complete')",), keeps=False, fields=("Q", "R"))


def _lu(c: Context) -> Draw | None:
    (rows, columns), batch = c.x[-2:], c.x[:-2]
    least = min(rows, columns)
    shapes = ((*batch, rows, rows), (*batch, rows, least), (*batch, least, columns))
    return Draw(shapes, ("torch.linalg.lu($x)",), keeps=False, fields=("P", "L", "U"))


def _pinv(c: Context) -> Draw | None:
    return Draw(((*c.x[:-2], c.x[-1], c.x[-2]),), ("torch.linalg.pinv($x)", "torch.pinverse($x)"), keeps=False)


def _solve(c: Context) -> Draw | None:
    """``x`` is the right-hand side, a partner the matrix; or ``x`` is the matrix, as people write first."""
    if _is_square(c.x) and c.coin(0.6):
        right = c.partner(lambda y: len(y) == c.rank and y[:-1] == c.x[:-1], lambda: (*c.x[:-1], c.size(32)))
        return None if right is None else Draw((right,), ("torch.linalg.solve($x, $y)",), keeps=False)
    if c.x[-2] > SQUARE_MOST:
        return None
    matrix = (*c.x[:-2], c.x[-2], c.x[-2])
    if c.partner(lambda y: y == matrix, lambda: matrix) is None:
        return None
    return Draw((c.x,), ("torch.linalg.solve($y, $x)",), keeps=False)


def _solve_triangular(c: Context) -> Draw | None:
    if c.x[-2] > SQUARE_MOST:
        return None
    matrix = (*c.x[:-2], c.x[-2], c.x[-2])
    if c.partner(lambda y: y == matrix, lambda: matrix) is None:
        return None
    upper = c.rng.choice(("True", "False"))
    return Draw((c.x,), (f"torch.linalg.solve_triangular($y, $x, upper={upper})",), keeps=False)


def _matrix_norm(c: Context) -> Draw | None:
    if c.rank == 2 and not c.last and not c.coin(0.2):
        return None
    if c.coin(0.25) or (c.rank == 2 and not c.last):
        return Draw(((*c.x[:-2], 1, 1),), ("torch.linalg.matrix_norm($x, keepdim=True)",), keeps=False)
    return Draw((c.x[:-2],), ("torch.linalg.matrix_norm($x)", "torch.linalg.matrix_norm($x, ord='fro')"), keeps=False)


def _vector_norm(c: Context) -> Draw | None:
    if c.rank == 1 and not c.last:
        return None
    dim = c.rank - 1 if c.coin(0.5) else c.wide()
    keep, spelled = c.coin(0.35), c.spell(dim)
    tail = ", keepdim=True" if keep else ""
    shape = c.replaced(dim, 1) if keep else c.replaced(dim)
    spellings = [
        f"torch.linalg.vector_norm($x, dim={spelled}{tail})",
        f"torch.linalg.vector_norm($x, ord=1, dim={spelled}{tail})",
        f"torch.linalg.norm($x, dim={spelled}{tail})",
    ]
    return Draw((shape,), tuple(spellings))


def _matrix_rank(c: Context) -> Draw | None:
    if c.rank == 2 and not c.last:
        return None
    return Draw((c.x[:-2],), ("torch.linalg.matrix_rank($x)",), keeps=False, dtypes=(INDEX_DTYPE,), bound=UNBOUNDED)


def _cov(name: str) -> Sampler:
    """``torch.cov`` and ``torch.corrcoef``: rows are variables, columns observations."""
    return lambda c: (
        None
        if c.x[1] == 1 or c.x[0] == 1
        else Draw(((c.x[0], c.x[0]),), (f"torch.{name}($x)", f"$x.{name}()"), keeps=False)
    )


OPS = (
    Op("svd", FAMILY, _svd, ranks=(2, 4), weight=0.6),
    Op("svdvals", FAMILY, _svdvals, ranks=(2, 4), weight=0.3),
    Op("qr", FAMILY, _qr, ranks=(2, 4), weight=0.5),
    Op("lu", FAMILY, _lu, ranks=(2, 3), weight=0.35),
    Op("pinv", FAMILY, _pinv, ranks=(2, 4), weight=0.4),
    Op("inv", FAMILY, _of_square("matrix", ("torch.linalg.inv({})", "torch.inverse({})", "{}.inverse()")),
       ranks=(2, 4), weight=0.4, argument=square),
    Op("det", FAMILY, _of_square("scalar", ("torch.linalg.det({})", "torch.det({})", "{}.det()")),
       ranks=(2, 4), weight=0.4, argument=square),
    Op("slogdet", FAMILY, _slogdet, ranks=(2, 4), weight=0.5, argument=square),
    Op("logdet", FAMILY, _of_square("scalar", ("torch.logdet({})", "{}.logdet()")),
       ranks=(2, 4), weight=0.6, argument=square),
    Op("cholesky", FAMILY, _of_square("matrix", ("torch.linalg.cholesky({})",)),
       ranks=(2, 4), weight=0.4, argument=square),
    Op("eigh", FAMILY, _eigh, ranks=(2, 4), weight=0.4, argument=square),
    Op("eigvalsh", FAMILY, _of_square("vector", ("torch.linalg.eigvalsh({})",)),
       ranks=(2, 4), weight=0.5, argument=square),
    Op("eig", FAMILY, _eig, ranks=(2, 3), weight=0.5, argument=square),
    Op("eigvals", FAMILY, _of_square("vector", ("torch.linalg.eigvals({})",), COMPLEX),
       ranks=(2, 3), weight=0.45, argument=square),
    Op("solve", FAMILY, _solve, ranks=(2, 4), weight=0.6, argument=square),
    Op("solve_triangular", FAMILY, _solve_triangular, ranks=(2, 3), weight=0.6),
    Op("matrix_power", FAMILY, _matrix_power, ranks=(2, 4), weight=0.3, argument=square),
    Op("matrix_exp", FAMILY, _matrix_exp, ranks=(2, 4), weight=0.3, argument=square),
    Op("cond", FAMILY, _of_square("scalar", ("torch.linalg.cond({})",)), ranks=(2, 4), weight=0.6, argument=square),
    Op("matrix_norm", FAMILY, _matrix_norm, ranks=(2, 4), weight=0.4),
    Op("vector_norm", FAMILY, _vector_norm, ranks=(1, 4), weight=0.4),
    Op("matrix_rank", FAMILY, _matrix_rank, ranks=(2, 4), weight=0.4),
    Op("cov", FAMILY, _cov("cov"), ranks=(2, 2), weight=0.6),
    Op("corrcoef", FAMILY, _cov("corrcoef"), ranks=(2, 2), weight=0.5),
)  # fmt: skip
