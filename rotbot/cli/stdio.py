"""``rotbot trace --stdio``: traces for an editor, which starts this once and then asks a line at a time.

Starting a process that imports torch takes seconds; a trace takes milliseconds. So the process stays: a request is a
JSON object on one line of standard input, its answer one line on standard output, in order, until the input ends.

A request has ``code`` and ``args`` (``{"x": [2, 3], "i": "3,5:int64"}``); it may have ``id`` (any JSON, given back),
``target``, and for a function or class in the code ``name``, with the literals ``values`` and ``init`` as text. The
answer has ``id`` and ``status``: ``right``; ``shape error``, with ``region``, lines and columns from 1; ``refused``,
with the ``reason``. Unless it is refused it has ``trace``, which is what ``--format json`` prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TextIO

from rotbot import __version__
from rotbot.cli.formats import error_region
from rotbot.cli.snippet import MAX_BYTES, check_complete
from rotbot.errors import InputError, RotbotError
from rotbot.shapes.arguments import ArgSpec, parse_args
from rotbot.shapes.definitions import program
from rotbot.shapes.isolation import trace_isolated
from rotbot.shapes.trace import ShapeTrace

Answer = dict[str, Any]

_FIELDS = {"id": object, "code": str, "args": dict, "target": str, "name": str, "values": dict, "init": dict}
_LONGEST_LINE = 6 * MAX_BYTES + 65_536
"""In bytes: code of the most bytes, all of them escaped as JSON may, and the rest of the request."""


def serve(source: BinaryIO, out: TextIO, as_data: Callable[[ShapeTrace], Answer]) -> None:
    """Answer requests until the input ends; the first line says that a worker is ready.

    A request that cannot be answered is refused, never the end: whatever is wrong with it is its own.
    """
    trace_isolated("y = x.relu()", parse_args({"x": [2]}))
    _say(out, {"status": "ready", "version": __version__})
    while line := source.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = source.readline(_LONGEST_LINE)
            _say(out, _refused(None, f"expected at most {_LONGEST_LINE} bytes a line, got more"))
        elif not line.isspace():
            _say(out, answer(line, as_data))


def answer(line: bytes, as_data: Callable[[ShapeTrace], Answer]) -> Answer:
    """The answer to one request."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        return _refused(None, f"expected a request in JSON: {error}")
    if not isinstance(request, dict):
        return _refused(None, f"expected a JSON object, got {line[:80].decode(errors='replace')}")
    number = request.get("id")
    try:
        code, specs = _program(request)
        result = trace_isolated(code, specs, request.get("target"))
    except RotbotError as error:
        return _refused(number, str(error))
    status = "right" if result.error is None else "shape error"
    place = {} if result.error is None else {"region": error_region(result, code)}
    return {"id": number, "status": status, **place, "trace": as_data(result)}


def _program(request: Mapping[str, Any]) -> tuple[str, dict[str, ArgSpec]]:
    unknown = request.keys() - _FIELDS.keys()
    if unknown or "code" not in request:
        got = f"got {', '.join(map(repr, sorted(request)))}" if request else "got nothing"
        raise InputError(f"expected code and args, and perhaps {', '.join(sorted(_FIELDS))}; {got:.200}")
    for key, value in request.items():
        if not isinstance(value, _FIELDS[key]):
            raise InputError(f"{key}: expected {_FIELDS[key].__name__}, got {json.dumps(value):.80}")
    code, specs = request["code"], parse_args(request.get("args", {}))
    if len(code) > MAX_BYTES:
        raise InputError(f"code: expected at most {MAX_BYTES} characters, got {len(code)}")
    literals = [_texts(request, key) for key in ("values", "init")]
    if "name" in request:
        if "target" in request:
            raise InputError("target: expected none beside name: of a function or class the result is asked for")
        made = program(code, request["name"], specs, *literals)
        return made.code, made.specs
    if any(literals):
        raise InputError("values and init: expected the name of a function or class beside them")
    check_complete(code, specs)
    return code, specs


def _texts(request: Mapping[str, Any], key: str) -> dict[str, str]:
    """Literals by name: as text, or what JSON can say of them."""
    return {name: v if isinstance(v, str) else repr(v) for name, v in request.get(key, {}).items()}


def _refused(number: Any, reason: str) -> Answer:
    return {"id": number, "status": "refused", "reason": reason}


def _say(out: TextIO, data: Answer) -> None:
    out.write(json.dumps(data) + "\n")
    out.flush()
