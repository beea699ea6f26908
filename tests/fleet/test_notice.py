"""A machine says that it is about to be taken away."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from hpt.fleet import notice
from hpt.fleet.notice import VARIABLE, Notice


def looked(at: Notice) -> tuple[bool, bool, str]:
    at._next = 0.0
    at.look()
    return at.leaves, at.rebalance, at.reason


def test_a_file_says_it(tmp_path: Path) -> None:
    found = Notice({VARIABLE: str(tmp_path / "notice")})
    assert looked(found) == (False, False, "")
    (tmp_path / "notice").write_text("rebalance\n")
    assert looked(found) == (False, True, "")
    (tmp_path / "notice").write_text("terminate")
    assert looked(found) == (True, True, "the machine is being taken away: terminate")


def test_without_the_variable_nothing_is_looked_at() -> None:
    assert looked(Notice({})) == (False, False, "")


class Service(BaseHTTPRequestHandler):
    """The metadata service of EC2, of which only tokens give access."""

    entries: ClassVar[dict[str, str]] = {}

    def do_PUT(self) -> None:
        assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._say("token-1")

    def do_GET(self) -> None:
        found = self.entries.get(self.path.removeprefix("/latest/meta-data/"))
        if self.headers["X-aws-ec2-metadata-token"] != "token-1":
            self.send_error(401)
        elif found is None:
            self.send_error(404)
        else:
            self._say(found)

    def _say(self, said: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *ignored: object) -> None:
        pass


def test_the_metadata_service_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setattr(Service, "entries", {})
        found = Notice({VARIABLE: f"imds=http://127.0.0.1:{server.server_port}"})
        assert looked(found) == (False, False, "")
        Service.entries["events/recommendations/rebalance"] = '{"noticeTime": "now"}'
        assert looked(found) == (False, True, "")
        found._token = "expired"
        assert looked(found) == (False, True, "")
        Service.entries["spot/instance-action"] = '{"action": "terminate"}'
        assert looked(found) == (True, True, 'the Spot instance is being taken away: {"action": "terminate"}')
    finally:
        server.shutdown()
        server.server_close()
    assert looked(Notice({VARIABLE: "imds=http://127.0.0.1:9"})) == (False, False, "")
    assert notice.REBALANCE == "rebalance"
