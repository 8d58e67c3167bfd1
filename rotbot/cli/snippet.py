"""Reading a snippet from the command line: its code, its argument shapes, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from rotbot.errors import InputError
from rotbot.shapes.arguments import ArgSpec, parse_arg, parse_args
from rotbot.shapes.source import free_names

MAX_BYTES = 1_000_000


def read_code(file: Path | None, code: str | None) -> str:
    """The code given with ``-c``, in a file, or on standard input (``-``, or neither given and stdin is a pipe).

    ``\\n`` typed in a one-line ``-c`` is a line break, so that a problem's code can be pasted. Raises
    :class:`InputError` for both or neither, and for a file that cannot be read or has nothing in it.
    """
    if code is not None:
        if file is not None:
            raise InputError(f"expected code from -c or from a file, got both -c and {str(file)!r}")
        return code if "\n" in code else code.replace("\\n", "\n")
    if file is None and sys.stdin.isatty():
        raise InputError("expected code: give -c 'y = x @ w', a file, or - for standard input")
    try:
        if file is None or str(file) == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with file.open("rb") as handle:
                raw = handle.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise InputError(f"expected at most {MAX_BYTES} bytes of code, got more")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")  # Python's ends of lines
    except OSError as error:
        raise InputError(f"cannot read {str(file)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected Python source in UTF-8, got something else at byte {error.start}") from error
    if not text.strip():
        where = "on standard input" if file is None or str(file) == "-" else f"in {str(file)!r}"
        raise InputError(f"expected code {where}, got nothing; give -c 'y = x @ w', a file, or - for standard input")
    return text


def read_args(options: list[str]) -> dict[str, ArgSpec]:
    """``['x=2,3', 'i=3,5:int64']`` as specifications by name. Raises :class:`InputError` that shows the right form."""
    specs: dict[str, ArgSpec] = {}
    for option in options:
        name, equals, value = option.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(f"--arg: expected NAME=SHAPE, as in --arg x=2,3 or --arg i=3,5:int64, got {option!r:.80}")
        if name in specs:
            raise InputError(f"--arg: {name} is given twice")
        specs.update(parse_args({name: parse_arg(value, f"--arg {name}")}))
    return specs


def read_definition(
    file: Path, name: str, specs: dict[str, ArgSpec], value: list[str], init: list[str]
) -> tuple[str, dict[str, ArgSpec]]:
    """The program that calls ``name``, a function or class of ``file``, and the shapes of its free names.

    ``value`` and ``init`` are options ``NAME=LITERAL``. Raises as :func:`rotbot.shapes.definitions.program` does.
    """
    from rotbot.shapes.definitions import program

    values, inits = _pairs("--value", value), _pairs("--init", init)
    twice = [each for each in values if each in specs]
    if twice:
        raise InputError(f"{twice[0]} is given twice: with --arg and with --value")
    source = read_code(file, None)
    try:
        made = program(source, name, specs, values, inits)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return made.code, made.specs


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{option}: expected NAME=LITERAL, as in {option} heads=8, got {each!r:.80}")
        if name.strip() in pairs:
            raise InputError(f"{option}: {name.strip()} is given twice")
        pairs[name.strip()] = text
    return pairs


def check_complete(code: str, specs: dict[str, ArgSpec]) -> None:
    """Raise :class:`InputError` naming the variables the code reads but nothing gives a shape to.

    Raises the family of :class:`~rotbot.errors.SnippetError` for code that is not Python or too large.
    """
    missing = [name for name in free_names(code) if name not in specs]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        hint = " ".join([f"--arg {name}=2,3" for name in missing])
        raise InputError(
            f"no shape is given for {', '.join(missing)}, which {verb} read by the code; add it like {hint}"
        )
