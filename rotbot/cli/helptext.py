"""How a command shows its help: prose that fills the line, examples as they are typed, and nothing read as markup.

A command's docstring has paragraphs; one that is indented, or begins with ``Example:`` or ``rotbot``, is an example.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from rotbot.cli.pipes import leave

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter, Parameter


_TABLES, _LEAST = 72, 24
"""Columns of a terminal that a table of options needs, and that plain text does."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """``text`` is prose on one line, or an example as it is to be typed."""

    text: str
    example: bool


def paragraphs(docstring: str) -> list[Paragraph]:
    """The paragraphs of a command's docstring."""
    found: list[Paragraph] = []
    for each in inspect.cleandoc(docstring).split("\n\n"):
        code = each.removeprefix("Example: ")
        if each.startswith(("    ", "rotbot ")) or code != each:
            found.append(Paragraph(inspect.cleandoc(code), example=True))
        else:
            found.append(Paragraph(" ".join(each.split()), example=False))
    return found


class Command(TyperCommand):
    """A command whose help is its docstring, as :func:`paragraphs` reads it; a flag is shown without a value."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help; Typer calls this. Its tables would cut words off where there is no room for their columns."""
        docstring = inspect.getdoc(self.callback) or ""
        if _is_narrow(formatter):
            self.rich_markup_mode, self.help = None, _shown(docstring)
        else:
            from rich.markup import escape

            self.help = escape(_shown(docstring))
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Context) -> list[Parameter]:
        """The parameters; Typer calls this."""
        return [_plain(each) for each in super().get_params(ctx)]

    def invoke(self, ctx: Context) -> Any:
        """Run the command; Typer calls this, and would make of a closed pipe an exit 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            leave()


class Group(TyperGroup):
    """The same for the list of commands."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help; Typer calls this."""
        if _is_narrow(formatter):
            self.rich_markup_mode = None
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Context) -> list[Parameter]:
        """The parameters; Typer calls this."""
        return [_plain(each) for each in super().get_params(ctx)]


def _is_narrow(formatter: HelpFormatter) -> bool:
    """Whether there is no room for tables; then plain help is as wide as the terminal."""
    columns = get_terminal_size().columns
    if columns < _TABLES:
        formatter.width = max(columns - 1, _LEAST)
        formatter.write_dl = partial(formatter.write_dl, col_max=formatter.width // 3)  # pyright: ignore[reportAttributeAccessIssue]
    return columns < _TABLES


def _shown(docstring: str) -> str:
    """With a prompt before each example."""
    return "\n\n".join([f"$ {each.text}" if each.example else each.text for each in paragraphs(docstring)])


def _plain(parameter: Parameter) -> Parameter:
    """Flags take no value: Typer would show them as ``--json <bool>``."""
    if isinstance(parameter, TyperOption) and parameter.is_flag and parameter.metavar is None:
        parameter.metavar = ""
    return parameter
