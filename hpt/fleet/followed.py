"""An attempt on another machine as its tuner follows it, and the program that is sent there."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hpt.errors import ExecutorError, InputError
from hpt.executors import record, snapshot
from hpt.executors.base import Exit, Submission
from hpt.executors.order import Order
from hpt.fleet.parcels import Parcel
from hpt.job.program_kind import ProgramKind


@dataclass
class Followed:
    """An attempt that this tuner follows. offset: how much of its log was handed out. sent: that it is to be
    started was said to the agent; started: the agent has it. stop: None, or whether at once.
    parcels: what of this host is to be there, by what the order calls it.
    times: when its phases began, as far as they were told. waits: since when no node had room.
    fresh: this process gave it to its node; ever_sent: the node may have heard of it; refused: the last that
    it said is that nothing of it can be started now.
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
    refused: bool = False
    waits: float = 0.0
    times: dict[str, float] = field(default_factory=dict)
    parcels: dict[str, Parcel] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """The name of the file that is read of it: of a function its values in place of its log."""
        function = self.submission.definition.program.kind is ProgramKind.FUNCTION
        return record.RESULTS if function else record.LOG

    @property
    def may_have_run(self) -> bool:
        """Whether anything of it may have been started, by this process or another."""
        return bool(self.node) and not self.refused and (self.ever_sent or not self.fresh)


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


def check_name(submission: Submission) -> None:
    """Raises InputError where a training job cannot be run by that name and number."""
    name, number = submission.key
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise InputError(
            f"training job name {name!r} cannot be a directory's; use letters, digits and hyphens"
        )
    if number < 1:
        raise InputError(f"attempt {number} of {name}: attempts count from 1")


def reason_there(end: Exit, address: str) -> str:
    """Why an attempt ended on a node, with its address if nothing could be started, as what is missing there
    may be here, or if it was lost, as to a full disk.
    """
    missing = end.outcome == "Exited" and end.exit_code is None and not (end.stopped or end.timed_out)
    named = missing or end.outcome == "Lost"
    return f"node {address}: {end.reason}" if named and end.reason else end.reason
