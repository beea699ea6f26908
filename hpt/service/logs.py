"""The logs of training jobs, read by the operations of CloudWatch Logs that clients use to follow one.

One group, `/aws/sagemaker/TrainingJobs`, and in it one stream for each instance of a training job: its
attempts after one another, an event a line. The time of an event is when its line was known to be written, to
a second or so, and stays the same whenever it is read: clients count events of equal times.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hpt.executors import hosts, record
from hpt.job.state import TrainingJob
from hpt.service.context import Context
from hpt.service.errors import ServiceError, TrainingJobNotFound

GROUP = "/aws/sagemaker/TrainingJobs"
NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidParameterException"

MOST_EVENTS = 10_000
MOST_BYTES = 1 << 20
"""Of one answer."""

LONGEST_LINE = 1 << 18
_OVERHEAD = 26
"""Bytes that an event counts for beside its message."""


class _Event(NamedTuple):
    attempt: int
    start: int
    end: int
    time: int
    message: str


class _AttemptLog:
    """The log of one attempt on one host: what of it has a time."""

    def __init__(self, directory: Path, number: int, ended: bool, host: str) -> None:
        self.number, self.ended = number, ended
        own = f"-{host}" if hosts.logs(str(directory)) else ""  # of one host there is only the one log
        self._path = directory / f"{record.LOG}{own}"
        self._offsets, self._times = _index(directory / f"{record.INDEX}{own}")
        self.size = self._offsets[-1] if self._offsets else 0
        if ended:  # the last lines may have come after the last look at it
            self._add_rest()

    def _add_rest(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            return
        if stat.S_ISREG(found.st_mode) and found.st_size > self.size:
            last = self._times[-1] if self._times else int(found.st_mtime * 1000)
            self._offsets.append(found.st_size)
            self._times.append(max(last, int(found.st_mtime * 1000)))
            self.size = found.st_size

    def offset_at(self, time: int) -> int:
        """An offset before which everything was written earlier; no line need begin there."""
        place = bisect_left(self._times, time)
        return self._offsets[place - 1] if place else 0

    def time_of(self, end: int) -> int:
        """When the bytes before `end` were written, in milliseconds since the epoch."""
        return self._times[min(bisect_left(self._offsets, end), len(self._times) - 1)]

    def read(self, start: int, most: int) -> bytes:
        """Up to so many bytes from an offset on, of those with a time."""
        length = min(most, self.size - start)
        if length <= 0:
            return b""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            return os.pread(descriptor, length, start)
        except OSError:
            return b""
        finally:
            os.close(descriptor)


def _index(path: Path) -> tuple[list[int], list[int]]:
    """Offsets in a log and when it was that long, in milliseconds; up to the first damaged line."""
    offsets: list[int] = []
    times: list[int] = []
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return offsets, times
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return offsets, times
        while len(line := file.read(record.INDEX_LINE)) == record.INDEX_LINE:
            try:
                offset, seconds = line.split()
                place, time = int(offset), int(float(seconds) * 1000)
            except (ValueError, OverflowError):
                break
            if place <= (offsets[-1] if offsets else 0) or time < 0:
                break
            offsets.append(place)
            times.append(max(time, times[-1] if times else 0))
    return offsets, times


class LogStream:
    """All attempts of a training job on one of its hosts. directory: of the training job."""

    def __init__(self, job: TrainingJob, directory: Path, host: str = hosts.FIRST) -> None:
        self.name = f"{job.name}/{host}-{int(job.created)}"
        self._logs = [
            _AttemptLog(directory / "attempts" / str(each.number), each.number, each.ended is not None, host)
            for each in job.attempts
        ]

    def forward(self, attempt: int, offset: int, least: int) -> Iterator[_Event]:
        """The events from a place on; those before the time `least` may be left out."""
        for log in self._logs:
            if log.number < attempt:
                continue
            start = offset if log.number == attempt else 0
            yield from _lines(log, start, max(start, log.offset_at(least)))

    def backward(self, attempt: int, offset: int) -> Iterator[_Event]:
        """The events before a place, in order, as many as are near it."""
        before: list[_Event] = []
        for log in reversed(self._logs):
            if log.number > attempt:
                continue
            end = offset if log.number == attempt else log.size
            start = max(0, end - MOST_BYTES)
            before = [each for each in _lines(log, start, start) if each.end <= end] + before
            if before:
                break
        yield from before

    @property
    def end(self) -> tuple[int, int]:
        """The place after the last event."""
        return (self._logs[-1].number, self._logs[-1].size) if self._logs else (1, 0)

    def described(self) -> dict[str, Any] | None:
        """Its name and the times of its first and last event; None before the first."""
        first = next((each.time for each in self.forward(1, 0, 0)), None)
        if first is None:
            return None
        last = max(log.time_of(log.size) for log in self._logs if log.size)
        return {"logStreamName": self.name, "firstEventTimestamp": first, "lastEventTimestamp": last}


def _lines(log: _AttemptLog, start: int, begin: int) -> Iterator[_Event]:
    """The whole lines of a log from `start`, where a line begins, or from the first after `begin` on."""
    skip = begin > start
    if skip:
        start = begin - 1  # if that is the end of a line, the next begins at `begin`
    elif start and log.read(start - 1, 1) != b"\n":
        skip = True
    buffer, at = b"", start
    while True:
        data = log.read(at + len(buffer), MOST_BYTES)
        buffer += data
        pieces = buffer.split(b"\n")
        if not data:
            break
        for piece in pieces[:-1]:
            end = at + len(piece) + 1
            if not skip:
                yield _event(log, at, end, piece)
            skip, at = False, end
        buffer = pieces[-1]
        if len(buffer) > LONGEST_LINE:  # an endless line is cut
            if not skip:
                yield _event(log, at, at + len(buffer), buffer)
            at, buffer = at + len(buffer), b""
    if log.ended and buffer and not skip:
        yield _event(log, at, at + len(buffer), buffer)


def _event(log: _AttemptLog, start: int, end: int, line: bytes) -> _Event:
    message = line[:LONGEST_LINE].decode("utf-8", "replace").rstrip("\r")
    return _Event(log.number, start, end, log.time_of(end), message)


def describe_log_streams(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The streams of the training job that the prefix names, each once its host has printed anything."""
    _check_group(request)
    prefix = str(request.get("logStreamNamePrefix", ""))
    where = f"arn:aws:logs:{context.account.region}:{context.account.number}:log-group:{GROUP}"
    streams = _streams_of(context, prefix.partition("/")[0])
    described = (stream.described() for stream in streams if stream.name.startswith(prefix))
    found = [each for each in described if each is not None]
    return {"logStreams": [{**each, "arn": f"{where}:log-stream:{each['logStreamName']}"} for each in found]}


def get_log_events(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the lines of a training job."""
    _check_group(request)
    name = str(request.get("logStreamName", ""))
    streams = _streams_of(context, name.partition("/")[0])
    stream = next((each for each in streams if each.name == name), None)
    if stream is None:
        raise ServiceError(NOT_FOUND, "The specified log stream does not exist.")
    return read_page(stream, request)


def read_page(stream: LogStream, request: Mapping[str, Any]) -> dict[str, Any]:
    """The events of a stream that GetLogEvents asks for, and where the next and the former ones are.

    Raises:
        ServiceError: the token was not given here.
    """
    least, most = request.get("startTime", 0), request.get("endTime", 1 << 62)
    limit = min(int(request.get("limit", MOST_EVENTS)), MOST_EVENTS)
    token = request.get("nextToken")
    if token is not None:
        onward, attempt, offset = _read_token(token)
    else:
        onward, (attempt, offset) = bool(request.get("startFromHead")), (1, 0)
        if not onward:
            attempt, offset = stream.end
    if onward:
        events = _page(stream.forward(attempt, offset, least), least, most, limit)
    else:
        events = _page(stream.backward(attempt, offset), least, most, MOST_EVENTS)[-limit:]
    after = (events[-1].attempt, events[-1].end) if events else (attempt, offset)
    before = (events[0].attempt, events[0].start) if events else (attempt, offset)
    return {
        "events": [
            {"timestamp": each.time, "message": each.message, "ingestionTime": each.time} for each in events
        ],
        "nextForwardToken": _token(True, *after),
        "nextBackwardToken": _token(False, *before),
    }


def _page(events: Iterator[_Event], least: int, most: int, limit: int) -> list[_Event]:
    page: list[_Event] = []
    size = 0
    for each in events:
        if each.time >= most:
            break
        if each.time < least:
            continue
        size += len(each.message.encode()) + _OVERHEAD
        if page and (size > MOST_BYTES or len(page) == limit):
            break
        page.append(each)
    return page


def _token(onward: bool, attempt: int, offset: int) -> str:
    content = json.dumps([attempt, offset], separators=(",", ":")).encode()
    return f"{'f' if onward else 'b'}/{base64.urlsafe_b64encode(content).decode()}"


def _read_token(token: object) -> tuple[bool, int, int]:
    way, _, rest = str(token).partition("/")
    try:
        attempt, offset = json.loads(base64.b64decode(rest, altchars=b"-_", validate=True))
        whole = all(type(each) is int and each >= 0 for each in (attempt, offset))
    except (ValueError, TypeError):
        whole = False
    if way not in ("f", "b") or not whole:
        raise ServiceError(INVALID, "The specified nextToken is invalid; leave it out to start again")
    return way == "f", attempt, offset


def _check_group(request: Mapping[str, Any]) -> None:
    group = request.get("logGroupName") or request.get("logGroupIdentifier")
    if group != GROUP:
        raise ServiceError(NOT_FOUND, f"The specified log group does not exist; there is {GROUP}")


def _streams_of(context: Context, name: str) -> list[LogStream]:
    """The streams of a training job, none if there is no such training job."""
    try:
        job, training_job = context.find_training_job(name)
    except TrainingJobNotFound:
        return []
    with job.lock:
        directory = context.trials(job) / training_job.name
        names: dict[str, None] = {hosts.FIRST: None}
        for each in training_job.attempts:
            names |= dict.fromkeys(hosts.logs(str(directory / "attempts" / str(each.number))))
        return [LogStream(training_job, directory, host) for host in names]


LOG_OPERATIONS: Mapping[str, Callable[[Context, Mapping[str, Any]], dict[str, Any]]] = {
    "DescribeLogStreams": describe_log_streams,
    "GetLogEvents": get_log_events,
}
"""The operations of CloudWatch Logs that are answered."""
