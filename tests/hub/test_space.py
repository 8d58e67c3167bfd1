"""``rotbot push-space`` against the tests' Hub: what a Space's repository then has."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from huggingface_hub import SpaceCard

from rotbot.errors import InputError
from rotbot.hub.ids import read_id
from rotbot.hub.push import PushOptions, push
from rotbot.hub.space import write_space


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "space").mkdir()
    return tmp_path / "space"


def test_a_pushed_space_has_front_matter_pinned_requirements_and_its_models(hub, login, folder):
    write_space(folder, ("ada/tiny@v1",), "https://host/rotbot.whl")
    pushed = push(folder, read_id("ada/demo"), "space", PushOptions())
    assert pushed.url == f"{hub.url}/spaces/ada/demo"
    files = hub.repo("ada/demo", "space").find("main").files
    assert {"README.md", "app.py", "requirements.txt"} <= files.keys()
    data = SpaceCard(files["README.md"].data.decode()).data.to_dict()
    assert (data["sdk"], data["sdk_version"], data["python_version"]) == ("gradio", version("gradio"), "3.11")
    assert data["preload_from_hub"] == data["models"] == ["ada/tiny"]
    requirements = files["requirements.txt"].data.decode().splitlines()
    assert requirements[1] == "https://host/rotbot.whl"
    assert f"gradio=={version('gradio')}" in requirements
    assert not [line for line in requirements[2:] if "+" in line or "==" not in line]
    assert "'ada/tiny@v1'" in files["app.py"].data.decode()
    assert push(folder, read_id("ada/demo"), "space", PushOptions()).changes == ()


def test_a_space_offers_hub_ids_only(folder):
    with pytest.raises(InputError, match="expected a Hub ID"):
        write_space(folder, ("../secret",))
    assert not any(folder.iterdir())


def test_a_folder_that_is_no_space_is_not_pushed(hub, login, folder):
    (folder / "README.md").write_text("# nothing")
    with pytest.raises(InputError, match="expected a Space's folder"):
        push(folder, read_id("ada/demo"), "space", PushOptions())
