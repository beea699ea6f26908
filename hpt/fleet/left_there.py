"""What a training job left on its machine, as an agent hands it to the tuner, which keeps it where one that
runs on the tuner's own host would have kept it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hpt.errors import ExecutorError
from hpt.executors import artifacts, checked, record
from hpt.executors.s3_source import relative_name
from hpt.host.files import open_file

PIECE = 1 << 23
"""Bytes that an agent hands out at a time."""

MODEL, OUTPUT = artifacts.PARTS
PRINTED = "log"
"""A further part that can be read: what a function printed, whose values are followed in place of that."""


class Row(NamedTuple):
    """A file. part: `model` or `output`. name: below the part's folder; "" where the part is one archive."""

    part: str
    name: str
    size: int
    runs: bool


class Wanted(NamedTuple):
    """What is read next of a file: from an offset on."""

    part: str
    name: str
    offset: int


def rows(attempt: Path) -> list[Row]:
    """The files of an attempt that has ended. attempt: its directory.

    Raises:
        ExecutorError: they cannot be read.
    """
    try:
        spec = _spec(attempt)
        return [row for part in artifacts.PARTS for row in _rows(part, _place(attempt, spec, part))]
    except OSError as error:
        raise ExecutorError(f"it cannot be read: {error.strerror or error}") from None


def _rows(part: str, place: str | None) -> list[Row]:
    if place is None or not os.path.exists(place):  # noqa: PTH110
        return []
    names = sorted(artifacts.files_below(place)) if Path(place).is_dir() else [""]
    found = [(name, Path(place, name).stat()) for name in names]
    return [Row(part, name, state.st_size, bool(state.st_mode & 0o100)) for name, state in found]


def read(attempt: Path, wanted: Sequence[Wanted]) -> list[bytes]:
    """What is wanted of each of some files, as far as it fits into a piece; at least some of the first.

    Raises:
        ExecutorError: one cannot be read.
    """
    spec, pieces, room = _spec(attempt), list[bytes](), PIECE
    for part, name, offset in wanted:
        place = _place(attempt, spec, part)
        if place is None or room <= 0:
            break
        try:
            fd = open_file(os.path.join(place, relative_name(name, "")) if name else place)  # noqa: PTH118
            try:
                pieces.append(os.pread(fd, room, offset))
            finally:
                os.close(fd)
        except OSError as error:
            raise ExecutorError(f"{name or part} cannot be read: {error.strerror or error}") from None
        room -= len(pieces[-1])
    return pieces


def _spec(attempt: Path) -> Mapping[str, Any]:
    try:
        spec = checked.read_spec(str(attempt))
    except checked.DamagedRecordError as error:
        raise ExecutorError(str(error)) from None
    if spec is None:
        raise ExecutorError("its record is gone from its machine")
    return spec


def _place(attempt: Path, spec: Mapping[str, Any], part: str) -> str | None:
    """Where a part lies on the machine; None where it is not kept: without an output path only the model."""
    if part == PRINTED:
        return str(attempt / record.LOG)
    if spec["output_path"] is not None:
        return artifacts.staged(str(attempt), part, spec.get("output_compression", artifacts.GZIP))
    return str(attempt.parents[1] / "ml" / "model") if part == MODEL else None
