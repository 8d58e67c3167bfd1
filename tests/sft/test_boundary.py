"""With Qwen3's own vocabulary: what is trained on is what vLLM starts from, and nothing spans the boundary."""

import json
import subprocess
import sys

import pytest
import torch
from datasets import Dataset

from rotbot.models.config import size
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.models.tokenizer import encode_example, load_tokenizer, open_thinking
from rotbot.models.weights import save_folder
from rotbot.sft.data import encode
from tests.qwen_vocabulary import hybrid_template, qwen3_tokenizer, thinking_template
from tests.sft.conftest import problem_rows, write_dataset

TEMPLATES = {"hybrid": hybrid_template, "thinking": thinking_template}
THINK, END_THINK, IM_START, IM_END, NEWLINE, ASSISTANT = 151667, 151668, 151644, 151645, 198, 77091
"""Ids in the published ``tokenizer.json``."""

ASK_VLLM = """
import json, os, sys
os.environ.update(
    VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", HF_HUB_OFFLINE="1", VLLM_CPU_KVCACHE_SPACE="1"
)
from vllm import LLM, SamplingParams
llm = LLM(model=sys.argv[1], max_model_len=512, enforce_eager=True, distributed_executor_backend="uni", dtype="float32")
prompts = json.load(open(sys.argv[2]))
outputs = llm.chat(prompts, SamplingParams(max_tokens=1, temperature=0), use_tqdm=False)
json.dump([list(o.prompt_token_ids) for o in outputs], open(sys.argv[3], "w"))
"""


@pytest.fixture(scope="module", params=TEMPLATES)
def base(request, tmp_path_factory):
    """A model as small as its vocabulary allows, with the tokenizer of a Qwen3."""
    from dataclasses import replace

    config = replace(size("tiny"), vocab_size=151_936, dim=16, layers=1, heads=2, kv_heads=1, head_dim=32, ffn_dim=16)
    model = build_qwen3(config)
    init_weights(model, 0)
    folder = tmp_path_factory.mktemp(request.param) / "base"
    save_folder(folder, model, config, qwen3_tokenizer(TEMPLATES[request.param]()))
    return folder


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """The run and the folder that a step of training made of ``base``."""
    from rotbot.config import apply_overrides, build
    from rotbot.sft.config import SftConfig
    from rotbot.sft.run import build_run
    from rotbot.sft.trainer import train

    root = tmp_path_factory.mktemp("boundary")
    rows = problem_rows(6)
    write_dataset(root / "data", rows, rows)
    settings = [
        f"model.init={base}", f"data.dataset={root / 'data'}", f"output={root / 'run'}", "precision=float32",
        "compile=false",
        "threads=1", "data.max_length=256", "batch.pack_tokens=1024", "batch.step_tokens=1024", "schedule.steps=1",
    ]  # fmt: skip
    run = build_run(build(SftConfig, apply_overrides({}, settings)))
    return run, train(run).model, rows


def test_the_vocabulary_is_qwen3s():
    tokenizer = qwen3_tokenizer(thinking_template())
    assert len(tokenizer) == 151_669
    assert tokenizer.convert_tokens_to_ids(["<think>", "</think>", "<|im_start|>", "<|im_end|>"]) == [
        THINK, END_THINK, IM_START, IM_END,
    ]  # fmt: skip
    assert tokenizer("Hello world!\n12")["input_ids"] == [9707, 1879, 4894, 16, 17]


@pytest.mark.parametrize("template", TEMPLATES)
def test_prompt_and_completion_meet_where_one_text_would_be_cut(template):
    tokenizer = qwen3_tokenizer(TEMPLATES[template]())
    open_thinking(tokenizer)
    rows = problem_rows(6)
    samples = encode(Dataset.from_list(rows), tokenizer, 256)
    assert len(samples) == 6
    for index, row in enumerate(rows):
        ids, cut = samples.tokens(index).tolist(), samples.prompt_length(index)
        assert ids[cut - 4 : cut] == [ASSISTANT, NEWLINE, THINK, NEWLINE]
        assert ids[-1] == IM_END
        assert ids.count(END_THINK) == 1
        answer = row["completion"][0]["content"]
        text = tokenizer.decode(ids[:cut])
        assert tokenizer(text + answer + "<|im_end|>", add_special_tokens=False)["input_ids"] == ids
        assert tokenizer.decode(ids[cut:-1]) == answer
        served = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)
        assert served["input_ids"] == ids[:cut]  # what any server of this folder starts from


def test_an_opened_template_stays_as_it_is_and_can_still_be_told_not_to_think():
    tokenizer = qwen3_tokenizer(hybrid_template())
    open_thinking(tokenizer)
    once = tokenizer.chat_template
    open_thinking(tokenizer)
    assert tokenizer.chat_template == once
    turn = [{"role": "user", "content": "x"}]
    rendered = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n<think>\n"
    empty = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert empty.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


@pytest.mark.slow
def test_vllm_starts_from_the_tokens_trained_on(trained, tmp_path):
    run, folder, rows = trained
    (tmp_path / "prompts.json").write_text(json.dumps([row["prompt"] for row in rows]))
    arguments = [str(folder), str(tmp_path / "prompts.json"), str(tmp_path / "seen.json")]
    done = subprocess.run([sys.executable, "-c", ASK_VLLM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads((tmp_path / "seen.json").read_text())
    trained_on = [run.train.tokens(i)[: run.train.prompt_length(i)].tolist() for i in range(len(rows))]
    assert seen == trained_on
    tokenizer = load_tokenizer(folder)
    for index, row in enumerate(rows):
        prompt, completion = encode_example(tokenizer, row["prompt"], row["completion"][0]["content"])
        assert torch.tensor([*prompt, *completion]).equal(torch.from_numpy(run.train.tokens(index)).long())
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"][0] == IM_END  # vLLM ends where training ended
