"""Numbered checkpoint files: written atomically, sealed, the newest few kept, damaged ones passed over."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MARK = b"hpt:seal"
_SEAL_LENGTH = len(_MARK) + hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """`<stem>.<n>` in a folder, n from 0: the state after unit of progress n.

    A file is its content and a seal of 40 bytes: parsers of model files may crash on damaged input, so only
    sealed content is handed out. XGBoost ignores what follows a model and reads such a file as it is.
    Markers that SageMaker's uploader leaves beside them (`<file>.sagemaker-uploading`) are not checkpoints.
    """

    folder: Path
    stem: str
    keep: int = 5

    def save(self, number: int, content: bytes) -> None:
        """Writes checkpoint `number` and deletes all but the newest `keep`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / f"{self.stem}.{number}", content + _seal(content))
        for old in self.numbers()[self.keep :]:
            (self.folder / f"{self.stem}.{old}").unlink(missing_ok=True)

    def newest_first(self) -> Iterator[tuple[int, bytes | None]]:
        """(number, content) of each checkpoint, newest first; None for one that is damaged or not ours."""
        for number in self.numbers():
            try:
                sealed = (self.folder / f"{self.stem}.{number}").read_bytes()
            except OSError:
                sealed = b""
            content = sealed[:-_SEAL_LENGTH]
            yield number, content if sealed == content + _seal(content) else None

    def numbers(self) -> list[int]:
        """Numbers of the checkpoints present, newest first."""
        if not self.folder.is_dir():
            return []
        pattern = re.compile(re.escape(self.stem) + r"\.(\d{1,9})")
        matches = (pattern.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted((int(match[1]) for match in matches if match), reverse=True)


def _seal(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).digest()


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step, so that no reader and no killed writer leaves half of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
