"""``rotbot predict --file problems.jsonl``: many problems, a line of JSON for each, resumable after a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, TextIO

from rotbot.cli.versus import comparison_data
from rotbot.errors import InputError, SnippetError
from rotbot.inference.engine import Completion, PromptRefused, Sampling
from rotbot.problem import Problem
from rotbot.problems.seeds import derive
from rotbot.rewards.compare import compare
from rotbot.rewards.votes import majority
from rotbot.shapes.isolation import trace_isolated
from rotbot.shapes.trace import ShapeTrace

CHUNK = 64
"""Problems generated together, cut by line number: a run that goes on samples as one that never broke."""

Result = dict[str, Any]


class Generates(Protocol):
    """What this needs of an engine."""

    def generate(self, prompts: Sequence[Problem], sampling: Sampling) -> list[Completion]: ...  # noqa: D102


def read_problems(path: Path) -> list[Problem]:
    """One problem a line, empty ones passed over.

    Each is an object with ``code``, ``target`` and ``args``, either ``{name: shape}`` or as a dataset's rows have them
    (a list of ``name``, ``shape``, ``dtype``). Raises :class:`InputError` that names the line at fault.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected JSON lines in UTF-8, got something else at byte {error.start}") from error
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not (isinstance(row, dict) and row.keys() >= {"code", "args", "target"}):
                raise InputError(f"expected an object with code, args and target, got {line:.80}")
            problems.append(Problem(row["code"], _args(row["args"]), row["target"]))
        except (ValueError, KeyError, TypeError) as error:  # InputError is a ValueError
            raise InputError(f"{path}, line {number}: {error}") from error
        except RecursionError as error:
            raise InputError(f"{path}, line {number}: expected less nesting") from error
    if not problems:
        raise InputError(f"{path}: expected one problem a line, got none")
    return problems


def _args(args: Any) -> Mapping[str, Any]:
    if not isinstance(args, list):
        return args
    for each in args:
        if not (isinstance(each, dict) and "name" in each and isinstance(each.get("shape"), list)):
            raise InputError(f"args: expected objects with name and shape (a list), got {each!r:.80}")
    return {each["name"]: ",".join(map(str, each["shape"])) + ":" + each.get("dtype", "float32") for each in args}


def run(
    problems: Sequence[Problem], engine: Generates, model: str, sampling: Sampling, done: Mapping[int, Result]
) -> Iterator[Result]:
    """The results that are not ``done`` yet (by line number from 1), in order, as they come."""
    for start in range(0, len(problems), CHUNK):
        chunk = list(enumerate(problems[start : start + CHUNK], start + 1))
        if all(number in done for number, _ in chunk):
            continue
        truths = {number: _truth(problem) for number, problem in chunk}
        asked = [(number, problem) for number, problem in chunk if isinstance(truths[number], ShapeTrace)]
        own = replace(sampling, seed=derive("predict", sampling.seed, start))
        answers = _answers(engine, asked, own)
        for number, problem in chunk:
            if number not in done:
                yield _result(number, problem, truths[number], answers.get(number, []), setting(model, sampling))


def _answers(
    engine: Generates, asked: Sequence[tuple[int, Problem]], sampling: Sampling
) -> dict[int, list[Completion] | str]:
    """The completions of each problem, by its number; why there are none, where the engine refuses one."""
    if not asked:
        return {}
    try:
        made = engine.generate([problem for _, problem in asked], sampling)
    except PromptRefused as error:
        if len(asked) == 1:
            return {asked[0][0]: str(error)}
        alone = [
            _answers(engine, [one], replace(sampling, seed=derive("alone", sampling.seed, one[0]))) for one in asked
        ]
        return {number: answer for each in alone for number, answer in each.items()}
    return {number: made[i * sampling.n : (i + 1) * sampling.n] for i, (number, _) in enumerate(asked)}


def setting(model: str, sampling: Sampling) -> dict[str, Any]:
    """What a result depends on besides its problem."""
    return {"model": model, **asdict(sampling)}


def _truth(problem: Problem) -> ShapeTrace | str:
    """The trace, or why there is none."""
    try:
        return trace_isolated(problem.code, dict(problem.specs), problem.target)
    except (SnippetError, InputError) as error:
        return str(error)


def _result(
    number: int, problem: Problem, truth: ShapeTrace | str, made: Sequence[Completion] | str, how: Mapping[str, Any]
) -> Result:
    head: Result = {"line": number, "prompt": problem.prompt(), "setting": dict(how)}
    if isinstance(truth, str):
        return head | {"error": truth}
    if isinstance(made, str):
        return head | {"error": made}
    comparisons = [compare(truth, completion.text) for completion in made]
    vote = majority(comparisons)
    completions = [{"text": c.text, "tokens": len(c.tokens), "finish_reason": c.finish_reason} for c in made]
    data = {"completions": completions, "vote": asdict(vote), **comparison_data(comparisons[vote.chosen])}
    return head | {"error": None} | data


def finished(path: Path, problems: Sequence[Problem], how: Mapping[str, Any]) -> dict[int, Result]:
    """The results that ``path`` has, by line number; a last line that was cut off in writing is taken off the file.

    Raises :class:`InputError` for a file that holds anything else than results of these problems in this setting.
    """
    if not path.exists():
        return {}
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    done: dict[int, Result] = {}
    for at, line in enumerate(whole.decode(errors="replace").splitlines(), 1):
        try:
            row = json.loads(line)
            number, same = row["line"], row["setting"] == dict(how)
            if not (same and 1 <= number <= len(problems) and row["prompt"] == problems[number - 1].prompt()):
                raise InputError("it is of another problem, model or setting")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {at}: expected a result of this run to go on from; {error}") from error
        done[number] = row
    if len(whole) < len(raw):
        os.truncate(path, len(whole))
    return done


def write(results: Iterator[Result], out: TextIO, progress: Callable[[Result], object]) -> None:
    """A line for each result, on the disk before the next one is made."""
    for result in results:
        out.write(json.dumps(result) + "\n")
        out.flush()
        if out.seekable():
            os.fsync(out.fileno())
        progress(result)
