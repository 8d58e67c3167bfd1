"""The state of the tests' Hub: users and tokens, repositories, faults to come, a log; its requests and answers."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.hub_store import Blob, Repo, new_repo

CUT = "cut"


@dataclass(frozen=True)
class User:
    name: str
    role: str
    orgs: tuple[tuple[str, str], ...] = ()

    def may_see(self, owner: str) -> bool:
        return owner == self.name or owner in dict(self.orgs)

    def may_write(self, owner: str) -> bool:
        return owner == self.name or dict(self.orgs).get(owner) in ("write", "admin")


@dataclass
class Fault:
    """The next ``times`` answers of an endpoint: a status, or ``cut`` for a connection that ends without an answer.
    ``after`` does the work first, so that only the answer is lost."""

    endpoint: str
    kind: int | str
    times: int
    headers: Mapping[str, str]
    after: bool


@dataclass
class Hub:
    """The state of a running server; ``log`` has ``(endpoint, method, path, status)`` of every request."""

    url: str = ""
    users: dict[str, User] = field(default_factory=dict)
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, str, int | str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    signature: str = field(default_factory=lambda: secrets.token_hex(8))

    def user(self, name: str, token: str, role: str = "write", orgs: Mapping[str, str] | None = None) -> None:
        self.users[token] = User(name, role, tuple((orgs or {}).items()))

    def repo(self, repo_id: str, kind: str = "model") -> Repo:
        return self.repos[kind, repo_id]

    def create(self, repo_id: str, kind: str = "model", private: bool = False) -> Repo:
        return self.repos.setdefault((kind, repo_id), new_repo(kind, repo_id, private))

    def put(self, repo: Repo, files: Mapping[str, bytes], branch: str = "main") -> str:
        """A commit made by someone else, large files included."""
        blobs = {}
        for path, data in files.items():
            lfs = repo.upload_mode(path, len(data)) == "lfs"
            blobs[path] = Blob(data, hashlib.sha256(data).hexdigest() if lfs else None)
        head = repo.find(branch)
        repo.branches[branch] = repo.add({**head.files, **blobs}, head.oid, "by another", "", "other")
        return repo.branches[branch]

    def break_next(
        self,
        endpoint: str,
        kind: int | str,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        after: bool = False,
    ) -> None:
        self.faults.append(Fault(endpoint, kind, times, headers or {}, after))

    def calls(self, endpoint: str) -> int:
        return sum(1 for name, *_ in self.log if name == endpoint)

    def environment(self, token: str | None, home: Path) -> dict[str, str]:
        """What a client's process needs to talk to this server and nothing else; add it to ``os.environ``."""
        token_path = home / "token"  # where a login would be: nobody is logged in
        return {
            "HF_ENDPOINT": self.url, "HF_TOKEN": token or "", "HF_HOME": str(home), "HF_TOKEN_PATH": str(token_path),
            "HF_HUB_CACHE": str(home / "hub"), "HF_DATASETS_CACHE": str(home / "datasets"), "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }  # fmt: skip


@dataclass
class Request:
    """One request, read whole: its path in decoded parts, query, headers (lower case), body, and who asks."""

    method: str
    path: str
    parts: list[str]
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: User | None

    def json(self) -> dict:
        return json.loads(self.body or b"{}")

    def flag(self, name: str) -> bool:
        return self.query.get(name, [""])[0].lower() in ("1", "true")


@dataclass(frozen=True)
class Answer:
    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
