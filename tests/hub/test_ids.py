import pytest

from rotbot.errors import InputError
from rotbot.hub.ids import HubId, parse_id, read_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada/shapes", HubId("ada/shapes")),
        ("ada/shapes@v1", HubId("ada/shapes", "v1")),
        ("Ada-1/shapes.v2_x@refs/pr/3", HubId("Ada-1/shapes.v2_x", "refs/pr/3")),
        ("ada/shapes@feature/x", HubId("ada/shapes", "feature/x")),
    ],
)
def test_an_id_is_read_and_written(text, expected):
    assert parse_id(text) == expected
    assert str(expected) == text
    assert (expected.owner, expected.name) == tuple(expected.repo.split("/"))


@pytest.mark.parametrize(
    "text",
    [
        "", "shapes", "ada/shapes/more", "datasets/ada/shapes", "ada/", "/ada", "./data", "../data", "ada/.shapes",
        "ada/shapes-", "ada/sha--pes", "ada/sha..pes", "ada/shapes.git", "ada/shapes@", "ada/shapes@a b",
        "ada/shapes@a@b", "ada/shäpes", "ada/" + "x" * 97, " ada/shapes", "ada/shapes\n", "https://huggingface.co/ada/shapes",
    ],
)  # fmt: skip
def test_what_the_hub_would_refuse_is_no_id(text):
    assert parse_id(text) is None
    with pytest.raises(InputError, match=r"expected a Hub ID, owner/name\[@revision\], got"):
        read_id(text)


def test_the_rules_for_names_are_those_of_the_hubs_client():
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    names = ["a/b", "a/b-", "a/-b", "a/b.c", "a/b..c", "a/b--c", "a/b.git", "_a/_b", "a/b c", "a/" + "b" * 96]
    for name in [*names, "a/" + "b" * 97]:
        try:
            validate_repo_id(name)
            valid = True
        except HFValidationError:
            valid = False
        assert (parse_id(name) is not None) == valid, name


def test_a_revision_may_stand_apart_but_not_twice():
    assert read_id("ada/shapes", "v1") == read_id("ada/shapes@v1") == read_id("ada/shapes@v1", "v1")
    with pytest.raises(InputError, match="expected one revision, got 'v1' in the ID and 'v2' beside it"):
        read_id("ada/shapes@v1", "v2")
