"""Moves data between a training directory and S3.

Run as `python -m hpt.executors.s3_transfer WHAT ATTEMPT_DIRECTORY TRAINING_DIRECTORY`.

WHAT: `download` (channels, source, checkpoints), `upload` (results), `checkpoints` (once) or `mirror`
(checkpoints, again and again until killed). A process of its own beside the supervisor, so that only trials
that use S3 pay for boto3. The last line it prints says what went wrong; its exit code, whether the user can
fix it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hpt.executors import artifacts, checked, contract

S3Client = Any  # boto3 makes its clients at run time

_MIRROR_SECONDS = 15.0
_INFRASTRUCTURE = 3
_MARKS = (
    ".sagemaker-uploading",
    ".sagemaker-uploaded",
)  # left by the service's own uploader (behaviour 11.3)


class TransferError(Exception):
    """The user named something that is not there."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def relative_name(key: str, prefix: str) -> str:
    """Where an object found under a prefix lies within its channel.

    >>> relative_name("data/train/a.csv", "data/train"), relative_name("data/train.csv", "data/tr")
    ('a.csv', 'train.csv')

    Raises:
        TransferError: the key would leave the channel's directory.
    """
    if prefix.endswith("/") or not prefix:
        name = key[len(prefix) :]
    elif key.startswith(prefix + "/"):
        name = key[len(prefix) + 1 :]
    else:
        name = key[prefix.rfind("/") + 1 :]
    if name.startswith("/") or ".." in name.split("/"):
        raise TransferError(f"object key {key!r} would leave the directory; rename the object")
    return name


def _objects(client: S3Client, uri: str) -> Iterator[tuple[str, str, int]]:
    """Bucket, key and size of every object under a prefix, folder markers left out."""
    bucket, prefix = split_uri(uri)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if not entry["Key"].endswith("/"):
                yield bucket, entry["Key"], entry["Size"]


def _fetch(client: S3Client, uri: str, directory: Path, *, what: str, keep: bool = False) -> int:
    """Download everything under a prefix; returns how many objects. `keep`: spare existing files."""
    _, prefix = split_uri(uri)
    found = 0
    for bucket, key, _ in _objects(client, uri):
        found += 1
        target = directory / relative_name(key, prefix)
        if keep and target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        print(f"{what}: {key}", flush=True)
        client.download_file(bucket, key, str(target))
    return found


def download(client: S3Client, spec: dict[str, Any], base: Path) -> None:
    """Fill remote channels, fetch the program's source and the checkpoints of earlier attempts.

    Checkpoints that lie here already were written here, and are at least as new.

    Raises:
        TransferError: nothing is found where a channel or the source should be.
    """
    for channel in spec["channels"]:
        if not contract.is_remote(channel["uri"]):
            continue
        directory = base / "input/data" / channel["name"]
        if not _fetch(client, channel["uri"], directory, what=f"channel {channel['name']}"):
            raise TransferError(
                f"channel {channel['name']!r}: nothing is found at {channel['uri']}; correct its S3Uri"
            )
    if contract.is_remote(spec["source"] or ""):
        bucket, key = split_uri(spec["source"])
        client.download_file(bucket, key, str(base / contract.DOWNLOADED_SOURCE))
    if contract.is_remote(spec["checkpoint_uri"] or "") and not spec.get("fresh"):
        place = Path(contract.checkpoint_directory(str(base), spec))
        _fetch(client, checkpoint_uri(spec), place, what="checkpoint", keep=True)


def upload(client: S3Client, spec: dict[str, Any], staging: Path) -> None:
    """Store the archives the supervisor packed."""
    for part in ("model", "output"):
        archive = staging / f"{part}.tar.gz"
        if archive.exists():
            bucket, key = split_uri(artifacts.uri_of(spec["output_path"], spec["name"], part))
            client.upload_file(str(archive), bucket, key)
            archive.unlink()


def checkpoint_uri(spec: dict[str, Any]) -> str:
    """The training job's own place below the configured URI, so that no training job resumes another
    (behaviour 11.3); of a training job by itself, the URI.
    """
    if spec.get("own_checkpoints"):
        return f"{spec['checkpoint_uri'].rstrip('/')}/"
    return f"{spec['checkpoint_uri'].rstrip('/')}/{spec['name']}/"


class CheckpointMirror:
    """Copies what changed in the checkpoint directory; deletions too, of what was copied or found there."""

    def __init__(self, client: S3Client, spec: dict[str, Any], base: Path) -> None:
        self._client = client
        self._bucket, self._prefix = split_uri(checkpoint_uri(spec))
        self._directory = Path(contract.checkpoint_directory(str(base), spec))
        self._stored = {
            key[len(self._prefix) :]: size for _, key, size in _objects(client, checkpoint_uri(spec))
        }
        self._copied: dict[str, tuple[int, int]] = {}

    def copy(self) -> None:
        present = {}
        for path in sorted(self._directory.rglob("*")):
            if path.is_file() and not path.name.endswith(_MARKS):
                state = path.stat()
                present[str(path.relative_to(self._directory))] = (state.st_size, state.st_mtime_ns)
        for name, version in present.items():
            if self._copied.get(name) != version:
                self._client.upload_file(str(self._directory / name), self._bucket, self._prefix + name)
        for name in self._stored.keys() | self._copied.keys():
            if name not in present:
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        self._copied, self._stored = present, {}

    def keep_copying(self) -> None:
        """Until killed; a file that is removed while it is read is retried in the next round."""
        while True:
            time.sleep(_MIRROR_SECONDS)
            try:
                self.copy()
            except FileNotFoundError:
                continue


def explained(action: Callable[[], None]) -> int:
    """Run, and turn what may go wrong into a last line and an exit code."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        action()
    except TransferError as error:
        print(error, flush=True)
        return contract.TRANSFER_REFUSED
    except (NoCredentialsError, PartialCredentialsError) as error:
        print(f"{error}; log in to AWS or set AWS_PROFILE", flush=True)
        return contract.TRANSFER_REFUSED
    except ClientError as error:
        print(error, flush=True)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return contract.TRANSFER_REFUSED if 400 <= status < 500 and status != 429 else _INFRASTRUCTURE
    except (BotoCoreError, Boto3Error, OSError) as error:
        print(error, flush=True)
        return _INFRASTRUCTURE
    return 0


def main(what: str, attempt: Path, base: Path) -> int:
    import boto3

    try:
        spec = checked.read_spec(str(attempt))
    except checked.DamagedRecordError as error:
        print(error, flush=True)
        return _INFRASTRUCTURE
    if spec is None:
        print("its record spec.json is missing", flush=True)
        return _INFRASTRUCTURE

    def run() -> None:
        client = boto3.client("s3")
        if what == "download":
            download(client, spec, base)
        elif what == "upload":
            upload(client, spec, attempt)
        elif what == "checkpoints":
            CheckpointMirror(client, spec, base).copy()
        else:
            CheckpointMirror(client, spec, base).keep_copying()

    return explained(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
