"""The endpoints of the tests' Hub: what huggingface.co answers to the calls that its clients make."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from tests.hub_state import Answer, Hub, Request
from tests.hub_store import DATE, Commit, Refused, Repo, card_errors, front_matter

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PREFIXES = {"datasets": "dataset", "spaces": "space"}
PAGE = 1000


def _repo(hub: Hub, request: Request, kind: str, repo_id: str, write: bool = False) -> Repo:
    """The repository, if the user may know of it; with ``write``, if they may also change it."""
    repo = hub.repos.get((kind, repo_id))
    user = request.user
    if repo is None or (repo.private and (user is None or not user.may_see(repo.owner))):
        if user is None:
            raise Refused(401, "Invalid username or password.", "RepoNotFound")
        raise Refused(404, "Repository not found", "RepoNotFound")
    if write:
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if user.role == "read":
            raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
        if not user.may_write(repo.owner) and not request.flag("create_pr"):
            raise Refused(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
    return repo


Action = Callable[[Hub, Request], Answer]


def route(method: str, parts: list[str]) -> tuple[str, Action]:
    """The name of an endpoint, by which faults are injected, and what answers it."""
    verb = parts[4] if parts[0] == "api" and len(parts) > 4 else ""
    match [method, *parts]:
        case ["GET", "api", "whoami-v2"]:
            return "whoami", _whoami
        case ["POST", "api", "validate-yaml"]:
            return "validate-yaml", _validate
        case ["POST", "api", "repos", "create"]:
            return "create", _create
        case ["DELETE", "api", "repos", "delete"]:
            return "delete", _delete
        case ["GET", "api", kind, _, _] if kind in KINDS:
            return "info", _info
        case [_, "api", kind, _, _, _, *_] if kind in KINDS and (method, verb) in _VERBS:
            return verb if verb != "revision" else "info", _VERBS[method, verb]
        case ["PUT", "lfs", _]:
            return "lfs-put", _lfs_put
        case ["POST", "lfs", _, "verify"]:
            return "lfs-verify", _lfs_verify
        case ["GET" | "HEAD", "cdn", _]:
            return "cdn", _cdn
    if method == "POST" and parts[-4:] == ["info", "lfs", "objects", "batch"]:
        return "lfs-batch", _lfs_batch
    if method in ("GET", "HEAD") and "resolve" in parts[2:4]:
        return "resolve", _resolve
    return "unknown", _unknown


def _unknown(hub: Hub, request: Request) -> Answer:
    raise Refused(404, "Sorry, we can't find the page you are looking for.")


def _whoami(hub: Hub, request: Request) -> Answer:
    user = request.user
    if user is None:
        raise Refused(401, "Invalid username or password.")
    orgs = [{"type": "org", "name": name, "roleInOrg": role} for name, role in user.orgs]
    access = {"displayName": "tests", "role": user.role}
    body = {"type": "user", "name": user.name, "orgs": orgs, "auth": {"type": "access_token", "accessToken": access}}
    return Answer(body)


def _validate(hub: Hub, request: Request) -> Answer:
    sent = request.json()
    errors = card_errors(sent["content"], sent.get("repoType", "model"))
    warnings = [] if front_matter(sent["content"]) else ["empty or missing yaml metadata in repo card"]
    body = {name: [{"message": m} for m in found] for name, found in (("errors", errors), ("warnings", warnings))}
    return Answer(body, 400 if errors else 200)


def _create(hub: Hub, request: Request) -> Answer:
    sent, user = request.json(), request.user
    if user is None:
        raise Refused(401, "Invalid username or password.")
    owner, kind = sent.get("organization") or user.name, sent.get("type", "model")
    if user.role == "read" or not user.may_write(owner):
        raise Refused(403, f'You don\'t have the rights to create a {kind} under the namespace "{owner}"')
    repo_id = f"{owner}/{sent['name']}"
    url = f"{hub.url}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
    if (kind, repo_id) in hub.repos:
        raise Refused(409, f"You already created this {kind} repo: {repo_id}", url=url)
    hub.create(repo_id, kind, sent.get("visibility") == "private" or sent.get("private") is True)
    return Answer({"url": url, "name": repo_id, "id": repo_id})


def _delete(hub: Hub, request: Request) -> Answer:
    sent = request.json()
    owner = sent.get("organization") or (request.user.name if request.user else "")
    kind, repo_id = sent.get("type", "model"), f"{owner}/{sent['name']}"
    _repo(hub, request, kind, repo_id, write=True)
    del hub.repos[kind, repo_id]
    return Answer({})


def _named(hub: Hub, request: Request, write: bool = False) -> Repo:
    kind, owner, name = request.parts[1:4]
    return _repo(hub, request, KINDS[kind], f"{owner}/{name}", write)


def _at(hub: Hub, request: Request) -> tuple[Repo, Commit]:
    repo = _named(hub, request)
    return repo, repo.find(request.parts[5] if len(request.parts) > 5 else "main")


def _info(hub: Hub, request: Request) -> Answer:
    repo, commit = _at(hub, request)
    card = front_matter(commit.files["README.md"].data.decode()) if "README.md" in commit.files else None
    body = {
        "_id": repo.id, "id": repo.id, "author": repo.owner, "sha": commit.oid, "private": repo.private,
        "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0, "lastModified": DATE,
        "createdAt": DATE, "siblings": [_sibling(path, commit, request.flag("blobs")) for path in sorted(commit.files)],
    }  # fmt: skip
    return Answer(body | ({"cardData": card} if isinstance(card, dict) else {}))


def _sibling(path: str, commit: Commit, sized: bool) -> dict[str, object]:
    return {"rfilename": path} | ({"size": len(commit.files[path].data)} if sized else {})


def _items(commit: Commit, expand: bool) -> list[dict[str, object]]:
    directories = [
        {"type": "directory", "oid": hashlib.sha1(f"{commit.oid}{d}".encode()).hexdigest(), "size": 0, "path": d}
        for d in commit.directories()
    ]
    items = [*directories, *(blob.info(path) for path, blob in commit.files.items())]
    if expand:
        items = [i | {"lastCommit": {"id": commit.oid, "title": commit.title, "date": DATE}} for i in items]
    return sorted(items, key=lambda item: str(item["path"]))


def _tree(hub: Hub, request: Request) -> Answer:
    _, commit = _at(hub, request)
    folder = "/".join(request.parts[6:])
    if folder and folder not in commit.directories():
        raise Refused(404, f"{folder} does not exist on {request.parts[5]}", "EntryNotFound")
    start = f"{folder}/" if folder else ""
    items = [i for i in _items(commit, request.flag("expand")) if str(i["path"]).startswith(start)]
    if not request.flag("recursive"):
        items = [i for i in items if "/" not in str(i["path"])[len(start) :]]
    first = int(request.query.get("cursor", ["0"])[0])
    headers = {}
    if first + PAGE < len(items):
        flags = "&".join(f"{k}={v[0]}" for k, v in request.query.items() if k != "cursor")
        headers["Link"] = f'<{hub.url}{request.path}?{flags}&cursor={first + PAGE}>; rel="next"'
    return Answer(items[first : first + PAGE], headers=headers)


def _paths_info(hub: Hub, request: Request) -> Answer:
    _, commit = _at(hub, request)
    form = "json" not in request.headers.get("content-type", "")
    sent = parse_qs(request.body.decode()) if form else request.json()
    wanted = {path.strip("/") for path in sent.get("paths", [])}
    expand = str(sent.get("expand", [""])[0] if form else sent.get("expand")).lower() == "true"
    return Answer([item for item in _items(commit, expand) if item["path"] in wanted])


def _refs(hub: Hub, request: Request) -> Answer:
    repo = _named(hub, request)
    body = {
        name: [{"name": n, "ref": f"{where}{n}", "targetCommit": oid} for n, oid in refs.items()]
        for name, where, refs in (
            ("branches", "refs/heads/", repo.branches), ("tags", "refs/tags/", repo.tags), ("converts", "", {}),
            ("pullRequests", "refs/pr/", {str(number): oid for number, oid in repo.pulls.items()}),
        )
    }  # fmt: skip
    return Answer(body)


def _commits(hub: Hub, request: Request) -> Answer:
    repo, commit = _at(hub, request)
    return Answer(
        [
            {"id": c.oid, "title": c.title, "message": c.message, "date": DATE, "authors": [{"user": c.author}]}
            for c in repo.history(commit.oid)
        ]
    )


def _preupload(hub: Hub, request: Request) -> Answer:
    repo = _named(hub, request, write=True)
    files = repo.find(request.parts[5]).files
    answers = []
    for sent in request.json()["files"]:
        blob = files.get(sent["path"])
        known = {} if blob is None else {"oid": blob.etag}
        mode = repo.upload_mode(sent["path"], sent["size"])
        answers.append({"path": sent["path"], "uploadMode": mode, "shouldIgnore": False, **known})
    return Answer({"files": answers})


def _commit(hub: Hub, request: Request) -> Answer:
    repo = _named(hub, request, write=True)
    assert request.user is not None
    lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    oid, number = repo.commit(lines, request.parts[5], request.user.name, request.flag("create_pr"))
    prefix = "" if repo.kind == "model" else f"{repo.kind}s/"
    body = {"success": True, "commitOid": oid, "commitUrl": f"{hub.url}/{prefix}{repo.id}/commit/{oid}"}
    if number is not None:
        body["pullRequestUrl"] = f"{hub.url}/{prefix}{repo.id}/discussions/{number}"
    return Answer(body)


def _branch(hub: Hub, request: Request) -> Answer:
    repo, name = _named(hub, request, write=True), request.parts[5]
    if request.method == "DELETE":
        del repo.branches[name]
    elif name in repo.branches:
        raise Refused(409, f"Reference already exists: {name}")
    else:
        repo.branches[name] = repo.find(request.json().get("startingPoint", "main")).oid
    return Answer({})


def _tag(hub: Hub, request: Request) -> Answer:
    repo = _named(hub, request, write=True)
    if request.method == "DELETE":
        del repo.tags[request.parts[5]]
        return Answer({})
    name = request.json()["tag"]
    if name in repo.tags:
        raise Refused(409, f"Tag reference exists already: {name}")
    repo.tags[name] = repo.find(request.parts[5]).oid
    return Answer({})


def _lfs_batch(hub: Hub, request: Request) -> Answer:
    parts = request.parts[:-4]
    kind = PREFIXES.get(parts[0], "model")
    repo = _repo(hub, request, kind, "/".join(parts[-2:]).removesuffix(".git"), write=True)
    objects = []
    for sent in request.json()["objects"]:
        answer = {"oid": sent["oid"], "size": sent["size"], "authenticated": True}
        if sent["oid"] not in repo.objects:
            href = f"{hub.url}/lfs/{sent['oid']}"
            where = f"?signature={hub.signature}&repo={repo.kind}:{repo.id}"
            answer["actions"] = {"upload": {"href": href + where}, "verify": {"href": f"{href}/verify{where}"}}
        objects.append(answer)
    return Answer({"transfer": "basic", "objects": objects})


def _signed(hub: Hub, request: Request) -> Repo:
    if request.query.get("signature") != [hub.signature]:
        raise Refused(403, "Request signature is wrong")
    kind, _, repo_id = request.query["repo"][0].partition(":")
    return hub.repos[kind, repo_id]


def _lfs_put(hub: Hub, request: Request) -> Answer:
    repo = _signed(hub, request)
    if hashlib.sha256(request.body).hexdigest() != request.parts[1]:
        raise Refused(400, "The content is not what its name says")
    repo.objects[request.parts[1]] = request.body
    return Answer()


def _lfs_verify(hub: Hub, request: Request) -> Answer:
    sent = request.json()
    if len(_signed(hub, request).objects.get(sent["oid"], b"")) != sent["size"]:
        raise Refused(404, "Object was not uploaded")
    return Answer({})


def _resolve(hub: Hub, request: Request) -> Answer:
    parts = request.parts
    kind = PREFIXES.get(parts[0], "model")
    at = parts.index("resolve", 2)
    repo = _repo(hub, request, kind, "/".join(parts[at - 2 : at]))
    commit, path = repo.find(parts[at + 1]), "/".join(parts[at + 2 :])
    headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
    blob = commit.files.get(path)
    if blob is None:
        raise Refused(404, f"Entry not found: {path}", "EntryNotFound")
    if blob.sha256 is None:
        return _content(request, blob.data, {**headers, "ETag": f'"{blob.oid}"'})
    target = f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn/{blob.sha256}"
    target += f"?signature={hub.signature}&repo={repo.kind}:{repo.id}"
    linked = {"X-Linked-ETag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.data)), "Location": target}
    return Answer(b"", 302, headers | linked)


def _cdn(hub: Hub, request: Request) -> Answer:
    blobs = (b for c in _signed(hub, request).commits.values() for b in c.files.values())
    data = next((blob.data for blob in blobs if blob.sha256 == request.parts[1]), None)
    if data is None:
        raise Refused(404, "No such object")
    return _content(request, data, {"ETag": f'"{request.parts[1]}"', "Accept-Ranges": "bytes"})


def _content(request: Request, data: bytes, headers: Mapping[str, str]) -> Answer:
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Answer(data, 200, headers)
    first, last = wanted.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    stop = min(len(data), int(last) + 1 if first and last else len(data))
    if start >= len(data):
        raise Refused(416, f"range not satisfiable: {request.headers['range']}")
    return Answer(data[start:stop], 206, {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})


_VERBS: dict[tuple[str, str], Action] = {
    ("GET", "revision"): _info, ("GET", "tree"): _tree, ("POST", "paths-info"): _paths_info, ("GET", "refs"): _refs,
    ("GET", "commits"): _commits, ("POST", "preupload"): _preupload, ("POST", "commit"): _commit,
    ("POST", "branch"): _branch, ("DELETE", "branch"): _branch, ("POST", "tag"): _tag, ("DELETE", "tag"): _tag,
}  # fmt: skip
