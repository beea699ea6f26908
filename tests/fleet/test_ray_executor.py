"""The shipped suite of executors on a real cluster, and what clusters alone can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpt.executors.base import Executor
from hpt.fleet.ray_executor import RayExecutor
from hpt.fleet.setting import Setting
from hpt.testing.executors import ExecutorSuite, Make
from tests.fleet.ray_cluster import RayCluster

pytestmark = pytest.mark.slow


@pytest.fixture
def make(cluster: RayCluster, tmp_path: Path) -> Iterator[Callable[[], RayExecutor]]:
    made: list[RayExecutor] = []
    said: list[str] = []

    def one(**options: str) -> RayExecutor:
        given = {"address": cluster.address, "lease": "30", **options}
        made.append(RayExecutor(Setting(tmp_path / "job" / "trials", True, None, said.append, given)))
        return made[-1]

    yield one
    for each in made:
        each.close()


class TestRayExecutor(ExecutorSuite):
    patience = 90.0

    @pytest.fixture
    def make(self, make: Callable[[], Executor]) -> Make:
        return make
