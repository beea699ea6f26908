"""The shipped suite, applied to the shipped executor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor
from hpt.testing.executors import ExecutorSuite, Make


class TestLocalExecutor(ExecutorSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: LocalExecutor(tmp_path / "trials")


@pytest.mark.slow
class TestSeveralHosts(TestLocalExecutor):
    """Training jobs of two hosts, of which the second runs until the first has ended."""

    @staticmethod
    def submission(tmp_path: Path, script: str, name: str = "job-001", **changes: Any) -> Submission:
        mark = tmp_path / f"{name}-ended"
        second = f"[ $SM_CURRENT_HOST = algo-1 ] || {{ until [ -e {mark} ]; do sleep 0.02; done; exit 0; }}"
        given = ExecutorSuite.submission(
            tmp_path, f"{second}\ntrap 'touch {mark}' EXIT\n{script}", name, **changes
        )
        return replace(given, definition=replace(given.definition, instance_count=2))
