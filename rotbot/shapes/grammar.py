"""The trace text's grammar in the EBNF that xgrammar (vLLM's structured output, llama.cpp) reads.

A context-free grammar cannot count, so every step has a rule of its own, with its number in it. One thing it cannot
say: that several equal shapes are written as ``3 x [2]``. A text it accepts is otherwise one that
:func:`~rotbot.shapes.text.parse` reads without a malformed line.
"""

from __future__ import annotations

from functools import lru_cache

from rotbot.shapes.text import THINK_END

MOST_STEPS = 100
"""After so many steps a text must come to its final line."""

_COMMON = r"""
line ::= op " | " inputs work? " -> " (outputs | "error: " reason)
op ::= [^\n]{1,200}
reason ::= [^\n|]{1,200}
inputs ::= "none" | shapes
work ::= " (" item (", " item){0,63} ")"
item ::= ([^\n|>,\[\]] | "[" [^\n|>\[\]]{0,60} "]"){1,120}
outputs ::= many | "0 x []"
many ::= shapes | ([2-9] | [1-9] [0-9]{1,3}) " x " shape
shapes ::= shape (", " shape){0,255}
shape ::= "[]" | "[" dim (", " dim){0,31} "]"
dim ::= natural | ([0-9_+*/()-]{1,12} " "){0,4} symbolic
symbolic ::= [0-9_+*/()-]{0,12} [A-Za-z] [A-Za-z0-9_+*/()-]{0,24} (" " [A-Za-z0-9_+*/()-]{1,24}){0,4}
natural ::= "0" | [1-9] [0-9]{0,17}
number ::= "0" | [1-9] [0-9]{0,3}
"""


@lru_cache(maxsize=1)
def trace_grammar() -> str:
    """The grammar of a completion: steps, ``</think>``, the final line. Its start is the rule ``root``."""
    steps = [
        f'step{k} ::= "step {k}: " line "\\n" {"final" if k + 1 == MOST_STEPS else f"step{k + 1}"} | final'
        for k in range(MOST_STEPS)
    ]
    final = f'final ::= "{THINK_END}\\nfinal: " (many | "error at step " number)'
    return "\n".join(["root ::= step0", *steps, final]) + _COMMON
