"""``docs/cli.md`` from the commands themselves: ``python -m rotbot.cli.manual > docs/cli.md``."""

from __future__ import annotations

import inspect

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from rotbot.cli.helptext import Paragraph, paragraphs
from rotbot.cli.main import app

_HEAD = """# The `rotbot` command

Made from the commands by `python -m rotbot.cli.manual > docs/cli.md`; a test holds it against them.

Exit codes: 0 done, 1 the job's own negative answer (a shape error, a failed check), 2 input that cannot be used.
Colours follow `NO_COLOR` and `FORCE_COLOR`, widths the terminal or `COLUMNS`. Shell completion:
`rotbot --install-completion`.
"""


def manual() -> str:
    """The whole page: a section for each command, its help, arguments and options."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup), "the app has more than one command"
    return "\n".join(
        [
            _HEAD,
            *[_section(name, command) for name, command in group.commands.items() if isinstance(command, TyperCommand)],
        ]
    )


def _section(name: str, command: TyperCommand) -> str:
    parts = [f"## rotbot {name}\n", *map(_paragraph, paragraphs(inspect.getdoc(command.callback) or ""))]
    parts.append(
        "| | default | |\n|---|---|---|\n"
        + "\n".join([_row(each) for each in command.params if isinstance(each, (TyperOption, TyperArgument))])
        + "\n"
    )
    return "\n".join(parts)


def _paragraph(each: Paragraph) -> str:
    return f"```\n{each.text}\n```\n" if each.example else f"{each.text}\n"


def _row(parameter: TyperOption | TyperArgument) -> str:
    if isinstance(parameter, TyperOption):
        names = ", ".join(parameter.opts) + ("" if parameter.is_flag else f" {parameter.metavar or 'VALUE'}")
        plain = parameter.is_flag or parameter.required
    else:
        names, plain = parameter.metavar or (parameter.name or "").upper(), parameter.required
    default = "" if plain or parameter.default is None else f"`{parameter.default}`"
    text = (parameter.help or "").replace("|", "\\|")
    return f"| `{names}` | {default} | {text} |"


if __name__ == "__main__":
    print(manual(), end="")
