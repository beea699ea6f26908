"""The files of a fleet on S3: what must outlive any machine.

PREFIX/
    fleet.json                the configuration
    hpt/<sha256>/             the wheel of `hpt`, and constraints.txt: the packages that its first head got
    environments/<sha256>     archives with an interpreter and packages, where machines run from one
    code/<sha256>.tar.gz      programs of jobs
    data/<digest>/            local data of jobs, then <digest>.complete
    jobs/NAME/                request.json; what the head copies: job.sqlite, executor.json, runner.log,
                              status.json; stop
    again/NAME.json           a job that has ended is to go on
    nodes/ID.json             what each node last said
    head.json                 what the head last said: its address, the cost so far, what was refused
    machines.json             every machine that there was, with its times and prices
    closed                    the fleet is taken down: nothing is to be launched
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.fleet.ec2.aws import Aws, absent, code_of, pages

FLEET = "fleet.json"
HEAD = "head.json"
MACHINES = "machines.json"
CLOSED = "closed"
STOP = "stop"


class Store:
    """Objects below a prefix. Every method raises InputError or RetryableError as `Aws.explained` says."""

    def __init__(self, aws: Aws, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix, self._aws = bucket, prefix, aws

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def _doing(self, what: str, key: str) -> str:
        return f"{self.uri}{key} cannot be {what}"

    def put(self, key: str, content: bytes | str | Path, *, new: bool = False) -> bool:
        """Write an object. new: only if there is none; returns whether it was written."""
        from botocore.exceptions import ClientError

        more = {"IfNoneMatch": "*"} if new else {}
        where = {"Bucket": self.bucket, "Key": self.prefix + key}
        with self._aws.explained(self._doing("written", key)):
            try:
                if isinstance(content, Path):
                    with content.open("rb") as file:
                        self._aws.s3.put_object(**where, Body=file, **more)
                else:
                    body = content.encode() if isinstance(content, str) else content
                    self._aws.s3.put_object(**where, Body=body, **more)
            except ClientError as error:
                if new and code_of(error) in ("PreconditionFailed", "ConditionalRequestConflict"):
                    return False
                raise
        return True

    def upload(self, key: str, path: Path) -> None:
        """Write a file of any size."""
        from boto3.exceptions import Boto3Error

        with self._aws.explained(self._doing("written", key)):
            try:
                self._aws.s3.upload_file(str(path), self.bucket, self.prefix + key)
            except Boto3Error as error:
                raise getattr(error, "__cause__", None) or error from error

    def get(self, key: str) -> bytes | None:
        """The content; None where there is no such object."""
        found = self.get_dated(key)
        return found[0] if found is not None else None

    def get_dated(self, key: str) -> tuple[bytes, float] | None:
        """The content and its age in seconds by the clock of S3, which machines need not share."""
        from email.utils import parsedate_to_datetime

        from botocore.exceptions import ClientError

        with self._aws.explained(self._doing("read", key)):
            try:
                reply = self._aws.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)
                content: bytes = reply["Body"].read()
            except ClientError as error:
                if absent(error) and code_of(error) != "NoSuchBucket":
                    return None
                raise
        date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else reply["LastModified"]
        return content, max(0.0, (now - reply["LastModified"]).total_seconds())

    def get_json(self, key: str) -> Any:
        """The document; None where there is none. Raises InputError where it is damaged."""
        content = self.get(key)
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise InputError(f"{self.uri}{key} is damaged ({error}); remove it") from None

    def put_json(self, key: str, document: Any) -> None:
        self.put(key, json.dumps(document, sort_keys=True))

    def has(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        with self._aws.explained(self._doing("read", key)):
            try:
                self._aws.s3.head_object(Bucket=self.bucket, Key=self.prefix + key)
            except ClientError as error:
                if absent(error):
                    return False
                raise
        return True

    def keys(self, below: str = "") -> Iterator[str]:
        """The keys below the prefix, in order."""
        with self._aws.explained(self._doing("listed", below)):
            where = {"Bucket": self.bucket, "Prefix": self.prefix + below}
            for item in pages(self._aws.s3.list_objects_v2, "Contents", **where):
                yield item["Key"][len(self.prefix) :]

    def dated(self, below: str) -> list[tuple[str, str, float]]:
        """Key, version of the content and age in seconds, by the clock of S3, of the objects below."""
        from email.utils import parsedate_to_datetime

        found: list[tuple[str, str, float]] = []
        where = {"Bucket": self.bucket, "Prefix": self.prefix + below}
        with self._aws.explained(self._doing("listed", below)):
            while True:
                reply = self._aws.s3.list_objects_v2(**where)
                date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
                for item in reply.get("Contents", ()):
                    changed = item["LastModified"]
                    now = parsedate_to_datetime(date) if date else changed
                    age = max(0.0, (now - changed).total_seconds())
                    found.append((item["Key"][len(self.prefix) :], item["ETag"], age))
                if not reply.get("NextContinuationToken"):
                    return found
                where["ContinuationToken"] = reply["NextContinuationToken"]

    def folders(self, below: str) -> list[str]:
        """The names of the folders right below one, whose name ends with `/`."""
        with self._aws.explained(self._doing("listed", below)):
            where = {"Bucket": self.bucket, "Prefix": self.prefix + below, "Delimiter": "/"}
            found = pages(self._aws.s3.list_objects_v2, "CommonPrefixes", **where)
            return [each["Prefix"][len(self.prefix + below) : -1] for each in found]

    def delete(self, key: str) -> None:
        with self._aws.explained(self._doing("deleted", key)):
            self._aws.s3.delete_object(Bucket=self.bucket, Key=self.prefix + key)
