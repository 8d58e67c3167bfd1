"""Pushing through the real client: what is sent, what is not, and what the Hub has afterwards, faults included."""

from __future__ import annotations

import json

import pytest

from rotbot.errors import HubError, InputError
from rotbot.hub.ids import HubId
from rotbot.hub.push import PushOptions, push

SHAPES = HubId("ada/shapes")


def push_dataset(folder, hub_id=SHAPES, note=lambda message: None, **options):
    return push(folder, hub_id, "dataset", PushOptions(**options), note)


def paths(changes):
    return [(change.action, change.path) for change in changes]


def files(hub, repo_id="ada/shapes", kind="dataset", revision="main"):
    return {path: blob.data for path, blob in hub.repo(repo_id, kind).find(revision).files.items()}


def test_card_and_data_arrive_in_one_commit(hub, login, dataset):
    done = push_dataset(dataset)
    repo = hub.repo("ada/shapes", "dataset")
    assert done.commit == repo.branches["main"]
    assert [commit.title for commit in repo.history("main")] == ["Push 3 files with rotbot", "initial commit"]
    assert done.created
    assert not repo.private
    sent = files(hub)
    assert sorted(sent) == [
        ".gitattributes", "README.md", "sft/train-00000-of-00002.parquet", "sft/train-00001-of-00002.parquet",
    ]  # fmt: skip
    assert sent["sft/train-00001-of-00002.parquet"] == (dataset / "sft/train-00001-of-00002.parquet").read_bytes()
    assert b'rows = load_dataset("ada/shapes", "sft")\n' in sent["README.md"]
    assert done.url == f"{hub.url}/datasets/ada/shapes"


def test_a_second_push_sends_nothing_and_a_third_only_what_changed(hub, login, dataset):
    first = push_dataset(dataset)
    uploads = hub.calls("lfs-put")
    again = push_dataset(dataset)
    assert again.changes == ()
    assert again.commit == first.commit
    assert not again.created
    assert hub.calls("commit") == 1
    (dataset / "sft" / "train-00001-of-00002.parquet").unlink()
    (dataset / "sft" / "train-00000-of-00002.parquet").rename(dataset / "sft" / "train-00000-of-00001.parquet")
    third = push_dataset(dataset)
    assert paths(third.changes) == [
        ("add", "sft/train-00000-of-00001.parquet"), ("delete", "sft/train-00000-of-00002.parquet"),
        ("delete", "sft/train-00001-of-00002.parquet"),
    ]  # fmt: skip
    assert sorted(files(hub)) == [".gitattributes", "README.md", "sft/train-00000-of-00001.parquet"]
    assert hub.calls("lfs-put") == uploads, "the moved file's content is there already"


def test_what_others_put_beside_our_files_stays(hub, login, dataset):
    push_dataset(dataset)
    hub.put(hub.repo("ada/shapes", "dataset"), {"LICENSE": b"theirs", "eval/old.parquet": b"ours, from before"})
    done = push_dataset(dataset)
    assert paths(done.changes) == [("delete", "eval/old.parquet")]
    assert files(hub)["LICENSE"] == b"theirs"


def test_a_dry_run_lists_and_sends_nothing(hub, login, dataset):
    done = push_dataset(dataset, private=True, dry_run=True)
    assert len(done.changes) == 3
    assert done.commit is None
    assert hub.repos == {}
    push_dataset(dataset, private=True)
    head = hub.repo("ada/shapes", "dataset").branches["main"]
    (dataset / "README.md").write_text((dataset / "README.md").read_text() + "more\n")
    done = push_dataset(dataset, dry_run=True)
    assert (done.commit, paths(done.changes)) == (head, [("update", "README.md")])
    assert hub.repo("ada/shapes", "dataset").branches["main"] == head


def test_private_makes_a_private_repository_and_does_not_pretend_to_hide_a_public_one(hub, login, dataset):
    push_dataset(dataset, private=True)
    assert hub.repo("ada/shapes", "dataset").private
    assert push_dataset(dataset, private=True).changes == ()
    hub.create("ada/open", "dataset")
    with pytest.raises(InputError, match="expected a new or a private repository, ada/open is public"):
        push_dataset(dataset, HubId("ada/open"), private=True)


def test_a_branch_and_a_tag(hub, login, dataset):
    push_dataset(dataset)
    repo = hub.repo("ada/shapes", "dataset")
    main = repo.branches["main"]
    (dataset / "sft" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 other")
    done = push_dataset(dataset, HubId("ada/shapes", "next"), tag="v2")
    assert repo.branches == {"main": main, "next": done.commit}
    assert repo.tags == {"v2": done.commit}
    assert paths(done.changes) == [("update", "sft/train-00001-of-00002.parquet")]
    assert push_dataset(dataset, HubId("ada/shapes", "next"), tag="v2").changes == ()
    with pytest.raises(
        InputError, match=f"expected a new name, 'v2' is commit {done.commit[:8]} of ada/shapes already"
    ):
        push_dataset(dataset, tag="v2")
    with pytest.raises(InputError, match="expected a branch, 'v2' is a tag of ada/shapes"):
        push_dataset(dataset, HubId("ada/shapes", "v2"))
    assert repo.branches["main"] == main


def test_a_pull_request_leaves_the_branch_and_needs_no_right_to_write(hub, login, dataset):
    push_dataset(dataset)
    main = hub.repo("ada/shapes", "dataset").branches["main"]
    (dataset / "README.md").write_text((dataset / "README.md").read_text() + "more\n")
    login("hf_bob")
    with pytest.raises(HubError, match="bob may write to bob, not to ada; --create-pr proposes a change instead"):
        push_dataset(dataset)
    done = push_dataset(dataset, create_pr=True)
    assert done.pull_request == f"{hub.url}/datasets/ada/shapes/discussions/1"
    assert hub.repo("ada/shapes", "dataset").branches["main"] == main
    assert b"more" in files(hub, revision="refs/pr/1")["README.md"]
    with pytest.raises(InputError, match="expected a repository that exists, ada/new does not"):
        push_dataset(dataset, HubId("ada/new"), create_pr=True)
    with pytest.raises(InputError, match="expected --create-pr or --tag, got both"):
        push_dataset(dataset, create_pr=True, tag="v1")


def test_organizations_take_what_ones_role_allows(hub, login, dataset):
    assert push_dataset(dataset, HubId("lab/shapes")).created
    with pytest.raises(HubError, match="ada may write to ada, lab, not to club"):
        push_dataset(dataset, HubId("club/shapes"))


def test_a_model_without_a_card_gets_one_in_the_same_commit(hub, login, model):
    done = push(model, HubId("ada/tiny"), "model", PushOptions())
    assert paths(done.changes) == [("add", "config.json"), ("add", "model.safetensors"), ("add", "README.md")]
    assert b"rotbot predict ada/tiny" in files(hub, "ada/tiny", "model")["README.md"]
    assert not (model / "README.md").exists()
    assert push(model, HubId("ada/tiny"), "model", PushOptions()).changes == ()
    hub.put(hub.repo("ada/tiny"), {"model-00001-of-00002.safetensors": b"stale", "notes.txt": b"theirs"})
    done = push(model, HubId("ada/tiny"), "model", PushOptions())
    assert paths(done.changes) == [("delete", "model-00001-of-00002.safetensors")]


@pytest.mark.parametrize(
    ("endpoint", "status", "message"),
    [
        ("whoami", 401, "ada/shapes: the Hub does not accept the token"),
        ("whoami", 403, "ada/shapes: this token may not do that"),
        ("create", 403, "ada/shapes: this token may not do that"),
        ("preupload", 403, "ada/shapes: this token may not do that (injected 403)"),
        ("lfs-batch", 404, "ada/shapes: injected 404"),
        ("commit", 404, "ada/shapes: injected 404"),
        ("commit", 409, "ada/shapes: in conflict with what is on the Hub (injected 409)"),
        ("commit", 412, "ada/shapes: someone else has committed there in the meantime (injected 412)"),
        ("commit", 413, "ada/shapes: injected 413"),
        ("whoami", 429, "ada/shapes: the Hub asks for a pause (429, too many requests)"),
        ("commit", 500, "ada/shapes: the Hub has trouble of its own (500: Internal Server Error)"),
        ("lfs-put", 500, "ada/shapes: the Hub has trouble of its own (500: Internal Server Error)"),
        ("commit", "cut", "ada/shapes: the connection to the Hub at"),
        ("tree", "cut", "ada/shapes: the connection to the Hub at"),
    ],
)
def test_a_broken_push_says_why_and_leaves_the_branch(hub, login, no_waiting, dataset, endpoint, status, message):
    hub.break_next(endpoint, status, times=100)
    with pytest.raises(HubError) as caught:
        push_dataset(dataset)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.passing == (status in (409, 412, 429, 500, "cut"))
    if ("dataset", "ada/shapes") in hub.repos:
        assert list(files(hub)) == [".gitattributes"]
    hub.faults.clear()
    assert push_dataset(dataset).changes, "the same command goes on"
    assert len(files(hub)) == 4


@pytest.mark.parametrize(
    "endpoint", ["whoami", "info", "refs", "tree", "validate-yaml", "create", "preupload", "commit"]
)
@pytest.mark.parametrize("fault", [429, 503, "cut"])
def test_passing_trouble_is_waited_out(hub, login, no_waiting, dataset, endpoint, fault):
    hub.break_next(endpoint, fault, times=2)
    push_dataset(dataset)
    assert len(files(hub)) == 4
    assert len(hub.repo("ada/shapes", "dataset").history("main")) == 2


def test_a_pause_is_as_long_as_the_hub_asks_and_is_said(hub, login, no_waiting, dataset):
    hub.break_next("commit", 429, headers={"Retry-After": "17"})
    said = []
    push_dataset(dataset, note=said.append)
    assert no_waiting == [17.0]
    assert said == ["ada/shapes: the Hub asks for a pause (429, too many requests); again in 17 s"]


@pytest.mark.parametrize("fault", [500, "cut"])
def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub, login, no_waiting, dataset, fault):
    hub.break_next("commit", fault, after=True)
    done = push_dataset(dataset)
    assert done.commit == hub.repo("ada/shapes", "dataset").branches["main"]
    assert hub.calls("commit") == 1


@pytest.mark.parametrize("endpoint", ["create", "branch", "tag", "lfs-put"])
def test_what_was_done_when_its_answer_was_lost_is_taken_as_done(hub, login, no_waiting, dataset, endpoint):
    hub.break_next(endpoint, "cut", after=True)
    done = push_dataset(dataset, HubId("ada/shapes", "next"), tag="v1")
    repo = hub.repo("ada/shapes", "dataset")
    assert repo.tags == {"v1": done.commit} == {"v1": repo.branches["next"]}
    assert len(repo.history("next")) == 2


def test_a_tag_that_another_took_in_the_meantime_is_not_called_ours(hub, login, dataset, monkeypatch):
    from huggingface_hub import HfApi

    create_tag = HfApi.create_tag

    def late(self, *args, **kwargs):
        repo = hub.repo("ada/shapes", "dataset")
        repo.tags["v1"] = repo.history("main")[-1].oid
        return create_tag(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_tag", late)
    with pytest.raises(HubError, match="is pushed, but not tagged v1: another commit got that name in the meantime"):
        push_dataset(dataset, tag="v1")


def test_who_is_overtaken_does_not_overwrite(hub, login, no_waiting, dataset, monkeypatch):
    """Someone else commits after we looked and before our commit."""
    from huggingface_hub import HfApi

    push_dataset(dataset)
    repo = hub.repo("ada/shapes", "dataset")
    (dataset / "README.md").write_text((dataset / "README.md").read_text() + "ours\n")
    commit = HfApi.create_commit

    def late(self, *args, **kwargs):
        hub.put(repo, {"README.md": b"theirs"})
        return commit(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", late)
    with pytest.raises(HubError, match="someone else has committed there in the meantime"):
        push_dataset(dataset)
    assert files(hub)["README.md"] == b"theirs"


def test_a_pull_request_is_never_made_twice(hub, login, no_waiting, dataset):
    hub.create("ada/shapes", "dataset")
    hub.break_next("commit", 500, after=True)
    with pytest.raises(HubError, match="trouble of its own"):
        push_dataset(dataset, create_pr=True)
    assert list(hub.repo("ada/shapes", "dataset").pulls) == [1]
    hub.break_next("commit", 429, times=2)
    assert push_dataset(dataset, create_pr=True).pull_request.endswith("/discussions/2")


def test_no_tag_is_said_to_be_made_that_was_not(hub, login, no_waiting, dataset):
    hub.break_next("tag", 500, times=10)
    with pytest.raises(HubError) as caught:
        push_dataset(dataset, tag="v1")
    head = hub.repo("ada/shapes", "dataset").branches["main"]
    assert str(caught.value).startswith(
        f"ada/shapes: commit {head[:8]} is pushed, but not tagged v1: the Hub has trouble"
    )
    hub.faults.clear()
    assert push_dataset(dataset, tag="v1").changes == ()
    assert hub.repo("ada/shapes", "dataset").tags == {"v1": head}


def test_without_a_token_a_right_or_a_network(hub, login, dataset, monkeypatch):
    from huggingface_hub import constants

    login(None)
    with pytest.raises(HubError, match="ada/shapes: no token: run hf auth login, or set HF_TOKEN"):
        push_dataset(dataset)
    login("hf_nobody")
    with pytest.raises(HubError, match="does not accept the token"):
        push_dataset(dataset)
    login("hf_eve")
    with pytest.raises(HubError, match="the token of eve may only read: expected one with write permission"):
        push_dataset(dataset, HubId("eve/shapes"))
    assert hub.repos == {}
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        HubError, match=r"ada/shapes: cannot reach the Hub at http://127\.0\.0\.1:9 \(.*refused"
    ) as caught:
        push_dataset(dataset)
    assert caught.value.passing
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE keeps us from asking the Hub"):
        push_dataset(dataset)


def test_xet_trouble_names_the_way_out(hub, login, no_waiting, dataset, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    with pytest.raises(HubError, match=r"Xet storage does not work here \(.*; HF_HUB_DISABLE_XET=1 does without it"):
        push_dataset(dataset)
    assert list(files(hub)) == [".gitattributes"]


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("no metadata\n", "README.md: expected metadata between two lines of ---, found none"),
        ("---\nlicense: [mit\n---\n", "README.md: its metadata is not readable: "),
        ("---\nlicense: mine\n---\n", 'README.md: the Hub rejects its metadata: "license" must be one of'),
        ("---\nlicense: mit\n---\n[More Information Needed]\n", "found the placeholder '[More Information Needed]'"),
        ("---\nlicense: mit\n---\nload {{ repo }}\n", "found the placeholder '{{ repo }}'"),
        (
            "---\nconfigs:\n- config_name: rl\n  data_files: rl/*.parquet\n---\n",
            "its configuration rl names rl/*.parquet: no such file",
        ),
    ],
)
def test_a_card_that_is_not_valid_stops_the_push(hub, login, dataset, card, message):
    (dataset / "README.md").write_text(card)
    with pytest.raises(InputError) as caught:
        push_dataset(dataset)
    assert message in str(caught.value)
    assert hub.repos == {}


def test_folders_of_the_other_kind_are_told_apart(hub, login, dataset, model, tmp_path):
    with pytest.raises(InputError, match=r"expected a model folder .* this is a dataset: rotbot push-dataset"):
        push(dataset, HubId("ada/x"), "model", PushOptions())
    with pytest.raises(InputError, match=r"expected what rotbot generate writes .* this is a model: rotbot push-model"):
        push(model, HubId("ada/x"), "dataset", PushOptions())
    with pytest.raises(InputError, match=r"expected a dataset folder, got .*none, which is not there"):
        push(tmp_path / "none", HubId("ada/x"), "dataset", PushOptions())
    assert hub.log == []


def test_a_result_is_json(hub, login, dataset):
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(push_dataset(dataset))))["changes"][0]["path"] == "README.md"
