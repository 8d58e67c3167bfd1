"""The tests' own Hub answers as huggingface.co does, to huggingface.co's own client."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from tests.hub_store import git_id


def get(hub, path, token=None, method="GET", **headers):
    request = urllib.request.Request(hub.url + path, method=method, headers=headers)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_private_repository_is_seen_by_its_owner_alone(hub):
    hub.create("ada/secret", private=True)
    assert get(hub, "/api/models/ada/secret", "hf_ada")[0] == 200
    status, headers, _ = get(hub, "/api/models/ada/secret", "hf_bob")
    assert (status, headers["X-Error-Code"]) == (404, "RepoNotFound")
    status, headers, _ = get(hub, "/api/models/ada/secret")
    assert (status, headers["X-Error-Code"]) == (401, "RepoNotFound")
    status, headers, _ = get(hub, "/api/models/ada/secret", "hf_nobody")
    assert (status, headers["X-Error-Message"]) == (401, "Invalid credentials in Authorization header")


def test_files_have_gits_ids_and_come_in_ranges(hub):
    commit = hub.put(hub.create("ada/m"), {"a.txt": b"hello world\n", "w.bin": b"0123456789"})
    assert git_id(b"hello world\n") == "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"  # git hash-object
    status, headers, body = get(hub, "/ada/m/resolve/main/a.txt")
    assert (status, body, headers["ETag"]) == (200, b"hello world\n", f'"{git_id(body)}"')
    assert headers["X-Repo-Commit"] == commit
    status, headers, body = get(hub, f"/ada/m/resolve/{commit}/a.txt", Range="bytes=6-10")
    assert (status, body, headers["Content-Range"]) == (206, b"world", "bytes 6-10/12")
    assert get(hub, "/ada/m/resolve/main/a.txt", Range="bytes=-3")[2] == b"ld\n"
    assert get(hub, "/ada/m/resolve/main/a.txt", Range="bytes=50-")[0] == 416
    status, _, body = get(hub, "/ada/m/resolve/main/w.bin", Range="bytes=2-3")  # a redirect to the CDN, followed
    assert (status, body) == (206, b"23")
    status, headers, _ = get(hub, "/ada/m/resolve/main/none")
    assert (status, headers["X-Error-Code"]) == (404, "EntryNotFound")
    status, headers, _ = get(hub, "/ada/m/resolve/v9/a.txt")
    assert (status, headers["X-Error-Code"]) == (404, "RevisionNotFound")


def test_commits_are_atomic_and_know_their_parent(hub, login):
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    api = HfApi(endpoint=hub.url, token="hf_ada")
    api.create_repo("ada/m")
    first = api.list_repo_refs("ada/m").branches[0].target_commit
    add = CommitOperationAdd("a.txt", b"one")
    second = api.create_commit("ada/m", [add], commit_message="one", parent_commit=first).oid
    with pytest.raises(HfHubHTTPError) as stale:
        api.create_commit("ada/m", [CommitOperationAdd("b", b"2")], commit_message="two", parent_commit=first)
    assert stale.value.response.status_code == 412
    operations = [CommitOperationAdd("b", b"2"), CommitOperationDelete("none")]
    with pytest.raises(EntryNotFoundError):
        api.create_commit("ada/m", operations, commit_message="two")
    assert [c.commit_id for c in api.list_repo_commits("ada/m")] == [second, first]
    assert api.list_repo_files("ada/m") == [".gitattributes", "a.txt"]
    api.create_tag("ada/m", tag="v1", revision=first)
    assert api.list_repo_files("ada/m", revision="v1") == [".gitattributes"]
    request = api.create_commit("ada/m", [CommitOperationAdd("b", b"2")], commit_message="two", create_pr=True)
    assert request.pr_url == f"{hub.url}/ada/m/discussions/1"
    assert api.list_repo_files("ada/m", revision="refs/pr/1") == [".gitattributes", "a.txt", "b"]
    assert api.list_repo_files("ada/m") == [".gitattributes", "a.txt"]
    bad = CommitOperationAdd("README.md", b"---\nlicense: my-own\n---\n")
    with pytest.raises(ValueError, match="license"):
        api.create_commit("ada/m", [bad], commit_message="bad")


@pytest.mark.parametrize("token", ["hf_eve", "hf_bob"])
def test_who_may_not_write_is_refused(hub, login, token):
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    hub.create("ada/m")
    api = HfApi(endpoint=hub.url, token=token)
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_commit("ada/m", [CommitOperationAdd("a", b"1")], commit_message="a")
    assert refused.value.response.status_code == 403
    assert len(hub.repo("ada/m").commits) == 1


def test_faults_come_as_often_as_asked_and_are_logged(hub):
    hub.break_next("whoami", 429, times=2, headers={"Retry-After": "7"})
    for _ in range(2):
        status, headers, _ = get(hub, "/api/whoami-v2", "hf_ada")
        assert (status, headers["Retry-After"]) == (429, "7")
    assert get(hub, "/api/whoami-v2", "hf_ada")[0] == 200
    hub.break_next("whoami", "cut")
    with pytest.raises(OSError, match=r"closed connection|reset"):
        get(hub, "/api/whoami-v2", "hf_ada")
    assert [status for _, _, _, status in hub.log] == [429, 429, 200, "cut"]
