"""Finished episodes a second of ``rotbot grpo`` beside TRL's ``GRPOTrainer``, and asynchronous beside synchronous.

All train the embedded model on the same prompts, with the same group size, lengths and reward. An episode is finished
when an update has learnt from it (or its group had no signal). Every way is measured in a process of its own, after its
first steps, which load and compile.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

STEPS, WARM = 15, 3
GROUPS, SAMPLES, TOKENS = 8, 8, 256
ROLES = ("generator", "reward", "trainer", "sync")

TRL = """
import json, sys, time
from datasets import load_dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from rotbot.models import resolve
from rotbot.rewards.trl import reward_function

data, output, steps, groups, samples, tokens = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
seconds = []
class Clock(TrainerCallback):
    def on_step_end(self, *_, **__):
        seconds.append(time.perf_counter())
rows = load_dataset(data, "rl", split="train").select_columns(["prompt"])
options = GRPOConfig(
    output, per_device_train_batch_size=groups * samples, num_generations=samples, max_completion_length=tokens,
    max_steps=steps, learning_rate=1e-4, temperature=1.0, report_to=[], use_cpu=True, bf16=False, save_strategy="no",
    logging_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
)
model = str(resolve("embedded"))
trainer = GRPOTrainer(model, reward_function("faithful"), args=options, train_dataset=rows, callbacks=[Clock()])
trainer.train()
print(json.dumps([b - a for a, b in zip(seconds, seconds[1:])]))
"""


def write_prompts(folder: Path) -> Path:
    """A dataset folder of generated problems, none of them so long that it would be left out."""
    from datasets import Dataset

    from rotbot.problems import stream
    from tests.rl.runs import CARD

    (folder / "rl").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    rows = [
        {"prompt": [{"role": "user", "content": problem.prompt()}], "level": 0} for problem in islice(stream(11), 400)
    ]
    short = [row for row in rows if len(row["prompt"][0]["content"]) < 400]
    for split, chosen in (("train", short[8:]), ("validation", short[:8])):
        Dataset.from_list(chosen).to_parquet(folder / "rl" / f"{split}-00000-of-00001.parquet")
    return folder


def run(*command: str, **environment: str) -> str:
    """The last line that a Python process prints."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]


def ours(data: Path, output: Path, runner: str, age: int) -> tuple[float, dict[str, float]]:
    """Median episodes a second and idle shares over the steps after the first ones."""
    run(
        "-m", "rotbot", "grpo", "--runner", runner, "model=embedded", f"dataset={data}", f"output={output}",
        f"steps={STEPS}", f"groups={GROUPS}", f"samples={SAMPLES}", f"max_tokens={TOKENS}", "max_prompt=384",
        f"max_policy_age={age}", "curriculum.replace=0", "eval_rows=0", "tensorboard=false", "save_every=1000",
        "--json",
    )  # fmt: skip
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()][WARM:]
    idle = {role: statistics.fmean(line.get(f"idle_{role}", 1.0) for line in lines) for role in ROLES}
    return sum(line["episodes"] for line in lines) / sum(line["seconds"] for line in lines), idle


@pytest.mark.bench
def test_episodes_a_second(tmp_path: Path) -> None:
    """Prints the table; holds the asynchronous runner against TRL and against the synchronous one."""
    data = write_prompts(tmp_path / "data")
    cores = os.cpu_count() or 1
    numbers = [str(number) for number in (STEPS, GROUPS, SAMPLES, TOKENS)]
    seconds = json.loads(run("-c", TRL, str(data), str(tmp_path / "trl"), *numbers, OMP_NUM_THREADS=str(cores)))[WARM:]
    rates = {"TRL GRPOTrainer": (GROUPS * SAMPLES * len(seconds) / sum(seconds), dict[str, float]())}
    for name, runner, age in (
        ("local, synchronous", "local", 0),
        ("monarch, synchronous", "monarch", 0),
        ("monarch, one step behind", "monarch", 1),
    ):
        rates[name] = ours(data, tmp_path / name.replace(" ", "-"), runner, age)
    print(f"\n{cores} cores, load {os.getloadavg()[0]:.1f}, {SAMPLES} completions of at most {TOKENS} tokens a prompt")
    print(f"{'way':<28}{'episodes/s':>12}" + "".join(f"{'idle ' + role:>16}" for role in ROLES))
    for name, (rate, idle) in rates.items():
        print(f"{name:<28}{rate:>12.2f}" + "".join(f"{idle[role]:>16.0%}" for role in ROLES if idle))
    assert rates["monarch, one step behind"][0] > 2 * rates["TRL GRPOTrainer"][0]
    assert rates["monarch, one step behind"][0] > 1.25 * rates["monarch, synchronous"][0]
