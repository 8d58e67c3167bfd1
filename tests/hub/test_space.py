"""``rotbot push-space`` against the tests' Hub: what a Space's repository then has."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from huggingface_hub import SpaceCard

from rotbot.cli.main import main
from rotbot.errors import HubError, InputError
from rotbot.hub.fetch import model_bytes
from rotbot.hub.ids import read_id
from rotbot.hub.push import PushOptions, push
from rotbot.hub.space import write_space
from rotbot.space import answers


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "space").mkdir()
    return tmp_path / "space"


def test_a_pushed_space_has_front_matter_pinned_requirements_and_its_models(hub, login, folder):
    write_space(folder, ("ada/tiny@v1", "ada/other"), "https://host/rotbot.whl")
    pushed = push(folder, read_id("ada/demo"), "space", PushOptions())
    assert pushed.url == f"{hub.url}/spaces/ada/demo"
    files = hub.repo("ada/demo", "space").find("main").files
    assert {"README.md", "app.py", "requirements.txt"} <= files.keys()
    data = SpaceCard(files["README.md"].data.decode()).data.to_dict()
    assert (data["sdk"], data["sdk_version"], data["python_version"]) == ("gradio", version("gradio"), "3.11")
    assert data["models"] == ["ada/tiny", "ada/other"]
    assert data["preload_from_hub"] == ["ada/other"]  # of a revision only single files could be
    requirements = files["requirements.txt"].data.decode().splitlines()
    assert requirements[1] == "https://host/rotbot.whl"
    assert f"gradio=={version('gradio')}" in requirements
    assert not [line for line in requirements[2:] if "+" in line or "==" not in line]
    assert "'ada/tiny@v1 ada/other'" in files["app.py"].data.decode()
    assert push(folder, read_id("ada/demo"), "space", PushOptions()).changes == ()


def test_a_space_offers_hub_ids_only(folder):
    with pytest.raises(InputError, match="expected a Hub ID"):
        write_space(folder, ("../secret",))
    assert not any(folder.iterdir())


def test_a_folder_that_is_no_space_is_not_pushed(hub, login, folder):
    (folder / "README.md").write_text("# nothing")
    with pytest.raises(InputError, match="expected a Space's folder"):
        push(folder, read_id("ada/demo"), "space", PushOptions())


def test_the_command_pushes_it_and_a_dry_run_does_not(hub, login, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["rotbot", "push-space", "ada/demo", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr()

    code, said = run("--dry-run", "--model", "ada/tiny")
    assert (code, ("space", "ada/demo") in hub.repos) == (0, False)
    assert "README.md" in said.out + said.err
    code, said = run("--json", "--model", "ada/tiny")
    assert code == 0
    assert json.loads(said.out)["url"] == f"{hub.url}/spaces/ada/demo"
    files = hub.repo("ada/demo", "space").find("main").files
    assert "'ada/tiny'" in files["app.py"].data.decode()
    code, said = run("--model", "nothing")
    assert code == 2
    assert "expected a Hub ID" in said.err


def test_how_much_a_model_has_is_asked_before_it_is_downloaded(hub, login, model, monkeypatch):
    push(model, read_id("ada/tiny"), "model", PushOptions())
    files = hub.repo("ada/tiny", "model").find("main").files
    loaded = [file for file in files if file.endswith((".json", ".safetensors", ".jinja", ".txt"))]
    assert model_bytes(read_id("ada/tiny")) == sum(len(files[file].data) for file in loaded)
    with pytest.raises(HubError, match="ada/nothing"):
        model_bytes(read_id("ada/nothing"))
    monkeypatch.setattr(answers, "MOST_BYTES", 10)
    with pytest.raises(InputError, match=r"expected at most 0 GB, ada/tiny has 0\.0 GB"):
        answers.opener("transformers", ("embedded",))("ada/tiny")
