"""Problems a second of vLLM beside transformers on the embedded model, and what it takes to start.

Throughput: 256 problems of mixed length, greedy, every way in a process of its own that has answered a few before.
transformers is measured at its best: ``model.generate`` on batches of several sizes, problems of like length together,
and rotbot's own loop, which drops a row when it ends.

Start-up: whole processes by the clock, the median of several, with what of it is the imports of torch.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

PROBLEMS, TOKENS, SEED = 256, 512, 424_242
WAYS = ("generate, batches of 16", "generate, batches of 64", "transformers", "vllm")
LEAST = 3.0
"""How many times the rate of transformers' best way vLLM must reach."""
REPEATS = 3
SNIPPET = ("-c", "y = (x @ w).relu()", "--arg", "x=2,3", "--arg", "w=3,4")


def problems(count: int) -> list[Any]:
    """Fresh problems of the generator's default levels, and a few more to warm up with."""
    from rotbot.problems import stream

    return list(islice(stream(SEED), count))


def measure(way: str) -> dict[str, float]:
    """Answer all problems: seconds, tokens, and the share that is faithful."""
    from rotbot.inference import Sampling, open_engine
    from rotbot.rewards import compare

    asked, sampling = problems(PROBLEMS + 8), Sampling(max_tokens=TOKENS)
    warm, asked = asked[PROBLEMS:], asked[:PROBLEMS]
    if way.startswith("generate"):
        return _generate(int(way.rpartition(" ")[2]), warm, asked)
    with open_engine("embedded", way) as engine:
        engine.generate(warm, sampling)
        began = time.perf_counter()
        made = engine.generate(asked, sampling)
        seconds = time.perf_counter() - began
    faithful = sum(compare(p.truth(), c.text).faithful for p, c in zip(asked, made, strict=True))
    return {"seconds": seconds, "tokens": sum(len(c.tokens) for c in made), "faithful": faithful}


def _generate(rows: int, warm: list[Any], asked: list[Any]) -> dict[str, float]:
    """``model.generate`` of transformers on batches of ``rows`` prompts, sorted by length, padded on the left."""
    import torch
    from transformers import AutoModelForCausalLM

    from rotbot.inference.requests import decode, messages
    from rotbot.models import encode_prompt, resolve
    from rotbot.models.tokenizer import load_tokenizer
    from rotbot.rewards import compare

    folder = resolve("embedded")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(folder)
    pad = int(tokenizer.pad_token_id or 0)

    def answer(some: list[Any]) -> tuple[int, int]:
        ids = [encode_prompt(tokenizer, messages(problem)) for problem in some]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        tokens = faithful = 0
        for at in range(0, len(order), rows):
            batch = order[at : at + rows]
            longest = max(len(ids[i]) for i in batch)
            rows_BT = torch.tensor([[pad] * (longest - len(ids[i])) + ids[i] for i in batch])
            mask_BT = torch.tensor([[0] * (longest - len(ids[i])) + [1] * len(ids[i]) for i in batch])
            with torch.inference_mode():
                out_BT = model.generate(
                    rows_BT, attention_mask=mask_BT, max_new_tokens=TOKENS, do_sample=False, pad_token_id=pad
                )
            for i, row in zip(batch, out_BT[:, longest:].tolist(), strict=True):
                end = next((k for k, token in enumerate(row) if token == tokenizer.eos_token_id), len(row))
                tokens += min(end + 1, len(row))
                faithful += compare(some[i].truth(), decode(tokenizer, row[:end])).faithful
        return tokens, faithful

    answer(warm)
    began = time.perf_counter()
    tokens, faithful = answer(asked)
    return {"seconds": time.perf_counter() - began, "tokens": tokens, "faithful": faithful}


def first_token(kind: str) -> dict[str, float]:
    """Seconds of this process from its first line to a model's first piece of text."""
    from rotbot.inference import follow, open_engine

    pieces: list[float] = []
    with open_engine("embedded", kind) as engine:
        follow(engine.stream(problems(1)[0]), lambda _: pieces.append(time.perf_counter()))
    return {"seconds": pieces[0] - BEGAN}


def in_a_process(*arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.bench
def test_problems_a_second() -> None:
    found = {way: in_a_process("rate", way) for way in WAYS}
    print(f"\n{PROBLEMS} problems of levels 0 to 5, at most {TOKENS} tokens, {os.cpu_count()} cores")
    print(f"{'way':<28}{'problems/s':>12}{'tokens/s':>12}{'faithful':>10}")
    rates = {way: PROBLEMS / one["seconds"] for way, one in found.items()}
    for way, one in found.items():
        print(f"{way:<28}{rates[way]:>12.1f}{one['tokens'] / one['seconds']:>12,.0f}{one['faithful']:>10.0f}")
    best = max((way for way in WAYS if way.startswith("generate")), key=rates.__getitem__)
    ratio, own = rates["vllm"] / rates[best], rates["transformers"] / rates[best]
    print(f"vllm is {ratio:.1f} times {best!r}; rotbot's loop on transformers is {own:.1f} times")
    right = [one["faithful"] for one in found.values()]
    assert max(right) - min(right) <= 3, "one model, greedy: only near-ties may differ"
    assert ratio >= LEAST


def _seconds(*command: str) -> float:
    def once() -> float:
        began = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        assert done.returncode in (0, 1), command  # 1: the model was wrong
        return time.perf_counter() - began

    once()
    return statistics.median(once() for _ in range(REPEATS))


def _requests() -> tuple[float, float]:
    """Of ``rotbot trace --stdio``: seconds until it is ready, and the median of a request."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "rotbot", "trace", "--stdio"]
    line = json.dumps({"code": "y = (x @ w).relu()", "args": {"x": [2, 3], "w": [3, 4]}}) + "\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        ready, taken = time.perf_counter() - began, list[float]()
        for _ in range(100):
            start = time.perf_counter()
            process.stdin.write(line)
            process.stdout.readline()
            taken.append(time.perf_counter() - start)
        process.stdin.close()
    return ready, statistics.median(taken)


@pytest.mark.bench
def test_starting() -> None:
    python, rotbot = (sys.executable, "-c"), (sys.executable, "-m", "rotbot")
    ready, request = _requests()
    rows = {
        "python": _seconds(*python, "pass"),
        "import rotbot": _seconds(*python, "import rotbot"),
        "rotbot --help": _seconds(*rotbot, "--help"),
        "import torch": _seconds(*python, "import torch"),
        "rotbot trace": _seconds(*rotbot, "trace", *SNIPPET),
        "rotbot trace --stdio, ready": ready,
        "rotbot trace --stdio, a request": request,
        "first token, transformers": in_a_process("first", "transformers")["seconds"],
        "first token, vllm": in_a_process("first", "vllm")["seconds"],
        "rotbot predict --engine transformers": _seconds(*rotbot, "predict", "--engine", "transformers", *SNIPPET),
        "rotbot predict --engine vllm": _seconds(*rotbot, "predict", "--engine", "vllm", *SNIPPET),
    }
    print(f"\nseconds, median of {REPEATS} (requests: 100, first tokens: one); load {os.getloadavg()[0]:.1f}")
    for name, seconds in rows.items():
        print(f"{name:<40}{seconds:>9.3f}")
    print(f"import torch is {rows['import torch'] / rows['rotbot trace']:.0%} of a trace")
    assert rows["rotbot --help"] < 1
    assert rows["rotbot trace"] < 2.5
    assert rows["first token, transformers"] < 8


if __name__ == "__main__":
    BEGAN = time.perf_counter()
    sys.path.insert(0, str(Path(__file__).parents[2]))
    kind, name = sys.argv[1:]
    print(json.dumps(measure(name) if kind == "rate" else first_token(name)))
