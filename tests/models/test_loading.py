import os
import subprocess
import sys

import pytest
import torch

import rotbot.models
from rotbot.errors import InputError
from rotbot.models import load, resolve, save_folder
from rotbot.models.loading import embedded_path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = (
    "import sys\nfrom rotbot.models import resolve\nprint(resolve(sys.argv[1]))\nassert 'torch' not in sys.modules"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer, make_config, make_model):
    config = make_config(tied=True)
    path = tmp_path_factory.mktemp("models") / "first"
    save_folder(path, make_model(config), config, tokenizer, torch.bfloat16)
    return path


def run_resolve(name, **environment):
    return subprocess.run(
        [sys.executable, "-c", RESOLVE, name], capture_output=True, text=True, env=os.environ | environment, check=False
    )


def test_a_folder_loads_with_all_that_belongs_to_it(folder, tokenizer, make_config):
    loaded = load(folder)
    assert loaded.path == folder
    assert loaded.config == make_config(tied=True)
    assert loaded.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert loaded.model.norm.scale.dtype == torch.bfloat16
    assert load(str(folder), dtype=torch.float32, max_seq_len=9).model(torch.zeros(1, 9, dtype=torch.long)).shape == (
        1,
        9,
        400,
    )
    with pytest.raises(ValueError, match="seq_len"):
        load(folder, max_seq_len=9).model(torch.zeros(1, 10, dtype=torch.long))


def test_a_hub_id_and_its_revision_come_from_the_cache_without_a_network(folder, tmp_path):
    repo = tmp_path / "models--someone--first"
    (repo / "snapshots").mkdir(parents=True)
    (repo / "refs").mkdir()
    for ref in ("main", "v2"):
        (repo / "refs" / ref).write_text(COMMIT)
    (repo / "snapshots" / COMMIT).symlink_to(folder)
    offline = {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    for name in ("someone/first", "someone/first@v2", f"someone/first@{COMMIT}"):
        result = run_resolve(name, **offline)
        assert result.stdout.strip() == str(repo / "snapshots" / COMMIT), result.stderr
    refused = run_resolve("someone/first@v3", **offline)
    assert refused.returncode == 1
    assert "HubError: no such folder here, nor from the Hub: someone/first@v3: not in the cache" in refused.stderr


def test_an_unreachable_hub_is_said_in_one_line(tmp_path):
    result = run_resolve("no/such", HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_CACHE=str(tmp_path))
    last = result.stderr.strip().split("\n")[-1]
    assert last.startswith(
        "rotbot.errors.HubError: no such folder here, nor from the Hub: no/such: cannot reach the Hub"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeded", "got 'embeded'; did you mean 'embedded'?"),
        ("{parent}/frist", "did you mean '{parent}/first'?"),
        ("{parent}/first/config.json", "expected a model folder or a Hub ID, got the file"),
        ("{parent}", "expected a model folder with config.json, found none in {parent}"),
        ("a/b/c", "expected 'embedded', a model folder or a Hub ID (owner/name[@revision]), got 'a/b/c'"),
        ("../etc", "got '../etc'"),
        ("", "got ''"),
    ],
)
def test_a_name_that_is_nothing_says_what_was_expected(folder, name, message):
    with pytest.raises(InputError) as caught:
        resolve(name.format(parent=folder.parent))
    assert message.format(parent=folder.parent) in str(caught.value)


def test_embedded_is_a_reserved_name(tmp_path, monkeypatch):
    """A folder of that name in the working directory does not shadow what the package ships."""
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    shipped = os.path.join(os.path.dirname(rotbot.models.__file__), "embedded")
    if os.path.isdir(shipped):
        assert str(resolve("embedded")) == str(embedded_path()) == shipped
    else:
        with pytest.raises(InputError, match="has no embedded model"):
            resolve("embedded")


def test_importing_the_package_brings_nothing_heavy():
    code = (
        "import sys, rotbot.models\n"
        "assert rotbot.models.SIZES['tiny'].dim == 256\n"
        "heavy = {'torch', 'transformers', 'torchtune', 'huggingface_hub'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_export_exists():
    for name in rotbot.models.__all__:
        assert getattr(rotbot.models, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        rotbot.models.nothing  # noqa: B018
