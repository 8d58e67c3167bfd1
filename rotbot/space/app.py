"""The page: editor, arguments that appear by themselves, the truth at once, the model's steps beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import gradio as gr

from rotbot.errors import LimitExceeded, RotbotError
from rotbot.rewards.compare import compare
from rotbot.shapes.trace import ShapeTrace
from rotbot.space import views
from rotbot.space.answers import MAX_TOKENS, check_model, opener, sampling_of, streamed, traced
from rotbot.space.api import add_endpoints
from rotbot.space.examples import EXAMPLES, Example
from rotbot.space.forms import Unfinished, names_of
from rotbot.space.links import MAX_ARGUMENTS, Filled, command, from_query, to_query
from rotbot.space.looks import theme
from rotbot.space.picture import picture
from rotbot.space.service import Done, Loading, Service, Stopped, Waiting, Writing

CSS = Path(__file__).parent / "style.css"
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_COPY_LINK = """async (query) => { const url = location.origin + location.pathname + '?' + query;
  history.replaceState(null, '', url);
  try { await navigator.clipboard.writeText(url); return [query, 'Copied.']; }
  catch { return [query, "It is in the address bar."]; } }"""
_MARK_STOPPED = """() => document.querySelectorAll('.mark.now').forEach((mark) => {
  mark.textContent = 'stopped here'; mark.className = 'mark cut'; })"""
_SHOW_CODE = """() => { const form = document.querySelector('#asking');
  if (form.getBoundingClientRect().top < 0) form.scrollIntoView(); }"""
_SHOW_ANSWER = """() => { const answer = document.querySelector('.answer');
  if (answer.getBoundingClientRect().top > innerHeight / 2) answer.scrollIntoView(); }"""


def build(models: tuple[str, ...] = ("embedded",), service: Service | None = None) -> gr.Blocks:
    """The whole app; ``models`` are offered in the picker, the first is chosen. Call :func:`launch` on it.

    ``service`` answers the visitors; without one it is a new one that opens vLLM where it is installed.
    """
    service = service or Service(opener("auto", models))
    first = EXAMPLES[0]
    with gr.Blocks(title="rotbot: tensor shapes, step by step", analytics_enabled=False) as page:
        gr.Markdown("# Tensor shapes, step by step\nA small model works out every shape; TorchFX checks each step.")
        names = gr.State([])
        last = gr.State("")  # the name assigned last, which is the target until a visitor chooses another
        query = gr.Textbox(visible=False)
        with gr.Row(elem_id="board"):
            with gr.Column(min_width=0, elem_id="asking"):
                code = gr.Code(first.code, language="python", label="PyTorch code", lines=7, max_lines=18,
                               wrap_lines=True)  # fmt: skip
                rows = [
                    gr.Textbox(visible=False, max_lines=1, placeholder="2, 3 or 3,5:int64 or B, T, 64")
                    for _ in range(MAX_ARGUMENTS)
                ]
                target = gr.Dropdown([], label="Target", info="whose shape is asked for", allow_custom_value=True)
                model = gr.Dropdown(list(models), value=models[0], label="Model", info="or a Hub ID, owner/name",
                                    allow_custom_value=True)  # fmt: skip
                with gr.Accordion("Sampling", open=False):
                    tokens = gr.Slider(16, MAX_TOKENS, 512, step=16, label="Most tokens")
                    temperature = gr.Slider(0, 1.5, 0, step=0.1, label="Temperature (0: the likeliest token)")
                with gr.Row(elem_id="buttons"):
                    run = gr.Button("Run the model", variant="primary", elem_id="run", min_width=120)
                    stop = gr.Button("Stop", elem_id="stop", min_width=120)
                gr.Markdown("## Examples")
                with gr.Row(elem_id="examples"):
                    chosen = [(gr.Button(example.title, size="sm", min_width=120), example) for example in EXAMPLES]
            with gr.Column(min_width=0, elem_id="answer", elem_classes="answer"):
                note, fault = gr.HTML(elem_id="note"), gr.HTML(elem_id="fault")
                steps, judged = gr.HTML(elem_id="steps"), gr.HTML(elem_id="verdict")
                with gr.Accordion("The tensor's way", open=True):
                    way = gr.HTML(elem_id="way")
                with gr.Accordion("FX graph", open=False):
                    nodes = gr.HTML()
                with gr.Accordion("What the model wrote", open=False):
                    written = gr.HTML()
            with gr.Column(min_width=0, elem_id="taking"):
                local = gr.Textbox(label="Run this locally", interactive=False, max_lines=12, buttons=["copy"],
                                   elem_id="local")  # fmt: skip
                link = gr.Button("Copy link to this problem", size="sm")
                copied = gr.HTML(elem_id="copied")
        form: list[Any] = [code, target, names, model, *rows]
        truth_outputs: list[Any] = [note, steps, judged, fault, way, nodes, written, query, local]

        def asked(code: str, target: str | None, names: list[str], model: str, *shapes: str | None) -> Filled:
            return _filled(code, target, names, "" if model == models[0] else model, shapes)

        async def truth(*form: Any) -> tuple[str, ...]:
            return await _truth(asked(*form))

        async def changed(known: str, *form: Any) -> Any:  # what is the same stays, an answer beside it too
            filled = asked(*form)
            return [gr.skip()] * len(truth_outputs) if known == to_query(filled) else await _truth(filled)

        def extras(*form: Any) -> tuple[str, str]:
            return _extras(asked(*form))

        def fields(code: str, names: list[str], last: str, target: str | None, *shapes: str | None) -> list[Any]:
            chosen = None if target == last else target
            shown = _fields(code, chosen, dict(_filled(code, target, names, "", shapes).args))
            same = shown[0] == names  # then a shape that is being typed must not be overwritten
            return [*shown[:3], *[gr.skip()] * MAX_ARGUMENTS] if same else shown

        async def answer(
            code: str,
            target: str | None,
            names: list[str],
            model: str,
            tokens: float,
            temperature: float,
            *shapes: str | None,
        ) -> AsyncGenerator[tuple[Any, ...]]:
            async for shown in _answer(
                service, models, _filled(code, target, names, model, shapes), tokens, temperature
            ):
                yield shown

        def opened(request: gr.Request) -> list[Any]:
            filled = from_query(dict(request.query_params)) or _of(first)
            return [filled.code, filled.model or models[0], *_fields(filled.code, filled.target, dict(filled.args))]

        def example_fields(example: Example) -> list[Any]:
            return [example.code, *_fields(example.code, example.target, dict(example.args))]

        seen: dict[str, Any] = {**_PRIVATE, "trigger_mode": "always_last", "concurrency_limit": None}
        filling: list[Any] = [names, last, target, *rows]
        page.load(opened, None, [code, model, *filling], **_PRIVATE).then(truth, form, truth_outputs, **_PRIVATE)
        begun = run.click(truth, form, truth_outputs, concurrency_limit=None, **_PRIVATE)
        ran = begun.then(
            answer, [code, target, names, model, tokens, temperature, *rows], [note, steps, judged, written],
            concurrency_limit=None, **_PRIVATE,
        )  # fmt: skip
        known: list[Any] = [query, *form]
        typed = [box.input for box in (code, target, *rows)]  # an answer to what stands there no more is of no use
        gr.on(typed, None, cancels=[begun, ran], trigger_mode="multiple", **_PRIVATE)
        filled = code.input(fields, [code, *filling], filling, **seen)
        filled.then(changed, known, truth_outputs, **_PRIVATE)
        for box in (target, *rows):  # what comes late, after a run has begun, finds its truth shown already
            gr.on([box.input, box.blur], changed, known, truth_outputs, **seen)
        gr.on([model.input, model.blur], extras, form, [query, local], **seen)
        run.click(None, js=_SHOW_ANSWER, **_PRIVATE)  # on a phone it is below the form
        stopped = stop.click(None, cancels=[begun, ran], **_PRIVATE)
        stopped = stopped.then(_stopped, note, note, **_PRIVATE)
        stopped.then(None, js=_MARK_STOPPED, **_PRIVATE)  # when all that was under way has come
        for button, example in chosen:
            button.click(None, js=_SHOW_CODE, **_PRIVATE)
            button.click(
                lambda example=example: example_fields(example), None, [code, *filling], cancels=[begun, ran],
                **_PRIVATE,
            ).then(truth, form, truth_outputs, **_PRIVATE)  # fmt: skip
        link.click(None, query, [query, copied], js=_COPY_LINK, **_PRIVATE)
        add_endpoints(service, models)
    return page.queue(max_size=200, default_concurrency_limit=16, api_open=False)


def launch(page: gr.Blocks, **options: Any) -> Any:
    """Serve the app with its looks; ``options`` are those of ``gr.Blocks.launch``."""
    return page.launch(
        theme=theme(),
        css_paths=CSS,
        footer_links=["api"],
        ssr_mode=False,
        max_threads=100,
        **options,
    )


def _of(example: Example) -> Filled:
    return Filled(example.code, example.args, example.target)


def _filled(code: str, target: str | None, names: list[str], model: str, shapes: tuple[str | None, ...]) -> Filled:
    """The form's values; a box without a name is not an argument, one that is not filled yet has None."""
    given = tuple([(name, shape or "") for name, shape in zip(names, shapes, strict=False)])
    return Filled(code or "", given, target or "", model or "")


def _fields(code: str, target: str | None, shapes: dict[str, str]) -> list[Any]:
    """The names, the one assigned last, the target's choices and the rows for ``code``; what was typed stays with its
    name. Without a ``target`` that is assigned it is the last one."""
    found = names_of(code)
    if found.problem is not None:
        return [gr.skip()] * (3 + MAX_ARGUMENTS)
    last = found.assigned[-1] if found.assigned else None
    kept = target if target in found.assigned else last
    rows = [gr.update(visible=True, label=f"Shape of {name}", value=shapes.get(name, "")) for name in found.free]
    rows += [gr.update(visible=False, value="")] * (MAX_ARGUMENTS - len(rows))
    return [list(found.free), last or "", gr.update(choices=list(found.assigned), value=kept), *rows]


def _stopped(note: str | None) -> Any:
    """What the note says after Stop: what it said, if nothing went on."""
    return views.status("Stopped.") if views.is_going_on(note or "") else gr.skip()


def _extras(filled: Filled) -> tuple[str, str]:
    return to_query(filled), command(filled)


def _refusal(error: RotbotError) -> str:
    """What is wrong, or in a form that is not filled in yet what to do next, as a sentence."""
    text = f"{str(error).rstrip('.')}."
    if isinstance(error, (Unfinished, LimitExceeded)) or text.startswith("line "):  # else it may begin with a name
        text = text[0].upper() + text[1:]
    return views.status(text, "todo" if isinstance(error, Unfinished) else "bad")


async def _truth(filled: Filled) -> tuple[str, ...]:
    """The ground truth's views, or the sentence that says what is missing."""
    extras = _extras(filled)
    try:
        problem, trace = await traced(filled.code, dict(filled.args), filled.target)
    except RotbotError as error:
        return (_refusal(error), "", "", "", "", "", "", *extras)
    return (
        views.promise(trace), views.truth_steps(trace), "", views.faulty_source(problem.code, trace), picture(trace),
        views.graph(trace), "", *extras,
    )  # fmt: skip


async def _answer(
    service: Service, offered: tuple[str, ...], filled: Filled, tokens: float, temperature: float
) -> AsyncGenerator[tuple[Any, ...]]:
    """Note, steps, verdict and raw text, again and again until the model has ended."""
    try:
        problem, trace = await traced(filled.code, dict(filled.args), filled.target)
        model, sampling = check_model(filled.model, offered), sampling_of(tokens, temperature)
    except RotbotError as error:
        yield _refusal(error), gr.skip(), "", ""
        return
    text: str | None = None  # until it writes
    async for event in streamed(service, problem, model, sampling):
        match event:
            case Waiting(place):
                said = f"In the queue: place {place}." if place else "The model begins."
                yield views.status(said, views.GOING_ON), gr.skip(), "", ""
            case Loading(name):
                said = f"Loading {name}; the first time takes a while."
                yield views.status(said, views.GOING_ON), gr.skip(), "", ""
            case Writing(text, seconds):
                yield (
                    views.status(f"The model is writing ({seconds:.1f} s).", views.GOING_ON),
                    _partly(trace, text),
                    "",
                    views.raw(text),
                )
            case Stopped(reason):
                steps = gr.skip() if text is None else _partly(trace, text, stopped=True)
                yield views.status(reason, "bad"), steps, "", views.raw(text or "")
            case Done(completion, engine):
                judged = compare(trace, completion.text)
                cut = completion.finish_reason == "length" and not judged.faithful
                steps = _partly(trace, completion.text, stopped=True) if cut else views.versus(judged)
                verdict = views.verdict(judged, completion, engine)
                yield views.promise(trace), steps, verdict, views.raw(completion.text)


def _partly(trace: ShapeTrace, text: str, stopped: bool = False) -> str:
    whole, _, partial = text.rpartition("\n")
    return views.versus(compare(trace, whole), partial, stopped)
