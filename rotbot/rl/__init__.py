"""Reinforcement learning with step-level verifiable rewards: advantages and losses on plain tensors, and runs.

:mod:`~rotbot.rl.advantages` turns rewards into advantages, :mod:`~rotbot.rl.loss` turns advantages into a loss,
:mod:`~rotbot.rl.config` says which one. Tensor names end in their dimensions: G groups (prompts), S samples of a group,
B completions, T tokens of a completion, padded on the right.

A run: :mod:`~rotbot.rl.curriculum` picks tasks, :mod:`~rotbot.rl.rollout` draws completions and scores them,
:mod:`~rotbot.rl.buffer` hands out whole steps, :mod:`~rotbot.rl.learner` takes the step. :mod:`~rotbot.rl.local` does
that in one process, :mod:`~rotbot.rl.controller` with the Monarch actors of :mod:`~rotbot.rl.actors`.
"""
