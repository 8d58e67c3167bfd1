"""What an op declaration is made of: :class:`Op`, the :class:`Context` it samples in, the :class:`Draw` it returns.

An op is one function and one entry in its family's ``OPS``. The function gets a context with the shape at hand
(``c.x``) and returns a :class:`Draw`: the resulting shapes by a closed-form rule, and every spelling the call has in
real code. In a spelling ``$x`` stands for the tensor at hand, ``$y`` and ``$z`` for the partners asked for with
:meth:`Context.partner` in that order, and ``$0`` to ``$9`` for the sizes of ``$x`` (written ``b``, ``x.size(0)``). A
spelling with neither ``$x`` nor a size (``torch.zeros(3, 4)``) starts a path of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from random import Random

from rotbot.problems.levels import Level
from rotbot.shapes.arguments import DEFAULT_DTYPE

Shape = tuple[int, ...]
INDEX_DTYPE = "int64"
FLOAT = (DEFAULT_DTYPE,)
NUMBERS = (DEFAULT_DTYPE, INDEX_DTYPE)
REAL = (DEFAULT_DTYPE, INDEX_DTYPE, "bool")
ANY = (DEFAULT_DTYPE, INDEX_DTYPE, "bool", "complex64")
INT = (INDEX_DTYPE,)
BOOL = ("bool",)
COMPLEX = ("complex64",)
"""What :attr:`Op.dtypes` may be: the dtypes of the tensor at hand that an op takes."""
UNBOUNDED = 2**62
""":attr:`Draw.bound` of integers that may be anything: no indices."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in a program under construction. ``contiguous`` is True only where eager surely says so.

    ``bound``, of integers: all are at least 0 and less than this. Arguments are indices into whatever is asked for.
    """

    shape: Shape
    dtype: str = DEFAULT_DTYPE
    contiguous: bool = True
    bound: int = 1


@dataclass(frozen=True, slots=True)
class Operand:
    """A further input of a call: an earlier value by number, or a new argument (``value`` is None)."""

    value: int | None
    shape: Shape
    dtype: str = DEFAULT_DTYPE


@dataclass(frozen=True, slots=True)
class Draw:
    """One sampled call: its output shapes, its spellings, how many steps the trace has for it, and whether every
    output is contiguous given that all inputs are (``keeps``) or in any case (``fresh``).

    ``dtypes`` are those of the outputs, where they are not that of ``$x``; ``fields`` their names where torch returns a
    named tuple (``("values", "indices")``), so that ``.values`` can be written. ``bound`` (see :class:`Value`) is for
    integers among them, where it is more than that of the inputs.
    """

    outputs: tuple[Shape, ...]
    spellings: tuple[str, ...]
    steps: int = 1
    keeps: bool = True
    fresh: bool = False
    dtypes: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    bound: int = 1


@dataclass(slots=True)
class Context:
    """What an op may look at while sampling: the tensor at hand, the earlier values, and what is left to use up.

    ``loose`` are the earlier values that nothing reads yet: partners to prefer, so that branches join.
    """

    rng: Random
    level: Level
    x: Shape
    contiguous: bool
    steps_left: int
    pool: tuple[tuple[int, Value], ...] = ()
    new_args: int = 0
    loose: frozenset[int] = frozenset()
    dtype: str = DEFAULT_DTYPE
    bound: int = 1
    operands: list[Operand] = field(default_factory=list[Operand])

    @property
    def rank(self) -> int:
        """The rank of the tensor at hand."""
        return len(self.x)

    @property
    def last(self) -> bool:
        """Whether this call ends the program, so that a result nothing more can be done with is welcome."""
        return self.steps_left == 1

    def coin(self, chance: float) -> bool:
        """True with probability ``chance``."""
        return self.rng.random() < chance

    def size(self, most: int | None = None) -> int:
        """A size people write, at most ``most``."""
        sizes = self.level.sizes if most is None else [s for s in self.level.sizes if s <= most]
        return self.rng.choice(sizes) if sizes else 1

    def dim(self) -> int:
        """A random dimension of the tensor at hand (which must have one)."""
        return self.rng.randrange(len(self.x))

    def wide(self) -> int:
        """A random dimension that has more than one element, if there is one: what people reduce, sort or index."""
        dims = [i for i, size in enumerate(self.x) if size > 1]
        return self.rng.choice(dims) if dims and not self.coin(0.04) else self.dim()

    def spell(self, dim: int, rank: int | None = None) -> int:
        """``dim`` as people write it: at times counted from the end, most often for the last dimension."""
        rank = len(self.x) if rank is None else rank
        return dim - rank if self.coin(0.5 if dim == rank - 1 else 0.15) else dim

    def replaced(self, dim: int, *sizes: int) -> Shape:
        """The shape at hand with dimension ``dim`` replaced by ``sizes`` (none of them removes it)."""
        return self.x[:dim] + sizes + self.x[dim + 1 :]

    def partner(
        self,
        fits: Callable[[Shape], bool],
        fresh: Callable[[], Shape],
        dtype: str = DEFAULT_DTYPE,
        bound: int = UNBOUNDED,
    ) -> Shape | None:
        """The shape of a further operand: an earlier value that ``fits``, or a new argument of shape ``fresh()``.

        Indices are less than ``bound``. None when there is neither such a value nor an argument left to add (arguments
        are never complex).
        """
        taken = {operand.value for operand in self.operands}
        found = [
            (i, v) for i, v in self.pool if v.dtype == dtype and v.bound <= bound and i not in taken and fits(v.shape)
        ]
        loose = [(i, v) for i, v in found if i in self.loose]
        if found and (loose or not self.new_args or self.coin(0.8)):
            index, value = self.rng.choice(loose or found)
            self.operands.append(Operand(index, value.shape, dtype))
            return value.shape
        if not self.new_args or dtype in COMPLEX:
            return None
        shape = fresh()
        self.new_args -= 1
        self.operands.append(Operand(None, shape, dtype))
        return shape


Sampler = Callable[[Context], Draw | None]


@dataclass(frozen=True, slots=True)
class Op:
    """An op of a family. ``sample`` returns None where the op does not apply to the shape at hand.

    ``ranks`` are the least and the greatest rank it takes. ``weight`` evens out ops that apply to few shapes. ``joins``
    marks ops that take any second value and so bring branches together. ``dtypes`` are those of the tensor at hand that
    it takes (:attr:`Context.dtype` says which it is), the first one that of an argument made for it, whose shape goes
    through ``argument``.
    """

    name: str
    family: str
    sample: Sampler
    ranks: tuple[int, int] = (1, 5)
    weight: float = 1.0
    joins: bool = False
    dtypes: tuple[str, ...] = FLOAT
    argument: Callable[[Shape], Shape] | None = None


def both(name: str, *arguments: str) -> tuple[str, ...]:
    """The method and the function with each list of arguments: ``$x.sum(1)`` and ``torch.sum($x, 1)``."""
    methods = [f"$x.{name}({text})" for text in arguments]
    return (*methods, *[f"torch.{name}($x, {text})" if text else f"torch.{name}($x)" for text in arguments])


def square(shape: Shape) -> Shape:
    """The shape of a square matrix, or of a batch of them."""
    return shape[:-2] + (min(shape[-2:]),) * 2 if len(shape) > 1 else shape


def even(shape: Shape) -> Shape:
    """The shape with an even last size."""
    return (*shape[:-1], shape[-1] + shape[-1] % 2)


def easy_product(sizes: Shape, most: int = 512) -> bool:
    """Whether people would multiply ``sizes`` in their head: small, or at most one factor beyond a round number."""
    if prod(sizes) > most:
        return False
    hard = [s for s in sizes if s > 10 and s & (s - 1) and s % 10]
    return len(sizes) <= 3 and (len(hard) <= 1 if min(sizes, default=1) <= 8 else not hard)


def factors(size: int) -> list[int]:
    """The divisors of ``size`` other than 1 and itself."""
    return [f for f in range(2, size // 2 + 1) if size % f == 0]


def broadcast(x: Shape, y: Shape) -> Shape | None:
    """The shape of ``x + y``, or None where torch would refuse."""
    rank = max(len(x), len(y))
    left, right = (1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y
    if any(a != b and a != 1 and b != 1 for a, b in zip(left, right, strict=True)):
        return None
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))


def listed(numbers: tuple[int, ...] | list[int]) -> str:
    """``(2, 3)`` → ``'2, 3'``."""
    return ", ".join([str(n) for n in numbers])


def tupled(numbers: tuple[int, ...] | list[int]) -> str:
    """``(2,)`` → ``'(2,)'``."""
    return repr(tuple(numbers))
