"""Reading from the Hub through the real client: by revision, privately, from the cache, and what is said of trouble."""

from __future__ import annotations

import pytest

from rotbot.errors import HubError, InputError
from rotbot.hub.fetch import dataset_folder, fetch, fetch_dataset, fetch_model
from rotbot.hub.ids import HubId
from rotbot.hub.pull import pull
from rotbot.hub.push import PushOptions, push
from rotbot.models import resolve

SHAPES = HubId("ada/shapes")


@pytest.fixture
def pushed(login, dataset):
    push(dataset, SHAPES, "dataset", PushOptions(tag="v1"))
    (dataset / "sft" / "train-00001-of-00002.parquet").unlink()
    push(dataset, SHAPES, "dataset", PushOptions())
    return dataset


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_pulled_folder_is_the_pushed_one_and_pushing_it_changes_nothing(hub, pushed, tmp_path):
    out = tmp_path / "out"
    done = pull(SHAPES, "dataset", out)
    assert names(out) == ["README.md", "sft/train-00000-of-00002.parquet"] == [file.path for file in done.files]
    assert (out / "sft/train-00000-of-00002.parquet").read_bytes() == (
        pushed / "sft/train-00000-of-00002.parquet"
    ).read_bytes()
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert done.commit == hub.repo("ada/shapes", "dataset").branches["main"]
    assert push(out, SHAPES, "dataset", PushOptions()).changes == ()


def test_a_tag_or_commit_gives_its_own_files(hub, pushed, tmp_path):
    done = pull(HubId("ada/shapes", "v1"), "dataset", tmp_path / "v1")
    assert len(names(tmp_path / "v1")) == 3
    pull(HubId("ada/shapes", done.commit), "dataset", tmp_path / "commit")
    assert names(tmp_path / "commit") == names(tmp_path / "v1")
    with pytest.raises(HubError, match="ada/shapes@v9: no such revision on the Hub"):
        pull(HubId("ada/shapes", "v9"), "dataset", tmp_path / "v9")
    assert not (tmp_path / "v9").exists()


def test_a_folder_with_something_in_it_is_replaced_on_request_alone(pushed, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(InputError, match="expected an empty or new folder, got"):
        pull(SHAPES, "dataset", out)
    assert names(out) == ["mine"]
    pull(SHAPES, "dataset", out, overwrite=True)
    assert names(out) == ["README.md", "sft/train-00000-of-00002.parquet"]


def test_a_dry_run_lists_what_a_pull_would_write(hub, pushed, tmp_path):
    listed = pull(SHAPES, "dataset", tmp_path / "out", dry_run=True)
    assert hub.calls("resolve") == 0
    assert not (tmp_path / "out").exists()
    done = pull(SHAPES, "dataset", tmp_path / "out")
    assert (listed.commit, listed.files) == (done.commit, done.files)


def test_without_a_network_the_cache_delivers(hub, pushed, tmp_path, monkeypatch):
    from huggingface_hub import constants

    pull(HubId("ada/shapes", "v1"), "dataset", tmp_path / "one")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    requests = len(hub.log)
    pull(HubId("ada/shapes", "v1"), "dataset", tmp_path / "two")
    assert names(tmp_path / "two") == names(tmp_path / "one")
    for hub_id in (SHAPES, HubId("ada/other")):
        with pytest.raises(HubError, match=f"{hub_id}: not in the cache, and HF_HUB_OFFLINE keeps us from asking"):
            pull(hub_id, "dataset", tmp_path / "three")
    assert len(hub.log) == requests
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch(HubId("ada/shapes", "v1"), "dataset").name == hub.repo("ada/shapes", "dataset").tags["v1"]
    with pytest.raises(HubError, match=r"ada/other: cannot reach the Hub at http://127\.0\.0\.1:9 \(.*refused"):
        fetch(HubId("ada/other"), "dataset")


def test_a_private_repository_needs_the_owners_token(hub, login, model):
    push(model, HubId("ada/tiny"), "model", PushOptions(private=True))
    login("hf_bob")
    with pytest.raises(HubError, match=f"ada/tiny: not on the Hub at {hub.url}, or .* this token may not see it"):
        fetch_model(HubId("ada/tiny"))
    login(None)
    with pytest.raises(HubError, match="or it is private and no token is set"):
        fetch_model(HubId("ada/tiny"))
    login("hf_ada")
    assert names(fetch_model(HubId("ada/tiny"))) == ["config.json", "model.safetensors"]


def test_a_wrong_kind_is_named(hub, pushed, model, tmp_path):
    with pytest.raises(HubError, match="ada/shapes: expected a model, on the Hub this is a dataset"):
        fetch_model(SHAPES)
    with pytest.raises(HubError, match="ada/shapes: expected a model, on the Hub this is a dataset"):
        pull(SHAPES, "model", tmp_path / "out", dry_run=True)
    push(model, HubId("ada/tiny"), "model", PushOptions())
    with pytest.raises(HubError, match="ada/tiny: expected a dataset, on the Hub this is a model"):
        fetch_dataset(HubId("ada/tiny"), "sft")


def test_a_models_name_may_be_a_hub_id_wherever_one_is_named(hub, login, model):
    first = push(model, HubId("ada/tiny"), "model", PushOptions(tag="v1"))
    (model / "config.json").write_text('{"model_type": "qwen3", "dtype": "bfloat16"}')
    push(model, HubId("ada/tiny"), "model", PushOptions())
    assert resolve("ada/tiny@v1").name == first.commit
    assert '"bfloat16"' in (resolve("ada/tiny") / "config.json").read_text()
    with pytest.raises(HubError, match="no such folder here, nor from the Hub: ada/none: not on the Hub at"):
        resolve("ada/none")


def test_a_datasets_name_may_be_a_folder_or_a_hub_id(hub, pushed):
    assert dataset_folder(str(pushed), "sft") == pushed
    assert names(dataset_folder("ada/shapes", "sft")) == ["README.md", "sft/train-00000-of-00002.parquet"]
    assert dataset_folder("ada/shapes@v1").name == hub.repo("ada/shapes", "dataset").tags["v1"]
    with pytest.raises(HubError, match="no such dataset folder here, nor from the Hub: ada/none: not on the Hub at"):
        dataset_folder("ada/none", "sft")
    with pytest.raises(
        InputError, match=r"expected a dataset folder or a Hub ID \(owner/name\[@revision\]\), got 'none'"
    ):
        dataset_folder("none", "sft")


def test_only_the_files_of_a_configuration_are_fetched(hub, login, dataset, tmp_path):
    push(dataset, SHAPES, "dataset", PushOptions())
    hub.put(hub.repo("ada/shapes", "dataset"), {"rl/train-00000-of-00001.parquet": b"PAR1"})
    assert names(fetch_dataset(SHAPES, "sft")) == [
        "README.md", "sft/train-00000-of-00002.parquet", "sft/train-00001-of-00002.parquet",
    ]  # fmt: skip
    assert "rl/train-00000-of-00001.parquet" in names(fetch_dataset(SHAPES, "named in no card"))


@pytest.mark.parametrize("endpoint", ["info", "tree", "resolve", "cdn"])
@pytest.mark.parametrize("fault", [429, 502, "cut"])
def test_passing_trouble_is_waited_out(hub, pushed, no_waiting, tmp_path, endpoint, fault):
    hub.break_next(endpoint, fault, times=2)
    pull(SHAPES, "dataset", tmp_path / "out")
    assert names(tmp_path / "out") == ["README.md", "sft/train-00000-of-00002.parquet"]


def test_lasting_trouble_leaves_no_folder(hub, pushed, no_waiting, tmp_path):
    hub.break_next("info", 500, times=100)
    with pytest.raises(HubError, match=r"ada/shapes: the Hub has trouble of its own \(500: Internal Server Error\)"):
        pull(SHAPES, "dataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()
