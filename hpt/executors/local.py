"""Runs training programs on this host, each under a supervisor that outlives the tuner."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hpt.errors import BusyError, ExecutorError, InputError, StorageError, StorageProblem
from hpt.executors import checked, ends, environments, match, process, record
from hpt.executors.attempt import Attempt
from hpt.executors.base import AttemptKey, Submission, Update
from hpt.executors.node import Node
from hpt.executors.order import Order
from hpt.executors.own_paths import names_opt_ml
from hpt.executors.slots import Machine, Slots
from hpt.executors.snapshot import FILES, PLACE
from hpt.host.clock import SteadyClock
from hpt.host.identity import ProcessIdentity
from hpt.host.private import make_directory

_LOG_BYTES = 1 << 18  # of one attempt, a poll
_ALL_LOG_BYTES = 1 << 22  # of all attempts together, a poll


class LocalExecutor:
    """Training jobs as processes of this host.

    root: the directory below which each training job has its own, see `record.py`; made when needed. Every
    attempt's state lies there, so any process with the same root sees and controls the same attempts.

    clock: of the tuning job. outlive: False stops attempts with grace once the process that submitted them is
    gone. say: called with messages for the user. node: what this host gives to programs; this process's own
    interpreter and environment if it is left out.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: SteadyClock | None = None,
        outlive: bool = True,
        say: Callable[[str], None] = lambda message: None,
        node: Node | None = None,
    ) -> None:
        self._root = Path(root).absolute()
        self._snapshots = self._root.parent / PLACE
        self._clock = clock or SteadyClock.beginning_at(time.time())
        self._owner = None if outlive else ProcessIdentity.current().to_json()
        self._say = say
        self._node = node or Node()
        self._slots = Slots(None if node is None else Machine(node.environment))
        self._followed: dict[AttemptKey, Attempt] = {}
        self._naming: dict[str, bool] = {}  # by the digest of a snapshot
        self._ending: list[Attempt] = []  # handed out as ended, while their supervisor was on its way out

    def submit(self, submission: Submission) -> None:
        """Start the attempt; one that any process started before is only found again.

        A program that cannot run is no error here: the attempt ends as failed and says why. What is found of
        another configuration is set aside, and never read.

        Raises:
            InputError: the name cannot be that of a directory.
            StorageError: the disk is full.
            ExecutorError: nothing could be started; submitting again is safe.
            RetryableError: what is to be set aside still runs. BusyError: others have what it is to get.
        """
        self.start(Order.of(submission))

    def start(self, order: Order) -> None:
        """`submit`, given the submission as it came from another host. Raises as `submit`."""
        if order.key in self._followed:
            return
        attempt = self._attempt_of(order)
        content = order.on(self._node) | {
            "owner": self._owner,
            "clock": self._clock.to_json(),
            "snapshot": None if order.program is None else str(self._snapshots / order.program),
            "environments": str(environments.store(self._root.parent.parent)),
        }
        content["names_opt_ml"] = self._names_opt_ml(content)
        if attempt.was_started:
            content["fresh"] = not self._recognise(attempt, order, content)
        elif order.log_offset:
            raise ExecutorError(
                f"nothing is found in {attempt.file('')} of an attempt whose log was read before"
            )
        if not attempt.was_started:
            try:
                content |= self._assign(attempt, order)
                self._set_up(attempt, content)
                attempt.spawn()
            except BaseException:
                self._freed(attempt)
                raise
        self._followed[order.key] = attempt

    @property
    def followed(self) -> list[AttemptKey]:
        """The attempts whose end was not handed out yet."""
        return list(self._followed)

    def _assign(self, attempt: Attempt, order: Order) -> dict[str, Any]:
        """What the attempt gets of this machine, for its specification. Raises as `Slots.assign`."""
        if not order.resources:
            return {}
        if os.path.lexists(attempt.file(record.SPEC)):
            # A tuner died here, and its supervisor, which may be starting just now, holds other devices.
            process.kill_supervisors(attempt.file("").rstrip("/"))
            if attempt.was_started:
                raise BusyError("it was just started by another process")
        attempt.assignment = self._slots.assign(order.resources, order.content["environment"])
        return attempt.assignment.specification()

    def _freed(self, attempt: Attempt) -> None:
        """Take back what the attempt was given: it has ended, or could not be started."""
        self._slots.release(attempt.assignment)

    def _recognise(self, attempt: Attempt, order: Order, content: Mapping[str, Any]) -> bool:
        """Whether what was found is the attempt, which may be damaged; if not, it is set aside.

        Raises:
            ExecutorError, RetryableError: as `submit`.
        """
        directory = attempt.file("").rstrip("/")
        try:
            found = checked.read_spec(directory)
        except checked.DamagedRecordError as error:
            attempt.condemn(str(error))
            return True
        if found is None:
            attempt.condemn(f"its record {record.SPEC} is missing")
            return True
        reason = match.difference(content, found)
        if not reason:
            return True
        match.end_attempt(directory)
        shared = content["own_checkpoints"]  # by all training jobs that name the same place
        kept = None if shared else content["checkpoint_uri"]
        place = match.set_aside(self._root, order.key.name, reason, kept)
        self._say(
            f"{order.key.name}: what was found of it ran with another configuration ({reason}); it is set"
            f" aside in {place}, and nothing of it counts"
        )
        if order.log_offset:
            raise ExecutorError(f"what was found ran with another configuration ({reason}); it is in {place}")
        return False

    def _set_up(self, attempt: Attempt, content: Mapping[str, Any]) -> None:
        """Write what to run. Raises as `submit`."""
        try:
            directory = Path(attempt.file(""))
            for level in (self._root, *reversed(directory.parents[:2]), directory):
                make_directory(level)  # what lies above the root was there, or somebody took it away
            if record.is_full(attempt.file("")):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            record.write_json(attempt.file(record.SPEC), content, durable=False)
        except OSError as error:
            what, path = f"training job {content['name']} cannot be set up", attempt.file("")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                facts = {"path": path, "reason": str(error.strerror), "fix": "make room there"}
                raise StorageError(what, problem=StorageProblem.FULL, **facts) from None
            raise ExecutorError(
                f"{what} in {path}: {error.strerror}; make room or set permissions there"
            ) from None

    def poll(self) -> list[Update]:
        """What changed since the last call. Never blocks.

        An attempt is lost when its supervisor died without a record; whatever it left running is
        killed first. One whose supervisor never got to mark it is started again. What runs costs a few looks
        at sizes of files.

        Raises:
            ExecutorError: the state of an attempt cannot be read, and no other attempt changed.
        """
        self._ending = [attempt for attempt in self._ending if attempt.reap()]
        updates, failure, room = [], None, _ALL_LOG_BYTES
        for key, attempt in list(self._followed.items()):
            try:
                update = attempt.poll(min(_LOG_BYTES, room))
            except OSError as error:
                failure = ExecutorError(f"the state of {key.name} cannot be read: {error}")
                continue
            if update is None:
                continue
            updates.append(update)
            room -= len(update.log.data)
            if update.exit is not None:
                del self._followed[key]
                self._freed(attempt)
                if attempt.reap():
                    self._ending.append(attempt)
            elif update.log.data and room < _LOG_BYTES:  # another's turn comes first next time
                self._followed[key] = self._followed.pop(key)
        self._slots.trim()
        if failure is not None and not updates:
            raise failure
        return updates

    @property
    def supervisors(self) -> list[int]:
        """The process ids of what supervises attempts here, as far as this process started it."""
        return [pid for each in self._followed.values() if (pid := each.supervisor) is not None]

    def wait(self, seconds: float) -> None:
        """Sleep until an attempt that this process started has ended, or so many seconds."""
        self._sleep(seconds)

    def _sleep(self, seconds: float, also: Iterable[int] = ()) -> None:
        """`wait`, or until one of the descriptors `also` can be read."""
        ends.wait(self.supervisors, seconds, also)
        for attempt in self._followed.values():
            attempt.reap()  # so that its end is not waited for again, should nobody poll meanwhile

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, the grace period, SIGKILL; `now` skips the grace. Idempotent.

        Raises:
            ExecutorError: the request could not be left for a supervisor that cannot be reached otherwise.
        """
        key = AttemptKey(*key)
        (self._followed.get(key) or self._attempt(key)).stop(now=now)

    def end_within(self, key: AttemptKey, seconds: float) -> None:
        """`stop`, with a grace period of so many seconds at most. Raises as `stop`."""
        key = AttemptKey(*key)
        (self._followed.get(key) or self._attempt(key)).end_within(seconds)

    def copy_now(self, key: AttemptKey) -> None:
        """Have the checkpoints of an attempt copied to S3 at once, if they are copied there at all."""
        record.append_line(str(self._directory(AttemptKey(*key)) / record.COPY_NOW), "\n")

    def close(self) -> None:
        """Release everything; running attempts go on under their supervisors."""
        for attempt in [*self._followed.values(), *self._ending]:
            attempt.reap()
            self._freed(attempt)
        self._slots.trim(all=True)
        self._followed.clear()
        self._ending.clear()

    def _names_opt_ml(self, content: Mapping[str, Any]) -> bool | None:
        """Whether a file of the program's snapshot names `/opt/ml`; None where there is none."""
        digest, snapshot = content["program"], content["snapshot"]
        if digest is None or not content["finds_paths"]:
            return None
        if digest not in self._naming:
            self._naming[digest] = names_opt_ml(sorted(map(str, Path(snapshot, FILES).glob("*"))))
        return self._naming[digest]

    def _attempt_of(self, order: Order) -> Attempt:
        """What is to be followed of an order."""
        return self._attempt(order.key, order.log_offset)

    def _attempt(self, key: AttemptKey, offset: int = 0) -> Attempt:
        return Attempt(key, self._directory(key), self._clock, offset, self._node)

    def _directory(self, key: AttemptKey) -> Path:
        name, number = key
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise InputError(
                f"training job name {name!r} cannot be a directory's; use letters, digits and hyphens"
            )
        if number < 1:
            raise InputError(f"attempt {number} of {name}: attempts count from 1")
        return self._root / name / "attempts" / str(number)


def specification(submission: Submission, node: Node | None = None) -> dict[str, Any]:
    """What a supervisor needs to know, as JSON data; the same for the same submission on the same node."""
    return Order.of(submission).on(node or Node())
