"""The whole way over the Hub, private all along: generate, push, load, train by Hub ID, push, load, predict by Hub ID.

Every step is a process of its own, with the real clients: huggingface_hub, datasets, transformers, vLLM.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.memorized import save_random

RECIPE = """
precision: float32
compile: false
threads: 1
save_dtype: float32
seed: 3
save_every: 3
eval_every: 3
model: {dim: 32, layers: 2, heads: 2, kv_heads: 1, head_dim: 16, ffn_dim: 48, vocab_size: 300}
data: {dataset: ada/shapes@v1, max_length: 512, validation_rows: 4}
batch: {pack_tokens: 512, step_tokens: 1024}
schedule: {steps: 3}
"""

LOAD_DATASET = """
from datasets import load_dataset

whole = load_dataset("ada/shapes", "sft")
first = next(iter(load_dataset("ada/shapes", "sft", split="train", streaming=True)))
tagged = load_dataset("ada/shapes", split="validation", revision="v1")  # sft is the default configuration
assert first == whole["train"][0]
import json, sys
json.dump([{name: len(split) for name, split in whole.items()}, len(tagged), first["prompt"]], sys.stdout)
"""

VLLM = """
import os, sys
os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="ERROR")
os.environ.update(VLLM_CPU_OMP_THREADS_BIND="nobind", VLLM_CPU_KVCACHE_SPACE="1")
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    llm = LLM("ada/tiny", enforce_eager=True, max_model_len=256, distributed_executor_backend="uni", dtype="float32")
    tokens = list(range(40, 60))
    output = llm.generate({"prompt_token_ids": tokens}, SamplingParams(temperature=0, max_tokens=5, ignore_eos=True))
    ours = list(output[0].outputs[0].token_ids)

    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained("ada/tiny")
    wide = model.generate(torch.tensor([tokens]), max_new_tokens=5, min_new_tokens=5, do_sample=False)
    print("GREEDY", ours == wide[0, len(tokens):].tolist())
"""


@pytest.fixture
def run(hub, tmp_path):
    """Run Python on these arguments as ada, in a folder and with caches of its own → what it printed."""
    environment = os.environ | hub.environment("hf_ada", tmp_path / "home")

    def run(*command, code=0, **more):
        done = subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=1800, check=False,
            env=environment | more, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == code, done.stderr[-4000:]
        return done.stdout

    return run


@pytest.fixture
def rotbot(run):
    """Run a command of rotbot's with --json → its result."""
    return lambda *command, **more: json.loads(run("-m", "rotbot", *command, "--json", **more))


@pytest.mark.slow
def test_from_generated_rows_to_predictions_by_hub_id(hub, run, rotbot, tmp_path):
    plain = ["--level", 0, "--wrong", 0, "--idioms", 0, "--eval-rows", 0]
    counts = rotbot("generate", "data", "-n", 240, "--seed", 5, "--workers", 1, *plain)
    pushed = rotbot("push-dataset", "data", "ada/shapes", "--private", "--tag", "v1")
    repo = hub.repo("ada/shapes", "dataset")
    assert repo.private
    assert pushed["repo"] == "ada/shapes"
    assert pushed["commit"] == repo.tags["v1"] == repo.branches["main"]

    splits, tagged, prompt = json.loads(run("-c", LOAD_DATASET))
    assert splits == {
        name: n for split, n in counts["splits"].items() if (name := split.removeprefix("sft/")) in splits
    }
    assert tagged == splits["validation"]
    assert prompt[0]["content"].startswith("Code: ")

    (tmp_path / "recipe.yaml").write_text(RECIPE)
    hub.put(repo, {"README.md": b"---\nconfigs: []\n---\nbroken after v1"})  # @v1 must not see this
    rotbot("sft", "--config", "recipe.yaml", "output=runs/tiny")
    offline = {"HF_HUB_OFFLINE": "1", "HF_TOKEN": ""}
    again = rotbot("sft", "--config", "recipe.yaml", "output=runs/again", "--dry-run", **offline)
    assert again["steps"] == 3, "the cache has what training needs"

    model = rotbot("push-model", "runs/tiny/model", "ada/tiny", "--private")
    assert model["commit"] == hub.repo("ada/tiny").branches["main"]
    card = hub.repo("ada/tiny").find("main").files["README.md"].data.decode()
    assert f"from scratch, seed 3, on ada/shapes@v1 (commit `{pushed['commit']}`):\n3 steps, " in card
    assert "datasets:\n- ada/shapes\n" in card

    problem = ["-c", "y = (x @ w).relu()", "--arg", "x=2,3", "--arg", "w=3,4"]  # that of the card's quick start
    name = f"ada/tiny@{model['commit']}"
    answer = rotbot("predict", name, *problem, "--max-tokens", 256, "--engine", "transformers", code=1)
    assert answer["model"] == name
    assert len(answer["completion"]["text"]) > 0, "three steps teach little, but something is written"
    quick_start = card.partition("```python\n")[2].partition("```")[0]
    assert run("-c", quick_start).startswith(answer["completion"]["text"])
    assert hub.calls("unknown") == 0


@pytest.mark.slow
def test_vllm_and_transformers_read_the_same_model_by_hub_id(hub, run, rotbot, tmp_path):
    rotbot("push-model", save_random(tmp_path / "model"), "ada/tiny", "--private")
    (tmp_path / "greedy.py").write_text(VLLM)
    assert "GREEDY True" in run("greedy.py")
    assert hub.calls("unknown") == 0
