"""``rotbot chat``: code line by line, its shapes after each line, the model's answer beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.options import Endpoint, EndpointModel, EndpointTimeout, EngineKind, ShapeArguments  # typer reads them
from rotbot.cli.view import printable
from rotbot.errors import InputError, RotbotError, UnsupportedSnippet

if TYPE_CHECKING:
    from rich.console import Console

    from rotbot.cli.session import Session, Turn

_HELP = """x: 2,3        gives x a shape (i: 3:int64 with a dtype, x: B,T,64 with names)
y = x @ x.mT  a line of code; a block ends with an empty line
/show         the program so far, and its shapes
/undo         takes the last statement back
/clear        starts again
/quit         ends, as Ctrl-D does; Ctrl-C stops the model, or drops what is half typed"""

Ask = Callable[["Session", "Turn"], None]


def chat(
    model: Annotated[
        str, typer.Argument(help="A Hub ID (owner/name or owner/name@revision), a folder, or embedded.")
    ] = "embedded",
    arg: ShapeArguments = None,
    engine: EngineKind = "auto",
    endpoint: Endpoint = None,
    name: EndpointModel = None,
    timeout: EndpointTimeout = 600.0,
    no_model: Annotated[bool, typer.Option("--no-model", help="Ground truth alone: starts at once.")] = False,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="The most tokens of an answer.")] = 1024,
) -> None:
    """Type code line by line and see the shapes after each line, with the model's steps beside torch.fx's.

    A name gets its shape by a line such as x: 2,3. What torch rejects is shown and not kept. Lines may come from a
    pipe too. Code is read, never run. Exit code 0.

        rotbot chat --arg x=2,10,64

        rotbot chat --no-model --arg x=B,T,64
    """
    from rotbot.cli.session import Session
    from rotbot.cli.snippet import read_args
    from rotbot.cli.view import console

    out = console()
    start = Session(read_args(arg or []))
    with ExitStack() as stack:
        ask = None
        if not no_model:
            opened = stack.enter_context(_opened(model, engine, endpoint, name, timeout))
            live = out.is_terminal and endpoint is None
            ask = _asker(opened, model if endpoint is None else opened.model, max_tokens, out, live)
        Chat(start, out, ask).run()


class Chat:
    """The conversation: reads lines until they end. ``ask`` is None where there is no model."""

    def __init__(self, session: Session, out: Console, ask: Ask | None) -> None:
        self.session = session
        self._start = session
        self._out = out
        self._ask = ask
        self._held: str | None = None  # a statement that waits for a shape

    def run(self) -> None:
        """Until the input ends or ``/quit``."""
        terminal = sys.stdin.isatty()
        if terminal:
            self._prepare()
        lines: list[str] = []
        while True:
            try:
                text = input(("... " if lines else ">>> ") if terminal else "")
            except EOFError:
                if lines:
                    self.take("\n".join(lines))
                return
            except KeyboardInterrupt:
                lines = []
                print()
                continue
            for line in text.split("\n"):  # several where a terminal pastes
                if not lines and line.strip() in ("/quit", "/exit"):
                    return
                lines.append(line)
                if self._ends(lines):
                    self.take("\n".join(lines))
                    lines = []

    def take(self, text: str) -> None:
        """One command, declaration or statement."""
        try:
            self._take(text.rstrip())
        except RotbotError as error:
            self._say(f"rotbot: {error}", "red")

    def _prepare(self) -> None:
        from rotbot.cli.completion import install
        from rotbot.shapes.source import assigned_names, read

        def variables() -> list[str]:
            return [*self.session.specs, *assigned_names(read(self.session.code))]

        install(variables, Path(typer.get_app_dir("rotbot")) / "chat_history")
        self._say("x: 2,3 gives a shape, then code; /help says more, Ctrl-D ends", "dim")

    @staticmethod
    def _ends(lines: list[str]) -> bool:
        from rotbot.cli.session import declaration, is_whole

        single = len(lines) == 1
        try:
            declared = single and bool(declaration(lines[0]))
        except RotbotError:
            declared = True  # one that cannot be read: taking it says so
        return (single and lines[0].startswith("/")) or is_whole(lines) or declared

    def _take(self, text: str) -> None:
        from rotbot.cli.session import declaration, declared, missing

        if not text.strip():
            return
        if text.startswith("/"):
            self._command(text.strip())
            return
        given = declaration(text)
        if given is None:
            self._held = None
        else:
            self.session = declared(self.session, *given)
            if self._held is None:
                return
            text = self._held
        names = missing(self.session, text)
        if names:
            self._held = text
            hints = ", ".join([f"{each}: 2,3" for each in names])
            self._say(f"no shape is given for {', '.join(names)}; give it like {hints}", "yellow")
            return
        self._held = None
        self._statement(text)

    def _command(self, text: str) -> None:
        from rotbot.cli.session import undone

        match text:
            case "/help":
                self._say(_HELP, "")
            case "/show":
                self._show()
            case "/undo":
                self.session = undone(self.session)
                self._say(f"{len(self.session.statements)} statements are left", "dim")
            case "/clear":
                self.session = self._start
            case _:
                raise InputError(f"expected /help, /show, /undo, /clear or /quit, got {text!r:.80}")

    def _show(self) -> None:
        from rotbot.cli.view import show_trace
        from rotbot.shapes.isolation import trace_isolated

        for each, spec in self.session.specs.items():
            self._say(f"{each}: {','.join(map(str, spec.shape))}:{spec.dtype}", "dim")
        code = self.session.code
        if self.session.steps == 0:
            self._say(code, "")
        else:
            self._say(code + "\n", "")
            show_trace(self._out, trace_isolated(code, dict(self.session.specs)), code)

    def _statement(self, text: str) -> None:
        from rotbot.cli.session import extended
        from rotbot.cli.view import show_verdict, step_line

        turn = extended(self.session, text)
        before, self.session = self.session, turn.session
        if turn.trace.error is not None:
            show_verdict(self._out, turn.trace, turn.code)
        elif self._ask is not None and turn.steps and turn.target is not None:
            self._ask(before, turn)
        else:
            for index, step in enumerate(turn.steps, turn.since):
                self._out.print(step_line(index, step))
            if turn.target is not None and not turn.steps:
                self._look(turn, text.strip())

    def _look(self, turn: Turn, text: str) -> None:
        """The shape of an expression that takes no step."""
        from rotbot.cli.view import verdict
        from rotbot.shapes.isolation import trace_isolated

        try:
            seen = trace_isolated(turn.code, dict(self.session.specs), turn.target)
        except UnsupportedSnippet as error:  # of a plain value: it speaks of a target, which was not asked for
            raise InputError(error.message.replace(f"the target {turn.target!r}", text)) from error
        self._out.print(verdict(replace(seen, target=text)), soft_wrap=True)

    def _say(self, text: str, style: str) -> None:
        lines = [printable(line) for line in text.split("\n")]
        self._out.print("\n".join(lines), style=style, markup=False, soft_wrap=True)


def _opened(model: str, kind: str, endpoint: str | None, name: str | None, timeout: float) -> Any:
    """The engine or the endpoint, as a context."""
    from rotbot.cli.predict import opener
    from rotbot.models import resolve

    if endpoint is None:
        resolve(model)
    return opener(model, kind, endpoint, name, timeout)()


def _asker(running: Any, model: str, max_tokens: int, out: Console, live: bool) -> Ask:
    """What asks the engine ``running`` for a turn's target and prints the answer beside the truth."""
    from rotbot.cli.session import older_steps
    from rotbot.cli.versus import answer
    from rotbot.inference.engine import Sampling
    from rotbot.problem import Problem
    from rotbot.shapes.isolation import trace_isolated

    sampling = Sampling(max_tokens=max_tokens)

    def ask(session: Session, turn: Turn) -> None:
        assert turn.target is not None, "asked only where there is a target"
        problem = Problem(turn.code, session.specs, turn.target)
        truth = trace_isolated(turn.code, dict(session.specs), turn.target)
        try:
            answer(running, problem, truth, sampling, model, out, live=live, since=older_steps(turn, truth))
        except KeyboardInterrupt:
            out.print("stopped", style="dim")

    return ask
