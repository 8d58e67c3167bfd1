"""Options that several commands have, each in one wording."""

from __future__ import annotations

from typing import Annotated

import typer

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
