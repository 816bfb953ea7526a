"""A Hugging Face hub for downloads, over loopback, with the faults that real networks have.

It speaks what huggingface_hub's real client asks for: ``HEAD`` and ``GET`` of ``/resolve/`` with
commit, ETag and size in headers; large files redirected to a second server, as to a CDN, with
ranges; ``/api/models/``; errors with their codes in ``X-Error-Code``.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

LARGE = (".onnx", ".bin")
"""Files that are kept as LFS files are."""
_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)")


@dataclass
class Request:
    """What a server was asked."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class ModelHub:
    """What the hub holds, and how it misbehaves.

    Attributes:
        url: Where it listens; for ``HF_ENDPOINT``.
        files: By repository and name.
        revisions: Commits by branch or tag; a commit is always its own name.
        gated: Repositories that answer only to a token.
        bad_token: Every token is refused.
        moved: Old names of repositories.
        busy: How often the next requests are answered 503 (or another ``busy_status``).
        cuts: After how many bytes the next transfers of large files break off.
        ranges: Ranges are honoured.
        damaged: Large files arrive with a byte changed.
        sizes: Sizes told instead of the true ones.
        requests: All that were made.
    """

    url: str = ""
    cdn: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    bad_token: bool = False
    moved: dict[str, str] = field(default_factory=dict)
    busy: int = 0
    busy_status: int = 503
    retry_after: str = ""
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    damaged: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def add(self, repository: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Add files to a repository; returns its commit."""
        self.files.setdefault(repository, {}).update(files)
        commit = hashlib.sha1(repository.encode()).hexdigest()
        self.revisions[revision] = commit
        return commit

    def transfers(self) -> list[Request]:
        """Return the downloads of large files' bytes."""
        return [r for r in self.requests if r.path.startswith("/cdn/")]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ModelHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.command, self.path, headers))
        if self.hub.busy:
            self.hub.busy -= 1
            after = {"Retry-After": self.hub.retry_after} if self.hub.retry_after else {}
            self._send(self.hub.busy_status, after)
        elif path.startswith("/cdn/"):
            self._bytes(path)
        elif match := _RESOLVE.fullmatch(path):
            self._resolve(**match.groupdict())
        elif match := _API.fullmatch(path):
            self._list(**match.groupdict())
        else:
            self._send(404)

    def _refused(self, repo: str, revision: str) -> bool:
        token = self.headers.get("Authorization")
        if token and self.hub.bad_token:
            self._send(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo not in self.hub.files:
            self._send(401, {"X-Error-Code": "RepoNotFound"})
        elif repo in self.hub.gated and not token:
            self._send(401, {"X-Error-Code": "GatedRepo"})
        elif revision not in {*self.hub.revisions, *self.hub.revisions.values()}:
            self._send(404, {"X-Error-Code": "RevisionNotFound"})
        else:
            return False
        return True

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        if repo in self.hub.moved:
            new = self.path.replace(repo, self.hub.moved[repo])
            self._send(307, {"Location": new})  # relative, as the real one's
            return
        if self._refused(repo, revision):
            return
        commit = self.hub.revisions.get(revision, revision)
        data = self.hub.files[repo].get(name)
        if data is None:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        elif not name.endswith(LARGE):
            headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_hash(data)}"'}
            self._send(200, headers, data)
        else:
            size = self.hub.sizes.get(name, len(data))
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{sha256(data)}"',
                "X-Linked-Size": str(size),
                "Location": f"{self.hub.cdn}/cdn/{repo}/{name}?signature=1",
            }
            self._send(302, headers)

    def _list(self, repo: str, revision: str) -> None:
        if not self._refused(repo, revision):
            siblings = [{"rfilename": name} for name in self.hub.files[repo]]
            commit = self.hub.revisions.get(revision, revision)
            body = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "tags": []}
            self._send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _bytes(self, path: str) -> None:
        owner, repository, name = path.removeprefix("/cdn/").split("/", 2)
        data = self.hub.files[f"{owner}/{repository}"][name]
        if self.hub.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        start, status, headers = 0, 200, {}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.hub.ranges:
            start, status = int(wanted[1]), 206
            headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            if start >= len(data):
                self._send(416, {"Content-Range": f"bytes */{len(data)}"})
                return
        cut = self.hub.cuts.pop(0) if self.hub.cuts else None
        self._send(status, headers, data[start:], cut)

    def _send(
        self, status: int, headers: dict[str, str] | None = None, data: bytes = b"",
        cut: int | None = None,
    ) -> None:  # fmt: skip
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients may hang up
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[ModelHub]:
    """Serve a hub and its CDN on free ports of this machine."""
    hub = ModelHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ExitStack() as stack:
        ports = []
        for _ in range(2):
            server = stack.enter_context(_Server(("127.0.0.1", 0), handler))
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            ports.append(server.server_port)
        hub.url, hub.cdn = (f"http://127.0.0.1:{port}" for port in ports)
        yield hub
