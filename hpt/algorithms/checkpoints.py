"""Numbered checkpoint files: written atomically, the newest few kept, damaged ones passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """`<stem>.<n>` in a folder, n from 0: the state after unit of progress n.

    Markers that SageMaker's uploader leaves beside them (`<file>.sagemaker-uploading`) are not checkpoints.
    """

    folder: Path
    stem: str
    keep: int = 5

    def save(self, number: int, content: bytes) -> None:
        """Writes checkpoint `number` and deletes all but the newest `keep`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / f"{self.stem}.{number}", content)
        for old in self.numbers()[self.keep :]:
            (self.folder / f"{self.stem}.{old}").unlink(missing_ok=True)

    def newest_first(self) -> Iterator[tuple[int, bytes]]:
        """(number, content) of each checkpoint that can be read at all, newest first."""
        for number in self.numbers():
            try:
                yield number, (self.folder / f"{self.stem}.{number}").read_bytes()
            except OSError:
                continue

    def numbers(self) -> list[int]:
        """Numbers of the checkpoints present, newest first."""
        if not self.folder.is_dir():
            return []
        pattern = re.compile(re.escape(self.stem) + r"\.(\d{1,9})")
        matches = (pattern.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted((int(match[1]) for match in matches if match), reverse=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step, so that no reader and no crash ever sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
