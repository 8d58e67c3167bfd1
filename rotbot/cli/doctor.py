"""``rotbot doctor``: is everything here that rotbot needs?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "broken": ("✗", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON on stdout, for machines.")] = False,
) -> None:
    """Check versions, extras, torch and vLLM, the Hub and its cache, and say what to do about what is missing.

    Exit code 0 if rotbot can work, 1 if something that it needs is broken.

        rotbot doctor
    """
    from rotbot.cli.view import console, printable
    from rotbot.doctor import examine

    checks = []
    out = console(stderr=as_json)
    for check in examine():
        checks.append(check)
        sign, colour = _SIGNS[check.state]
        out.print(f"{sign} {check.name:<15} ", style=colour, end="")
        out.print(printable(check.value), markup=False, soft_wrap=True)
        if check.advice:
            out.print(f"{'':18}→ {printable(check.advice)}", markup=False, soft_wrap=True, style="dim")
    broken = [check.name for check in checks if check.state == "broken"]
    if as_json:
        print(json.dumps({"usable": not broken, "checks": [asdict(check) for check in checks]}))
    if broken:
        raise typer.Exit(1)
