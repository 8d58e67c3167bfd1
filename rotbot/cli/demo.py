"""``rotbot demo``: the shipped model on four problems, its steps beside the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rotbot.cli.options import EngineKind  # typer reads it

if TYPE_CHECKING:
    from rich.console import Console

    from rotbot.problem import Problem

_PROBLEMS = (
    ("Add a dimension and expand", "q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f"),
    (
        "Attention scores of four heads",
        "b, t, c = x.shape\nq = x.view(b, t, 4, c // 4).transpose(1, 2)\nk = q.transpose(-2, -1)\nscores = q @ k",
        {"x": [2, 10, 32]},
        "scores",
    ),
    (
        "A convolution, a pool and the features",
        "h = F.relu(F.conv2d(x, w, stride=2, padding=1))\np = F.max_pool2d(h, 2)\nout = p.flatten(1)",
        {"x": [4, 3, 32, 32], "w": [6, 3, 3, 3]},
        "out",
    ),
    (
        "Join two sequences, project, take the first token",
        "h = torch.cat([x, y], dim=1)\nz = h @ w\nu = z[:, 0]\nm = u.reshape(2, 4, -1)\nout = m.mean(dim=1)",
        {"x": [2, 6, 16], "y": [2, 10, 16], "w": [16, 32]},
        "out",
    ),
)


def demo(
    model: Annotated[
        str, typer.Argument(help="A Hub ID (owner/name or owner/name@revision), a folder, or embedded.")
    ] = "embedded",
    engine: EngineKind = "auto",
) -> None:
    """Show the shipped model at work: four problems, every step beside what torch.fx says.

    Exit code 0 however well the model does: what it gets wrong is marked.

        rotbot demo --engine transformers
    """
    from rotbot.cli.engine import opened
    from rotbot.cli.versus import answer, speed
    from rotbot.cli.view import console
    from rotbot.inference.engine import Sampling
    from rotbot.models import resolve

    resolve(model)
    out = console()
    tokens, seconds, right = 0, 0.0, 0
    with opened(model, engine) as running:
        for title, problem in problems():
            _show(out, title, problem)
            completion, comparison, _ = answer(
                running, problem, problem.truth(), Sampling(), model, out, live=out.is_terminal
            )
            out.print()
            tokens, seconds = tokens + len(completion.tokens), seconds + completion.seconds
            right += comparison.faithful
        summary = f"{right} of {len(_PROBLEMS)} problems with every step and the final shape right"
        out.print(f"{summary}: {speed(tokens, seconds)}, {model} on {running.name}", style="bold", soft_wrap=True)


def problems() -> list[tuple[str, Problem]]:
    """The four problems with their titles. The first is the format's own example."""
    from rotbot.problem import Problem

    return [(title, Problem(code, args, target)) for title, code, args, target in _PROBLEMS]


def _show(out: Console, title: str, problem: Problem) -> None:
    """The title, the code, the arguments."""
    from rich.text import Text

    out.print(Text(title, style="bold underline"))
    for line in problem.code.split("\n"):
        out.print(Text(f"    {line}", style="cyan"), soft_wrap=True)
    args = ", ".join([f"{name} {list(spec.shape)}" for name, spec in problem.specs])
    out.print(Text(f"    with {args}: the shape of {problem.target}?", style="dim"), soft_wrap=True)
    out.print()
