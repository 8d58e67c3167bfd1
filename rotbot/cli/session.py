"""What ``rotbot chat`` knows: the statements typed so far and the shapes of what they read. Nothing here prints."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from keyword import iskeyword

from rotbot.errors import InputError
from rotbot.shapes.arguments import ArgSpec, parse_arg
from rotbot.shapes.isolation import trace_isolated
from rotbot.shapes.source import bound_names, free_names, read
from rotbot.shapes.trace import ShapeTrace, Step

LAST = "_"
"""The variable that holds the last expression which was assigned to none, as at Python's own prompt."""

_ENDING = "torch.zeros(())"
"""Added where a whole session is traced: what is typed first, as in heads = 8, may make no tensor yet."""

_DECLARATION = re.compile(r"\s*([A-Za-z_]\w*)\s*:\s*([^=]*[^=\s])\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """``steps`` is how many steps the statements have together."""

    specs: Mapping[str, ArgSpec] = field(default_factory=dict[str, ArgSpec])
    statements: tuple[str, ...] = ()
    steps: int = 0

    @property
    def code(self) -> str:
        """The program so far."""
        return "\n".join(self.statements)


@dataclass(frozen=True, slots=True)
class Turn:
    """A statement and what it led to: the session after it, the whole program's trace, how many of its steps are older
    than the statement, and the variable whose shape may be asked for (None: the statement makes no tensor).

    A program that torch rejects ends in ``trace.error``; the session is then the one before.
    """

    session: Session
    code: str
    trace: ShapeTrace
    since: int
    target: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The statement's own steps."""
        return self.trace.steps[self.since :]


def is_whole(lines: Sequence[str]) -> bool:
    """Whether what was typed can end here: no bracket or string is open, and a block ends with a blank line.

    A blank line ends everything, so that nobody is caught in an open bracket.
    """
    if not lines[-1].strip():
        return True
    if lines[-1].endswith("\\"):
        return False
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline))
    except tokenize.TokenError:
        return False
    except SyntaxError:  # an indentation that fits nothing: the parser says so
        return True
    return not (lines[0].startswith("@") or any(_opens_block(*pair) for pair in pairwise(tokens)))


def _opens_block(token: tokenize.TokenInfo, after: tokenize.TokenInfo) -> bool:
    return token.type == tokenize.INDENT or (
        token.string == ":" and after.type in (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
    )


def declaration(text: str) -> tuple[str, ArgSpec] | None:
    """``x: 2,3`` or ``i: 3:int64`` as a name and its specification; None for what is something else.

    Raises :class:`~rotbot.errors.InputError` for a name with a colon and no shape after it.
    """
    found = _DECLARATION.fullmatch(text)
    if found is None or iskeyword(found[1]):
        return None
    return found[1], parse_arg(found[2], found[1])


def missing(session: Session, statement: str) -> list[str]:
    """The names that ``statement`` reads and nothing gives a shape to. Raises as :func:`extended` does."""
    read(statement)  # a fault in it is told by its own line number
    code = "\n".join([*session.statements, statement])
    return [name for name in free_names(code) if name not in session.specs]


def extended(session: Session, statement: str) -> Turn:
    """The session with one more statement, traced in the worker. An expression is assigned to :data:`LAST`.

    Raises the :class:`~rotbot.errors.SnippetError` family for what cannot be traced.
    """
    tree = read(statement)
    looks = False
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        statement = f"{LAST} = ({statement.strip()})" if "\n" in statement else f"{LAST} = {statement.strip()}"
        looks = not any(isinstance(node, ast.Call) for node in ast.walk(tree))
        tree = read(statement)
    code = "\n".join([*session.statements, statement])
    trace = _trace(code, session.specs)
    if trace.error is not None:
        return Turn(session, code, trace, session.steps, None)
    own = trace.steps[session.steps :]
    after = replace(session, statements=(*session.statements, statement), steps=len(trace.steps))
    named = [step.name for step in own if step.name is not None] or (bound_names(tree.body) if own or looks else [])
    kept = session if looks and not own else after  # a look at a variable is no part of the program
    return Turn(kept, code, trace, session.steps, named[-1] if named else None)


def declared(session: Session, name: str, spec: ArgSpec) -> Session:
    """The session with a shape for ``name``; what was typed is traced again under it.

    Raises :class:`~rotbot.errors.InputError` if torch rejects it then, and the
    :class:`~rotbot.errors.SnippetError` family.
    """
    after = replace(session, specs={**session.specs, name: spec})
    trace = _trace(after.code, after.specs)
    if trace.error is not None:
        raise InputError(f"{name} stays as it was: in line {trace.error.line}, {trace.error.reason}")
    return replace(after, steps=len(trace.steps))


def undone(session: Session) -> Session:
    """The session without its last statement. Raises :class:`~rotbot.errors.InputError` if there is none."""
    if not session.statements:
        raise InputError("expected a statement to take back, got none")
    before = replace(session, statements=session.statements[:-1])
    return replace(before, steps=len(_trace(before.code, before.specs).steps))


def _trace(code: str, specs: Mapping[str, ArgSpec]) -> ShapeTrace:
    """All steps of a program that may make no tensor."""
    trace = trace_isolated(f"{code}\n{LAST} = {_ENDING}", dict(specs))
    return trace if trace.error is not None else replace(trace, steps=trace.steps[:-1])


def older_steps(turn: Turn, truth: ShapeTrace) -> int:
    """How many steps of ``truth``, the trace of the turn's target alone, are older than the turn's statement.

    Steps of a symbolic trace do not say where they come from: 0.
    """
    if not turn.steps or turn.steps[0].node is None:
        return 0
    first = turn.steps[0].node
    return sum(step.node is not None and step.node < first for step in truth.steps)
