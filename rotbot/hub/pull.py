"""Pulling: a dataset or model of the Hub as a folder of one's own, whole or not at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rotbot.errors import InputError
from rotbot.hub.content import Change
from rotbot.hub.fetch import fetch, not_found
from rotbot.hub.ids import HubId, Kind
from rotbot.hub.remote import MAIN, Target, files_at
from rotbot.hub.trouble import Note, explained, patiently, silent
from rotbot.models.folders import atomic_folder


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull wrote, or with ``dry_run`` would write, to ``folder``: the files of ``commit``."""

    repo: str
    kind: Kind
    revision: str
    commit: str
    folder: Path
    files: tuple[Change, ...]
    dry_run: bool


def pull(
    hub_id: HubId, kind: Kind, folder: Path, overwrite: bool = False, dry_run: bool = False, note: Note = silent
) -> Pulled:
    """Write the files of ``hub_id`` to ``folder``, by way of the cache, so that a second pull downloads nothing.

    Raises :class:`~rotbot.errors.InputError` if ``folder`` has something in it and ``overwrite`` is not set, and
    :class:`~rotbot.errors.HubError` for what the Hub does not deliver; ``folder`` is then what it was.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise InputError(
            f"expected an empty or new folder, got {folder} with something in it (--overwrite replaces it)"
        )
    revision = hub_id.revision or MAIN
    if dry_run:
        commit, files = _listed(hub_id, kind, note)
        return Pulled(hub_id.repo, kind, revision, commit, folder, files, True)
    cached = fetch(hub_id, kind, note=note)
    files = tuple(
        Change(path.relative_to(cached).as_posix(), "add", path.stat().st_size)
        for path in sorted(cached.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    )
    with atomic_folder(folder) as fresh:
        for file in files:
            (fresh / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(cached / file.path, fresh / file.path)  # the cache has links: copy what they lead to
    return Pulled(hub_id.repo, kind, revision, cached.name, folder, files, False)


def _listed(hub_id: HubId, kind: Kind, note: Note) -> tuple[str, tuple[Change, ...]]:
    """The commit of ``hub_id`` and its files, without downloading one."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    with explained(str(hub_id)):
        try:
            info = patiently(lambda: HfApi().repo_info(hub_id.repo, repo_type=kind, revision=hub_id.revision), note)
        except RepositoryNotFoundError as error:
            raise not_found(error, hub_id, kind) from error
        commit = info.sha
        assert commit is not None, "the Hub names the commit"
        there = patiently(lambda: files_at(Target(hub_id.repo, kind, MAIN), commit), note)
    listed = [Change(file.path, "add", file.size) for file in there if not Path(file.path).name.startswith(".")]
    return commit, tuple(sorted(listed, key=lambda change: change.path))
