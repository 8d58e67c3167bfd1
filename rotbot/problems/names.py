"""Variable names as people choose them: single letters mostly, meaningful words at times."""

from __future__ import annotations

from random import Random

LETTERS = tuple("abcdefghkmnopqrstuvwxyz")
FAVOURITES = tuple("xyzabqkvshuw")
ARGUMENT_WORDS = (
    "x",
    "inputs",
    "tokens",
    "feats",
    "img",
    "emb",
    "hidden",
    "weight",
    "query",
    "key",
    "value",
    "mask",
    "data",
    "batch",
    "state",
    "src",
    "w",
)
DTYPE_NAMES = {
    "int64": ("idx", "i", "ids", "index", "pos", "order"),
    "bool": ("mask", "keep", "m", "valid", "cond"),
}
RESULT_WORDS: dict[str, tuple[str, ...]] = {
    "reshape": ("flat", "heads", "grid", "groups", "out", "merged"),
    "permute": ("swapped", "perm", "moved", "out", "y"),
    "expand": ("tiled", "wide", "expanded", "rep", "out"),
    "join": ("joined", "both", "stacked", "merged", "pair"),
    "split": ("left", "right", "first", "second", "gate", "rest", "part", "head", "tail"),
    "index": ("sub", "row", "crop", "picked", "last", "out"),
    "reduce": ("pooled", "total", "avg", "score", "stat", "norm"),
    "products": ("scores", "attn", "proj", "prod", "logits", "mix"),
    "elementwise": ("h", "act", "res", "out", "scaled", "y"),
    "scatter": ("picked", "filled", "updated", "out", "buf"),
    "windows": ("patches", "frames", "blocks", "diag", "band"),
    "scan": ("ranked", "best", "running", "deltas", "order", "cum"),
    "masks": ("mask", "keep", "valid", "hit", "masked"),
    "linalg": ("sol", "inv", "basis", "spectrum", "mat", "factor"),
    "fft": ("freq", "spec", "wave", "signal", "modes"),
    "creation": ("base", "init", "noise", "pos", "grid", "ref"),
    "conv": ("feat", "conv", "maps", "pooled", "h"),
    "nn": ("h", "feat", "hidden", "out", "proj", "y"),
    "losses": ("loss", "err", "cost", "penalty"),
}
OTHER_WORDS = ("out", "res", "y", "z", "tmp", "result")
DIM_NAMES: dict[int, tuple[str, ...]] = {
    2: ("b c", "n d", "b n", "m n", "h w", "rows cols"),
    3: ("b t c", "b n d", "b s d", "c h w", "b l e", "batch steps dim"),
    4: ("b c h w", "b h t d", "n c h w", "b t h d"),
    5: ("b c d h w", "b t c h w"),
}

FUNCTION_NAMES = ("f", "g", "step", "block", "forward", "apply", "head", "fn", "transform")
COMMENTS: dict[str, tuple[str, ...]] = {
    "reshape": ("regroup the dimensions", "flatten", "split heads", "same data, other shape"),
    "permute": ("put the channels last", "swap", "reorder the axes"),
    "expand": ("one per batch element", "broadcast"),
    "join": ("put them together", "merge the branches"),
    "split": ("in parts", "two halves"),
    "index": ("keep a part", "first few only"),
    "reduce": ("pool", "average it"),
    "products": ("project", "similarity"),
    "nn": ("layer", "features"),
    "": ("next", "note the order", "see above", "then"),
}
"""What people write above a line: it says what for, never which shape."""


class Names:
    """Hands out names that a program does not use yet."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.words = rng.random() < 0.25
        self.taken: set[str] = set()

    def argument(self, dtype: str) -> str:
        """A name for an argument of ``dtype``: integers are indices, truth values are masks."""
        if dtype in DTYPE_NAMES:
            return self._first(DTYPE_NAMES[dtype])
        return self._first(ARGUMENT_WORDS if self.words else FAVOURITES)

    def result(self, family: str) -> str:
        """A name for the result of an op of ``family``."""
        return self._first(RESULT_WORDS.get(family, OTHER_WORDS) if self.words else LETTERS)

    def function(self) -> str:
        """A name for a function."""
        return self._first(FUNCTION_NAMES)

    def dims(self, rank: int) -> tuple[str, ...]:
        """Names for all dimensions of a shape."""
        choices = [tuple(names.split()) for names in DIM_NAMES.get(rank, ())]
        free = [names for names in choices if self.taken.isdisjoint(names)]
        if free:
            names = self.rng.choice(free)
            self.taken.update(names)
            return names
        return tuple(self._first(LETTERS) for _ in range(rank))

    def _first(self, pool: tuple[str, ...]) -> str:
        """A free name of ``pool``, else a letter, else a numbered one."""
        free = [name for name in pool if name not in self.taken] or [name for name in LETTERS if name not in self.taken]
        name = self.rng.choice(free) if free else f"x{len(self.taken)}"
        self.taken.add(name)
        return name
