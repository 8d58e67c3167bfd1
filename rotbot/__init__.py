"""rotbot teaches a language model n-dimensional tensor shape inference, and checks every step against TorchFX.

``import rotbot`` is fast: nothing heavy (torch, transformers) is imported until it is used.
"""

from __future__ import annotations

from rotbot.problem import Problem
from rotbot.rewards.score import Score, score
from rotbot.shapes import ShapeTrace, Step, StepError, trace

__version__ = "0.1.0"
__all__ = ["Problem", "Score", "ShapeTrace", "Step", "StepError", "__version__", "score", "trace"]
