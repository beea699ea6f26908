"""What an input channel holds, of objects on S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hpt.executors.contract import ContractError
from hpt.executors.sources import CHUNK

if TYPE_CHECKING:
    from hpt.executors.sources import Item

S3Client = Any  # boto3 makes its clients at run time

_TRIES = 4
"""How often an object is asked for whose transfer breaks off: it goes on where it broke."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def relative_name(key: str, prefix: str) -> str:
    """Where an object found under a prefix lies within its channel.

    >>> relative_name("data/train/a.csv", "data/train"), relative_name("data/train.csv", "data/tr")
    ('a.csv', 'train.csv')

    Raises:
        ContractError: the key would leave the channel's directory.
    """
    if prefix.endswith("/") or not prefix:
        name = key[len(prefix) :]
    elif key.startswith(prefix + "/"):
        name = key[len(prefix) + 1 :]
    else:
        name = key[prefix.rfind("/") + 1 :]
    if name.startswith("/") or ".." in name.split("/"):
        raise ContractError(f"object key {key!r} would leave the directory; rename the object")
    return name


def objects(client: S3Client, uri: str) -> Iterator[tuple[str, str, int]]:
    """Bucket, key and size of every object under a prefix, folder markers left out."""
    bucket, prefix = split_uri(uri)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if not entry["Key"].endswith("/"):
                yield bucket, entry["Key"], entry["Size"]


class S3Source:
    """Objects on S3."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def under(self, uri: str) -> list[Item]:
        """All objects below a prefix, in the order of their keys."""
        _, prefix = split_uri(uri)
        return [
            (f"s3://{bucket}/{key}", relative_name(key, prefix))
            for bucket, key, _ in objects(self._client, uri)
        ]

    def chunks(self, uri: str) -> Iterator[bytes]:
        """The bytes of an object. If the transfer breaks off it goes on there, unless the object changed."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        bucket, key = split_uri(uri)
        offset, more = 0, dict[str, str]()
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **more)
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    raise ContractError(f"{uri} is not found; correct what lists it") from None
                raise
            size = offset + answer["ContentLength"]
            try:
                while data := answer["Body"].read(CHUNK):
                    offset += len(data)
                    yield data
            except (BotoCoreError, HTTPError, OSError):
                if attempt == _TRIES:
                    raise
            if offset >= size:
                return
            more = {"Range": f"bytes={offset}-", "IfMatch": answer["ETag"]}
