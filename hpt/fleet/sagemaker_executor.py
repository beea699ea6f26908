"""Runs each attempt as a training job of SageMaker, on instances that the service obtains and bills.

The training job's name is made of the trial's and the attempt's number, so that starting it is idempotent
(the service refuses a name that is taken) and any process finds it again. Where managed Spot training starts
an interrupted training job again, its next run is the next attempt (`training_jobs.status`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from hpt.errors import BusyError, ExecutorError, HptError, RetryableError
from hpt.executors.base import AttemptKey, Exit, Submission, Update
from hpt.fleet.setting import Setting
from hpt.fleet.training_jobs import request as requests
from hpt.fleet.training_jobs import status
from hpt.fleet.training_jobs.calls import Calls, NameTakenError, NoSuchJobError, RefusedError
from hpt.fleet.training_jobs.check import NAMES, options_of
from hpt.fleet.training_jobs.checkpoints import newest_checkpoint
from hpt.fleet.training_jobs.log import KeptLog
from hpt.fleet.training_jobs.source import Sources

_OF_THE_REQUEST = "validation error"
"""In the service's words where a member breaks a constraint. All else that it refuses with a validation
exception is about what a training job needs around it, such as a role, a bucket or an image, and holds for
the next one too: waiting for that costs no training job."""

_LOG_BYTES = 1 << 18  # of one attempt, a poll
_ALL_LOG_BYTES = 1 << 22  # of all attempts together, a poll
_LOOK_AGAIN = 120.0  # seconds after which a training job is described though nothing is new
_OVERLAP = 60.0  # seconds of changes that are listed again
_UNFOLLOWED = 300.0  # seconds after which a training job that nobody follows is stopped
_LONGEST_PAUSE = 30.0
_SETTLE = 10.0
_NO_CAPACITY = 60.0  # seconds before a type of instance that was not to be had is asked for again


@dataclass(slots=True)
class _Attempt:
    """What is followed: a run of a training job. offset: how much of its log was handed out. drained: nothing
    of its log is to come. news: whether a poll has something to hand out.
    """

    submission: Submission
    remote: str
    segment: int
    log: KeptLog
    offset: int
    description: Mapping[str, Any] | None = None
    described: float = -inf
    modified: float = 0.0
    phases: int = 0
    streams: tuple[str, ...] = ()
    ended_at: float | None = None
    drained: bool = False
    checkpoint: int | None = None
    news: bool = False

    @property
    def over(self) -> bool:
        return self.description is not None and status.has_ended(self.description, self.segment)


class SageMakerExecutor:
    """Training jobs of SageMaker, for one tuning job.

    root: the directory below which logs are kept as they come. request: the tuning job's, which says what a
    `TrainingJobDefinition` does not. options, say: as `Setting` has them. interval: seconds between two looks
    at the service, which a thread takes, so that polls never wait. settle: seconds after the end of a
    training job in which its log may still grow.
    """

    def __init__(
        self,
        root: Path,
        request: Mapping[str, Any],
        options: requests.Options,
        *,
        say: Callable[[str], None] = lambda message: None,
        calls: Calls | None = None,
        interval: float = 5.0,
        settle: float = _SETTLE,
    ) -> None:
        """Nothing is asked of the service yet.

        Parameters
        ----------
        root, request, options, say, interval, settle
            As the class says.
        calls
            To the service; None: as boto3 finds it.
        """
        self._root = Path(root).absolute()
        self._bodies = requests.definition_bodies(request)
        self._tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
        self._options, self._say = options, say
        self._calls = calls or Calls()
        self._sources = Sources(self._calls, self._root.parent)
        self._interval, self._settle = interval, settle
        self._followed: dict[AttemptKey, _Attempt] = {}
        self._modified: dict[str, float] = {}  # when each training job changed last, as it is listed
        self._avoided: dict[str, float] = {}  # until when a type of instance is not asked for
        self._changed = threading.Condition()
        self._failure: HptError | OSError | None = None
        self._closed = False
        self._watcher: threading.Thread | None = None
        self._listed: float | None = None
        self._strays: dict[str, float] = {}
        self._billed: dict[str, tuple[int, int]] = {}

    @classmethod
    def of(cls, setting: Setting) -> SageMakerExecutor:
        """The executor of a tuning job. Raises InputError where an option is invalid."""
        options, interval = options_of(setting.known("sagemaker", *NAMES))
        settle = min(_SETTLE, 2 * interval)
        return cls(setting.root, setting.request, options, say=setting.say, interval=interval, settle=settle)

    # -- the executor's methods

    def submit(self, submission: Submission) -> None:
        """Start the attempt; one that any process started before is only found again.

        Raises:
            ExecutorError: the service refuses it. BusyError: there is a quota, or no capacity, that does not
            let it start now. RetryableError: the service does not answer.
        """
        if submission.key in self._followed:
            return
        found = self._find(submission.key) if submission.attempt > 1 or submission.log_offset else None
        if found is None and submission.log_offset:
            name = requests.remote_name(submission.key)
            raise ExecutorError(f"training job {name}, whose log was read before, is not there any more")
        remote, segment = found or (self._create(submission), 0)
        place = self._root / submission.name / "attempts" / str(submission.attempt)
        attempt = _Attempt(submission, remote, segment, KeptLog(place), submission.log_offset)
        with self._changed:
            self._followed[submission.key] = attempt
            self._strays.pop(remote, None)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="sagemaker", daemon=True)
                self._watcher.start()
            self._changed.notify_all()

    def poll(self) -> list[Update]:
        """What changed since the last call. Never blocks: the service is asked beside it.

        Raises:
            RetryableError: the service does not answer, and nothing changed.
        """
        updates, room = [], _ALL_LOG_BYTES
        with self._changed:
            for key, attempt in list(self._followed.items()):
                if not attempt.news:
                    continue
                update = self._update(attempt, min(_LOG_BYTES, room))
                attempt.news = update is not None and update.more
                if update is None:
                    continue
                updates.append(update)
                room -= len(update.log.data)
                if update.exit is not None:
                    del self._followed[key]
                    if attempt.description and attempt.description["TrainingJobStatus"] == "InProgress":
                        self._strays[attempt.remote] = time.monotonic()  # the service goes on with it
            if self._failure is not None and not updates:
                raise RetryableError(str(self._failure)) from self._failure
        return updates

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        """Ask the attempt to end: SIGTERM, 120 seconds of grace, SIGKILL. SageMaker knows no other way."""
        key = AttemptKey(*key)
        attempt = self._followed.get(key)
        found = (attempt.remote, attempt.segment) if attempt is not None else self._find(key)
        if found is None:
            return
        try:
            description = self._calls.describe(found[0])
        except NoSuchJobError:
            return
        if description["TrainingJobStatus"] == "InProgress" and not status.has_ended(description, found[1]):
            self._calls.stop(found[0])

    def wait(self, seconds: float) -> None:
        """Sleep until there is news, or so long."""
        with self._changed:
            if not any(attempt.news for attempt in self._followed.values()):
                self._changed.wait(seconds)

    def close(self) -> None:
        """Release everything; running training jobs go on. One that was interrupted and that nobody goes on
        with is stopped, as the service would start it again.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            strays = list(self._strays)
        if self._watcher is not None:
            self._watcher.join(2 * self._interval + 1.0)
        for name in strays:
            try:
                self._calls.stop(name)
            except HptError as error:
                self._say(
                    f"training job {name} could not be stopped ({error}); stop it in SageMaker's console"
                )
        self._followed.clear()
        if self._billed:
            trained, charged = (sum(seconds) for seconds in zip(*self._billed.values(), strict=True))
            self._say(
                f"SageMaker bills {charged} s of {trained} s that {len(self._billed)} ended training jobs "
                "trained, each for one instance"
            )

    # -- starting

    def _create(self, submission: Submission) -> str:
        """Begin a training job; its name. Raises as `submit`."""
        definition = submission.definition
        body = self._bodies[definition.name if definition.name in self._bodies else None]
        source = self._sources.put(submission, self._say)
        request = requests.training_request(submission, body, self._tags, self._options, source)
        name = str(request["TrainingJobName"])
        busy: BusyError | None = None
        for choice in requests.instances(body):
            kind = str(choice.get("InstanceType", ""))
            if (until := self._avoided.get(kind)) is not None and time.monotonic() < until:
                busy = busy or BusyError(f"there was no capacity of {kind} a moment ago")
                continue
            try:
                self._calls.create({**request, "ResourceConfig": {**request["ResourceConfig"], **choice}})
            except BusyError as error:
                busy = busy or error
            except NameTakenError:
                self._recognise(name, requests.identity_of(request))
                return name
            except (NoSuchJobError, RefusedError) as error:
                what = f"SageMaker refuses training job {name}: {error}"
                if _OF_THE_REQUEST in str(error):
                    raise ExecutorError(what) from error
                raise RetryableError(
                    f"{what} Correct that in AWS, and it starts; if the job names it wrongly, stop the job"
                ) from error
            else:
                return name
        raise busy or ExecutorError(f"training job {name} has no instances")

    def _recognise(self, name: str, identity: str) -> None:
        """Raises ExecutorError unless the training job of that name is the one that was to be started."""
        found = self._calls.tags(self._calls.describe(name)["TrainingJobArn"])
        if found.get(requests.IDENTITY) != identity:
            raise ExecutorError(
                f"SageMaker has a training job {name} of another configuration; its names are never free "
                "again, so give the tuning job another name"
            )

    def _find(self, key: AttemptKey) -> tuple[str, int] | None:
        """The training job and the run of it that are an attempt; None if it was never started."""
        own = requests.remote_name(key)
        begun = {
            number: summary["TrainingJobName"]
            for summary in self._calls.summaries(key.name[:50])
            if (number := requests.first_attempt(key.name, summary["TrainingJobName"])) is not None
        }
        if key.attempt in begun:
            return own, 0
        earlier = max((number for number in begun if number < key.attempt), default=None)
        if earlier is None:
            return None
        runs = status.segments(self._calls.describe(begun[earlier]))
        segment = key.attempt - earlier
        again = sum(bool(run.away) for run in runs)
        return (begun[earlier], segment) if segment <= again else None

    # -- handing out

    def _update(self, attempt: _Attempt, most: int) -> Update | None:
        """What is new of an attempt. Raises nothing: what cannot be read now comes later."""
        description, key = attempt.description, attempt.submission.key
        try:
            chunk = attempt.log.read(attempt.offset, most)
        except OSError as error:
            self._failure = error
            return None
        attempt.offset += len(chunk.data)
        phases = self._phases(attempt)
        more = attempt.offset < attempt.log.size
        if attempt.drained and not more and description is not None:
            return Update(key, "Ended", chunk, self._exit(attempt, description), phases)
        if not chunk.data and len(phases) == attempt.phases:
            return None
        attempt.phases = len(phases)
        phase = max(phases, key=lambda name: phases[name], default="Starting")
        return Update(key, phase, chunk, None, phases, more)

    def _phases(self, attempt: _Attempt) -> dict[str, float]:
        """When the attempt entered each phase, by this host's clock."""
        if attempt.description is None:
            return {}
        runs = status.segments(attempt.description)
        times = runs[attempt.segment].times if attempt.segment < len(runs) else {}
        return {phase: seconds + self._calls.lead for phase, seconds in times.items()}

    def _exit(self, attempt: _Attempt, description: Mapping[str, Any]) -> Exit:
        ended, lead = status.exit_of(description, attempt.segment), self._calls.lead
        return replace(
            ended,
            started=None if ended.started is None else ended.started + lead,
            ended=None if ended.ended is None else ended.ended + lead,
            log=attempt.log.path if Path(attempt.log.path).exists() else None,
            checkpoint=attempt.checkpoint,
            charged=status.charged(description, attempt.segment),
        )

    # -- watching

    def _watch(self) -> None:
        """Look at the service again and again, in a thread of its own."""
        pause = self._interval
        while True:
            with self._changed:
                if self._closed:
                    return
                attempts = list(self._followed.values())
            try:
                if attempts or self._strays:
                    self._look(attempts)
                self._failure, pause = None, self._interval
            except (HptError, OSError) as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                pause = min(2 * pause, max(self._interval, _LONGEST_PAUSE))
            with self._changed:
                if self._closed:
                    return
                self._changed.wait_for(lambda: self._closed, pause)

    def _look(self, attempts: list[_Attempt]) -> None:
        """One round: what changed is described, and what prints is read. Raises HptError, OSError."""
        changed = self._list(attempts) if attempts else set()
        for attempt in attempts:
            if self._closed:
                return
            now, key = time.monotonic(), attempt.submission.key
            if attempt.remote in changed or now - attempt.described > _LOOK_AGAIN:
                self._note(attempt, self._calls.describe(attempt.remote), now)
            if attempt.description is not None:
                self._read(attempt)
            with self._changed:
                if key in self._followed:  # the others come first if the next call fails
                    self._followed[key] = self._followed.pop(key)
        self._stop_strays()

    def _list(self, attempts: list[_Attempt]) -> set[str]:
        """The training jobs that changed since they were described, or never were. One call for all."""
        prefix = _shared([attempt.remote for attempt in attempts])
        after = None if self._listed is None else self._listed - _OVERLAP
        latest = self._listed or 0.0
        for summary in self._calls.summaries(prefix, after=after):
            modified = summary["LastModifiedTime"].timestamp()
            self._modified[summary["TrainingJobName"]] = modified
            latest = max(latest, modified)
        self._listed = latest or None
        return {
            attempt.remote
            for attempt in attempts
            if attempt.description is None or self._modified.get(attempt.remote, 0.0) != attempt.modified
        }

    def _note(self, attempt: _Attempt, description: Mapping[str, Any], now: float) -> None:
        with self._changed:
            attempt.description, attempt.described = description, now
            attempt.modified = self._modified.get(attempt.remote, 0.0)
            if (billed := status.billed(description)) != (0, 0):
                self._billed[attempt.remote] = billed
            attempt.news = True
            self._changed.notify_all()
        if status.waits_for_capacity(description):
            kind = str(description.get("ResourceConfig", {}).get("InstanceType", ""))
            self._avoided[kind] = time.monotonic() + _NO_CAPACITY
            self._say(
                f"{attempt.remote}: there is no capacity of {kind}; it is tried again in {_NO_CAPACITY:.0f} s"
            )

    def _read(self, attempt: _Attempt) -> None:
        """Read what an attempt has printed since; note when nothing is to come any more."""
        assert attempt.description is not None
        if attempt.drained or attempt.segment >= len(runs := status.segments(attempt.description)):
            return
        over, run = attempt.over, runs[attempt.segment]
        grown = False
        if "Training" in run.times:
            grown = self._read_streams(attempt, runs)
        if not over:
            return
        attempt.ended_at = time.monotonic() if attempt.ended_at is None or grown else attempt.ended_at
        silent = time.monotonic() - attempt.ended_at >= self._settle or "Training" not in run.times
        if not silent:
            return
        checkpoint = newest_checkpoint(self._calls, attempt.submission, run.start, attempt.log)
        with self._changed:
            attempt.checkpoint, attempt.drained, attempt.news = checkpoint, True, True
            self._changed.notify_all()

    def _read_streams(self, attempt: _Attempt, runs: list[status.Segment]) -> bool:
        """Read the streams of an attempt to their present ends; whether there was anything."""
        following = runs[attempt.segment + 1].start if attempt.segment + 1 < len(runs) else inf
        start = runs[attempt.segment].start if attempt.segment else 0.0
        if not attempt.streams or attempt.over:
            found = self._calls.streams(attempt.remote)
            attempt.streams = tuple(name for made, name in found if start <= made < following)
        log, grown = attempt.log, False
        at = attempt.streams.index(log.stream) if log.stream in attempt.streams else 0
        for stream in attempt.streams[at:]:
            token = log.token if log.stream == stream else None
            while not self._closed:
                events, after = self._calls.events(stream, token)
                if events:
                    with self._changed:
                        log.add(events, stream, after, self._calls.lead)
                        attempt.news = grown = True
                        self._changed.notify_all()
                if after == token or (not events and token is None):
                    break
                token = after
        return grown

    def _stop_strays(self) -> None:
        """Stop training jobs that the service goes on with though their trials have ended."""
        now = time.monotonic()
        with self._changed:
            followed = {attempt.remote for attempt in self._followed.values()}
            for name in followed & self._strays.keys():
                del self._strays[name]
            late = [name for name, since in self._strays.items() if now - since > _UNFOLLOWED]
        for name in late:
            self._calls.stop(name)
            self._strays.pop(name, None)


def _shared(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    length = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    return first if length is None else first[:length]
