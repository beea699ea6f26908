"""What a training job left on its node comes to the tuner's machine."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ExecutorError
from hpt.executors.base import Update
from hpt.executors.local import LocalExecutor
from hpt.executors.node import Node as Machine
from hpt.executors.order import Order
from hpt.fleet import fetching, left_there
from hpt.fleet.fetching import Fetching
from hpt.fleet.nodes import Node
from hpt.testing.executors import ExecutorSuite
from tests import prerequisites

SCRIPT = """
    cd $SM_MODEL_DIR; mkdir deep; echo weights > deep/w; : > empty; echo '#!/bin/sh' > run; chmod +x run
    ln -s deep/w link; echo table > $SM_OUTPUT_DATA_DIR/table
"""


class Cluster:
    """A machine, and a tuner's machine that can reach it as `way` says: that of each call in turn."""

    def __init__(self, tmp_path: Path) -> None:
        self.node = Node("node", address="10.0.0.7")
        self.there, self.here = tmp_path / "there" / "trials", tmp_path / "here" / "trials"
        self.there.parent.mkdir()
        self.said: list[str] = []
        self.ended: list[Update] = []
        self.way: list[Callable[[str], str]] = []
        self.calls = 0
        self.fetching = Fetching(self.here, self.call, self.ended.append, self.said.append)
        self._tmp_path = tmp_path

    def run(self, script: str, **changes: Any) -> bool:
        """Run a program there to its end, and begin to fetch what it left."""
        executor = LocalExecutor(self.there, node=Machine(elsewhere=True))
        given = ExecutorSuite.submission(self._tmp_path, script, **changes)
        executor.submit(given)
        give_up = time.monotonic() + 30
        update = None
        while update is None or update.exit is None:
            assert time.monotonic() < give_up
            executor.wait(0.1)
            update = next(iter(executor.poll()), update)
        executor.close()
        return self.fetching.begin(self.node, Order.of(given).content, update)

    def call(self, node: str, answer: Callable[[str, Any], None], method: str, *given: Any) -> None:
        self.calls += 1
        how = self.way.pop(0)(method) if self.way else "done"
        name, attempt = given[0]
        place = self.there / name / "attempts" / str(attempt)
        if how != "done":
            answer(how, "the node does not answer")
            return
        try:
            result: Any = left_there.rows(place) if method == "left" else left_there.read(place, *given[1:])
        except ExecutorError as error:
            answer("failed", error)
            return
        answer("done", result)

    def finish(self) -> Any:
        give_up = time.monotonic() + 20
        while not self.ended:
            self.fetching.advance()
            assert time.monotonic() < give_up
            time.sleep(0.01)
        [update] = self.ended
        assert update.phase == "Ended" and update.exit is not None
        assert not len(self.fetching)
        left = [path for path in self._tmp_path.rglob("*.tmp") if "there" not in path.parts]
        assert not left
        return update.exit


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_a_model_lies_where_a_local_one_would(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_there, "PIECE", 5)
    assert cluster.run(SCRIPT)
    end = cluster.finish()
    model = cluster.here / "job-001" / "ml" / "model"
    assert end.model == str(model)
    assert (model / "deep" / "w").read_text() == (model / "link").read_text() == "weights\n"
    assert (model / "empty").read_bytes() == b""
    assert (model / "run").stat().st_mode & 0o111 and not (model / "deep" / "w").stat().st_mode & 0o111
    assert not (cluster.here / "job-001" / "ml" / "output").exists()
    assert not cluster.said


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_results_come_to_an_output_path_of_the_tuners_machine(
    cluster: Cluster, tmp_path: Path, compression: str
) -> None:
    output = tmp_path / "out"
    former = output / "job-001" / "output"
    (former / "model").mkdir(parents=True)
    (former / "model" / "old").touch()
    (former / "model.tar.gz.77.tmp").touch()  # of a tuner that was killed
    assert cluster.run(SCRIPT, output_path=f"file://{output}", output_compression=compression)
    end = cluster.finish()
    if compression == "GZIP":
        assert end.model == str(former / "model.tar.gz")
        with tarfile.open(end.model) as archive:
            assert sorted(archive.getnames()) == ["deep", "deep/w", "empty", "link", "run"]
        assert (former / "output.tar.gz").exists()
    else:
        assert end.model == f"{former / 'model'}/"
        assert sorted(path.name for path in Path(end.model).iterdir()) == ["deep", "empty", "link", "run"]
        assert (former / "data" / "table").read_text() == "table\n"


def test_of_a_failed_training_job_comes_its_output(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.run(f"{SCRIPT}\nexit 3", output_path=str(tmp_path / "out"))
    end = cluster.finish()
    assert (end.exit_code, end.model) == (3, None)
    assert [path.name for path in (tmp_path / "out/job-001/output").iterdir()] == ["output.tar.gz"]


def test_where_nothing_is_to_come_nothing_is_asked(cluster: Cluster) -> None:
    assert not cluster.run("echo no model")
    assert not cluster.run(f"{SCRIPT}\nexit 3")
    assert cluster.calls == 0


def test_a_call_that_may_not_have_arrived_is_made_again(cluster: Cluster) -> None:
    cluster.way = [lambda method: "away", lambda method: "done", lambda method: "dead"]
    assert cluster.run(SCRIPT)
    assert (Path(cluster.finish().model) / "deep" / "w").read_text() == "weights\n"


def test_what_is_too_large_stays_there_and_is_said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 3 << 20)
    cluster.run("head -c 5000000 /dev/zero > $SM_MODEL_DIR/w")
    assert cluster.finish().model == f"10.0.0.7:{cluster.there}/job-001/ml/model"
    [said] = cluster.said
    assert said == (
        "the model of job-001 stays on node 10.0.0.7: 4 MiB are more than the 3 MiB that are brought here; "
        "give OutputDataConfig an s3:// URI"
    )


def test_one_whose_node_is_lost_meanwhile_is_lost_and_nothing_else(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_there, "PIECE", 3)

    def leaves(method: str) -> str:
        cluster.node.alive = False
        return "away"

    cluster.way = [lambda method: "done", lambda method: "done", leaves]
    cluster.run(SCRIPT)
    end = cluster.finish()
    assert (end.exit_code, end.model) == (0, None)
    assert cluster.said == ["the model of job-001 was lost with node 10.0.0.7"]
    assert not list((cluster.here / "job-001" / "ml").iterdir())


def test_a_disk_without_room_leaves_it_there(cluster: Cluster, tmp_path: Path) -> None:
    with prerequisites.small_disk(tmp_path / "out", "size=1m"):
        cluster.run("head -c 5000000 /dev/urandom > $SM_MODEL_DIR/w", output_path=str(tmp_path / "out"))
        end = cluster.finish()
        assert end.model == f"10.0.0.7:{cluster.there}/job-001/attempts/1/model.tar.gz"
        assert "No space left on device; make room here, or give an s3:// URI" in cluster.said[0]


def test_what_cannot_be_read_there_stays(cluster: Cluster) -> None:
    def vanishes(method: str) -> str:
        (cluster.there / "job-001/ml/model/deep/w").unlink()
        return "done"

    cluster.way = [lambda method: "done", vanishes]
    cluster.run(SCRIPT)
    assert cluster.finish().model == f"10.0.0.7:{cluster.there}/job-001/ml/model"
    assert "stays on node 10.0.0.7: deep/w cannot be read: No such file" in cluster.said[0]


def test_what_grows_or_shrinks_meanwhile_is_not_kept(cluster: Cluster) -> None:
    def shrinks(method: str) -> str:
        (cluster.there / "job-001/ml/model/deep/w").write_text("")
        return "done"

    cluster.way = [lambda method: "done", shrinks]
    cluster.run(SCRIPT)
    assert "it changed while it was read" in (cluster.finish().model and cluster.said[0])


def test_a_tuner_that_ends_meanwhile_leaves_nothing_half_done(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_there, "PIECE", 3)
    cluster.way = [lambda method: "done", lambda method: "done", lambda method: "away"]
    cluster.run(SCRIPT)
    assert list((cluster.here / "job-001" / "ml").glob("model.*.tmp"))
    cluster.fetching.close()
    assert not list((cluster.here / "job-001" / "ml").iterdir())
    assert cluster.ended == []


def test_few_pieces_are_on_their_way_at_a_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that does not answer takes the place of one for a while only."""
    monkeypatch.setattr(fetching, "_MOST", 1)
    silent = Cluster.call

    def call(node: str, answer: Callable[[str, Any], None], method: str, *given: Any) -> None:
        if given[0] == ("silent", 1):
            cluster.calls += 1
        else:
            silent(cluster, node, answer, method, *given)

    monkeypatch.setattr(cluster.fetching, "_call", call)
    cluster.run(SCRIPT, name="silent")
    cluster.run(SCRIPT)
    cluster.fetching.advance()
    assert cluster.calls == 1 and not cluster.ended
    monkeypatch.setattr(fetching, "_UNANSWERED", 0.0)
    cluster.fetching.advance()
    assert [update.key.name for update in cluster.ended] == ["job-001"]
