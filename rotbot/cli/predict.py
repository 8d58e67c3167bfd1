"""``rotbot predict``: a model's steps beside the truth, and where it leaves it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotbot.cli.options import Endpoint, EndpointModel, EndpointTimeout, ShapeArguments, one_of  # typer reads them
from rotbot.cli.view import printable
from rotbot.errors import InputError

if TYPE_CHECKING:
    from rotbot.inference.engine import Sampling
    from rotbot.problem import Problem
    from rotbot.shapes.arguments import ArgSpec
    from rotbot.shapes.trace import ShapeTrace


def predict(
    model: Annotated[
        str, typer.Argument(help="A Hub ID (owner/name or owner/name@revision), a folder, or embedded.")
    ] = "embedded",
    code: Annotated[str | None, typer.Option("--code", "-c", help="The code itself.", metavar="CODE")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A file with the code, - for standard input, or problems.jsonl.")
    ] = None,
    arg: ShapeArguments = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="NAME", help="The variable asked for (default: the last).")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="auto, vllm, transformers or endpoint.",
            autocompletion=one_of("auto", "vllm", "transformers", "endpoint"),
        ),
    ] = "auto",
    endpoint: Endpoint = None,
    name: EndpointModel = None,
    timeout: EndpointTimeout = 600.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="The most tokens the model may write.")] = 1024,
    samples: Annotated[int, typer.Option("--samples", "-k", min=1, help="Answers; the majority counts.")] = 1,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="0 is greedy; the default is 0, with several samples 0.7.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="Of sampling.")] = 0,
    constrained: Annotated[
        bool, typer.Option("--constrained", help="Only tokens that the trace's grammar allows (vLLM or its server).")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="problems.jsonl: a file for the results; a broken run goes on from it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout, people's text on stderr.")] = False,
) -> None:
    """Let a model work out every intermediate shape of PyTorch code, and hold its steps against torch.fx.

    The code comes from -c, --file or standard input; it is read, never run. Exit code 0 if every step and the final
    shape are right, 1 if not, 2 for input that cannot be used.

    With --samples the answer that most samples end with counts. A file problems.jsonl has one problem a line
    (code, args, target); its results are lines of JSON, and the exit code is 0 whatever the model got right.

        rotbot predict -c 'y = (x @ w).relu()' --arg x=2,3 --arg w=3,4

        rotbot predict --samples 5 -c 'y = x.flatten(1).mT' --arg x=2,3,4

        rotbot predict embedded --file problems.jsonl --out results.jsonl

        rotbot predict --endpoint http://127.0.0.1:8000/v1 -c 'y = x[:, 0]' --arg x=2,3
    """
    from rotbot.cli.snippet import check_complete, read_args, read_code
    from rotbot.inference.engine import KINDS, Sampling
    from rotbot.models import resolve

    heat = temperature if temperature is not None else 0.7 if samples > 1 else 0.0
    sampling = Sampling(max_tokens=max_tokens, temperature=heat, seed=seed, n=samples, constrained=constrained)
    if endpoint is not None and engine == "auto":
        engine = "endpoint"
    if engine not in (*KINDS, "endpoint"):
        raise InputError(f"--engine: expected one of {', '.join(KINDS)}, endpoint, got {engine!r:.80}")
    if (engine == "endpoint") != (endpoint is not None):
        raise InputError("--engine endpoint and --endpoint URL belong together; expected both, or --endpoint alone")
    if constrained and engine == "transformers":
        raise InputError("constrained: expected the engine vllm or a vLLM server, got transformers")
    if name is not None and endpoint is None:
        raise InputError(f"--model-name: expected an endpoint for it, got none with {name!r:.80}")
    if file is not None and file.suffix == ".jsonl":
        if code is not None or arg or target is not None:
            raise InputError("problems.jsonl holds code, args and targets; expected no -c, --arg or --target beside it")
        _check_output(output)
        from rotbot.evaluation.benchmark import model_state

        asked = (endpoint, name or "") if endpoint is not None else (model_state(model), engine)
        _predict_file(file, output, opener(model, engine, endpoint, name, timeout), " ".join(asked).strip(), sampling)
        return
    if output is not None:
        raise InputError("--out: expected --file problems.jsonl for it; for one problem use --json")
    source, specs = read_code(file, code).rstrip(), read_args(arg or [])
    check_complete(source, specs)
    if endpoint is None:
        resolve(model)
    problem, truth = problem_of(source, specs, target)

    from rotbot.cli.versus import answer, comparison_data, speed
    from rotbot.cli.view import console

    out = console(stderr=as_json)
    with opener(model, engine, endpoint, name, timeout)() as running:
        live = out.is_terminal and endpoint is None and samples == 1
        shown = running.model if endpoint is not None else model
        completion, comparison, vote = answer(running, problem, truth, sampling, shown, out, live=live)
        took = f"{completion.seconds:.2f} s"  # a server's tokens are not known
        if samples > 1:
            took = f"{samples} answers in {took}"
        elif completion.tokens:
            took = speed(len(completion.tokens), completion.seconds)
        out.print(f"{took} · {printable(running.name)}", style="dim", soft_wrap=True, markup=False)
        ran = running.name
    if as_json:
        data = {
            "problem": {
                "code": problem.code, "args": problem.args, "target": problem.target, "prompt": problem.prompt(),
            },
            "model": shown,
            "engine": ran,
            "vote": asdict(vote),
            "completion": {
                "text": completion.text, "tokens": len(completion.tokens), "finish_reason": completion.finish_reason,
                "seconds": completion.seconds,
            },
        }  # fmt: skip
        print(json.dumps(data | comparison_data(comparison)))
    if not comparison.faithful:
        raise typer.Exit(1)


def _check_output(output: Path | None) -> None:
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise InputError(f"--out: expected a file in a folder that exists, got {str(output)!r}")


def opener(model: str, engine: str, endpoint: str | None, name: str | None, timeout: float) -> Callable[[], Any]:
    """What opens an engine or an endpoint, as a context."""
    if endpoint is not None:
        from rotbot.inference.endpoint import Endpoint

        return partial(Endpoint, endpoint, name, timeout)
    from rotbot.cli.engine import opened

    return partial(opened, model, engine)


def _predict_file(file: Path, output: Path | None, opener: Callable[[], Any], model: str, sampling: Sampling) -> None:
    """Answer every problem of ``file``; progress and the summary go to stderr."""
    from rotbot.cli.batch import finished, read_problems, run, setting, write
    from rotbot.cli.evaluate import progress_bar
    from rotbot.cli.view import console

    problems, screen = read_problems(file), console(stderr=True)
    done = {} if output is None else finished(output, problems, setting(model, sampling))
    results = list(done.values())
    if len(done) < len(problems):
        with opener() as running, progress_bar(screen) as bar, ExitStack() as stack:
            out = sys.stdout if output is None else stack.enter_context(output.open("a", encoding="utf-8"))
            task = bar.add_task(printable(file.name), total=len(problems), completed=len(done))

            def note(result: dict[str, Any]) -> None:
                results.append(result)
                bar.update(task, advance=1)

            write(run(problems, running, model, sampling, done), out, note)
    asked = [result for result in results if result["error"] is None]
    faithful = sum(result["scores"]["faithful"] for result in asked)
    final = sum(result["scores"]["final_correct"] for result in asked)
    untraced = f", {len(results) - len(asked)} could not be traced" if len(asked) < len(results) else ""
    resumed = f", {len(done)} of an earlier run" if done else ""
    text = f"{len(results)} problems: {faithful} faithful, {final} with the right final shape{untraced}{resumed}"
    screen.print(text, soft_wrap=True, markup=False)


def problem_of(code: str, specs: dict[str, ArgSpec], target: str | None) -> tuple[Problem, ShapeTrace]:
    """The problem and its truth, traced in a worker; without ``target`` the last tensor assigned is asked for.

    Raises :class:`~rotbot.errors.InputError` where no variable is assigned, and the
    :class:`~rotbot.errors.SnippetError` family for code that cannot be traced.
    """
    from rotbot.problem import Problem
    from rotbot.shapes.isolation import trace_isolated

    if target is None:
        target = _last_assigned(code, trace_isolated(code, specs))
    problem = Problem(code, specs, target)
    return problem, trace_isolated(code, specs, target)


def _last_assigned(code: str, whole: ShapeTrace) -> str:
    """The variable of the last step that has one; in a program that torch rejects, the last one it would bind."""
    from rotbot.shapes.source import assigned_names, read

    named = [step.name for step in whole.steps if step.name is not None] if whole.error is None else []
    names = named or assigned_names(read(code))
    if not names:
        raise InputError("expected code that assigns its result to a variable, as in y = x @ w; got none to ask for")
    return names[-1]
