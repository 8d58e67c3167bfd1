"""The exceptions a user of rotbot may see, in one small family.

Every message is a sentence that says what was expected and what came. A program that torch itself would reject is *not*
an exception: its trace ends in a :class:`rotbot.StepError`.
"""

from __future__ import annotations


class RotbotError(Exception):
    """The root of the family: catch this to catch everything rotbot raises on purpose."""


class InputError(RotbotError, ValueError):
    """Input that cannot be used: a malformed problem, shape, file or option."""


class ConfigError(InputError):
    """A recipe or an override that does not fit: an unknown key (the nearest known one is named) or a wrong type."""


class OutputError(RotbotError):
    """A file that cannot be written: a full disk, a folder that may not be written to."""


class SnippetError(RotbotError):
    """A snippet that cannot be traced. ``line`` is 1-based, or None where no single line is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line


class SnippetSyntaxError(SnippetError):
    """The snippet is not Python."""


class UnsafeSnippet(SnippetError):
    """The snippet names something that a shape program has no business with (files, imports, dunders, ...)."""


class UnsupportedSnippet(SnippetError):
    """Honest code that is out of scope: a shape that depends on tensor values, a construct not interpreted."""


class LimitExceeded(SnippetError):
    """The snippet asks for more nodes, steps, rank, fan-out, memory or time than the limits allow."""


class HubError(InputError):
    """The Hub did not do what was asked: an ID it does not have, a token that may not, a conflict, no network.

    ``passing`` says that the same command may succeed later.
    """

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
