"""What a Hub ID is: ``owner/name`` with an optional ``@revision``. Nothing else in rotbot reads one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rotbot.errors import InputError

Kind = Literal["model", "dataset", "space"]
OTHER: dict[Kind, Kind] = {"model": "dataset", "dataset": "model", "space": "model"}
"""What a repository may be instead, when it is not of the kind asked for."""

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_ID = re.compile(rf"({_NAME}/{_NAME})(?:@([^\s@]+))?")
_LONGEST = 96  # characters after the slash


@dataclass(frozen=True, slots=True)
class HubId:
    """``repo`` is ``owner/name``; ``revision`` a branch, a tag, a commit or ``refs/pr/N``, None for the main branch."""

    repo: str
    revision: str | None = None

    @property
    def owner(self) -> str:
        """The user or organization."""
        return self.repo.partition("/")[0]

    @property
    def name(self) -> str:
        """The part after the owner."""
        return self.repo.partition("/")[2]

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def parse_id(text: str) -> HubId | None:
    """The Hub ID that ``text`` spells, or None. The rules for names are the Hub's own."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    repo, revision = match.groups()
    if len(repo.partition("/")[2]) > _LONGEST or "--" in repo or ".." in repo or repo.endswith(".git"):
        return None
    return HubId(repo, revision)


def read_id(text: str, revision: str | None = None) -> HubId:
    """The Hub ID that ``text`` spells; ``revision`` may be given apart from it.

    Raises :class:`~rotbot.errors.InputError` for text that is no Hub ID and for two different revisions.
    """
    found = parse_id(text)
    if found is None:
        raise InputError(f"expected a Hub ID, owner/name[@revision], got {text!r:.200}")
    if revision is None:
        return found
    if found.revision not in (None, revision):
        raise InputError(f"expected one revision, got {found.revision!r} in the ID and {revision!r} beside it")
    return HubId(found.repo, revision)
