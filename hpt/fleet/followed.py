"""An attempt on another machine as its tuner follows it, and the program that is sent there."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hpt.errors import ExecutorError
from hpt.executors import snapshot
from hpt.executors.base import Submission
from hpt.executors.order import Order
from hpt.fleet.parcels import Parcel


@dataclass
class Followed:
    """An attempt that this tuner follows. offset: how much of its log was handed out. sent: that it is to be
    started was said to the agent; started: the agent has it. stop: None, or whether at once.
    parcels: what of this host is to be there, by what the order calls it.
    waits: since when no node had room. fresh: this process gave it to its node; ever_sent: the node may have
    heard of it.
    """

    submission: Submission
    order: Order
    offset: int
    node: str = ""
    sent: bool = False
    started: bool = False
    again: float = 0.0
    stop: bool | None = None
    stop_sent: bool = False
    ended: bool = False
    fresh: bool = False
    ever_sent: bool = False
    waits: float = 0.0
    parcels: dict[str, Parcel] = field(default_factory=dict)

    @property
    def may_have_run(self) -> bool:
        """Whether anything of it may have been started, by this process or another."""
        return bool(self.node) and (self.ever_sent or not self.fresh)


def packed(place: Path, digest: str) -> tuple[bytes, bytes, str]:
    """The manifest and the archive of a snapshot, and the digest of the archive. place: of the snapshots.

    Raises:
        ExecutorError: it is missing.
    """
    stored = snapshot.read(place / digest)
    if stored is None:
        raise ExecutorError(f"the snapshot {digest[:12]} of the program is missing")
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder:
        target = Path(folder, "program.tar.gz")
        snapshot.archive(stored, target)
        data = target.read_bytes()
    manifest = (stored.directory / snapshot.MANIFEST).read_bytes()
    return manifest, data, hashlib.sha256(data).hexdigest()
