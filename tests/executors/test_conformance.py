"""The shipped suite, applied to the shipped executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.executors.local import LocalExecutor
from hpt.testing.executors import ExecutorSuite, Make


class TestLocalExecutor(ExecutorSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: LocalExecutor(tmp_path / "trials")
