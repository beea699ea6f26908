"""What an attempt that was lost with its machine has left on S3."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from hpt.executors.checkpoint_sets import CheckpointStore


class Left(NamedTuple):
    """What an attempt left: the offset in its log of what its successor goes on from (0: what it began with
    itself; None: nothing), and what it printed up to there that is not known here.
    """

    covered: int | None
    log: bytes = b""


class LostCheckpoints:
    """Takes them over. It keeps its client, since a node may be lost with many attempts."""

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 2})
        return boto3.client("s3", config=config)

    def take_over(self, content: Mapping[str, Any], known: int) -> Left:
        """Shut an attempt out from its checkpoints, should it still run anywhere, and find out what it left.

        content: of its order; its checkpoints are on S3. known: how many bytes of its log are known here.

        Raises:
            Exception: whatever boto3 raises where the store cannot be reached or refuses.
        """
        CheckpointStore(self._client, {**content, "attempt": content["attempt"] + 1}).begin()
        store = CheckpointStore(self._client, content)
        covered = store.covered()
        return Left(covered, store.log(known, covered) if covered is not None and covered > known else b"")
