"""Whether a machine can use the S3 places of its training jobs, asked before any of them is started.

A store that refuses, or a bucket that does not exist, would fail one training job after another: the tuning
job waits instead until that is corrected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from hpt.errors import RetryableError
from hpt.executors.contract import is_remote
from hpt.executors.node import Node
from hpt.executors.s3_source import S3Client, split_uri
from hpt.executors.s3_transfer import explained

_AGAIN = 10.0  # seconds after which what was refused is asked again
_PATIENCE = 60.0
_LONGEST = 300
_MARK = ".hpt/.check"


class StoreCheck:
    """What is known of the places that training jobs of this machine use."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._good: set[str] = set()
        self._bad: dict[str, tuple[float, str]] = {}  # when it was asked, and what it said

    def check(self, content: Mapping[str, Any]) -> None:
        """Look at the places of an attempt, given its specification.

        Raises:
            RetryableError: one of them cannot be used; the message says why.
        """
        places = sorted(set(_places(content)))
        if not places:
            return
        variables = {**self._node.environment, **content["environment"]}
        key = json.dumps([places, {name: variables[name] for name in variables if name.startswith("AWS_")}])
        with self._lock:  # one process at a time: a hundred attempts may ask the same
            if key in self._good:
                return
            asked, said = self._bad.get(key, (0.0, ""))
            if not said or time.monotonic() - asked > _AGAIN:
                said = self._ask(places, variables)
                if not said:
                    self._bad.pop(key, None)
                    self._good.add(key)
                    return
                self._bad[key] = time.monotonic(), said
        raise RetryableError(f"the store cannot be used from there: {said}")

    def _ask(self, places: list[tuple[str, bool]], variables: Mapping[str, str]) -> str:
        packages = os.pathsep.join(filter(None, [self._node.library, variables.get("PYTHONPATH")]))
        command = [self._node.interpreter, "-m", "hpt.fleet.store_check", json.dumps(places)]
        try:
            done = subprocess.run(
                command,
                env={**variables, **({"PYTHONPATH": packages} if packages else {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it does not answer within {_PATIENCE:g} s"
        except OSError as error:
            return f"no process can be started to look at it: {error.strerror}"
        if done.returncode == 0:
            return ""
        said = (done.stdout or done.stderr).decode("utf-8", "replace").strip().splitlines()
        return said[-1][:_LONGEST] if said else f"exit code {done.returncode}"


def _places(content: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The S3 places of an attempt, each with whether it is written to."""
    for channel in content["channels"]:
        if is_remote(channel["uri"]):
            yield channel["uri"], False
    for name in ("output_path", "checkpoint_uri"):
        if is_remote(content[name] or ""):
            yield content[name].rstrip("/") + "/", True


def look(client: S3Client, places: list[tuple[str, bool]]) -> None:
    """Raises what boto3 raises where one cannot be used; what is written is removed again."""
    for uri, writes in places:
        bucket, key = split_uri(uri)
        if writes:
            client.put_object(Bucket=bucket, Key=f"{key}{_MARK}", Body=b"")
            explained(lambda: client.delete_object(Bucket=bucket, Key=f"{key}{_MARK}"))  # noqa: B023, at once
        else:
            client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)


def main(places: list[tuple[str, bool]]) -> int:
    """The exit code is 0 if all can be used; the last line says why not."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
    return explained(lambda: look(boto3.client("s3", config=config), places))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
