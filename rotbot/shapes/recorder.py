"""Runs operations on traced values and records nodes and steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from rotbot.shapes import indexing
from rotbot.shapes.allowlist import DTYPE_NAMES
from rotbot.shapes.evaluate import evaluate
from rotbot.shapes.limits import LIMITS, exceed
from rotbot.shapes.metadata import Alias, Fields, ModuleSpec, Rejected, Result, TensorMeta, leaves
from rotbot.shapes.observed import Observed
from rotbot.shapes.op_text import clean, op_text
from rotbot.shapes.reasons import explain
from rotbot.shapes.trace import Binding, Node, Ref, Shape, Span, Step, is_in_place
from rotbot.shapes.values import FieldTuple, Traced
from rotbot.shapes.walks import opened, to_refs, traced_in, unwrap


class ProgramError(Exception):
    """Torch (or Python) rejects the program here. Internal: ends the trace, never leaves :mod:`rotbot.shapes`."""

    def __init__(
        self, op: str, inputs: tuple[Shape, ...], reason: str, span: Span, sources: tuple[int, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.step = Step(clean(op), inputs, (), reason=clean(reason), span=span)
        self.sources = sources
        """The nodes that the rejected operation depends on."""


class Recorder:
    """The nodes and steps of one program, and the shapes read since the statement began (``reads``)."""

    def __init__(self, observed: Observed | None = None) -> None:
        self.observed = observed
        self.nodes: list[Node] = []
        self.steps: list[Step] = []
        self.bindings: list[Binding] = []
        self.reads: dict[int, None] = {}
        self.uses: list[tuple[int, ...]] = []
        """For each node, the nodes whose values it takes."""
        self.changes: dict[int, tuple[Any, dict[int, None]]] = {}
        """By its id, each list, dict or module that was changed where it is, and the shapes that this depended on."""

    def placeholder(self, name: str, meta: TensorMeta) -> Traced:
        """Record an argument of the program."""
        dtypes = (DTYPE_NAMES[meta.dtype],)
        self.nodes.append(Node("placeholder", name, shapes=(meta.shape,), dtypes=dtypes, name=name))
        self.uses.append(())
        return Traced(meta, len(self.nodes) - 1)

    def parameter(self, module: ModuleSpec, name: str, meta: TensorMeta, span: Span, is_buffer: bool) -> Traced:
        """Record a parameter or buffer of an inline module: a value that is there, like an argument, hence no step.

        ``name`` has dots where it belongs to a module in this one.
        """
        made = (to_refs(module.args), to_refs(module.kwargs), to_refs(module.dtype))
        target, dtypes = f"{module.name}.{name}", (DTYPE_NAMES[meta.dtype],)
        reads = tuple(self.reads)
        node = Node("get_attr", target, shapes=(meta.shape,), dtypes=dtypes, span=span, module=made, reads=reads)
        return Traced(meta, self._append(node, ()), parameter=not is_buffer)

    def call(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        span: Span,
        kind: str = "call_function",
        module: ModuleSpec | None = None,
    ) -> Any:
        """Run one operation on traced values; record it if it returns tensors. Raises :class:`ProgramError`."""
        tensors: list[Traced] = []
        given, refs = opened(args, tensors)
        named: dict[str, Any] = {}
        named_refs: tuple[tuple[str, Any], ...] = ()
        if kwargs:
            values, value_refs = opened(tuple(kwargs.values()), tensors)
            named, named_refs = dict(zip(kwargs, values, strict=True)), tuple(zip(kwargs, value_refs, strict=True))
        result = self._ask(target, given, named) if module is None else evaluate(target, given, named, module)
        if result.__class__ is Rejected:
            self.reject(target, args, kwargs, result.message, span, module)
        single = result.__class__ is TensorMeta
        found = [((), result)] if single else leaves(result)
        if not found:
            return result
        node = self._add_node(kind, target, refs, named_refs, found, span, tensors, module)
        inputs = tuple([tensor.meta.shape for tensor in tensors])
        text = clean(op_text(target, args, kwargs, module))
        self.steps.append(Step(text, inputs, self.nodes[node].shapes, (), None, span, None, node))
        return Traced(result, node) if single else _wrap(result, (), node, tensors, target)

    def _ask(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
        """What torch makes of a call: from the eager run of this program if there is one, else it is asked."""
        result = None if self.observed is None else self.observed.result(target, args, kwargs)
        return evaluate(target, args, kwargs) if result is None else result

    def reject(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        message: str,
        span: Span,
        module: ModuleSpec | None = None,
    ) -> NoReturn:
        """End the program at this operation with a reason in plain words."""
        inputs = tuple([t.meta.shape for t in traced_in((args, kwargs))])
        reason = explain(target, unwrap(args), unwrap(kwargs), module, message)
        raise ProgramError(op_text(target, args, kwargs, module), inputs, reason, span, self._sources((args, kwargs)))

    def failure(self, op: str, about: Any, reason: str, span: Span) -> ProgramError:
        """The error of a Python-level operation on ``about``: its steps are those that the tensors in it come from."""
        inputs = tuple([t.meta.shape for t in traced_in(about)])
        return ProgramError(op, inputs, reason, span, self._sources(about))

    def _sources(self, arguments: Any) -> tuple[int, ...]:
        return (*[tensor.node for tensor in traced_in(arguments)], *self.reads)

    def getitem(self, owner: Traced, index: Any, span: Span) -> Traced:
        """Index a tensor: one node, one step for each primitive."""
        plan = indexing.plan(owner.meta.shape, unwrap(index))
        before = len(self.steps)
        node = len(self.nodes)
        shape: Shape = owner.meta.shape
        for primitive in plan.primitives:
            inputs = (shape, *primitive.index_shapes)
            if primitive.reason is not None:
                raise ProgramError(primitive.op, inputs, primitive.reason, span, self._sources((owner, index)))
            self._add_step(primitive.op, inputs, (primitive.shape,), span, node)
            shape = primitive.shape
        result = self._ask("operator.getitem", (owner.meta, unwrap(index)), {})
        if result.__class__ is Rejected:
            del self.steps[before:]
            self.reject("operator.getitem", (owner, index), {}, result.message, span)
        assert result.shape == shape, f"index {index!r} of {owner.meta.shape}: steps give {shape}, torch {result.shape}"
        tensors = traced_in((owner, index))
        self._add_node("call_function", "operator.getitem", to_refs((owner, index)), (), [((), result)], span, tensors)
        return Traced(result, node)

    def setitem(self, owner: Traced, index: Any, value: Any, span: Span) -> None:
        """Assign into a tensor: the tensor keeps its shape, its node is the new one."""
        args, item = (owner, index, value), unwrap(index)
        if not isinstance(value, Traced) or not value.meta.shape:  # one value: wherever a mask is true
            item, reason = indexing.settle_masks(owner.meta.shape, item)
            if reason is not None:
                raise self.failure(op_text("operator.setitem", args, {}, None), args, reason, span)
        indexing.refuse_masks(item)
        result = evaluate("operator.setitem", (owner.meta, item, unwrap(value)), {}, None)
        if result.__class__ is Rejected:
            self.reject("operator.setitem", args, {}, result.message, span)
        tensors = traced_in(args)
        made = [((), owner.meta)]
        node = self._add_node("call_function", "operator.setitem", to_refs(args), (), made, span, tensors)
        inputs = tuple([t.meta.shape for t in tensors])
        self._add_step(op_text("operator.setitem", args, {}, None), inputs, (owner.meta.shape,), span, node)
        owner.overwrite(owner.meta, node)

    def read(self, tensor: Traced) -> TensorMeta:
        """The tensor's metadata, noting that what follows depends on its shape."""
        self.reads[tensor.node] = None
        return tensor.meta

    def changed(self, holder: Any, new: Any = None, index: Iterable[int] = ()) -> None:
        """Note that a list, dict or module holds ``new`` from now on, at a place that depends on the shapes ``index``.
        Plain values were computed from what the statement has read; a tensor's own node knows what it depends on."""
        reads = [*index, *(self.reads if _is_computed(new) else ())]
        if reads:
            self.changes.setdefault(id(holder), (holder, {}))[1].update(dict.fromkeys(reads))

    def held(self, holder: Any) -> None:
        """Note that what follows depends on what ``holder`` has come to hold."""
        if (found := self.changes.get(id(holder))) is not None:
            self.reads.update(found[1])

    def name(self, value: Any, name: str, since: int) -> None:
        """Note that ``value`` was assigned to ``name`` by the statement whose first node is ``since``."""
        if isinstance(value, Traced) and not value.path and value.node >= since:
            # They are still ours alone: set the field where a copy would double the cost of recording an operation.
            self.nodes[value.node].name = name  # pyright: ignore[reportAttributeAccessIssue]
            for step in reversed(self.steps):
                if step.node == value.node:
                    step.name = name  # pyright: ignore[reportAttributeAccessIssue]
                    break

    def bound(self, name: str, value: Any) -> None:
        """Note that a variable of the program's top level stands for ``value`` from now on."""
        ref = Ref(value.node, value.path) if value.__class__ is Traced else None
        self.bindings.append(Binding(name, len(self.nodes), ref))

    def _add_node(
        self,
        kind: str,
        target: str,
        refs: tuple[Any, ...],
        named_refs: tuple[tuple[str, Any], ...],
        found: list[tuple[tuple[int, ...], TensorMeta]],
        span: Span,
        tensors: list[Traced],
        module: ModuleSpec | None = None,
    ) -> int:
        if len(found) == 1:
            path, meta = found[0]
            shapes, dtypes, paths = (meta.shape,), (DTYPE_NAMES[meta.dtype],), (path,)
        else:
            shapes = tuple([meta.shape for _, meta in found])
            dtypes = tuple([DTYPE_NAMES[meta.dtype] for _, meta in found])
            paths = tuple([path for path, _ in found])
        made = None if module is None else (to_refs(module.args), to_refs(module.kwargs), to_refs(module.dtype))
        node = Node(kind, target, refs, named_refs, shapes, dtypes, paths, span, None, made, tuple(self.reads))
        return self._append(node, tuple([tensor.node for tensor in tensors]))

    def _append(self, node: Node, uses: tuple[int, ...]) -> int:
        if len(self.nodes) >= LIMITS.operations:
            line = None if node.span is None else node.span.line
            exceed("torch operations in one program", LIMITS.operations, len(self.nodes) + 1, line)
        self.nodes.append(node)
        self.uses.append(uses)
        return len(self.nodes) - 1

    def _add_step(self, op: str, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...], span: Span, node: int) -> None:
        self.steps.append(Step(clean(op), inputs, outputs, (), None, span, None, node))


def _wrap(item: Any, path: tuple[int, ...], node: int, arguments: list[Traced], target: str) -> Any:
    """A result's metadata as traced values. A result that *is* an argument stays that tensor."""
    kind = item.__class__
    if kind is TensorMeta:
        return Traced(item, node, path)
    if kind is Alias:
        tensor = arguments[item.index]
        if not is_in_place(target):
            return tensor.twin(node, path)
        tensor.overwrite(item.meta, node, path)
        return tensor
    if kind is Fields or kind is tuple or kind is list:
        items = item.items if kind is Fields else item
        parts = [_wrap(part, (*path, i), node, arguments, target) for i, part in enumerate(items)]
        if kind is Fields:
            return FieldTuple(tuple(parts), item.names)
        return parts if kind is list else tuple(parts)
    return item


def _is_computed(value: Any) -> bool:
    """Whether there is anything but tensors in nested containers."""
    if isinstance(value, (tuple, list, dict)):
        return any([_is_computed(item) for item in (value.values() if isinstance(value, dict) else value)])
    return value.__class__ is not Traced
