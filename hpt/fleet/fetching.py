"""Brings what a training job left on its node to the tuner's machine, before its end is told.

It lies where one that ran on the tuner's own host would have left it: models below the output path of the
job, else in the directory of the training job. What is too large stays on the node, and that is said.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from hpt.executors import artifacts
from hpt.executors.base import AttemptKey, Exit, Update
from hpt.executors.contract import is_remote
from hpt.executors.s3_source import relative_name
from hpt.fleet.left_there import MODEL, OUTPUT, Row, Wanted
from hpt.fleet.nodes import Node
from hpt.host.files import fsync_directory
from hpt.host.private import make_directories

LARGEST = 1 << 30
"""Bytes that a training job may leave: each piece passes through Ray's memory and the tuner's process. More
belong on S3, where the training jobs of fleets leave them anyway.
"""

_FILES = 64  # that are asked for at a time
_MOST = 8  # pieces that are on their way at a time, since all of them are held in memory
_UNANSWERED = 30.0  # seconds after which one does not count that has not come
_AGAIN = 0.5  # seconds until a call that may not have arrived is made again

Call = Callable[..., None]
"""Makes a call: the node's identity, what hears of its end, the agent's method and its arguments."""


@dataclass
class Fetch:
    """What is brought of an attempt. update: its end, which waits. rows: None until they are known. index,
    offset: of what comes next. asking: it has not come; asked: since then, on the monotonic clock. again:
    when to ask again. parts: where what has come of each part lies, and where it is to be.
    """

    key: AttemptKey
    node: Node
    content: Mapping[str, Any]
    update: Update
    rows: list[Row] | None = None
    index: int = 0
    offset: int = 0
    asking: bool = False
    asked: float = 0.0
    again: float = 0.0
    file: IO[bytes] | None = None
    parts: dict[str, tuple[Path, Path]] = field(default_factory=dict)

    @property
    def end(self) -> Exit:
        assert self.update.exit is not None
        return self.update.exit


class Fetching:
    """What is being brought. root: of the training jobs. ended: called with the end of an attempt, once all
    is here that will be.
    """

    def __init__(
        self, root: Path, call: Call, ended: Callable[[Update], None], say: Callable[[str], None]
    ) -> None:
        self._root, self._call, self._ended, self._say = root, call, ended, say
        self._fetches: dict[AttemptKey, Fetch] = {}

    def __len__(self) -> int:
        return len(self._fetches)

    def begin(self, node: Node, content: Mapping[str, Any], update: Update) -> bool:
        """Begin, if the attempt may have left something that is to come here. content: of its order."""
        end = update.exit
        if end is None or end.outcome != "Exited" or is_remote(content["output_path"] or ""):
            return False
        if end.model is None and content["output_path"] is None:
            return False
        self._fetches[update.key] = fetch = Fetch(update.key, node, content, update)
        self._advance(fetch)
        return True

    def advance(self) -> None:
        """Go on with all, some at a time. Never blocks for longer than the disk takes for a piece."""
        for fetch in list(self._fetches.values()):
            self._advance(fetch)

    def close(self) -> None:
        """Let go of what has not come; it begins anew with the next tuner."""
        for fetch in list(self._fetches.values()):
            self._discard(fetch)
        self._fetches.clear()

    def _advance(self, fetch: Fetch) -> None:
        if not fetch.node.alive:
            self._finish(fetch, None, f"was lost with node {fetch.node.address}")
        elif fetch.asking or time.monotonic() < fetch.again or not self._has_room():
            return
        elif fetch.rows is None:
            fetch.asking, fetch.asked = True, time.monotonic()
            self._call(fetch.node.id, lambda *came: self._listed(fetch, *came), "left", tuple(fetch.key))
        else:
            fetch.asking, fetch.asked = True, time.monotonic()
            some = fetch.rows[fetch.index : fetch.index + _FILES]
            wanted = [Wanted(row.part, row.name, 0) for row in some]
            wanted[0] = wanted[0]._replace(offset=fetch.offset)
            answer = lambda *came: self._came(fetch, *came)  # noqa: E731, it is given at once
            self._call(fetch.node.id, answer, "read", tuple(fetch.key), wanted)

    def _has_room(self) -> bool:
        recent = time.monotonic() - _UNANSWERED
        return sum(each.asking and each.asked > recent for each in self._fetches.values()) < _MOST

    def _answered(self, fetch: Fetch, how: str, result: Any) -> bool:
        """Whether a call was carried out; one that may not have been is made again."""
        fetch.asking = False
        if fetch.key not in self._fetches:
            return False
        if how == "failed":
            self._stays(fetch, str(result))
        elif how != "done":
            fetch.again = time.monotonic() + _AGAIN
        return how == "done"

    def _listed(self, fetch: Fetch, how: str, result: Any) -> None:
        if not self._answered(fetch, how, result):
            return
        fetch.rows = [Row(*row) for row in result]
        size = sum(row.size for row in fetch.rows)
        if size > LARGEST:
            self._stays(
                fetch,
                f"{size >> 20} MiB are more than the {LARGEST >> 20} MiB that are brought here; give "
                "OutputDataConfig an s3:// URI",
            )
        elif not fetch.rows:
            self._finish(fetch, None)
        else:
            self._advance(fetch)

    def _came(self, fetch: Fetch, how: str, result: Any) -> None:
        if not self._answered(fetch, how, result):
            return
        assert fetch.rows is not None
        try:
            for piece in result:
                if not self._take(fetch, piece):
                    self._stays(fetch, "it changed while it was read")
                    return
            if not result:
                self._stays(fetch, "it is not there any more")
            elif fetch.index == len(fetch.rows):
                self._finish(fetch, self._placed(fetch))
        except OSError as error:
            where = error.filename or self._root
            self._stays(fetch, f"{where}: {error.strerror}; make room here, or give an s3:// URI")

    def _take(self, fetch: Fetch, piece: bytes) -> bool:
        """Keep a piece of the file that is next; False if it ends too soon."""
        assert fetch.rows is not None
        row = fetch.rows[fetch.index]
        piece = piece[: row.size - fetch.offset]
        if fetch.file is None:
            path = self._part(fetch, row.part)[0]
            if row.name:
                path = path / relative_name(row.name, "")
                path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            fetch.file = os.fdopen(os.open(path, flags, 0o777 if row.runs else 0o666), "wb")
        fetch.file.write(piece)
        fetch.offset += len(piece)
        if fetch.offset < row.size:
            return bool(piece)
        fetch.file.flush()
        os.fsync(fetch.file.fileno())
        fetch.file.close()
        fetch.file, fetch.offset, fetch.index = None, 0, fetch.index + 1
        return True

    def _part(self, fetch: Fetch, part: str) -> tuple[Path, Path]:
        """Where a part is put as it comes, and where it is to be."""
        if part not in fetch.parts:
            output = fetch.content["output_path"]
            if output is None:
                final = self._root / fetch.key.name / "ml" / "model"
                make_directories(final.parent)
            else:
                compression = fetch.content.get("output_compression", artifacts.GZIP)
                final = Path(artifacts.uri_of(output, fetch.key.name, part, compression))
                final.parent.mkdir(parents=True, exist_ok=True)
            for old in final.parent.glob(f"{final.name}.*.tmp"):  # of a tuner that was killed
                shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink()
            fetch.parts[part] = final.with_name(f"{final.name}.{os.getpid()}.tmp"), final
        return fetch.parts[part]

    def _placed(self, fetch: Fetch) -> str | None:
        """Put what has come where it is to be; the place of the model, as a local run names it."""
        for new, final in fetch.parts.values():
            former = final.with_name(f"{final.name}.{os.getpid()}.old.tmp")
            if final.is_dir():
                final.rename(former)
            new.rename(final)
            fsync_directory(final.parent)
            shutil.rmtree(former, ignore_errors=True)
        place = fetch.parts.get(MODEL)
        if place is None or fetch.end.model is None:
            return None
        files = fetch.content["output_path"] is not None and place[1].is_dir()
        return f"{place[1]}/" if files else str(place[1])

    def _stays(self, fetch: Fetch, why: str) -> None:
        """It cannot be brought here."""
        node = fetch.node.address
        model = None if fetch.end.model is None else f"{node}:{fetch.end.model}"  # as scp and rsync write it
        self._finish(fetch, model, f"stays on node {node}: {why}")

    def _finish(self, fetch: Fetch, model: str | None, why: str = "") -> None:
        del self._fetches[fetch.key]
        self._discard(fetch)
        if why:
            self._say(f"the {OUTPUT if fetch.end.model is None else MODEL} of {fetch.key.name} {why}")
        self._ended(replace(fetch.update, exit=replace(fetch.end, model=model)))

    def _discard(self, fetch: Fetch) -> None:
        if fetch.file is not None:
            with suppress(OSError):  # a full disk: what it held back is not wanted any more
                fetch.file.close()
            fetch.file = None
        for new, _ in fetch.parts.values():
            shutil.rmtree(new, ignore_errors=True)
            new.unlink(missing_ok=True)
