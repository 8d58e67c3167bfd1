"""Two updates of a learner, alone or as one of several: ``python -m tests.rl.learner_process GROUPS OUT KEY=VALUE...``.

The first process writes to ``OUT`` what they led to: weights, figures, what the policy thinks of an answer, and the
weights after a third update, taken twice: at once, and after going back to the state before it.
"""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import torch

from rotbot.rl.learner import Learner
from rotbot.sft.parallel import join_world
from tests.rl.runs import make_config


def main(groups_file: str, out: str, *overrides: str) -> None:
    torch.manual_seed(0)
    groups = pickle.loads(Path(groups_file).read_bytes())
    learner = Learner(make_config("dataset=none", *overrides), join_world())
    figures = [learner.train_step(part) for part in (groups[:3], groups[3:])]
    completion = groups[0].group.completions[0]
    found = {
        "figures": [(f.loss.loss.item(), f.loss.kl, f.loss.ratio_max, f.entropy, f.grad_norm) for f in figures],
        "weights": copy.deepcopy(learner.weights()),
        "logprobs": learner.own_logprobs(groups[0].group.task.prompt_ids, completion.tokens)[0],
    }
    state = [copy.deepcopy(learner.state_dict())]  # whole in the first process, which tells the others
    if learner.world.size > 1:
        torch.distributed.broadcast_object_list(state)
    for name in ("once", "again"):
        learner.load_state_dict(copy.deepcopy(state[0]))  # an optimizer takes tensors as they are
        learner.train_step(groups)
        found[name] = copy.deepcopy(learner.weights())
    if learner.world.leads:
        torch.save(found, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
