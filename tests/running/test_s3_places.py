from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from hpt.running import s3_places as s3
from hpt.running.s3_places import check_s3

SETTINGS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def bucket(credentials: None) -> Iterator[str]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")
        client.put_object(Bucket="data", Key="train/part 1.csv", Body=b"1,2")
        yield "data"


@pytest.mark.parametrize(
    "uri", ["s3://data", "s3://data/", "s3://data/train", "s3://data/train/", "s3://data/train/part 1.csv"]
)
def test_what_is_there(bucket: str, uri: str) -> None:
    assert check_s3(uri) is None


def test_an_empty_prefix(bucket: str) -> None:
    assert check_s3("s3://data/test/") == "no object lies under s3://data/test/; correct the prefix"


def test_no_such_bucket(bucket: str) -> None:
    assert check_s3("s3://other/train") == "bucket 'other' does not exist; correct the name or create it"


def test_no_bucket_name_at_all(bucket: str) -> None:
    assert "Invalid bucket name" in str(check_s3("s3://data set/train"))


def test_no_credentials() -> None:
    assert check_s3("s3://data/train") == (
        "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or "
        "configure a profile"
    )


def test_half_a_pair_of_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    assert str(check_s3("s3://data/train")).startswith("no AWS credentials were found; set AWS_ACCESS_KEY_ID")


def test_an_unknown_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert check_s3("s3://data") == "The config profile (nobody) could not be found; correct AWS_PROFILE"


def test_nobody_listens(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free.getsockname()[1]}")
        reason = str(check_s3("s3://data/train"))
    assert reason.startswith("S3 cannot be reached (Could not connect to the endpoint URL")
    assert reason.endswith("; check the network, or AWS_ENDPOINT_URL if you set it")


def test_nobody_answers(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert str(check_s3("s3://data/train")).startswith("S3 cannot be reached (Read timeout")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "AccessDenied", "access to bucket 'data' is denied; use credentials that may read it"),
        (403, "InvalidAccessKeyId", f"the AWS access key is not valid; {s3._CREDENTIALS}"),
        (403, "SignatureDoesNotMatch", f"the AWS secret key does not fit the access key; {s3._CREDENTIALS}"),
        (400, "ExpiredToken", f"the AWS session token has expired; {s3._CREDENTIALS}"),
        (503, "SlowDown", "S3 answers SlowDown: please"),
    ],
)
def test_s3_refuses(
    credentials: None, monkeypatch: pytest.MonkeyPatch, status: int, code: str, reason: str
) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>please</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        assert check_s3("s3://data/train") == reason
        server.shutdown()
