"""What answers in place of AWS, or does not answer, is told and is no reason to break."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hpt.errors import ExecutorError, InputError
from hpt.fleet.ec2 import machines, teardown
from hpt.fleet.ec2.aws import Aws, unreachable
from hpt.fleet.ec2.costs import Pool
from hpt.fleet.ec2.provision import Launch

PAGE = b"<!doctype html><title>Bad Gateway</title>"


class Page(BaseHTTPRequestHandler):
    """A page of a proxy or a load balancer, which is no XML."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(502)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    yield url
    server.shutdown()
    server.server_close()


def test_a_proxy_s_page_is_not_taken_for_aws(proxy: str) -> None:
    aws = Aws("us-east-1", attempts=1)
    with pytest.raises(ExecutorError, match=r"what answered is not AWS: .*look for a proxy in between"):
        teardown.look(aws, "search")
    fleet = machines.Fleet(aws, "search", {"us-east-1a": "subnet-1"}, {"c5.large": 1}, None)
    launched = fleet.launch(Launch("spot", 1, (Pool("c5.large", "us-east-1a"),), "t" * 32))
    assert (launched.launched, launched.failed) == (0, "ResponseParserError")


def test_an_endpoint_that_is_none_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere")
    with pytest.raises(InputError, match="AWS cannot be used: Invalid endpoint: nowhere; correct"):
        teardown.look(Aws("us-east-1"), "search")


@pytest.mark.parametrize(
    ("region", "fix"),
    [
        ("us-east-9", "knows no region 'us-east-9', did you mean 'us-east-"),
        ("us-east-1", "; check the network"),
    ],
)
def test_a_region_that_is_not_there_is_told_from_a_network_that_is_not(region: str, fix: str) -> None:
    from botocore.exceptions import EndpointConnectionError

    error = EndpointConnectionError(endpoint_url=f"https://ec2.{region}.amazonaws.com/")
    assert fix in str(unreachable(error, "the fleets cannot be listed", region))
