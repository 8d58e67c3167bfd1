"""Reinforcement learning with step-level verifiable rewards: advantages and losses on plain tensors.

:mod:`~rotbot.rl.advantages` turns rewards into advantages, :mod:`~rotbot.rl.loss` turns advantages into a loss,
:mod:`~rotbot.rl.config` says which one. Tensor names end in their dimensions: G groups (prompts), S samples of a group,
B completions, T tokens of a completion, padded on the right.
"""
