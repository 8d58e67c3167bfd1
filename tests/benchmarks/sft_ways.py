"""One way to train a tiny Qwen3, as a process that takes a step whenever it is told to: ``python -m … WAY``.

For every line on stdin a step, and a line of JSON on stdout: tokens of samples (padding not counted), wall and CPU
seconds. At the end of stdin the peak of its resident memory.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from rotbot.models.config import ModelConfig, size
from rotbot.models.qwen3 import build_qwen3, init_weights
from rotbot.models.weights import to_transformers
from rotbot.sft.config import OptimizerSection
from rotbot.sft.data import Samples
from rotbot.sft.forward import PackedForward
from rotbot.sft.optim import build_optimizers
from rotbot.sft.packing import PackStream, build_pack
from rotbot.sft.run import precision

STEP_PACKS, PACK_TOKENS, BATCH = 2, 4096, 50
"""A step is 2 packs of 4,096 tokens, or 50 samples: the same number of tokens within a few percent."""
MODEL: ModelConfig = size("tiny")
Step = Callable[[], int]


def make_samples() -> Samples:
    """Lengths like those of the generated dataset: 60 to 400 tokens, 160 on average; half of them prompt."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.gamma(5.0, 32.0, 2000), 60, 400).astype(np.int64)
    ids = rng.integers(0, 1024, int(lengths.sum())).astype(np.int32)
    return Samples(ids, np.concatenate([[0], np.cumsum(lengths)]), (lengths // 2).astype(np.int32), 0)


def plain_loop(samples: Samples) -> Step:
    """The loop one writes first: float32, padded batches in random order, logits at every position, AdamW."""
    model = build_qwen3(MODEL)
    init_weights(model, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(1)

    def step() -> int:
        chosen = rng.choice(len(samples), BATCH, replace=False)
        longest = max(samples.length(i) for i in chosen)
        tokens = torch.zeros(BATCH, longest, dtype=torch.long)
        labels = torch.full((BATCH, longest), -100)
        for row, i in enumerate(chosen):
            ids = torch.from_numpy(samples.tokens(i)).long()
            tokens[row, : len(ids)] = ids
            labels[row, samples.prompt_length(i) - 1 : len(ids) - 1] = ids[samples.prompt_length(i) :]
        F.cross_entropy(model(tokens).flatten(0, 1), labels.flatten(), ignore_index=-100).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return sum(samples.length(i) for i in chosen)

    return step


def packed(samples: Samples, dtype: torch.dtype, compiled: bool, optimizer: str) -> Step:
    """This package's step."""
    model = build_qwen3(MODEL)
    init_weights(model, 0)
    forward = PackedForward(model, MODEL, dtype, compiled)
    optimizers = build_optimizers(model, OptimizerSection(optimizer), dtype)
    stream = PackStream(samples, PACK_TOKENS, seed=0)

    def step() -> int:
        packs = [build_pack(samples, stream.next(), PACK_TOKENS, 0) for _ in range(STEP_PACKS)]
        total = sum(len(pack.targets_M) for pack in packs)
        for pack in packs:
            (forward(pack)[0] / total).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizers.step(1e-3, 1e-3)
        return sum(samples.length(i) for pack in packs for i in pack.samples)

    return step


def run_trl(samples: Samples, dtype: torch.dtype) -> None:
    """TRL's ``SFTTrainer`` on the same model, rows and mask; its callback waits for the next line before each step.

    Its packing wants flash attention, which a CPU lacks, so its batches are padded; otherwise its defaults.
    """
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from rotbot.models import embedded_path

    ours = build_qwen3(MODEL)
    init_weights(ours, 0)
    model = Qwen3ForCausalLM(Qwen3Config(**MODEL.to_transformers()))
    model.load_state_dict(to_transformers(ours.state_dict(), MODEL), strict=False)
    model.tie_weights()
    rows = [
        {
            "input_ids": samples.tokens(i).tolist(),
            "completion_mask": [int(at >= samples.prompt_length(i)) for at in range(samples.length(i))],
        }
        for i in range(len(samples))
    ]

    class Turns(TrainerCallback):
        seen = 0

        def on_step_begin(self, args, state, control, **rest):
            if not sys.stdin.readline():
                control.should_training_stop = True
            self.started = time.perf_counter(), time.process_time()

        def on_step_end(self, args, state, control, **rest):
            tell(state.num_input_tokens_seen - self.seen, self.started)
            self.seen = state.num_input_tokens_seen

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, max_steps=10_000, max_length=None,
            bf16=dtype == torch.bfloat16,
            use_cpu=not torch.cuda.is_available(), gradient_checkpointing=False, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True, include_num_input_tokens_seen="non_padding",
        )  # fmt: skip
        trainer = SFTTrainer(
            model, settings, train_dataset=Dataset.from_list(rows),
            processing_class=PreTrainedTokenizerFast.from_pretrained(embedded_path()), callbacks=[Turns()],
        )  # fmt: skip
        trainer.train()


def tell(tokens: int, started: tuple[float, float]) -> None:
    """Say what a step did that began at ``started`` (wall and CPU)."""
    wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    print(json.dumps({"tokens": tokens, "wall": wall, "cpu": cpu}), file=ANSWERS, flush=True)


def take_turns(step: Step) -> None:
    """A step for every line."""
    for _ in sys.stdin:
        started = time.perf_counter(), time.process_time()
        tell(step(), started)


BEST = precision("auto")
WAYS: dict[str, Callable[[Samples], None]] = {
    "plain loop, float32": lambda samples: take_turns(plain_loop(samples)),
    "TRL SFTTrainer": lambda samples: run_trl(samples, BEST),
    "rotbot, float32": lambda samples: take_turns(packed(samples, torch.float32, False, "adamw")),
    "rotbot": lambda samples: take_turns(packed(samples, BEST, False, "adamw")),
    "rotbot, compiled, Muon": lambda samples: take_turns(packed(samples, BEST, True, "muon")),
}
"""TRL and the last two compute in bfloat16 where the machine multiplies it natively."""

if __name__ == "__main__":
    ANSWERS, sys.stdout = sys.stdout, sys.stderr  # libraries print too
    WAYS[sys.argv[1]](make_samples())
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), file=ANSWERS, flush=True)
