"""A Hugging Face hub in a thread: just enough for an upload, and for refusing one."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Hub:
    """What the hub holds, by path; ``refuse`` answers every upload with that status."""

    url: str = ""
    repository: str = ""
    private: bool | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    refuse: int = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Answer a request with a status and JSON."""
        if self.refuse:
            return self.refuse, {"error": "refused"}
        if path == "/api/repos/create":
            data = json.loads(body)
            self.repository = f"{data.get('organization', 'me')}/{data['name']}"
            # huggingface_hub 1 says "private", 2 says "visibility".
            self.private = data.get("visibility") == "private" or data.get("private")
            return 200, {"url": f"{self.url}/datasets/{self.repository}", "id": self.repository}
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            entries = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
            return 200, {"files": entries}
        if "/commit/" in path:
            self._commit(body)
            return 200, {
                "commitUrl": f"{self.url}/datasets/{self.repository}/commit/0",
                "commitOid": "0" * 40,
            }
        if method == "GET" and re.search(r"/tree/|/api/datasets/", path):
            return 200, self._listing("/tree/" in path)
        return 404, {"error": f"unknown {path}"}

    def _commit(self, body: bytes) -> None:
        for line in body.decode().splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                content = base64.b64decode(entry["value"]["content"])
                self.files[entry["value"]["path"]] = content
            elif entry["key"] == "deletedFile":
                del self.files[entry["value"]["path"]]

    def _listing(self, tree: bool) -> Any:
        if tree:
            return [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
        names = [{"rfilename": name} for name in self.files]
        return {"id": self.repository, "sha": "0" * 40, "siblings": names}


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve a hub on a free port of this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else self._chunks()
            status, data = hub.answer(self.command, self.path, body)
            text = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _chunks(self) -> bytes:
            found = b""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            return found

        do_GET = do_POST = _reply  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
