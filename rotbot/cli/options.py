"""Options that several commands have, each in one wording."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rotbot.recipes import Kind


def one_of(*values: str) -> Callable[[str], list[str]]:
    """How a shell completes an option that takes one of ``values``."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def recipes(kind: Kind) -> Callable[[str], list[str]]:
    """How a shell completes the name of a shipped recipe."""

    def complete(incomplete: str) -> list[str]:
        from rotbot.recipes import list_recipes

        return one_of(*list_recipes(kind))(incomplete)

    return complete


ShapeArguments = Annotated[
    list[str] | None,
    typer.Option("--arg", "-a", metavar="NAME=SHAPE", help="An argument: x=2,3 or i=3,5:int64. Repeat for each."),
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible server: http://host:8000/v1.")
]
EndpointTimeout = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long an endpoint's answer may take.")
]
EndpointModel = Annotated[
    str | None, typer.Option("--model-name", help="What the endpoint calls the model (default: its only one).")
]
EngineKind = Annotated[
    str,
    typer.Option("--engine", help="auto, vllm or transformers.", autocompletion=one_of("auto", "vllm", "transformers")),
]
