"""``rotbot space``: the web demo on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from rotbot.cli.options import EngineKind  # typer reads it
from rotbot.errors import InputError


def space(
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model to offer: embedded, a folder, a Hub ID. Repeatable.")
    ] = None,
    engine: EngineKind = "auto",
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 7860,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Serve the web demo: the model's steps beside torch.fx, with a picture of the tensor's way.

    Example: rotbot space --model owner/name --engine transformers
    """
    if find_spec("gradio") is None:
        raise InputError("the web demo needs gradio: pip install 'rotbot[space]'")
    from rotbot.inference.engine import KINDS

    if engine not in KINDS:
        raise InputError(f"--engine: expected one of {', '.join(KINDS)}, got {engine!r:.80}")
    from rotbot.hub.ids import parse_id
    from rotbot.models import resolve
    from rotbot.shapes.isolation import worker_pid
    from rotbot.space.answers import opener
    from rotbot.space.app import build, launch
    from rotbot.space.service import Service

    models = tuple(model or ["embedded"])
    for each in models:
        if Path(each).exists() or parse_id(each) is None:  # the Hub is asked when a visitor wants its model
            resolve(each)
    worker_pid()  # the first visitor should not wait for it
    page = build(models, Service(opener(engine, models)))
    try:
        launch(page, server_name=host, server_port=port, inbrowser=open_browser)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error}") from error
