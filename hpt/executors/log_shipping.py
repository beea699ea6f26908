"""Brings the log of an attempt to S3 while it grows, so that it is there when the machine is not any more."""

from __future__ import annotations

import os
from pathlib import Path

from hpt.executors.s3_source import S3Client, split_uri
from hpt.host.files import open_file

PART = 1 << 22
"""Bytes of an object. The last one is replaced until it is full: most logs are one object."""

MOST = 8 * PART
"""Bytes that are brought at a time, so that a program that prints without end costs no more. What is further
behind is left out: the offsets in the names of the objects show the gap.
"""


class LogShipping:
    """place: URI of the first object. log: the file, which need not be there, and may be cut off.

    Objects begin at multiples of `PART`: what another process has brought of the log is replaced by the same.
    """

    def __init__(self, client: S3Client, place: str, log: Path) -> None:
        self._client, self._log = client, log
        self._bucket, self._key = split_uri(place)
        self._shipped = 0  # the offset of what comes next

    def ship(self) -> None:
        """Bring what is new, if anything is.

        Raises:
            Exception: whatever boto3 raises where the store cannot be reached or refuses.
        """
        try:
            fd = open_file(str(self._log))
        except OSError:
            return  # the program has removed it, or there is nothing yet
        with os.fdopen(fd, "rb") as file:
            size = os.fstat(fd).st_size
            if size <= self._shipped:
                return
            start = max(self._shipped, size - MOST) // PART * PART
            file.seek(start)
            while data := file.read(PART):
                key = f"{self._key}.{start:015}" if start else self._key
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data)
                self._shipped = start + len(data)
                if len(data) < PART or self._shipped - size > MOST:
                    break
                start += len(data)
