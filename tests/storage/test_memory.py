"""MemoryStorage keeps the contract of storages."""

from __future__ import annotations

from pathlib import Path

from hpt.storage.memory import MemoryStorage
from hpt.testing.storage import StorageSuite


class TestMemoryStorage(StorageSuite):
    def open(self, directory: Path) -> MemoryStorage:
        if not hasattr(self, "_opened"):
            self._opened = MemoryStorage()
        return self._opened
