"""The benchmark as a task of inspect-ai, for anyone's models and providers:

    pip install rotbot inspect-ai
    cd $(python -c 'import rotbot.evaluation as e; print(e.__path__[0])')  # inspect takes no absolute paths
    inspect eval inspect_task.py --model openai/gpt-5 -T split=ood_depth -T rows=200

inspect-ai is not among rotbot's own dependencies: its pins and vLLM's need environments of their own. The metrics are
those of ``rotbot eval``.
"""

# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUnknownParameterType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ContentReasoning, GenerateConfig
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import generate

from rotbot.errors import InputError
from rotbot.evaluation.cases import dataset_cases, fresh_cases
from rotbot.evaluation.judge import Case, judge
from rotbot.evaluation.prompts import VARIANTS, Variant, messages
from rotbot.problem import Problem
from rotbot.shapes.text import THINK_END
from rotbot.shapes.trace import ShapeTrace

_TURNS = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}


@task
def rotbot_shapes(
    split: str = "id",
    rows: int = 100,
    seed: int = 0,
    dataset: str | None = None,
    prompt: Variant = "explained",
    max_tokens: int = 2048,
) -> Task:
    """One split of the benchmark: fresh problems of ``seed``, or those of a ``dataset`` (folder or Hub ID).

    ``prompt`` is ``plain`` for rotbot's models, ``described`` or ``explained`` for others. Raises
    :class:`~rotbot.errors.InputError` for an unknown split or prompt.
    """
    if prompt not in VARIANTS:
        raise InputError(f"prompt: expected one of {', '.join(VARIANTS)}, got {prompt!r:.80}")
    cases = fresh_cases(split, rows, seed) if dataset is None else dataset_cases(dataset, split, rows)
    samples = [_sample(case, prompt, number) for number, case in enumerate(cases)]
    return Task(
        dataset=MemoryDataset(samples, name=f"rotbot-{split}"),
        solver=generate(),
        scorer=exact_steps(),
        config=GenerateConfig(temperature=0.0, max_tokens=max_tokens),
    )


def _sample(case: Case, prompt: Variant, number: int) -> Any:
    turns = [_TURNS[turn["role"]](content=turn["content"]) for turn in messages(case.problem, prompt)]
    data = {"split": case.split, "problem": case.problem.prompt(), "prompt": prompt}
    return Sample(input=turns, target=case.truth.render(), id=number, metadata=data)


@scorer(metrics={"*": [mean(), stderr()]})
def exact_steps() -> Any:
    """Every step and the final shape held against the truth: no judge model, no credit for a substring."""

    async def score(state: Any, target: Any) -> Any:
        data, text = state.metadata, _text(state.output.message)
        case = Case(data["split"], Problem.parse(data["problem"]), ShapeTrace.parse(target.text))
        verdict = judge(case, [text], data["prompt"]).verdicts[0]
        value = {
            "faithful": float(verdict.faithful),
            "final": float(verdict.final),
            "steps": verdict.steps,
            "lucky": float(verdict.lucky),
            "parsed": float(verdict.parsed),
        }
        return Score(value=value, answer=text)

    return score


def _text(message: Any) -> str:
    """What a model wrote, its thoughts (which inspect-ai takes apart) back before the answer."""
    if isinstance(message.content, str):
        return message.content
    thoughts = "".join([part.reasoning for part in message.content if isinstance(part, ContentReasoning)])
    return f"{thoughts}\n{THINK_END}\n{message.text}" if thoughts else message.text
