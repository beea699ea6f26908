"""Checkpoints on S3, kept so that they survive their machine, and so that no attempt spoils another's.

    <place>/...                              the user's: what a training job left, filled when an attempt ends
    <place>/.hpt/<training job>/<attempt>/
        data/<number>                        the files, each under a new key whenever it changed
        log/<offset>                         what was printed from there on, with each set what it covers,
                                             where the tuner is on another machine
        manifest.json                        a complete set: written after its files, never before
        began                                this attempt took over from the ones before
        filled                               the user's place holds what this attempt left

An attempt writes below its own prefix alone, and the user's place only while no later attempt has begun. So
one that was given up, but runs on where nobody sees it, can neither overwrite nor delete what its successor
has. A new attempt goes on from the newest set of the highest attempt.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.executors import checkpoint, contract, record
from hpt.executors.s3_source import S3Client, relative_name, split_uri
from hpt.host.files import open_file

MARKS = (".sagemaker-uploading", ".sagemaker-uploaded")
"""Endings of files that the service's own uploader leaves (behaviour 11.3)."""

HIDDEN = ".hpt/"
"""Below the user's place: what no program is to see."""

MANIFEST, BEGAN, FILLED, LOG = "manifest.json", "began", "filled", "log"

QUIET = 1.0
"""Seconds without a write after which files are taken for a complete set."""

_LOG_PART = 1 << 23  # bytes
_PATIENCE = 3.0  # seconds to wait for such a moment
_NAP = 0.1
_RECENT = 10.0  # seconds within which what was printed with a checkpoint may still be on its way to the log
_ROUNDS = 3
_VERSION = 1

State = dict[str, tuple[int, int]]
"""Size and time (in nanoseconds) of each file, by its path below the directory."""


class FencedError(Exception):
    """A later attempt has begun: this one has nothing more to say."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an attempt goes on from. attempt: who left it, 0 for what the user had there. files: key and size
    by path; None: the user's place itself. covered: of that attempt's log.
    """

    attempt: int
    files: Mapping[str, tuple[str, int]] | None
    covered: int | None = None


class CheckpointStore:
    """The checkpoints of one training job on S3, as one of its attempts uses them."""

    def __init__(self, client: S3Client, spec: Mapping[str, Any]) -> None:
        self._client = client
        uri = str(spec["checkpoint_uri"]).rstrip("/") + "/"
        self.uri = uri if spec.get("own_checkpoints") else f"{uri}{spec['name']}/"
        self._bucket, self.prefix = split_uri(self.uri)
        self._sets = f"{self.prefix}{HIDDEN}{spec['name']}/"
        self._attempt, self._job = int(spec["attempt"]), str(spec.get("job", ""))
        self._counted_elsewhere = bool(spec.get("elsewhere"))
        self._own = f"{self._sets}{self._attempt:06}/"

    # -- what there is --------------------------------------------------------------------------------------

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Key and size of every object below a prefix."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["Size"]

    def marks(self) -> dict[int, set[str]]:
        """Which of the three files each attempt has."""
        found: dict[int, set[str]] = {}
        for key, _ in self.keys(self._sets):
            attempt, _, name = key[len(self._sets) :].partition("/")
            if attempt.isdigit() and name in (MANIFEST, BEGAN, FILLED):
                found.setdefault(int(attempt), set()).add(name)
        return found

    def manifest(self, attempt: int, name: str = MANIFEST) -> dict[str, Any] | None:
        """The last complete set of an attempt of this tuning job; None if it left none. name: FILLED for what
        it said once the user's place was filled.
        """
        key = f"{self._sets}{attempt:06}/{name}"
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        try:
            content: dict[str, Any] = json.loads(body)
            whole = content["version"] == _VERSION and content["job"] == self._job
            return content if whole else None
        except (ValueError, KeyError, TypeError):
            return None

    def source(self) -> Source:
        """What this attempt goes on from."""
        marks = self.marks()
        for attempt in sorted((each for each in marks if each < self._attempt), reverse=True):
            if FILLED in marks[attempt] and self.manifest(attempt, FILLED) is not None:
                return Source(attempt, None)
            if MANIFEST in marks[attempt] and (found := self.manifest(attempt)) is not None:
                files = {name: (str(key), int(size)) for name, key, size, _ in found["files"]}
                return Source(attempt, files, found["covered"])
        return Source(0, None)

    def covered(self) -> int | None:
        """Where an attempt after this one would go on, as an offset of this one's log: 0 where that is what
        this one began with, None where there is nothing.
        """
        found = self.manifest(self._attempt, FILLED) or self.manifest(self._attempt)
        if found is not None:
            covered = found["covered"]
            return None if covered is None else int(covered)
        source = self.source()
        if source.files is not None or source.attempt:
            return 0
        visible = (key for key, _ in self.keys(self.prefix) if not key.startswith(self.prefix + HIDDEN))
        return 0 if next(visible, None) is not None else None

    def log(self, start: int, end: int) -> bytes:
        """What this attempt printed from one offset to another, as far as it is here."""
        found = b""
        for at, key, size in self.log_parts():
            if at <= start + len(found) < at + size and start + len(found) < end:
                part = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                found += part[start + len(found) - at :]
        return found[: max(0, end - start)]

    def log_parts(self) -> list[tuple[int, str, int]]:
        """Offset, key and size of each part of this attempt's log, in order."""
        names = [(key.rpartition("/")[2], key, size) for key, size in self.keys(f"{self._own}{LOG}/")]
        return sorted((int(name), key, size) for name, key, size in names if name.isdigit())

    def begin(self) -> None:
        """Take over from the attempts before this one."""
        if self._attempt > 1:
            self._client.put_object(Bucket=self._bucket, Key=f"{self._own}{BEGAN}", Body=b"")

    def check(self) -> None:
        """Raises FencedError once a later attempt has begun."""
        after = f"{self._sets}{self._attempt:06}/~"
        answer = self._client.list_objects_v2(
            Bucket=self._bucket, Prefix=self._sets, StartAfter=after, MaxKeys=1
        )
        for entry in answer.get("Contents", ()):
            raise FencedError(f"a later attempt has begun ({entry['Key'][len(self._sets) :]})")

    # -- fetching -------------------------------------------------------------------------------------------

    def fetch(self, directory: Path, attempts: Path) -> None:
        """Bring what this attempt goes on from into its directory, unless what lies there is as new.

        Where the tuner is on another machine, it counts by what is on the store: unless the attempt before
        ended here and all it left is there too, what lies here gives way.

        attempts: the directory of the training job's attempts on this machine.
        """
        self.begin()
        source = self.source()
        here = max((int(each.name) for each in attempts.glob("*") if each.name.isdigit()
                    and int(each.name) < self._attempt), default=0)  # fmt: skip
        whole = source.files is None and source.attempt == here
        if here < source.attempt or (self._counted_elsewhere and not whole):
            _empty(directory)  # of an attempt before the one that went on elsewhere
        if source.files is None:
            found = [
                (key, relative_name(key, self.prefix))
                for key, _ in self.keys(self.prefix)
                if not key.startswith(self.prefix + HIDDEN) and not key.endswith("/")
            ]
        else:
            found = [(key, relative_name(name, "")) for name, (key, _) in source.files.items()]
        for key, name in found:
            target = directory / name
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f"checkpoint: {name}", flush=True)
            partial = target.with_name(f".{target.name}.part")
            self._client.download_file(self._bucket, key, str(partial))
            partial.rename(target)

    # -- keeping --------------------------------------------------------------------------------------------

    def last(self) -> tuple[dict[str, list[Any]], int]:
        """The rows of this attempt's last set by path, and the highest number of its files."""
        found = self.manifest(self._attempt)
        rows = {row[0]: row for row in found["files"]} if found is not None else {}
        numbers = [int(key.rpartition("/")[2]) for key, _ in self.keys(f"{self._own}data/")]
        return rows, max(numbers, default=0)

    def upload(self, path: Path, number: int) -> str:
        key = f"{self._own}data/{number:09}"
        self._client.upload_file(str(path), self._bucket, key)
        return key

    def keep_log(self, data: bytes, start: int) -> None:
        """Keep a part of the log, which begins at offset `start`."""
        self._client.put_object(Bucket=self._bucket, Key=f"{self._own}{LOG}/{start:015}", Body=data)

    def keep(self, rows: list[list[Any]], covered: int | None) -> None:
        """Make a set of files, which are all there, the one to go on from. Raises FencedError."""
        self.check()
        content = {
            "version": _VERSION,
            "job": self._job,
            "attempt": self._attempt,
            "time": time.time(),
            "covered": covered,
            "files": rows,
        }
        body = json.dumps(content, separators=(",", ":")).encode()
        self._client.put_object(Bucket=self._bucket, Key=f"{self._own}{MANIFEST}", Body=body)

    def remove(self, keys: set[str]) -> None:
        """Remove files of sets that nobody goes on from any more."""
        for key in sorted(keys):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def fill(self, rows: list[list[Any]], covered: int | None) -> None:
        """Bring the user's place to what this attempt left, then let go of the sets. Raises FencedError."""
        wanted = {self.prefix + row[0]: row[1] for row in rows}
        for target, key in wanted.items():
            self.check()
            self._client.copy({"Bucket": self._bucket, "Key": key}, self._bucket, target)
        for key, _ in list(self.keys(self.prefix)):
            if key not in wanted and not key.startswith(self.prefix + HIDDEN):
                self.check()
                self._client.delete_object(Bucket=self._bucket, Key=key)
        body = json.dumps({"version": _VERSION, "job": self._job, "covered": covered}).encode()
        self._client.put_object(Bucket=self._bucket, Key=f"{self._own}{FILLED}", Body=body)
        kept = {f"{self._own}{BEGAN}", f"{self._own}{FILLED}"}
        found = {key for key, _ in self.keys(self._sets) if not key.startswith(f"{self._own}{LOG}/")}
        self.remove(found - kept)


class CheckpointCopies:
    """Copies what changed of an attempt's checkpoints, a complete set at a time.

    attempt: the attempt's directory. base: its training directory.
    """

    def __init__(self, client: S3Client, spec: Mapping[str, Any], attempt: Path, base: Path) -> None:
        self._store = CheckpointStore(client, spec)
        self._spec, self._attempt, self._base = spec, attempt, base
        self._directory = Path(contract.checkpoint_directory(str(base), spec))
        self._log = self._attempt / (record.RESULTS if spec.get("function") else record.LOG)
        self._logged = 0  # bytes of the log that were copied
        self._parent, self._naps = os.getppid(), 0  # who keeps the log; since files were seen to change
        self._rows: dict[str, list[Any]] | None = None  # [path, key, size, time] of the last set
        self._number = 0
        self._keys: set[str] = set()  # of files that were copied and not removed

    def copy(self, *, last: bool = False) -> list[list[Any]] | None:
        """Copy what lies there now; the rows of the set, None where it is being written just now.

        last: nothing writes any more.

        Raises:
            FencedError: a later attempt has begun; nothing further is written.
        """
        if self._rows is None:
            rows, self._number = self._store.last()
            self._rows = {name: [name, row[1], row[2], row[3]] for name, row in rows.items()}
            self._keys = {row[1] for row in rows.values()}
            self._logged = max((at + size for at, _, size in self._store.log_parts()), default=0)
        before = self._look({}, last=last)
        give_up = time.monotonic() + _PATIENCE
        while not last and _written_within(before, QUIET) and time.monotonic() < give_up:
            self._nap()
            before = self._look(before, last=last)
        for left in range(_ROUNDS, 0, -1):
            before = self._look(before, last=last)
            rows = self._upload(before)
            after = self._scan(last=last)
            if before == after or (left == 1 and _only_grew(before, after)):
                break
        else:
            self._drop(None)
            return None
        if rows != self._rows:
            if not last and not self._await_log(before):
                self._drop(None)
                return None
            covered = self._covered(before)
            self._copy_log(covered or 0)
            self._store.keep([rows[name] for name in sorted(rows)], covered)
        self._drop(rows)
        return [rows[name] for name in sorted(rows)]

    def _drop(self, rows: dict[str, list[Any]] | None) -> None:
        """Take over the rows of a new set, if there is one, and remove what no set needs: the one before the
        last is kept, since it may just be read.
        """
        last = self._rows or {}
        kept = [last if rows is None else rows, last]
        used = {row[1] for each in kept for row in each.values()}
        unused, self._keys = self._keys - used, self._keys & used
        self._store.remove(unused)
        self._rows = kept[0]

    def finish(self) -> None:
        """The last copy; the user's place is filled with it. Raises FencedError."""
        rows = self.copy(last=True)
        self._store.check()
        covered = checkpoint.covered_offset(str(self._attempt), str(self._base), self._spec)
        self._copy_log(None)
        self._store.fill(rows or [], covered)

    def _await_log(self, state: State) -> bool:
        """Wait for what was printed with the checkpoint, a moment at the most: of time for which this process
        was awake since it was written, as one that was stopped may go on before the log does. False where the
        log ends, since whoever writes it is gone.
        """
        written = max((moment / 1e9 for _, moment in state.values()), default=0.0)
        if abs(time.time() - written) < _RECENT:
            while self._naps * _NAP < checkpoint.settles_after(str(self._attempt), written):
                self._nap()
        return os.getppid() == self._parent

    def _look(self, before: State, *, last: bool) -> State:
        """The files as they are now. before: as they were."""
        found = self._scan(last=last)
        if found != before:
            self._naps = 0
        return found

    def _nap(self) -> None:
        time.sleep(_NAP)
        self._naps += 1

    def _covered(self, state: State) -> int | None:
        """How much of the log the set covers whose files are these."""
        written = max((time / 1e9 for _, time in state.values()), default=None)
        if written is None:
            return None
        return checkpoint.covered_offset(str(self._attempt), str(self._base), self._spec, written)

    def _copy_log(self, end: int | None) -> None:
        """Copy what was printed up to an offset, all if that is None, where the tuner may miss it."""
        if not self._spec.get("elsewhere"):
            return
        try:
            fd = open_file(str(self._log))
        except OSError:
            return  # the program has removed it
        with os.fdopen(fd, "rb") as file:
            file.seek(self._logged)
            while data := file.read(_LOG_PART if end is None else max(0, min(_LOG_PART, end - self._logged))):
                self._store.keep_log(data, self._logged)
                self._logged += len(data)

    def _scan(self, *, last: bool) -> State:
        found: State = {}
        left_out = MARKS if last else checkpoint.UNFINISHED
        for place, _, names in os.walk(self._directory):
            for name in names:
                path = os.path.join(place, name)
                if name.endswith(left_out) or not os.path.isfile(path):
                    continue
                try:
                    state = os.stat(path)
                except FileNotFoundError:
                    continue
                found[os.path.relpath(path, self._directory)] = state.st_size, state.st_mtime_ns
        return found

    def _upload(self, state: State) -> dict[str, list[Any]]:
        """The rows of the files as they are now; those that changed are copied."""
        known, rows = self._rows or {}, {}
        for name, (size, written) in sorted(state.items()):
            row = known.get(name)
            if row is None or row[2:] != [size, written]:
                self._number += 1
                try:
                    key = self._store.upload(self._directory / name, self._number)
                except FileNotFoundError:
                    continue  # seen by the second look
                self._keys.add(key)
                row = [name, key, size, written]
            rows[name] = row
        return rows


def _written_within(state: State, seconds: float) -> bool:
    newest = max((written for _, written in state.values()), default=0)
    return 0 <= time.time_ns() - newest < seconds * 1e9


def _only_grew(before: State, after: State) -> bool:
    """Whether all that happened is that files became longer, as a log does: what was copied is a part."""
    return before.keys() == after.keys() and all(
        after[name] == state or after[name][0] > state[0] for name, state in before.items()
    )


def _empty(directory: Path) -> None:
    for path in directory.glob("*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
