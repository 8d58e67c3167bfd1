"""``rotbot push-…`` and ``pull-…`` for datasets, models and Spaces: folders to the Hub and back."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotbot.errors import HubError, InputError

if TYPE_CHECKING:
    from rotbot.hub.content import Change
    from rotbot.hub.ids import Kind
    from rotbot.hub.push import PushOptions

RepoId = Annotated[str, typer.Argument(metavar="REPO_ID", help="owner/name on the Hub, with an optional @revision.")]
Branch = Annotated[str | None, typer.Option("--revision", help="The branch to push to (default: main); new ones too.")]
Revision = Annotated[str | None, typer.Option("--revision", help="A branch, tag or commit (default: main).")]
Private = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Propose the commit as a pull request.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Give the pushed commit this name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, list what would be sent, send nothing.")]
PullDryRun = Annotated[bool, typer.Option("--dry-run", help="List what would be written, download nothing.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is not empty.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout, for machines.")]
Out = Annotated[Path | None, typer.Argument(metavar="OUT", help="The folder to write (default: the name in REPO_ID).")]


def push_dataset(
    source: Annotated[
        str, typer.Argument(metavar="DIR|RECIPE", help="What rotbot generate wrote, or the recipe to write it by.")
    ],
    repo_id: RepoId,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to build a RECIPE's dataset (default: ./ its name).")
    ] = None,
    revision: Branch = None,
    private: Private = False,
    create_pr: CreatePr = False,
    tag: Tag = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Push a dataset folder with its card in one commit; what the Hub has already is not sent again.

    A RECIPE (shapes, or a YAML file) is built first, in a folder that stays: the next push finds it there.

        rotbot push-dataset data/shapes owner/shapes --dry-run
    """
    from rotbot.hub.push import PushOptions

    options = PushOptions(private=private, create_pr=create_pr, tag=tag, dry_run=dry_run)
    folder = Path(source).expanduser()
    if not folder.is_dir():
        from rotbot.cli.generate import build_dataset, read_recipe
        from rotbot.hub.ids import read_id
        from rotbot.hub.push import check_push
        from rotbot.recipes import list_recipes

        known = list_recipes("datasets")
        if source not in known and not folder.is_file():
            raise InputError(f"expected a dataset folder, a YAML file or a recipe ({', '.join(known)}), got {source!r}")
        recipe, folder = read_recipe(source, {}), out or Path(Path(source).stem)
        if not folder.is_dir():
            _quiet_client()
            check_push(read_id(repo_id, revision), "dataset", options, _note)
            if dry_run:
                _say_dry_run(recipe.rows, folder, repo_id, as_json)
                return
            build_dataset(folder, recipe)
    _push("dataset", folder, repo_id, revision, options, as_json)


def push_model(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A transformers folder, such as RUN/model.")],
    repo_id: RepoId,
    revision: Branch = None,
    private: Private = False,
    create_pr: CreatePr = False,
    tag: Tag = None,
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="JSON with counts for the card: problems, faithful, final, ….")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Push a model folder in one commit, with its card or one made from what the folder says.

    rotbot push-model runs/tiny/model owner/shapes-tiny --private
    """
    from rotbot.hub.figures import read_evaluation
    from rotbot.hub.push import PushOptions

    figures = () if evaluation is None else read_evaluation(evaluation)
    options = PushOptions(private=private, create_pr=create_pr, tag=tag, evaluation=figures, dry_run=dry_run)
    _push("model", folder, repo_id, revision, options, as_json)


def push_space(
    repo_id: RepoId,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A Hub ID to offer, the first chosen (default: embedded).")
    ] = None,
    requirement: Annotated[
        str | None,
        typer.Option("--requirement", help="What pip installs instead of this release, such as a wheel's URL."),
    ] = None,
    revision: Branch = None,
    private: Private = False,
    create_pr: CreatePr = False,
    tag: Tag = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Push the web demo as a Space of your own: front matter, pinned requirements, models fetched at build time.

    rotbot push-space owner/shape-trace --model owner/shapes-tiny
    """
    import tempfile

    from rotbot.hub.push import PushOptions
    from rotbot.hub.space import write_space

    options = PushOptions(private=private, create_pr=create_pr, tag=tag, dry_run=dry_run)
    with tempfile.TemporaryDirectory(prefix="rotbot-space-") as folder:
        write_space(Path(folder), tuple(model or ()), requirement)
        _push("space", Path(folder), repo_id, revision, options, as_json)


def pull_dataset(
    repo_id: RepoId,
    out: Out = None,
    revision: Revision = None,
    overwrite: Overwrite = False,
    dry_run: PullDryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write a dataset of the Hub to a folder, whole or not at all.

    rotbot pull-dataset owner/shapes@main data/shapes
    """
    _pull("dataset", repo_id, out, revision, overwrite, dry_run, as_json)


def pull_model(
    repo_id: RepoId,
    out: Out = None,
    revision: Revision = None,
    overwrite: Overwrite = False,
    dry_run: PullDryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write a model of the Hub to a folder, whole or not at all.

    rotbot pull-model owner/shapes-tiny runs/pulled
    """
    _pull("model", repo_id, out, revision, overwrite, dry_run, as_json)


def _push(kind: Kind, folder: Path, repo_id: str, revision: str | None, options: PushOptions, as_json: bool) -> None:
    from rotbot.hub.ids import read_id
    from rotbot.hub.push import push

    _quiet_client()
    hub_id = read_id(repo_id, revision)
    try:
        pushed = push(folder, hub_id, kind, options, _note)
    except HubError as error:
        if not error.passing:
            raise
        again = shlex.join(["rotbot", *sys.argv[1:]])
        raise HubError(f"{error}. Whatever the Hub has still loads; go on with: {again}", passing=True) from error
    if as_json:
        print(json.dumps(asdict(pushed)))
        return
    _list(pushed.changes)
    where = f"{pushed.repo}@{pushed.revision}"
    if not pushed.changes:
        print(f"{where} has this already: commit {pushed.commit}{_tagged(pushed.tag)}")
    elif pushed.dry_run:
        print(f"would push {_count(pushed.changes)} to {where} ({pushed.url})")
    elif pushed.pull_request:
        print(f"proposed {_count(pushed.changes)} for {where}: {pushed.pull_request}")
    else:
        print(f"pushed {_count(pushed.changes)} to {where}: commit {pushed.commit}{_tagged(pushed.tag)}\n{pushed.url}")


def _say_dry_run(rows: int, folder: Path, repo_id: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"repo": repo_id, "kind": "dataset", "build": str(folder), "rows": rows, "dry_run": True}))
    else:
        print(f"would build {rows:,} rows and the benchmark's in {folder} and push them to {repo_id}")


def _pull(
    kind: Kind, repo_id: str, out: Path | None, revision: str | None, overwrite: bool, dry_run: bool, as_json: bool
) -> None:
    from rotbot.hub.ids import read_id
    from rotbot.hub.pull import pull

    _quiet_client()
    hub_id = read_id(repo_id, revision)
    pulled = pull(hub_id, kind, out or Path(hub_id.name), overwrite, dry_run, _note)
    if as_json:
        print(json.dumps(asdict(pulled) | {"folder": str(pulled.folder)}))
        return
    _list(pulled.files)
    verb = "would write" if dry_run else "wrote"
    print(f"{verb} {_count(pulled.files)} of {pulled.repo}@{pulled.commit} to {pulled.folder}")


def _quiet_client() -> None:
    """The Hub's client logs every failed try, which we say in our own words, and draws its bars into log files too."""
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils.logging import set_verbosity_error

    set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()


def _note(message: str) -> None:
    print(f"rotbot: {message}", file=sys.stderr, flush=True)


def _list(changes: tuple[Change, ...]) -> None:
    for change in changes:
        size = "" if change.action == "delete" else f"  {_size(change.size)}"
        print(f"{change.action:<6}  {change.path}{size}")


def _count(changes: tuple[Change, ...]) -> str:
    files = "1 file" if len(changes) == 1 else f"{len(changes)} files"
    return f"{files}, {_size(sum(change.size for change in changes))}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def _tagged(tag: str | None) -> str:
    return f", tagged {tag}" if tag else ""
