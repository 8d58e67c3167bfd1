"""What ``--dry-run`` says beyond the data: the memory a run wants, and its first pack as text with the loss's mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotbot.sft.forward import HEAD_LOGITS

if TYPE_CHECKING:
    from rotbot.sft.run import Run


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that one process will hold, by calculation: ``weights``, ``gradients``, ``optimizer`` state, and
    ``activations`` of one pack at the peak (an upper estimate, since compiled kernels keep fewer)."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def estimate(run: Run) -> Memory:
    """The memory of ``run`` in each of its processes.

    Adam keeps two numbers a parameter, Muon one. A layer keeps its float32 residual stream and what its norms and
    products save for the backward; recomputed layers keep the residual stream alone, and one layer is held whole.
    """
    share = run.world.size if run.forward.through_modules else 1
    trained = [p for p in run.model.parameters() if p.requires_grad]
    muon = 0 if run.optimizers.muon is None else sum(p.numel() for p in run.optimizers.muon.parameters)
    trained_numbers = sum(p.numel() for p in trained)
    numbers = 2 * (trained_numbers - muon) + muon
    c, tokens, width = run.model_config, run.config.batch.pack_tokens, run.forward.dtype.itemsize
    inner = (c.heads + 2 * c.kv_heads) * c.head_dim
    kept_float = 4 * c.dim + 2 * inner  # residual stream and norms
    kept_narrow = 2 * c.dim + 3 * c.heads * c.head_dim + inner + 4 * c.ffn_dim
    attention = 0 if run.forward.fused_attention else tokens * run.config.data.max_length * c.heads * (4 + width)
    layer = tokens * (4 * kept_float + width * kept_narrow) + attention
    stream = tokens * c.dim * 4
    layers = c.layers * stream + layer if run.config.recompute else c.layers * layer
    head = 2 * 4 * min(HEAD_LOGITS, tokens * c.vocab_size)
    return Memory(
        weights=sum(p.numel() * p.element_size() for p in run.model.parameters()) // share,
        gradients=sum(p.numel() * p.element_size() for p in trained) // share,
        optimizer=4 * numbers // share,
        activations=layers + head,
    )


def first_pack(run: Run) -> list[str]:
    """The samples of the first pack, decoded as the model will see them; ⟦…⟧ is what the loss is on."""
    texts: list[str] = []
    for index in run.stream.peek():
        ids, prompt = run.train.tokens(index).tolist(), run.train.prompt_length(index)
        given, learned = (str(run.tokenizer.decode(part)) for part in (ids[:prompt], ids[prompt:]))
        texts.append(f"{given}⟦{learned}⟧")
    return texts
