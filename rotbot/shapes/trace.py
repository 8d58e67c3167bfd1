"""What a trace is: steps, their shapes, where it ended. Pure data, no torch: importing this costs nothing.

The text form lives in :mod:`rotbot.shapes.text`; the ``torch.fx.Graph`` is built on demand from ``nodes`` by
:mod:`rotbot.shapes.graph`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rotbot.shapes.records import record

if TYPE_CHECKING:
    import torch.fx

Dim = int | str
"""A dimension: a number, or the text of a symbolic expression such as ``C//8``."""

Shape = tuple[Dim, ...]


@record
class Span:
    """Where in the source a step comes from: 1-based lines, 0-based columns, end exclusive (as in ``ast``)."""

    line: int
    column: int
    end_line: int
    end_column: int


@record
class Step:
    """One primitive: ``op`` applied to ``inputs`` gives ``outputs``.

    ``op`` echoes the operation with its arguments resolved. ``name`` is the variable the result was assigned to,
    ``node`` the index of its node in :attr:`ShapeTrace.nodes` (their number, where an index fails at a later primitive
    and so has no node). ``reason`` is set on the step torch would reject, and only there (``outputs`` is then empty).
    ``work`` is the optional calculation shown in the text. Where a step was read back from text, only the fields that
    the text carries are set.
    """

    op: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    work: tuple[str, ...] = ()
    reason: str | None = None
    span: Span | None = field(default=None, compare=False)
    name: str | None = field(default=None, compare=False)
    node: int | None = field(default=None, compare=False)

    @property
    def line(self) -> int | None:
        """The 1-based source line, None when the step was read back from text."""
        return None if self.span is None else self.span.line


@record
class StepError:
    """Where and why torch would reject the program: the index into ``steps``, the source line, plain words."""

    step: int
    reason: str = field(default="", compare=False)
    line: int | None = field(default=None, compare=False)


@record
class Ref:
    """A node's result used as an argument: the node's index, and the way to one of its results if they are nested
    (``(1,)`` is the second of a tuple, ``(1, 0)`` the hidden state of an LSTM, ``()`` a single tensor)."""

    node: int
    path: tuple[int, ...] = ()


@record
class Named:
    """A constant of torch used as an argument, by its name in the allowlist: ``torch.int64``."""

    name: str


@record
class Part:
    """An ``nn`` module that another's constructor is given: its class in the allowlist, its own arguments, and the
    dtype it was converted to."""

    target: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    dtype: Named | None


@record
class Node:
    """One torch-level operation as recorded, enough to rebuild its ``torch.fx.Node``.

    ``kind`` is an fx opcode (``placeholder``, ``get_attr``, ``call_function``, ``call_method``, ``call_module``);
    ``target`` the argument's name or the qualified name in the allowlist (``torch.relu``, ``Tensor.view``,
    ``operator.add``, ``nn.Linear``; of ``get_attr`` with the parameter's name, ``nn.Linear.weight``); ``args`` and
    ``kwargs`` hold :class:`Ref`, :class:`Named`, plain literals, and lists, tuples and slices of them. ``shapes``,
    ``dtypes`` and ``paths`` describe the results, one entry a tensor. ``module`` holds an ``nn`` module's constructor
    arguments (:class:`Part` for modules among them) and the dtype it was converted to. ``reads`` names the nodes whose
    *shape* (not value) this one depends on.
    """

    kind: str
    target: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    shapes: tuple[Shape, ...] = ()
    dtypes: tuple[str, ...] = ()
    paths: tuple[tuple[int, ...], ...] = ((),)
    span: Span | None = None
    name: str | None = None
    module: tuple[tuple[Any, ...], tuple[tuple[str, Any], ...], Named | None] | None = None
    reads: tuple[int, ...] = ()

    def shape(self, path: tuple[int, ...]) -> Shape:
        """The shape of the result at ``path``."""
        return self.shapes[self.paths.index(path)]


_IN_PLACE_OPERATORS = frozenset("iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split())


def is_in_place(target: str) -> bool:
    """Whether the operation changes its first operand and returns it: ``Tensor.add_``, ``operator.iadd``."""
    namespace, _, name = target.rpartition(".")
    return name in _IN_PLACE_OPERATORS if namespace == "operator" else name.endswith("_")


@record
class Binding:
    """A variable of the program's top level stands for the result ``ref`` (None: for no tensor) from here on.

    ``since`` is the number of nodes recorded before, so a step of node n sees the bindings with ``since <= n``.
    """

    name: str
    since: int
    ref: Ref | None


@record
class Promise:
    """What a symbolic trace holds for: :attr:`names` are the names of its dimensions, :attr:`assumptions` what their
    values must fulfil (``C % 8 == 0``), and :attr:`verified` counts the assignments it was compared with."""

    names: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    verified: int = 0


@dataclass(frozen=True)
class ShapeTrace:
    """Every step of a program and what became of its target.

    ``final`` is the target's shape, or a tuple of shapes where the target is a tuple of tensors; None if the program is
    rejected (then ``error`` says where) or the text it was parsed from has no final line. ``malformed`` lists the lines
    (0-based index, text) that :meth:`parse` could not read; traces of real programs have none. ``bindings`` are the
    assignments to variables in the order in which they happened; arguments are bound by their own nodes. ``promise`` is
    set on symbolic traces (:mod:`rotbot.shapes.symbolic`), which have neither ``nodes`` nor ``bindings``.
    """

    steps: tuple[Step, ...]
    final: Shape | tuple[Shape, ...] | None
    error: StepError | None = None
    malformed: tuple[tuple[int, str], ...] = ()
    nodes: tuple[Node, ...] = field(default=(), compare=False, repr=False)
    bindings: tuple[Binding, ...] = field(default=(), compare=False, repr=False, kw_only=True)
    target: str | None = field(default=None, compare=False)
    promise: Promise | None = field(default=None, compare=False, kw_only=True)

    def render(self) -> str:
        """The trace text of the design's grammar: one line a step, then the final line, no newline at the end."""
        from rotbot.shapes.text import render

        return render(self)

    def completion(self) -> str:
        """What a trained model should write: the steps, ``</think>``, then the final line."""
        from rotbot.shapes.text import render_completion

        return render_completion(self)

    @staticmethod
    def parse(text: str) -> ShapeTrace:
        """Read a trace or a completion back. Never raises; unreadable lines land in ``malformed``. Linear time."""
        from rotbot.shapes.text import parse

        return parse(text)

    @cached_property
    def graph(self) -> torch.fx.Graph:
        """The whole program as a ``torch.fx.Graph``: one node per torch-level operation, whether or not the target
        depends on it. ``node.meta`` carries ``tensor_meta``, ``span`` and ``name``. A rejected program's graph ends
        before the rejected operation. Raises :class:`~rotbot.errors.UnsupportedSnippet` for a symbolic trace.
        """
        if self.promise is not None:
            from rotbot.errors import UnsupportedSnippet

            raise UnsupportedSnippet("a symbolic trace has no graph: expected a trace of dimensions that are numbers")
        from rotbot.shapes.graph import build_graph

        return build_graph(self.nodes)
