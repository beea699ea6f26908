"""What an attempt printed, as CloudWatch Logs has it, kept in files of this host.

    <attempt>/log          the lines, in order
    <attempt>/log.index    `<offset> <seconds>` lines, as `hpt.executors.record` has them
    <attempt>/cursor.json  how much of both counts, and the stream and token that what follows is read with

The cursor is written last: a tuner that was killed goes on where it was, and another host begins afresh.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

from hpt.executors.base import LogChunk
from hpt.executors.record import INDEX, INDEX_LINE, LOG
from hpt.host.private import make_directories, open_private

CURSOR = "cursor.json"
_APART = 0.5  # seconds between dates of the log


class KeptLog:
    """The log of an attempt. place: its directory. size: bytes that are known."""

    def __init__(self, place: Path) -> None:
        """Take up what is kept there."""
        self.place = place
        self.stream: str | None = None
        self.token: str | None = None
        self.size = 0
        self._offsets: list[int] = []
        self._times: list[float] = []
        self._load()

    @property
    def path(self) -> str:
        return str(self.place / LOG)

    def add(self, events: Iterable[Mapping[str, Any]], stream: str, token: str, lead: float = 0.0) -> None:
        """Keep events of a stream, after which it is read with a token. lead: seconds by which this host's
        clock is ahead of the service's.

        Raises:
            OSError: they cannot be kept; the log is as it was before.
        """
        data = bytearray()
        offsets: list[int] = []
        times: list[float] = []
        began, latest = -inf, self._times[-1] if self._times else 0.0
        for event in events:
            data += event["message"].encode() + b"\n"
            latest = max(latest, event["timestamp"] / 1000 + lead)
            if latest - began < _APART:
                offsets[-1], times[-1] = self.size + len(data), latest
            else:
                began = latest
                offsets.append(self.size + len(data))
                times.append(latest)
        make_directories(self.place)
        self._put(LOG, self.size, bytes(data))
        lines = b"".join(_line(*date) for date in zip(offsets, times, strict=True))
        self._put(INDEX, len(self._offsets) * INDEX_LINE, lines)
        size, dates = self.size + len(data), len(self._offsets) + len(offsets)
        content = {"size": size, "dates": dates, "stream": stream, "token": token}
        temporary = self.place / f"{CURSOR}.new"
        temporary.write_text(json.dumps(content))
        temporary.replace(self.place / CURSOR)
        self._offsets += offsets
        self._times += times
        self.size, self.stream, self.token = size, stream, token

    def read(self, offset: int, most: int) -> LogChunk:
        """Bytes from an offset on, with their dates. Raises OSError."""
        if offset >= self.size:
            return LogChunk(offset, b"")
        with (self.place / LOG).open("rb") as file:
            file.seek(offset)
            data = file.read(min(most, self.size - offset))
        first = bisect_right(self._offsets, offset)
        last = bisect_right(self._offsets, offset + len(data) - 1)
        dates = zip(self._offsets[first : last + 1], self._times[first : last + 1], strict=True)
        return LogChunk(offset, data, list(dates))

    def length_at(self, seconds: float) -> int:
        """How long it was at a time."""
        count = bisect_right(self._times, seconds)
        return self._offsets[count - 1] if count else 0

    def _load(self) -> None:
        try:
            content = json.loads((self.place / CURSOR).read_text())
            raw = (self.place / INDEX).read_bytes()[: content["dates"] * INDEX_LINE]
            lines = [raw[i : i + INDEX_LINE].split() for i in range(0, len(raw), INDEX_LINE)]
            offsets, times = [int(line[0]) for line in lines], [float(line[1]) for line in lines]
            size = content["size"]
            if (self.place / LOG).stat().st_size < size or len(lines) != content["dates"]:
                return  # the host went down before all of it was on the disk
            self.stream, self.token, self.size = content["stream"], content["token"], size
            self._offsets, self._times = offsets, times
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            return

    def _put(self, name: str, offset: int, data: bytes) -> None:
        fd = open_private(str(self.place / name), os.O_WRONLY | os.O_CREAT)
        with os.fdopen(fd, "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(data)


def _line(offset: int, seconds: float) -> bytes:
    return f"{offset:015d} {seconds:015.4f}\n".encode()
