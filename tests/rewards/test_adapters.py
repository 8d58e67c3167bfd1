"""The rewards inside the libraries they are for: the real ones, in an environment of their own where pins clash."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from rotbot.problem import Problem
from rotbot.rewards.trl import reward_function
from tests.rl.trl_grpo import make_trainer, save_model

TWO = Problem("q = s[None, :]\nf = q.expand(4, -1)", {"s": [16]}, "f")
GOLD = TWO.truth().completion()
LUCKY = "step 0: relu | [16] -> [16]\n</think>\nfinal: [4, 16]"


def test_trl_calls_the_reward_with_columns(tmp_path):
    """Through TRL's own ``GRPOTrainer``, which hands the dataset's columns over as keyword arguments."""
    trainer = make_trainer(save_model(tmp_path))
    trainer.reward_funcs = [reward_function()]
    trainer.reward_func_names = ["rotbot_reward"]
    columns = {"code": TWO.code, "args": [{"name": "s", "shape": [16], "dtype": "float32"}], "target": "f"}
    prompt = [{"role": "user", "content": TWO.prompt()}]
    completions = [[{"role": "assistant", "content": text}] for text in (GOLD, LUCKY, "hm", GOLD, GOLD, GOLD)]
    inputs = [{"prompt": prompt, **columns}] * 6
    rewards = trainer._calculate_rewards(inputs, [prompt] * 6, completions, [[1]] * 6)
    assert rewards.tolist() == [[1], [0], [0], [1], [1], [1]]
    bare = trainer._calculate_rewards([{"prompt": TWO.prompt()}] * 6, [TWO.prompt()] * 6, [GOLD] * 6, [[1]] * 6)
    assert bare.tolist() == [[1]] * 6


def test_trl_reward_under_another_rubric():
    assert reward_function("final-only")(completions=[LUCKY], prompts=[TWO.prompt()], step=SimpleNamespace()) == [1.0]


REASONING_GYM = """
import json, reasoning_gym
import rotbot.rewards.gym
data = reasoning_gym.create_dataset("shape_inference", seed=3, size=4, level=2)
again = reasoning_gym.create_dataset("shape_inference", seed=3, size=4, level=2)
entries = list(data)
print(json.dumps({
    "size": len(data), "same": entries == list(again), "question": entries[0]["question"].splitlines()[0][:5],
    "metadata": sorted(entries[0]["metadata"]),
    "gold": [data.score_answer(e["answer"], e) for e in entries],
    "cut": data.score_answer(entries[0]["answer"].split("</think>")[0], entries[0]),
    "swapped": data.score_answer(entries[1]["answer"], entries[0]),
    "none": data.score_answer(None, entries[0]),
}))
"""


@pytest.mark.slow
def test_reasoning_gym(run_foreign):
    found = json.loads(run_foreign(REASONING_GYM))
    assert found == {
        "size": 4, "same": True, "question": "Code:", "gold": [1.0] * 4, "cut": 0.0, "swapped": 0.0, "none": 0.0,
        "metadata": ["args", "code", "difficulty", "source_dataset", "source_index", "target"],
    }  # fmt: skip


VERIFIERS = """
import asyncio, json, sys
sys.path.insert(0, "environments/rotbot_shapes")
import verifiers.v1 as vf
from verifiers.v1.utils.loaders import import_taskset, load_taskset
from verifiers.v1.graph import MessageNode
from verifiers.v1.trace import AgentInfo, Trace, TraceTask
from rotbot.problem import Problem

module = import_taskset("rotbot-shapes")
taskset = load_taskset(module.ShapesConfig(id="rotbot-shapes", seed=3, size=3, level=2))
tasks = list(taskset)
task = tasks[0]
gold = task.problem.truth().completion()
thought, _, answer = gold.partition("</think>")

def scored(**message):
    reply = MessageNode(message=vf.AssistantMessage(**message), sampled=True)
    trace = Trace.model_construct(nodes=[reply], rewards={}, metrics={}, root_reply=None)
    asyncio.run(task.score(trace))
    return trace.rewards["total"].value, trace.metrics

print(json.dumps({
    "tasks": len(tasks), "prompt": Problem.parse(task.data.prompt_text).prompt() == task.data.prompt_text,
    "ids": [t.data.id for t in tasks], "valid": [asyncio.run(t.validate(None)) for t in tasks],
    "gold": scored(content=gold), "split": scored(content=answer, reasoning_content=thought)[0],
    "lucky": scored(content="</think>" + answer),
}))
"""


@pytest.mark.slow
def test_verifiers_taskset(run_foreign):
    found = json.loads(run_foreign(VERIFIERS))
    assert (found["tasks"], found["prompt"], found["valid"]) == (3, True, [True] * 3)
    assert found["ids"] == ["3-2-0", "3-2-1", "3-2-2"]
    assert found["gold"] == [1.0, {"faithful": 1.0, "lucky": 0.0, "parsed": 1.0, "true_steps": 1.0}]
    assert found["split"] == 1.0
    assert found["lucky"] == [0.0, {"faithful": 0.0, "lucky": 1.0, "parsed": 1.0, "true_steps": 0.0}]
