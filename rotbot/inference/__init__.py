"""Local generation: one :class:`Engine` protocol, and two engines that start from the very tokens training used."""

from __future__ import annotations

from rotbot.inference.engine import GREEDY, Completion, Engine, PolicyEngine, Sampling, follow, open_engine

__all__ = ["GREEDY", "Completion", "Engine", "PolicyEngine", "Sampling", "follow", "open_engine"]
