"""A Hub repository's files on this machine: downloaded, or from the cache where they are or the network is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rotbot.errors import HubError, InputError
from rotbot.hub.ids import OTHER, HubId, Kind, parse_id
from rotbot.hub.trouble import Note, explain, explained, patiently, silent

MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt")
"""What a model is loaded from."""


def fetch(hub_id: HubId, kind: Kind, patterns: Sequence[str] | None = None, note: Note = silent) -> Path:
    """The cached folder with the files of ``hub_id`` (those that match ``patterns``); its name is the commit.

    Uses the token if there is one, and the cache alone under ``HF_HUB_OFFLINE``. Raises
    :class:`~rotbot.errors.HubError` that says what the Hub answered, or that the ID is of the other kind.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    def download() -> str:
        return snapshot_download(
            hub_id.repo,
            repo_type=kind,
            revision=hub_id.revision,
            allow_patterns=None if patterns is None else list(patterns),
        )

    with explained(str(hub_id)):
        try:
            return Path(patiently(download, note))
        except RepositoryNotFoundError as error:
            raise not_found(error, hub_id, kind) from error


def not_found(error: Exception, hub_id: HubId, kind: Kind) -> HubError:
    """The error for a repository that is not there: it says so if one of the other kind is."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        other = HfApi().repo_exists(hub_id.repo, repo_type=OTHER[kind])
    except HfHubHTTPError:
        other = False  # the first answer is the one to tell
    if other:
        return HubError(f"{hub_id}: expected a {kind}, on the Hub this is a {OTHER[kind]}")
    return explain(error, str(hub_id))


def fetch_model(hub_id: HubId, note: Note = silent) -> Path:
    """The folder of a model on the Hub, without what loading it does not need. Raises as :func:`fetch` does."""
    return fetch(hub_id, "model", MODEL_FILES, note)


def model_bytes(hub_id: HubId) -> int:
    """How much :func:`fetch_model` would download of a model, nothing cached. Raises as :func:`fetch` does."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.utils import filter_repo_objects

    with explained(str(hub_id)):
        try:
            info = patiently(lambda: HfApi().model_info(hub_id.repo, revision=hub_id.revision, files_metadata=True))
        except RepositoryNotFoundError as error:
            raise not_found(error, hub_id, "model") from error
    files = filter_repo_objects(info.siblings or [], allow_patterns=list(MODEL_FILES), key=lambda file: file.rfilename)
    return sum(file.size or 0 for file in files)


def dataset_folder(id_or_path: str, config: str | None = None) -> Path:
    """The local folder of a dataset: an existing folder, or a Hub ID's files, those of one configuration or all.

    ``datasets`` could read the Hub by itself, but without a network it takes the newest revision it ever prepared.
    Raises :class:`~rotbot.errors.InputError` for what is neither, :class:`~rotbot.errors.HubError` as :func:`fetch`.
    """
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        return path
    hub_id = parse_id(id_or_path)
    if hub_id is None:
        raise InputError(f"expected a dataset folder or a Hub ID (owner/name[@revision]), got {id_or_path!r:.200}")
    try:
        return fetch(hub_id, "dataset") if config is None else fetch_dataset(hub_id, config)
    except HubError as error:
        raise HubError(f"no such dataset folder here, nor from the Hub: {error}", error.passing) from error


def fetch_dataset(hub_id: HubId, config: str, note: Note = silent) -> Path:
    """The folder of a dataset on the Hub, with its card and the files of the configuration ``config``; with all files
    where the card names none. Raises as :func:`fetch` does."""
    folder = fetch(hub_id, "dataset", ["README.md"], note)
    patterns = _data_files(folder / "README.md", config)
    commit = HubId(hub_id.repo, folder.name)  # both calls read the same commit, whatever is pushed in between
    return fetch(commit, "dataset", ["README.md", *patterns] if patterns else None, note)


def _data_files(card: Path, config: str) -> list[str]:
    """The patterns that a card gives for a configuration."""
    from huggingface_hub import DatasetCard

    if not card.is_file():
        return []
    entries = DatasetCard.load(card, ignore_metadata_errors=True).data.to_dict().get("configs") or []
    for entry in entries:
        if entry.get("config_name") == config:
            return list(data_files(entry))
    return []


def data_files(entry: dict[str, object]) -> list[str]:
    """The paths and patterns in one entry of a card's ``configs``, in any of the forms that ``datasets`` reads."""
    value = entry.get("data_files")
    found: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        path = item.get("path") if isinstance(item, dict) else item
        found += path if isinstance(path, list) else [path] if isinstance(path, str) else []
    return found
