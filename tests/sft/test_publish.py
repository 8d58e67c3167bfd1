"""``rotbot sft --push-to-hub`` against a Hub of our own: what would fail is said before training; the card."""

import json

import pytest

from rotbot.errors import HubError, InputError
from rotbot.hub.ids import HubId
from rotbot.hub.push import PushOptions, check_push
from rotbot.sft.publish import Destination, check_account, check_publish, publish, read_destination
from rotbot.sft.run import build_run
from rotbot.sft.trainer import train
from tests.hub.conftest import hub, login, no_waiting  # noqa: F401 (fixtures)

TARGET = Destination(HubId("ada/shapes-sft", None), private=True)
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_flags_belong_together():
    assert read_destination(False, None, False) is None
    assert read_destination(True, "ada/x", True) == Destination(HubId("ada/x", None), True)
    for flags in ((True, None), (False, "ada/x")):
        with pytest.raises(InputError, match="expected --push-to-hub and --hub-model-id OWNER/NAME together"):
            read_destination(*flags, False)


@pytest.mark.parametrize(
    ("token", "repo", "message"),
    [
        (None, "ada/x", "token"),
        ("hf_eve", "eve/x", "the token of eve may only read"),
        ("hf_ada", "bob/x", "ada may write to ada, lab, not to bob"),
    ],
)
def test_who_may_not_push_is_told_before_training(hub, login, no_waiting, token, repo, message):  # noqa: F811
    login(token)
    with pytest.raises(HubError, match=message):
        check_account(Destination(HubId(repo, None)))


def test_a_card_that_the_hub_would_reject_is_known_before_training(hub, login):  # noqa: F811
    with pytest.raises(InputError, match=r"README\.md: expected metadata between two lines of ---, found none"):
        check_push(HubId("ada/x", None), "model", PushOptions(), card="# no metadata\n")
    with pytest.raises(InputError, match="the Hub rejects its metadata"):
        check_push(HubId("ada/x", None), "model", PushOptions(), card="---\nlicense: none-such\n---\n# x\n")


def test_the_pushed_model_has_recipe_data_revision_and_curves(hub, login, make_config, dataset):  # noqa: F811
    rows = hub.create("ada/shapes", "dataset")
    files = {str(p.relative_to(dataset)): p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    commit = hub.put(rows, files)
    settings = ["data.dataset=ada/shapes", "schedule.steps=4", "eval_every=2", "save_every=2", "export=best"]
    run = build_run(make_config(*settings))
    assert run.revision == commit
    check_publish(run, TARGET)
    assert ("model", "ada/shapes-sft") not in hub.repos, "a check makes nothing"
    result = train(run)
    pushed = publish(run, TARGET)
    repo = hub.repo("ada/shapes-sft")
    assert repo.private
    files = {path: blob.data for path, blob in repo.find("main").files.items()}
    card = files["README.md"].decode()
    assert "datasets:\n- ada/shapes\n" in card
    assert f"on ada/shapes (commit `{commit}`):" in card
    assert f"validation loss {result.validation.loss:.4f} nats" in card
    assert "```yaml\nbatch:\n  pack_tokens: 512\n" in card
    assert "![Training and validation loss over the steps](curves.png)" in card
    assert files["curves.png"].startswith(PNG)
    logged = [json.loads(line) for line in files["training.jsonl"].decode().splitlines()]
    assert [line["step"] for line in logged] == [2, 4]
    assert pushed.created
    assert publish(run, TARGET).changes == (), "nothing new, nothing sent"
