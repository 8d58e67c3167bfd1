"""Pushing a folder: one commit with the card and the data, or none at all.

The order is: is this a folder of its kind and its card valid, who are we and may we write, what does the Hub have, what
differs. Only then is anything sent. Files are uploaded first and become visible with the commit, which names the commit
it was compared with as its parent: a push that breaks, or that someone else overtakes, leaves the former revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rotbot.errors import InputError
from rotbot.hub.account import check_may_write, whoami
from rotbot.hub.cards import check_card, for_hub, model_card
from rotbot.hub.content import CARD, Change, Content, compare, folder_files
from rotbot.hub.figures import Evaluation
from rotbot.hub.ids import HubId, Kind
from rotbot.hub.remote import (
    MAIN,
    State,
    Target,
    create,
    files_at,
    look,
    send,
    start_branch,
    tag_commit,
    validate_card,
)
from rotbot.hub.trouble import Note, explained, patiently, silent


@dataclass(frozen=True, slots=True)
class PushOptions:
    """``private`` is for a repository that does not exist yet; ``create_pr`` proposes the commit as a pull request;
    ``tag`` names the pushed commit; ``evaluation`` goes into the card made for a model; ``dry_run`` sends nothing.

    Raises :class:`~rotbot.errors.InputError` for a pull request with a tag.
    """

    private: bool = False
    create_pr: bool = False
    tag: str | None = None
    evaluation: tuple[Evaluation, ...] = ()
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.create_pr and self.tag:
            raise InputError("expected --create-pr or --tag, got both: a tag names a commit that is on a branch")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did, or with ``dry_run`` would do. ``commit`` has the content (None for a dry run to a repository
    that does not exist yet); no ``changes`` means that the branch had the content already."""

    repo: str
    kind: Kind
    revision: str
    commit: str | None
    url: str
    created: bool
    changes: tuple[Change, ...]
    tag: str | None
    pull_request: str | None
    dry_run: bool


def push(folder: Path, hub_id: HubId, kind: Kind, options: PushOptions, note: Note = silent) -> Pushed:
    """Push ``folder`` to the branch ``hub_id.revision`` (default: main) of ``hub_id.repo``, made if it does not exist.

    ``note`` hears about pauses. Raises :class:`~rotbot.errors.InputError` for a folder, card or option that cannot be
    used, and :class:`~rotbot.errors.HubError` for what the Hub refuses; the branch is then what it was.
    """
    target = Target(hub_id.repo, kind, hub_id.revision or MAIN)
    if options.create_pr and target.branch != MAIN:
        raise InputError(f"--create-pr: expected the branch {MAIN}, got {target.branch}")
    files = _with_card(folder, target, options.evaluation)
    state = _look(hub_id, target, options, note)
    with explained(target.repo):
        changes = _compare(target, state, files, note)
        _check_options(options, target, state, changes)
        patiently(lambda: validate_card(_text(files[CARD]), kind), note)
    if options.dry_run:
        commit = None if state is None else state.head(target.branch)
        return Pushed(target.repo, kind, target.branch, commit, target.url, False, changes, options.tag, None, True)
    created = state is None
    if state is None:
        state = create(target, options.private, note)
        with explained(target.repo):
            changes = _compare(target, state, files, note)
    if target.branch not in state.branches:
        start_branch(target, note)
    commit, pull_request = state.head(target.branch), None
    assert commit is not None, "a repository has a main branch"
    if changes:
        commit, pull_request = send(target, files, changes, commit, options.create_pr, note)
    if options.tag and options.tag not in state.tags:
        tag_commit(target, options.tag, commit, note)
    return Pushed(
        target.repo, kind, target.branch, commit, target.url, created, changes, options.tag, pull_request, False
    )


def check_push(hub_id: HubId, kind: Kind, options: PushOptions, note: Note = silent, card: str | None = None) -> None:
    """Find out before long work whether the token may push there, and whether the Hub takes a ``card`` like the one
    that is to come. Raises as :func:`push` does; sends nothing."""
    target = Target(hub_id.repo, kind, hub_id.revision or MAIN)
    state = _look(hub_id, target, options, note)
    if state is None and options.create_pr:
        raise InputError(f"--create-pr: expected a repository that exists, {target.repo} does not")
    if card is not None:
        check_card(card, kind, {})
        with explained(target.repo):
            patiently(lambda: validate_card(card, kind), note)


def _look(hub_id: HubId, target: Target, options: PushOptions, note: Note) -> State | None:
    """What the Hub has, asked by an account that may write there."""
    with explained(target.repo):
        account = patiently(whoami, note)
        check_may_write(account, hub_id.owner, options.create_pr)
        return patiently(lambda: look(target), note)


def _with_card(folder: Path, target: Target, evaluation: tuple[Evaluation, ...]) -> dict[str, Content]:
    """The files to push, the card among them: the folder's own, or one made for a model that has none."""
    files = folder_files(folder, target.kind)
    own = files.get(CARD)
    if own is None:
        text = model_card(folder, target.repo, evaluation)
    elif evaluation:
        raise InputError(f"evaluation: {folder} has a card of its own; write the figures there, or remove {CARD}")
    else:
        text = for_hub(_text(own), target.repo)
    check_card(text, target.kind, files)
    return {**files, CARD: text.encode()}


def _text(content: Content) -> str:
    raw = content if isinstance(content, bytes) else content.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{CARD}: expected UTF-8 text: {error}") from error


def _compare(target: Target, state: State | None, files: dict[str, Content], note: Note) -> tuple[Change, ...]:
    head = None if state is None else state.head(target.branch)
    return compare(files, patiently(lambda: files_at(target, head), note), target.kind)


def _check_options(options: PushOptions, target: Target, state: State | None, changes: tuple[Change, ...]) -> None:
    """Raise :class:`~rotbot.errors.InputError` for options that do not fit what the Hub has."""
    if state is None:
        if options.create_pr:
            raise InputError(f"--create-pr: expected a repository that exists, {target.repo} does not")
        return
    if options.private and not state.private:
        raise InputError(
            f"--private: expected a new or a private repository, {target.repo} is public: see its settings"
        )
    if target.branch in state.tags:
        raise InputError(f"--revision: expected a branch, {target.branch!r} is a tag of {target.repo}")
    tagged = state.tags.get(options.tag or "")
    if tagged is not None and (changes or tagged != state.head(target.branch)):
        raise InputError(f"--tag: expected a new name, {options.tag!r} is commit {tagged[:8]} of {target.repo} already")
