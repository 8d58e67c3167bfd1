"""einops' patterns: ``'b (h w) c -> b c h w'`` and a shape in, the steps that einops takes out. No tensors here.

The steps are those of einops 0.8 (``_apply_recipe``): split groups, put axes in order, reduce, add axes, join groups,
each only where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

_TOKENS = re.compile(r"\s+|(?P<token>\.\.\.|[^\W\d]\w*|\d+|[()])")
_ELLIPSIS = "..."
REDUCTIONS = ("min", "max", "sum", "mean", "prod", "any", "all")


class PatternError(Exception):
    """The pattern cannot be read, or does not fit the shape: the reason in plain words. Internal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a tensor, in this order; None or empty where there is nothing to do.

    ``split`` is a shape; ``order`` the permutation; ``reduced`` the dimensions to reduce, the last ones by then;
    ``added`` where new dimensions go, with their sizes, in order; ``joined`` the final shape.
    """

    split: tuple[int, ...] | None
    order: tuple[int, ...] | None
    reduced: tuple[int, ...]
    added: Mapping[int, int]
    joined: tuple[int, ...] | None


@dataclass
class _Side:
    """A side of a pattern: its dimensions, each a group of axes (``1`` and ``()`` are empty ones). An axis that is a
    number has a name that nobody can write, and its size in ``sizes``. ``joins`` says whether ``...`` is in a group."""

    groups: list[list[str]]
    sizes: dict[str, int]
    joins: bool = False

    @property
    def axes(self) -> list[str]:
        return [axis for group in self.groups for axis in group]


def plan(operation: str, pattern: str, shape: tuple[int, ...], given: Mapping[str, int]) -> Plan:
    """What ``rearrange``, ``repeat`` or ``reduce`` do to a tensor of ``shape``; ``given`` are the sizes of axes.

    Raises :class:`PatternError`.
    """
    sides = pattern.split("->")
    if len(sides) != 2:
        raise PatternError(f"expected '->' once in the pattern, got it {len(sides) - 1} times")
    left, right = _parse(sides[0], "l"), _parse(sides[1], "r")
    _check_sides(operation, left, right, given)
    _spread(left, right, len(shape))
    sizes = {**left.sizes, **right.sizes, **given}
    for group, size in zip(left.groups, shape, strict=True):
        _solve(group, size, sizes)
    axes = left.axes
    kept = [axis for axis in right.axes if axis in axes]
    gone = [axis for axis in axes if axis not in right.axes]
    order = tuple([axes.index(axis) for axis in (*kept, *gone)])
    whole = all(len(group) == 1 for group in left.groups)
    return Plan(
        None if whole else tuple([sizes[axis] for axis in axes]),
        None if order == tuple(range(len(order))) else order,
        tuple(range(len(kept), len(axes))),
        {i: sizes[axis] for i, axis in enumerate(right.axes) if axis not in axes},
        None if all(len(group) == 1 for group in right.groups) else
        tuple([prod(sizes[axis] for axis in group) for group in right.groups]),
    )  # fmt: skip


def named_sizes(pattern: str, shape: tuple[int, ...]) -> dict[str, int]:
    """``einops.parse_shape``: the size of each axis that has a name. Raises :class:`PatternError`."""
    side = _parse(" ".join(["1" if axis == "_" else axis for axis in pattern.split()]), "l")
    if any(len(group) > 1 for group in side.groups):
        raise PatternError("groups have no sizes of their own")
    _spread(side, _Side([], {}), len(shape))
    named = zip(side.groups, shape, strict=True)
    return {group[0]: size for group, size in named if group and group[0].isidentifier()}


def letters(pattern: str) -> str:
    """``einops.einsum``'s pattern in ``torch.einsum``'s letters. Raises :class:`PatternError`."""
    left, arrow, right = pattern.partition("->")
    if not arrow or "->" in right:
        raise PatternError("expected '->' once in the pattern")
    sides = [_parse(part, str(i)) for i, part in enumerate([*left.split(","), right])]
    known: dict[str, str] = {_ELLIPSIS: _ELLIPSIS}
    alphabet = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for side in sides:
        if side.sizes or any(len(group) != 1 for group in side.groups):
            raise PatternError("einsum takes no numbers and no groups")
        for axis in side.axes:
            if axis not in known:
                known[axis] = next(alphabet, "")
                if not known[axis]:
                    raise PatternError("einsum takes at most 52 axes")
    texts = ["".join([known[axis] for axis in side.axes]) for side in sides]
    return f"{','.join(texts[:-1])}->{texts[-1]}"


def _parse(text: str, mark: str) -> _Side:
    side = _Side([], {})
    group: list[str] | None = None
    end = 0
    for match in _TOKENS.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        token = match["token"]
        if token == "(":
            if group is not None:
                raise PatternError("a group within a group")
            group = []
            side.groups.append(group)
        elif token == ")":
            if group is None:
                raise PatternError("a ) without its (")
            group = None
        elif token is not None:
            axis = _axis(token, side, mark)
            if group is not None:
                group += axis
                side.joins |= token == _ELLIPSIS
            else:
                side.groups.append(axis)
    if end != len(text):
        raise PatternError(f"{text[end]!r} has no place in a pattern")
    if group is not None:
        raise PatternError("a ( without its )")
    return side


def _axis(token: str, side: _Side, mark: str) -> list[str]:
    if token.isdecimal():
        if int(token[:20]) == 0:
            raise PatternError("an axis of size 0")
        if int(token[:20]) == 1:
            return []
        name = f"{token[:20]}#{mark}{len(side.sizes)}"
        side.sizes[name] = int(token[:20])
        return [name]
    if token in side.axes:
        raise PatternError(f"the axis {token} is there twice on one side")
    if token != _ELLIPSIS and (token.startswith("_") or token.endswith("_")):
        raise PatternError(f"{token} cannot be the name of an axis")
    return [token]


def _check_sides(operation: str, left: _Side, right: _Side, given: Mapping[str, int]) -> None:
    """What each operation asks of the two sides."""
    before, after = set(left.axes), set(right.axes)
    if _ELLIPSIS in after - before:
        raise PatternError("... is on the right side alone")
    if left.joins:
        raise PatternError("... may be in a group on the right side only")
    if operation == "rearrange" and (left.sizes or right.sizes):
        raise PatternError("rearrange takes no numbers but 1 in its pattern")
    alone = {"rearrange": before ^ after, "repeat": before - after, "reduce": after - before}[operation]
    if alone:
        where = {"rearrange": "one side only", "repeat": "the left side only", "reduce": "the right side only"}
        raise PatternError(f"the axis {_shown(min(alone))} is on {where[operation]}")
    unknown = [axis for axis in given if axis not in before | after or axis == _ELLIPSIS]
    if unknown:
        raise PatternError(f"the axis {unknown[0]} has a size, but it is not in the pattern")
    sizeless = [axis for axis in right.axes if axis not in before and axis not in given and axis not in right.sizes]
    if sizeless:
        raise PatternError(f"the new axis {sizeless[0]} needs a size")


def _shown(axis: str) -> str:
    return axis.partition("#")[0]


def _spread(left: _Side, right: _Side, dims: int) -> None:
    """Put as many axes in place of ``...`` as the tensor has dimensions for."""
    others = len(left.groups) - ([_ELLIPSIS] in left.groups)
    if dims != others and ([_ELLIPSIS] not in left.groups or dims < others):
        least = "at least " if [_ELLIPSIS] in left.groups else ""
        raise PatternError(f"expected {least}{others} dimensions, got {dims}")
    spread = [f"{_ELLIPSIS}{i}" for i in range(dims - others)]
    for side in (left, right):
        if side.joins:
            side.groups = [
                [new for axis in group for new in (spread if axis == _ELLIPSIS else [axis])] for group in side.groups
            ]
        elif [_ELLIPSIS] in side.groups:
            at = side.groups.index([_ELLIPSIS])
            side.groups[at : at + 1] = [[axis] for axis in spread]


def _solve(group: list[str], size: int, sizes: dict[str, int]) -> None:
    """Give the one axis of a group that has no size yet its own. Raises :class:`PatternError` if it does not go."""
    unknown = [axis for axis in group if axis not in sizes]
    known = prod([sizes[axis] for axis in group if axis in sizes])
    if len(unknown) > 1:
        raise PatternError(f"the sizes of {' and '.join(unknown)} in one group are not known")
    if not unknown:
        if known != size:
            text = " ".join(map(_shown, group)) or "1"
            raise PatternError(f"the dimension {text} should have size {known}, got {size}")
    elif known == 0 or size % known:
        raise PatternError(f"a dimension of size {size} cannot be divided by {known}")
    else:
        sizes[unknown[0]] = size // known
