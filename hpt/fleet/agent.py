"""The agent of a machine: it runs attempts there with the local executor, for tuners elsewhere.

One process a machine and tuning job, whatever carries the calls. Every call may be made again: what was
started is found again, and news that a tuner has not acknowledged is handed out once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError
from hpt.executors import ends, snapshot
from hpt.executors.base import AttemptKey, Update
from hpt.executors.contract import unpack
from hpt.executors.local import LocalExecutor
from hpt.executors.node import Node
from hpt.executors.order import Order
from hpt.fleet import left_there
from hpt.fleet.notice import Notice
from hpt.fleet.parcels import PLACE, Received
from hpt.fleet.store_check import StoreCheck
from hpt.fleet.transfers import Transfers
from hpt.host.clock import SteadyClock
from hpt.host.private import make_directories, make_directory

ROOT_VARIABLE = "HPT_NODE_ROOT"
"""Of the machine's environment: the directory below which attempts have their files there."""

NAP = 0.1
"""Seconds between looks at what runs. An attempt that ends is seen at once."""

SAVES_WITHIN = 100.0
"""Seconds that training jobs have to save, however long their grace periods are: a Spot instance is gone two
minutes after its notice, and what was saved has to be copied by then.
"""

_LOOKS_EVERY = 5.0
_FORGOTTEN = 900.0  # seconds without a call after which a tuner is given up, and an idle agent ends
_LEAVES_AFTER = 10.0  # seconds without a call after which an agent ends that all tuners have left


@dataclass
class Batch:
    """News with a number, kept until the tuner says that it has it."""

    number: int = 0
    updates: list[Update] = field(default_factory=list)


@dataclass
class Tuner:
    """What one tuner follows here."""

    local: LocalExecutor
    batch: Batch = field(default_factory=Batch)
    seen: float = field(default_factory=time.monotonic)


class Agent:
    """See the module.

    root: the directory of this machine for the tuning job. environment: what programs are given here; None:
    this process's own.
    """

    def __init__(self, root: str, environment: Mapping[str, str] | None = None) -> None:
        self._root = Path(root)
        self._node = Node(environment=dict(environment or os.environ), elsewhere=True)
        make_directories(self._root)
        self._received = Received(self._root.parent / PLACE)
        self._taking = threading.Lock()
        self._tuners: dict[str, Tuner] = {}
        self._lock = threading.RLock()  # calls come on several threads, and an executor is for one
        self._notice = Notice(self._node.environment)
        self._hurried: dict[AttemptKey, str] = {}  # in which state its checkpoints were last copied at once
        self._stores = StoreCheck(self._node)
        self._transfers = Transfers(self._root, self._node)
        self._withdrawn: set[AttemptKey] = set()  # asked to stop since the machine is taken away
        self._seen = time.monotonic()
        self._dismissed = False  # the last tuner has closed
        self._begun = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # readable once an attempt was started
        threading.Thread(target=self._look_after_itself, daemon=True).start()

    def hello(self, tuner: str, now: float) -> dict[str, Any]:
        """Begin, or go on, to serve a tuner. now: by its clock. Returns facts about this machine."""
        with self._lock:
            if tuner not in self._tuners:
                clock = SteadyClock.beginning_at(now)
                local = LocalExecutor(self._root / "trials", clock=clock, outlive=False, node=self._node)
                self._tuners[tuner] = Tuner(local)
                self._dismissed = False
            self._touch(tuner)
        return {"pid": os.getpid(), "version": _version(), "root": str(self._root)}

    def goodbye(self, tuner: str) -> None:
        """The tuner is closed. What runs for it goes on; with nothing left to do, this process ends soon."""
        with self._lock:
            left = self._tuners.get(tuner)
            if left is not None and not left.local.followed:
                left.local.close()
                del self._tuners[tuner]
                self._dismissed = not self._tuners

    def has(self, digest: str) -> bool:
        """Whether the snapshot of a program is here."""
        return snapshot.is_whole(self._root / snapshot.PLACE / digest)

    def put(self, digest: str, manifest: bytes, archive: bytes, sha256: str) -> None:
        """Keep the snapshot of a program. Raises ExecutorError where it arrived damaged."""
        if hashlib.sha256(archive).hexdigest() != sha256:
            raise ExecutorError(f"the program {digest[:12]} arrived damaged; it is sent again")
        place = self._root / snapshot.PLACE
        make_directories(place)
        new = Path(tempfile.mkdtemp(prefix=".", dir=place))
        try:
            make_directory(new / snapshot.FILES)
            (new / "archive").write_bytes(archive)
            unpack(str(new / "archive"), str(new / snapshot.FILES))
            (new / "archive").unlink()
            (new / snapshot.MANIFEST).write_bytes(manifest)
            if snapshot.digest_of(json.loads(manifest)) != digest or not snapshot.is_whole(new):
                raise ExecutorError(f"the program {digest[:12]} is not what its digest says; send it again")
            if not self.has(digest):
                new.rename(place / digest)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def wants(self, digest: str) -> int:
        """As `Received.wants`."""
        return self._received.wants(digest)

    def take(self, digest: str, offset: int, data: bytes) -> int:
        """As `Received.take`."""
        with self._taking:
            return self._received.take(digest, offset, data)

    def start(self, tuner: str, order: Order, parcels: Mapping[str, tuple[str, str]]) -> None:
        """Start an attempt, or find it again, and follow it for the tuner. Raises as `Executor.submit`,
        and RetryableError while the store of its results cannot be used.

        parcels: digest and name of each that was sent, by what the order calls it.
        """
        if not self._known(order.key):
            self._stores.check(order.content)
        places = {uri: str(self._received.path(*parcel)) for uri, parcel in parcels.items()}
        order = replace(order, places=places)
        with self._lock:
            if self._notice.leaves and not self._known(order.key):
                raise ExecutorError("the machine is about to be taken away, and takes no new training job")
            self._transfers.begin(order.content)
            self._touch(tuner).local.start(order)
        os.eventfd_write(self._begun, 1)

    def leave(self, reason: str) -> None:
        """The machine is taken out of service: as if its provider had said so."""
        with self._lock:
            self._notice.told(reason)
            self._heed_notice()

    def stop(self, key: tuple[str, int], now: bool) -> None:
        """Ask an attempt to end, whoever follows it. Raises as `Executor.stop`."""
        with self._lock:
            LocalExecutor(self._root / "trials", node=self._node).stop(AttemptKey(*key), now=now)

    def left(self, key: tuple[str, int]) -> list[left_there.Row]:
        """As `left_there.rows`, of an attempt that has ended."""
        return left_there.rows(self._directory(key))

    def read(self, key: tuple[str, int], wanted: Sequence[left_there.Wanted]) -> list[bytes]:
        """As `left_there.read`."""
        return left_there.read(self._directory(key), wanted)

    def news(self, tuner: str, acknowledged: int, seconds: float) -> tuple[int, list[Update], str]:
        """What changed of what the tuner follows, as soon as anything does, or nothing after some seconds.

        Parameters
        ----------
        tuner
            Who asks.
        acknowledged
            The number of the last news that it has.
        seconds
            The longest to wait.

        Returns
        -------
        tuple
            The number of the news, the updates, and what is known of the machine's end: "", "rebalance" or
            "leaves".

        Raises
        ------
        ExecutorError
            The tuner has to say hello first.
        """
        give_up = time.monotonic() + seconds
        look_by = time.monotonic() + 2 * NAP
        while True:
            with self._lock:
                known = self._touch(tuner)
                if known.batch.number != acknowledged:
                    return known.batch.number, known.batch.updates, self._state
                children = known.local.supervisors
            if self._nap(children) and time.monotonic() < look_by:
                continue
            look_by = time.monotonic() + 2 * NAP
            with self._lock:
                self._heed_notice()
                updates = [self._told(update) for update in known.local.poll()]
                if updates:
                    known.batch = Batch(acknowledged + 1, updates)
                if updates or time.monotonic() >= give_up:
                    return known.batch.number, updates, self._state

    def _nap(self, children: list[int]) -> bool:
        """Sleep until an attempt ends, or one begins, which it returns. What a short one says is told with
        its end, in one message: each costs more than the attempt does.
        """
        if self._begun not in ends.wait(children, NAP, [self._begun]):
            return False
        with contextlib.suppress(BlockingIOError):  # another call has seen it too
            os.eventfd_read(self._begun)
        return True

    @property
    def _state(self) -> str:
        return "leaves" if self._notice.leaves else "rebalance" if self._notice.rebalance else ""

    def _heed_notice(self) -> None:
        """Once the machine may be taken away, have checkpoints copied at once; once it is, end everything
        with grace, so that it saves what it has.
        """
        self._notice.look()
        if not self._notice.rebalance and not self._notice.leaves:
            return
        for tuner in self._tuners.values():
            for key in tuner.local.followed:
                if self._hurried.get(key) != self._state:
                    self._hurried[key] = self._state
                    tuner.local.copy_now(key)
        if not self._notice.leaves:
            return
        for tuner in self._tuners.values():
            for key in tuner.local.followed:
                if key not in self._withdrawn:
                    self._withdrawn.add(key)
                    tuner.local.end_within(key, SAVES_WITHIN)

    def _told(self, update: Update) -> Update:
        """The update for the tuner: what was stopped since the machine is taken away was preempted."""
        end = update.exit
        if end is None or update.key not in self._withdrawn or not end.stopped:
            return update
        end = replace(end, outcome="Preempted", exit_code=None, reason=self._notice.reason, stopped=False)
        return replace(update, exit=end)

    def _known(self, key: AttemptKey) -> bool:
        return self._directory(key).exists()

    def _directory(self, key: tuple[str, int]) -> Path:
        name, attempt = key
        return self._root / "trials" / name / "attempts" / str(attempt)

    def _touch(self, tuner: str) -> Tuner:
        if tuner not in self._tuners:
            raise ExecutorError("the agent was started anew; say hello first")
        self._seen = self._tuners[tuner].seen = time.monotonic()
        return self._tuners[tuner]

    def _look_after_itself(self) -> None:
        """Heed notices though no tuner asks. Let go of tuners that are silent for long; with none left and
        nothing running, end this process.
        """
        while True:
            time.sleep(_LOOKS_EVERY)
            with self._lock:
                with contextlib.suppress(ExecutorError):  # asked again
                    self._heed_notice()
                now = time.monotonic()
                for name, tuner in list(self._tuners.items()):
                    if now - tuner.seen > _FORGOTTEN and not tuner.local.followed:
                        tuner.local.close()
                        del self._tuners[name]
                    elif now - tuner.seen > _FORGOTTEN:
                        tuner.local.poll()  # what nobody reads any more still ends
                if not self._tuners and now - self._seen > (_LEAVES_AFTER if self._dismissed else _FORGOTTEN):
                    os._exit(0)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hpt")
    except PackageNotFoundError:
        return ""
