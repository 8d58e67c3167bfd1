"""``rotbot push-…`` and ``pull-…``: what they print, their exit codes, the command they name for going on."""

from __future__ import annotations

import json
import sys

import pytest

from rotbot.cli.main import main


@pytest.fixture
def rotbot(login, monkeypatch, capsys):
    def run(*args):
        monkeypatch.setattr(sys, "argv", ["rotbot", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


def test_a_push_lists_its_files_and_names_the_commit(hub, rotbot, dataset):
    code, out, _ = rotbot("push-dataset", dataset, "ada/shapes", "--dry-run")
    assert code == 0
    assert "add     sft/train-00000-of-00002.parquet" in out
    assert "would push 3 files, " in out
    assert hub.repos == {}
    code, out, _ = rotbot("push-dataset", dataset, "ada/shapes", "--private", "--tag", "v1")
    commit = hub.repo("ada/shapes", "dataset").branches["main"]
    assert f"to ada/shapes@main: commit {commit}, tagged v1\n{hub.url}/datasets/ada/shapes\n" in out
    code, out, _ = rotbot("push-dataset", dataset, "ada/shapes")
    assert (code, out) == (0, f"ada/shapes@main has this already: commit {commit}\n")


def test_a_recipe_is_built_after_the_hub_has_been_asked(hub, login, rotbot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("rows: 30\nlevels: 0-2\neval_rows: 1\n")
    login("hf_eve")
    code, _, err = rotbot("push-dataset", recipe, "eve/shapes")
    assert (code, "may only read" in err) == (2, True)
    login("hf_ada")
    code, out, _ = rotbot("push-dataset", recipe, "ada/shapes", "--dry-run")
    assert (code, out) == (0, "would build 30 rows and the benchmark's in mine and push them to ada/shapes\n")
    assert not (tmp_path / "mine").exists()
    assert hub.repos == {}
    code, out, err = rotbot("push-dataset", recipe, "ada/shapes", "--json")
    assert code == 0, err
    paths = {change["path"] for change in json.loads(out)["changes"]}
    assert {"README.md", "distributions.png", "sft/train-00000-of-00001.parquet"} <= paths
    code, out, _ = rotbot("push-dataset", recipe, "ada/shapes")
    assert (code, "has this already" in out) == (0, True)


def test_json_is_for_machines(hub, rotbot, dataset, model, tmp_path):
    code, out, _ = rotbot("push-dataset", dataset, "ada/shapes@next", "--json")
    pushed = json.loads(out)
    assert (code, pushed["repo"], pushed["revision"]) == (0, "ada/shapes", "next")
    assert pushed["commit"] == hub.repo("ada/shapes", "dataset").branches["next"]
    assert pushed["changes"][0].keys() == {"path", "action", "size"}
    figures = tmp_path / "figures.json"
    figures.write_text('{"problems": 4, "faithful": 2, "final": 3, "lucky": 1, "parsed": 4}')
    code, out, _ = rotbot("push-model", model, "ada/tiny", "--evaluation", figures, "--json")
    assert json.loads(out)["commit"] == hub.repo("ada/tiny").branches["main"]
    assert b"| faithful |" in hub.repo("ada/tiny").find("main").files["README.md"].data
    code, out, _ = rotbot("pull-model", "ada/tiny", tmp_path / "out", "--json")
    pulled = json.loads(out)
    assert (pulled["commit"], pulled["folder"]) == (hub.repo("ada/tiny").branches["main"], str(tmp_path / "out"))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f["path"] for f in pulled["files"])


def test_a_pull_goes_to_a_folder_of_the_repositorys_name(hub, rotbot, dataset, tmp_path, monkeypatch):
    rotbot("push-dataset", dataset, "ada/shapes")
    monkeypatch.chdir(tmp_path)
    code, out, _ = rotbot("pull-dataset", "ada/shapes", "--revision", "main")
    assert code == 0
    assert out.splitlines()[-1].startswith("wrote 3 files, ")
    assert (tmp_path / "shapes" / "README.md").is_file()


def test_trouble_that_passes_names_the_command_that_goes_on(hub, rotbot, no_waiting, dataset):
    hub.break_next("commit", 500, times=100)
    code, out, err = rotbot("push-dataset", dataset, "ada/shapes", "--tag", "v 1")
    assert (code, out) == (2, "")
    *pauses, last = err.splitlines()
    assert len(pauses) == 3
    assert pauses[0].startswith(
        "rotbot: ada/shapes: the Hub has trouble of its own (500: Internal Server Error); again in"
    )
    assert last.startswith("rotbot: ada/shapes: the Hub has trouble of its own (500: Internal Server Error). Whatever")
    assert last.endswith(f"go on with: rotbot push-dataset {dataset} ada/shapes --tag 'v 1'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push-dataset", "{dataset}", "shapes"], "expected a Hub ID, owner/name[@revision], got 'shapes'"),
        (["push-dataset", "{dataset}", "bob/shapes"], "ada may write to ada, lab, not to bob"),
        (["push-model", "{dataset}", "ada/shapes"], "this is a dataset: rotbot push-dataset"),
        (["pull-dataset", "ada/none"], "ada/none: not on the Hub at"),
        (
            ["pull-model", "ada/x@v1", "--revision", "v2"],
            "expected one revision, got 'v1' in the ID and 'v2' beside it",
        ),
    ],
)
def test_unusable_input_is_one_line_and_exit_2(hub, rotbot, dataset, arguments, message):
    code, out, err = rotbot(*(argument.format(dataset=dataset) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("rotbot: ")
    assert err.count("\n") == 1
