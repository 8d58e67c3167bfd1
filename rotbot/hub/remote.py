"""A repository on the Hub: what it has, and the one commit that changes it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotbot.errors import HubError, InputError
from rotbot.hub.content import CARD, Change, Content, compare
from rotbot.hub.ids import Kind
from rotbot.hub.trouble import (
    TOO_MANY,
    WAITS,
    Note,
    client_errors,
    explain,
    explained,
    is_passing,
    patiently,
    pause_after,
    status_of,
)

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.hf_api import RepoFile

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a push goes."""

    repo: str
    kind: Kind
    branch: str

    @property
    def url(self) -> str:
        """The repository's page."""
        from huggingface_hub.constants import ENDPOINT

        return f"{ENDPOINT}/{'' if self.kind == 'model' else self.kind + 's/'}{self.repo}"


@dataclass(frozen=True, slots=True)
class State:
    """A repository's visibility, and the commits of its branches and tags."""

    private: bool
    branches: Mapping[str, str]
    tags: Mapping[str, str]

    def head(self, branch: str) -> str | None:
        """The commit of a branch, or the one that it would start from."""
        return self.branches.get(branch, self.branches.get(MAIN))


def look(target: Target) -> State | None:
    """What the Hub has, None if the repository does not exist. Raises what the Hub's client raises."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi()
    try:
        private = bool(api.repo_info(target.repo, repo_type=target.kind).private)
    except RepositoryNotFoundError:
        return None
    refs = api.list_repo_refs(target.repo, repo_type=target.kind)
    return State(
        private,
        {ref.name: ref.target_commit for ref in refs.branches},
        {ref.name: ref.target_commit for ref in refs.tags},
    )


def files_at(target: Target, commit: str | None) -> list[RepoFile]:
    """The files of a commit, none for None. Raises what the Hub's client raises."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    if commit is None:
        return []
    tree = HfApi().list_repo_tree(target.repo, repo_type=target.kind, revision=commit, recursive=True)
    return [item for item in tree if isinstance(item, RepoFile)]


def validate_card(text: str, kind: Kind) -> None:
    """Let the Hub read a card's metadata. Raises :class:`~rotbot.errors.InputError` with what it rejects, and what the
    Hub's client raises."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    body = {"content": text, "repoType": kind}
    response = get_session().post(f"{ENDPOINT}/api/validate-yaml", json=body, headers=build_hf_headers())
    if response.status_code == 400:
        errors = "; ".join(str(error.get("message")) for error in response.json().get("errors", []))
        raise InputError(f"{CARD}: the Hub rejects its metadata: {errors}")
    hf_raise_for_status(response)


def create(target: Target, private: bool, note: Note) -> State:
    """Make the repository. Raises :class:`~rotbot.errors.HubError` if the Hub refuses."""
    from huggingface_hub import HfApi

    with explained(target.repo):
        sdk = "gradio" if target.kind == "space" else None
        patiently(
            lambda: HfApi().create_repo(
                target.repo, repo_type=target.kind, private=private, exist_ok=True, space_sdk=sdk
            ),
            note,
        )
        state = patiently(lambda: look(target), note)
    if state is None:
        raise HubError(f"{target.repo}: the Hub made it, but does not show it yet", passing=True)
    return state


def start_branch(target: Target, note: Note) -> None:
    """Make the branch, from main. Raises :class:`~rotbot.errors.HubError` if the Hub refuses."""
    from huggingface_hub import HfApi

    with explained(f"{target.repo}, branch {target.branch}"):
        patiently(
            lambda: HfApi().create_branch(target.repo, repo_type=target.kind, branch=target.branch, exist_ok=True), note
        )


def tag_commit(target: Target, tag: str, commit: str, note: Note) -> None:
    """Give a commit a name. Raises :class:`~rotbot.errors.HubError` if the Hub refuses, or has given it to another."""
    from huggingface_hub import HfApi

    subject = f"{target.repo}: commit {commit[:8]} is pushed, but not tagged {tag}"
    with explained(subject):
        patiently(
            lambda: HfApi().create_tag(target.repo, repo_type=target.kind, tag=tag, revision=commit, exist_ok=True),
            note,
        )
        state = patiently(lambda: look(target), note)
    if state is None or state.tags.get(tag) != commit:
        raise HubError(f"{subject}: another commit got that name in the meantime")


def send(
    target: Target, files: Mapping[str, Content], changes: Sequence[Change], parent: str, create_pr: bool, note: Note
) -> tuple[str, str | None]:
    """Make ``changes`` on top of ``parent`` in one commit → its id, the address of the pull request if it is one.

    After a passing failure it is tried again, unless the commit was made and only the answer was lost; a pull request
    is not, for there might be two, except where the Hub asked for a pause. Raises :class:`~rotbot.errors.HubError`; the
    branch is then at ``parent``, or where someone else moved it.
    """
    operations = _operations(files, changes)
    message = f"Push {len(changes)} file{'s' if len(changes) > 1 else ''} with rotbot"
    waits = list(WAITS)
    while True:
        try:
            return _send_once(target, operations, message, parent, create_pr)
        except client_errors() as error:
            may_be_done = create_pr and status_of(error) != TOO_MANY
            if not is_passing(error) or not waits or may_be_done:
                raise explain(error, target.repo) from error
            failure, wait = error, waits.pop(0)
        seconds = pause_after(failure, wait)
        note(f"{explain(failure, target.repo)}; again in {seconds:.0f} s")
        time.sleep(seconds)
        head = None if create_pr else _head_with(target, files, note)
        if head is not None:
            return head, None


def _head_with(target: Target, files: Mapping[str, Content], note: Note) -> str | None:
    """The branch's commit if it has these very files: then it is ours, and only the Hub's answer was lost."""
    with explained(target.repo):
        state = patiently(lambda: look(target), note)
        head = None if state is None else state.branches.get(target.branch)
        there = patiently(lambda: files_at(target, head), note)
    return None if compare(files, there, target.kind) else head


def _operations(
    files: Mapping[str, Content], changes: Sequence[Change]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        CommitOperationDelete(change.path, is_folder=False)
        if change.action == "delete"
        else CommitOperationAdd(change.path, files[change.path])
        for change in changes
    ]


def _send_once(
    target: Target,
    operations: Sequence[CommitOperationAdd | CommitOperationDelete],
    message: str,
    parent: str,
    create_pr: bool,
) -> tuple[str, str | None]:
    from huggingface_hub import HfApi, constants

    try:
        done = HfApi().create_commit(
            target.repo, operations, commit_message=message, repo_type=target.kind, revision=target.branch,
            parent_commit=parent, create_pr=create_pr,
        )  # fmt: skip
    except RuntimeError as error:  # how the client wraps a failed upload, and what hf_xet raises
        if isinstance(error.__cause__, client_errors()):
            raise error.__cause__ from error
        if not constants.HF_HUB_DISABLE_XET:
            raise ConnectionError(str(error)) from error
        raise
    return done.oid, done.pr_url
