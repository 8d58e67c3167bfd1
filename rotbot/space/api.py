"""The named endpoints ``/trace`` and ``/predict``, for ``gradio_client``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from rotbot.cli.trace import trace_data
from rotbot.cli.versus import comparison_data
from rotbot.errors import InputError, RotbotError
from rotbot.rewards.compare import compare
from rotbot.space.answers import check_model, sampling_of, streamed, traced
from rotbot.space.service import Done, Service, Stopped


def add_endpoints(service: Service, offered: tuple[str, ...]) -> None:
    """Register both with the ``gr.Blocks`` that is being built."""

    async def trace(code: str, args: dict[str, Any], target: str | None = None) -> dict[str, Any]:
        """The exact shape of every step of PyTorch code.

        Args:
            code: PyTorch code; it is read, never run.
            args: the shape of each free name, as in {"x": [2, 3], "i": "3,5:int64", "y": "B,T"}.
            target: the variable asked for; empty for the last one assigned.

        Returns:
            target, steps (op, inputs, outputs, line, name, reason), final, error (step, line, reason) and promise.
        """
        try:
            _, found = await traced(*_asked(code, args, target))
        except RotbotError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return trace_data(found)

    async def predict(
        code: str, args: dict[str, Any], target: str | None = None, model: str | None = None, max_tokens: int = 512
    ) -> dict[str, Any]:
        """A model's steps beside the ground truth.

        Args:
            code: PyTorch code; it is read, never run.
            args: the shape of each free name, as for /trace.
            target: the variable asked for; empty for the last one assigned.
            model: embedded, or a Hub ID; empty for the first one offered.
            max_tokens: the most tokens the model may write.

        Returns:
            steps and final of both sides, verdict, scores, the completion and the engine's name.
        """
        try:
            problem, truth = await traced(*_asked(code, args, target))
            chosen, sampling = check_model(_text("model", model), offered), sampling_of(max_tokens, 0.0)
        except RotbotError as error:
            raise gr.Error(str(error), print_exception=False) from error
        async for event in streamed(service, problem, chosen, sampling):
            if isinstance(event, Stopped):
                raise gr.Error(event.reason, print_exception=False)
            if isinstance(event, Done):
                done = {"completion": asdict(event.completion), "engine": event.engine}
                return comparison_data(compare(truth, event.completion.text)) | done
        raise AssertionError("a stream ends with Done or Stopped")

    gr.api(trace, api_name="trace", concurrency_limit=8)
    gr.api(predict, api_name="predict", concurrency_limit=None)


def _asked(code: Any, args: Any, target: Any) -> tuple[str, dict[str, str], str]:
    """A problem's three parts as the page has them, from whatever JSON came. Raises
    :class:`~rotbot.errors.InputError` that says what was expected."""
    if not isinstance(args, dict):
        raise InputError(f'args: expected an object such as {{"x": [2, 3]}}, got {args!r:.80}')
    shapes = {str(name): _shape(str(name), shape) for name, shape in args.items()}
    return _text("code", code), shapes, _text("target", target)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{name}: expected a text, got {value!r:.80}")
    return value


def _shape(name: str, value: Any) -> str:
    if isinstance(value, list) and all(type(dim) in (int, str) for dim in value):
        return "[]" if not value else ",".join(map(str, value))
    if not isinstance(value, str):
        raise InputError(f"{name}: expected a shape such as [2, 3] or '3,5:int64', got {value!r:.80}")
    return value
