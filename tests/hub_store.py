"""What the tests' Hub keeps: repositories with commits, branches, tags and pull requests, in memory, as git would.

A blob's id is git's, a large file is stored by its SHA-256 and committed as a pointer, a commit is atomic and refused
if the branch has moved, and a card with broken metadata is refused: as on huggingface.co.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

LFS_SUFFIXES = (
    ".arrow", ".bin", ".ckpt", ".gz", ".h5", ".model", ".msgpack", ".npy", ".npz", ".onnx", ".parquet", ".pickle",
    ".pkl", ".pt", ".pth", ".safetensors", ".tar", ".zip", ".zst",
)  # fmt: skip
LFS_SIZE = 10 * 2**20
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()
LICENSES = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc0-1.0", "other", "unknown")
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
DATE = "2026-01-01T00:00:00.000Z"


class Refused(Exception):
    """An answer that is no success: HTTP status, message, the Hub's error code, and more of the JSON body."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: object) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file's content; ``sha256`` is set for a large file, whose git id is that of its pointer."""

    data: bytes
    sha256: str | None = None

    @property
    def pointer(self) -> bytes:
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        return text.encode()

    @property
    def oid(self) -> str:
        return git_id(self.data if self.sha256 is None else self.pointer)

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid

    def info(self, path: str) -> dict[str, object]:
        item: dict[str, object] = {"type": "file", "oid": self.oid, "size": len(self.data), "path": path}
        if self.sha256 is not None:
            item["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": len(self.pointer)}
        return item


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    files: Mapping[str, Blob]

    def directories(self) -> set[str]:
        parts = [path.split("/")[:-1] for path in self.files]
        return {"/".join(p[:depth]) for p in parts for depth in range(1, len(p) + 1)}


@dataclass
class Repo:
    kind: str
    id: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    def find(self, revision: str) -> Commit:
        """The commit of a branch, tag, pull request or commit id."""
        refs = {**self.tags, **self.branches, **{f"refs/pr/{n}": oid for n, oid in self.pulls.items()}}
        oid = refs.get(revision.removeprefix("refs/heads/").removeprefix("refs/tags/"), revision)
        if oid not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def add(self, files: Mapping[str, Blob], parent: str | None, title: str, message: str, author: str) -> str:
        tree = sorted((path, blob.oid) for path, blob in files.items())
        oid = hashlib.sha1(json.dumps([tree, parent, title, len(self.commits)]).encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, message, author, dict(files))
        return oid

    def history(self, revision: str) -> list[Commit]:
        commit: Commit | None = self.find(revision)
        found = []
        while commit is not None:
            found.append(commit)
            commit = self.commits[commit.parent] if commit.parent else None
        return found

    def upload_mode(self, path: str, size: int) -> str:
        return "lfs" if path.endswith(LFS_SUFFIXES) or size > LFS_SIZE else "regular"

    def commit(self, lines: list[dict], revision: str, author: str, create_pr: bool) -> tuple[str, int | None]:
        """Apply a commit's lines to a branch, all or nothing → commit id, number of the pull request if one is made."""
        header = next(line["value"] for line in lines if line["key"] == "header")
        if not create_pr and revision not in self.branches:
            known = revision in self.tags or COMMIT_ID.fullmatch(revision)
            message = "Cannot commit to a tag or commit" if known else f"Invalid rev id: {revision}"
            raise Refused(400 if known else 404, message, None if known else "RevisionNotFound")
        head = self.find(revision)
        parent = header.get("parentCommit")
        if parent and not create_pr and parent != head.oid:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines:
            self._apply(files, line["key"], line["value"])
        if "README.md" in files and (errors := card_errors(files["README.md"].data.decode(), self.kind)):
            raise Refused(400, f"Invalid metadata in README.md: {'; '.join(errors)}")
        oid = self.add(files, head.oid, header["summary"], header.get("description", ""), author)
        if create_pr:
            number = next(n for n in itertools.count(1) if n not in self.pulls)
            self.pulls[number] = oid
            return oid, number
        self.branches[revision] = oid
        return oid, None

    def _apply(self, files: dict[str, Blob], key: str, value: dict) -> None:
        path = value.get("path", "").rstrip("/")
        if key == "file":
            files[path] = Blob(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if value["oid"] not in self.objects:
                raise Refused(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = Blob(self.objects[value["oid"]], value["oid"])
        elif key == "deletedFile":
            if path not in files:
                raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
            del files[path]
        elif key == "deletedFolder":
            for inside in [p for p in files if p.startswith(path + "/")]:
                del files[inside]
        elif key != "header":
            raise Refused(400, f"unknown line {key!r} in a commit")


def new_repo(kind: str, repo_id: str, private: bool) -> Repo:
    repo = Repo(kind, repo_id, private)
    repo.branches["main"] = repo.add({".gitattributes": Blob(GIT_ATTRIBUTES)}, None, "initial commit", "", repo.owner)
    return repo


def card_errors(content: str, kind: str) -> list[str]:
    """What the Hub rejects in a card's metadata (the rules that our cards could break)."""
    data = front_matter(content)
    if data is None:
        return []
    if not isinstance(data, dict):
        return ["YAML metadata must be a mapping"]
    errors = []
    for name in ("tags", "datasets", "metrics", "size_categories", "task_categories"):
        value = data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            errors.append(f'"{name}" must be an array of strings')
    if data.get("license", "mit") not in LICENSES:
        errors.append(f'"license" must be one of [{", ".join(LICENSES)}]')
    repo_id = re.compile(r"[\w.-]+(/[\w.-]+)?")
    bases = data.get("base_model", [])
    names = [*([bases] if isinstance(bases, str) else bases), *data.get("datasets", [])]
    errors += [f'"{n}" is not a valid repo id' for n in names if not isinstance(n, str) or not repo_id.fullmatch(n)]
    if kind == "model":
        for model in data.get("model-index", []):
            for result in model.get("results", [{}]) if model.get("name") else [{}]:
                whole = (
                    result.get("task", {}).get("type")
                    and result.get("dataset", {}).get("type")
                    and result.get("dataset", {}).get("name")
                    and all("type" in m and "value" in m for m in result.get("metrics", [{}]))
                )
                if not whole:
                    errors.append('"model-index" needs a name, and task, dataset and metrics in every result')
    if kind == "dataset":
        if not all({"config_name", "data_files"} <= config.keys() for config in data.get("configs", [])):
            errors.append('"configs" needs config_name and data_files in every item')
    return errors


def front_matter(content: str) -> object:
    """The YAML block of a card, None if there is none."""
    match = re.match(r"\s*---\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", content, re.DOTALL)
    if match is None:
        return None
    try:
        return yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return f"bad YAML: {error}"
