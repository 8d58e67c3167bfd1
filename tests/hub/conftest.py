"""A Hub of our own, the real client in this process pointed at it, and small folders to push."""

from __future__ import annotations

import json
import struct

import pytest

from tests.hub_server import serve

CARD = """---
license: apache-2.0
configs:
- config_name: sft
  default: true
  data_files:
  - split: train
    path: sft/train-*.parquet
---
# Rows

```python
rows = load_dataset("path/to/this/folder", "sft")  # or the dataset's ID on the Hub
```
"""


@pytest.fixture
def hub():
    with serve() as running:
        running.user("ada", "hf_ada", orgs={"lab": "write", "club": "read"})
        running.user("bob", "hf_bob")
        running.user("eve", "hf_eve", role="read")
        yield running


@pytest.fixture
def login(hub, tmp_path, monkeypatch):
    """Point huggingface_hub, imported long ago with the settings of these tests, at our Hub; log in with a token."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    settings = {
        "ENDPOINT": hub.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_TOKEN_PATH": str(tmp_path / "token"),
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)

    def log_in(token):
        monkeypatch.setenv("HF_TOKEN", token or "")

    log_in("hf_ada")
    yield log_in
    close_session()


@pytest.fixture
def no_waiting(monkeypatch):
    """Pauses between tries are noted, not slept."""
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def write_parquet(path, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    messages = [[{"role": "user", "content": text}] for text in rows]
    pq.write_table(pa.table({"prompt": messages, "completion": messages}), path)


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    write_parquet(folder / "sft" / "train-00000-of-00002.parquet", ["a", "b"])
    write_parquet(folder / "sft" / "train-00001-of-00002.parquet", ["c"])
    (folder / "README.md").write_text(CARD)
    (folder / ".secret").write_text("not to be sent")
    return folder


@pytest.fixture
def model(tmp_path):
    """A folder with the form of a model: 12 numbers, no card."""
    folder = tmp_path / "run" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "dtype": "float32"}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(48))
    return folder
