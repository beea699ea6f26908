"""What an attempt that was lost with its machine has left on S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt.executors.checkpoint_sets import CheckpointStore


def take_over(content: Mapping[str, Any]) -> int | None:
    """Shut an attempt out from its checkpoints, should it still run anywhere, and find out what its successor
    goes on from: the offset in its log, 0 for what it began with itself, None for nothing.

    content: of its order; its checkpoints are on S3.

    Raises:
        Exception: whatever boto3 raises where the store cannot be reached or refuses.
    """
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 2})
    client = boto3.client("s3", config=config)
    CheckpointStore(client, {**content, "attempt": content["attempt"] + 1}).begin()
    return CheckpointStore(client, content).covered()
