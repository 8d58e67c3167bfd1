"""The folder of a Space, made from the one in the package: front matter, and requirements pinned to what runs here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from rotbot import __version__
from rotbot.errors import InputError
from rotbot.hub.ids import read_id

TEMPLATE = Path(__file__).parent.parent / "_space"
_PINNED = ("torch", "transformers", "huggingface_hub", "gradio")


def write_space(folder: Path, models: tuple[str, ...] = (), requirement: str | None = None) -> None:
    """Write README.md, app.py and requirements.txt to ``folder``.

    ``models`` are Hub IDs, offered in this order and fetched when the Space is built (those with a revision when first
    asked for: a Space's front matter names revisions of single files alone); without any it is the embedded one.
    ``requirement`` replaces ``rotbot[space]`` of this version. Raises :class:`~rotbot.errors.InputError` for a
    model that is no Hub ID, and where gradio is not installed, whose version the Space is to have.
    """
    from huggingface_hub import SpaceCard

    for model in models:
        read_id(model)
    pins = {name: _installed(name) for name in _PINNED}
    card = SpaceCard((TEMPLATE / "README.md").read_text(encoding="utf-8"))
    card.data["sdk_version"] = pins["gradio"]
    if models:
        ids = [read_id(model) for model in models]
        card.data["models"] = [one.repo for one in ids]
        whole = [one.repo for one in ids if one.revision is None]
        if whole:
            card.data["preload_from_hub"] = whole
    (folder / "README.md").write_text(str(card), encoding="utf-8")
    app = (TEMPLATE / "app.py").read_text(encoding="utf-8")
    (folder / "app.py").write_text(app.replace('"embedded"', repr(" ".join(models) or "embedded")), encoding="utf-8")
    head = (TEMPLATE / "requirements.txt").read_text(encoding="utf-8").splitlines()[0]
    wanted = requirement or f"rotbot[space]=={__version__}"
    lines = [head, wanted, *[f"{name}=={pin}" for name, pin in pins.items()]]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _installed(name: str) -> str:
    """The public version of a package: what the index has, without this machine's build tag."""
    from importlib.metadata import PackageNotFoundError

    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError as error:
        raise InputError(
            f"{name} is not installed, and a Space pins its version: pip install 'rotbot[space]'"
        ) from error
