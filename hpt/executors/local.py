"""Runs training programs on this host, each under a supervisor that outlives the tuner."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hpt.errors import BusyError, ExecutorError, InputError, StorageError, StorageProblem
from hpt.executors import checked, environments, match, process, record
from hpt.executors.attempt import Attempt
from hpt.executors.base import AttemptKey, Submission, Update
from hpt.executors.own_paths import names_opt_ml
from hpt.executors.programs import Program, resolve
from hpt.executors.slots import Slots
from hpt.executors.snapshot import FILES, PLACE
from hpt.host.clock import SteadyClock
from hpt.host.identity import ProcessIdentity
from hpt.host.interpreter import is_named
from hpt.host.private import make_directory
from hpt.job.config import Channel, TrainingJobDefinition
from hpt.job.instances import processes
from hpt.job.isolation import elsewhere, finds_paths, runs_as_image
from hpt.job.program_kind import program_of

_LOG_BYTES = 1 << 18  # of one attempt, a poll
_ALL_LOG_BYTES = 1 << 22  # of all attempts together, a poll
_PACKAGES = str(Path(__file__).resolve().parents[2])  # the directory that holds the package `hpt`


class LocalExecutor:
    """Training jobs as processes of this host.

    root: the directory below which each training job has its own, see `record.py`; made when needed. Every
    attempt's state lies there, so any process with the same root sees and controls the same attempts.

    clock: of the tuning job. outlive: False stops attempts with grace once the process that submitted them is
    gone. say: called with messages for the user.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: SteadyClock | None = None,
        outlive: bool = True,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._root = Path(root).absolute()
        self._snapshots = self._root.parent / PLACE
        self._clock = clock or SteadyClock.beginning_at(time.time())
        self._owner = None if outlive else ProcessIdentity.current().to_json()
        self._say = say
        self._slots = Slots()
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
        if submission.key in self._followed:
            return
        attempt = self._attempt_of(submission)
        content = specification(submission) | {
            "owner": self._owner,
            "clock": self._clock.to_json(),
            "snapshot": self._snapshot(submission.definition.snapshot),
            "environments": str(environments.store(self._root.parent.parent)),
        }
        content["names_opt_ml"] = self._names_opt_ml(content)
        if attempt.was_started:
            content["fresh"] = not self._recognise(attempt, submission, content)
        elif submission.log_offset:
            raise ExecutorError(
                f"nothing is found in {attempt.file('')} of an attempt whose log was read before"
            )
        if not attempt.was_started:
            try:
                content |= self._assign(attempt, submission)
                self._set_up(attempt, submission, content)
                attempt.spawn()
            except BaseException:
                self._freed(attempt)
                raise
        self._followed[submission.key] = attempt

    def _assign(self, attempt: Attempt, submission: Submission) -> dict[str, Any]:
        """What the attempt gets of this machine, for its specification. Raises as `Slots.assign`."""
        definition = submission.definition
        if not definition.resources:
            return {}
        if os.path.lexists(attempt.file(record.SPEC)):
            # A tuner died here, and its supervisor, which may be starting just now, holds other devices.
            process.kill_supervisors(attempt.file("").rstrip("/"))
            if attempt.was_started:
                raise BusyError("it was just started by another process")
        attempt.assignment = self._slots.assign(definition.resources, definition.environment)
        return attempt.assignment.specification()

    def _freed(self, attempt: Attempt) -> None:
        """Take back what the attempt was given: it has ended, or could not be started."""
        self._slots.release(attempt.assignment)

    def _recognise(self, attempt: Attempt, submission: Submission, content: Mapping[str, Any]) -> bool:
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
        shared = submission.definition.own_checkpoints  # by all training jobs that name the same place
        kept = None if shared else submission.definition.checkpoint_uri
        place = match.set_aside(self._root, submission.name, reason, kept)
        self._say(
            f"{submission.name}: what was found of it ran with another configuration ({reason}); it is set"
            f" aside in {place}, and nothing of it counts"
        )
        if submission.log_offset:
            raise ExecutorError(f"what was found ran with another configuration ({reason}); it is in {place}")
        return False

    def _set_up(self, attempt: Attempt, submission: Submission, content: Mapping[str, Any]) -> None:
        """Write what to run. Raises as `submit`."""
        try:
            directory = Path(attempt.file(""))
            for level in (self._root, *reversed(directory.parents[:2]), directory):
                make_directory(level)  # what lies above the root was there, or somebody took it away
            if record.is_full(attempt.file("")):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            record.write_json(attempt.file(record.SPEC), content, durable=False)
        except OSError as error:
            what, path = f"training job {submission.name} cannot be set up", attempt.file("")
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

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, the grace period, SIGKILL; `now` skips the grace. Idempotent.

        Raises:
            ExecutorError: the request could not be left for a supervisor that cannot be reached otherwise.
        """
        key = AttemptKey(*key)
        (self._followed.get(key) or self._attempt(key)).stop(now=now)

    def close(self) -> None:
        """Release everything; running attempts go on under their supervisors."""
        for attempt in [*self._followed.values(), *self._ending]:
            attempt.reap()
            self._freed(attempt)
        self._slots.trim(all=True)
        self._followed.clear()
        self._ending.clear()

    def _snapshot(self, digest: str | None) -> str | None:
        return None if digest is None else str(self._snapshots / digest)

    def _names_opt_ml(self, content: Mapping[str, Any]) -> bool | None:
        """Whether a file of the program's snapshot names `/opt/ml`; None where there is none."""
        digest, snapshot = content["program"], content["snapshot"]
        if digest is None or not content["finds_paths"]:
            return None
        if digest not in self._naming:
            self._naming[digest] = names_opt_ml(sorted(map(str, Path(snapshot, FILES).glob("*"))))
        return self._naming[digest]

    def _attempt_of(self, submission: Submission) -> Attempt:
        """What is to be followed of a submission."""
        return self._attempt(submission.key, submission.log_offset)

    def _attempt(self, key: AttemptKey, offset: int = 0) -> Attempt:
        return Attempt(key, self._directory(key), self._clock, offset)

    def _directory(self, key: AttemptKey) -> Path:
        name, number = key
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise InputError(
                f"training job name {name!r} cannot be a directory's; use letters, digits and hyphens"
            )
        if number < 1:
            raise InputError(f"attempt {number} of {name}: attempts count from 1")
        return self._root / name / "attempts" / str(number)


def specification(submission: Submission) -> dict[str, Any]:
    """What a supervisor needs to know wherever it runs, as JSON data; the same for the same submission."""
    definition = submission.definition
    refusal = ""
    image = definition.training_image
    kind = program_of(image, submission.hyperparameters).kind
    as_image = runs_as_image(kind, image, definition.containers)
    try:
        program = (
            Program(()) if as_image else resolve(image, submission.hyperparameters, definition.environment)
        )
    except InputError as error:
        program, refusal = Program(()), str(error)
    library = _PACKAGES if Path(_PACKAGES).name not in ("site-packages", "dist-packages") else ""
    content = {
        "version": record.VERSION,
        "job": submission.job,
        "program": definition.snapshot,
        "name": submission.name,
        "attempt": submission.attempt,
        "parallel": submission.parallel,
        "refusal": refusal,
        "command": program.command,
        "entry": program.entry,
        "source": program.source,
        "in_code": program.in_code,
        "declared": program.declared,
        "script": program.script,
        "program_python": program.interpreter,
        "named_python": is_named(definition.environment),
        "takes_arguments": program.takes_arguments,
        "python": program.python,
        "function": program.function,
        "python_path": library if program.needs_library else "",
        "interpreter": sys.executable,
        "transfer_path": library,
        "requested_image": image,
        "image": None if as_image is False else image,
        "image_if_present": as_image is None,
        "finds_paths": finds_paths(kind),
        "checkpoints_at": _checkpoints_at(definition),
        "hyperparameters": dict(submission.hyperparameters),
        "environment": dict(definition.environment),
        "channels": [_channel(channel) for channel in definition.channels],
        "output_path": definition.output_path,
        "output_compression": definition.output_compression,
        "checkpoint_uri": definition.checkpoint_uri,
        "checkpoint_local_path": definition.checkpoint_local_path,
        "max_runtime_seconds": definition.max_runtime_seconds,
        "spent_seconds": submission.spent,
        "grace_seconds": definition.grace_seconds,
        "instance_type": definition.instance_type,
        **_instances(definition),
        "entrypoint": list(definition.entrypoint),
        "arguments": list(definition.arguments),
        "own_checkpoints": definition.own_checkpoints,
    }
    return content | {"digest": match.digest(content)}


def _instances(definition: TrainingJobDefinition) -> dict[str, Any]:
    """How many processes of the program run, where that is not one."""
    if processes(definition) == 1:
        return {}
    return {
        "instance_count": definition.instance_count,
        "instance_groups": [asdict(group) for group in definition.instance_groups],
    }


_NEWER = ("data_type", "attribute_names", "shuffle_seed", "instance_group_names")


def _channel(channel: Channel) -> dict[str, Any]:
    """A channel as JSON data. What earlier versions did not have is left out where it says nothing, so that
    their attempts are recognised.
    """
    content = asdict(channel)
    for each in fields(channel):
        if each.name in _NEWER and content[each.name] == each.default:
            del content[each.name]
    return content


def _checkpoints_at(definition: TrainingJobDefinition) -> str | None:
    """Where a program is to find its checkpoints, if that is not below `/opt/ml`."""
    if definition.checkpoint_uri is None or not finds_paths(definition.program.kind):
        return None
    return elsewhere(definition.checkpoint_local_path)
