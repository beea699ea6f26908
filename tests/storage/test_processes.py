"""Storage under real processes: killed in the middle, fighting for a job, out of disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.errors import JobOwnedError, StorageError
from hpt.job.notes import STOP, stop_requested
from hpt.search.events import Reported, StatusChanged
from hpt.storage.base import Lease
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events
from tests import prerequisites

WRITER = """
import sys
from pathlib import Path
from hpt.storage.sqlite import SQLiteStorage
from hpt.testing.storage import events
storage = SQLiteStorage(Path(sys.argv[1]))
lease = storage.acquire("job")
count = len(storage.read("job")[1])
print("ready", lease.token, flush=True)
while True:
    size = count % 7 + 1
    storage.append(lease, events(count, size), {"count": count + size})
    count += size
    print(count, flush=True)
"""

CREATOR = """
import sys
from pathlib import Path
from hpt.storage.sqlite import SQLiteStorage
storage = SQLiteStorage(Path(sys.argv[1]))
for i in range(10**6):
    print(i, flush=True)
    storage.create(f"job-{i}", {"number": i}, float(i))
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> str:
    """End it at once; what it had printed since."""
    process.kill()
    return process.communicate()[0]


def integrity(state: Path, name: str = "job") -> str:
    connection = sqlite3.connect(state / name / "job.sqlite")
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return str(verdict)


def test_a_writer_killed_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(1)
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    for expected in range(1, 9):
        writer = start(WRITER, tmp_path)
        assert writer.stdout is not None
        assert writer.stdout.readline().split() == ["ready", str(expected)]  # a dead owner is no obstacle
        with pytest.raises(JobOwnedError) as refused:
            storage.acquire("job")
        assert refused.value.pid == writer.pid
        time.sleep(rng.uniform(0.0, 0.15))
        printed = kill(writer).split()
        acknowledged = int(printed[-1]) if printed else 0
        record, recorded = storage.read("job")
        assert recorded == events(0, len(recorded))
        assert len(recorded) >= acknowledged
        assert record.summary.get("count", 0) == len(recorded)
        assert record.owner_pid is None
        assert integrity(tmp_path) == "ok"
    assert len(recorded) > 50


def test_a_creator_killed_at_random_moments_leaves_complete_jobs_or_none(tmp_path: Path) -> None:
    rng = random.Random(2)
    for attempt in range(6):
        state = tmp_path / str(attempt)
        creator = start(CREATOR, state)
        assert creator.stdout is not None
        creator.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.1))
        begun = [0, *map(int, kill(creator).split())]
        storage = SQLiteStorage(state)
        names = {job.name: job for job in storage.jobs()}
        assert all(job.problem is None for job in names.values())
        assert {f"job-{i}" for i in begun[:-1]} <= set(names)
        assert all(job.document == {"number": int(name.split("-")[1])} for name, job in names.items())
        last = f"job-{begun[-1]}"
        if last not in names:
            storage.create(last, {"number": -1}, 1.0)
            assert storage.read(last)[0].document == {"number": -1}


def test_taking_over_from_a_dead_owner_is_quick(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    writer = start(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    kill(writer)
    begin = time.monotonic()
    storage.acquire("job")
    assert time.monotonic() - begin < 1.0


FIGHTER = """
import sys, time, random
from pathlib import Path
from hpt.errors import JobOwnedError
from hpt.search.events import Reported
from hpt.storage.sqlite import SQLiteStorage
storage, me = SQLiteStorage(Path(sys.argv[1])), int(sys.argv[2])
won = 0
while won < 15:
    try:
        lease = storage.acquire("job")
    except JobOwnedError:
        time.sleep(random.uniform(0, 0.003))
        continue
    won += 1
    for step in range(3):
        storage.append(lease, [Reported(float(lease.token), me, float(step), 1.0)], {"by": me})
    storage.release(lease)
"""


def test_processes_that_fight_for_a_job_own_it_one_after_the_other(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    fighters = [start(FIGHTER, tmp_path, i) for i in range(3)]
    assert [fighter.wait(timeout=120) for fighter in fighters] == [0, 0, 0]
    for fighter in fighters:
        fighter.communicate()
    recorded = storage.read("job")[1]
    assert len(recorded) == 3 * 15 * 3
    tokens = [event.time for event in recorded]
    assert tokens == sorted(tokens)
    for i in range(0, len(recorded), 3):
        turn = recorded[i : i + 3]
        assert all(isinstance(event, Reported) for event in turn)
        assert [event.value for event in turn] == [0.0, 1.0, 2.0]  # type: ignore[attr-defined]
        assert len({(event.time, event.number) for event in turn}) == 1  # type: ignore[attr-defined]


def test_readers_see_one_point_in_time_beside_a_writer(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    writer = start(WRITER, tmp_path)
    assert writer.stdout is not None
    fcntl.fcntl(writer.stdout, fcntl.F_SETPIPE_SZ, 4096)  # it waits where nobody reads what it says
    writer.stdout.readline()
    try:
        seen, grown = -1, 0
        for _ in range(40):
            os.read(writer.stdout.fileno(), 256)  # so that it writes some fifty times more, beside this read
            record, recorded = storage.read("job")
            assert recorded == events(0, len(recorded))
            assert record.summary.get("count", 0) == len(recorded)
            assert record.owner_pid == writer.pid
            assert len(recorded) >= seen
            grown += len(recorded) > seen
            seen = len(recorded)
            [listed] = storage.jobs()
            assert listed.summary.get("count", 0) >= seen
    finally:
        kill(writer)
    assert seen > 0
    assert grown > 5


def test_a_stop_request_of_another_process_is_seen(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    assert not stop_requested(storage.notes("job"))
    program = (
        "import sys; from pathlib import Path; from hpt.storage.sqlite import SQLiteStorage;"
        "from hpt.job.notes import STOP;"
        "SQLiteStorage(Path(sys.argv[1])).add_note('JOB', STOP)"
    )
    assert start(program, tmp_path).wait(timeout=60) == 0
    assert stop_requested(storage.notes("job"))
    storage.append(lease, events(0, 1), {})


BIG = StatusChanged(1.0, 1, "Training", "x" * 20_000)


def fill_until_refused(storage: SQLiteStorage, match: str) -> None:
    """Append until the disk is full, make room, and see that nothing is lost and work goes on."""
    lease = storage.acquire("job")
    for count in range(2000):
        try:
            storage.append(lease, [BIG], {"count": count + 1})
        except StorageError:
            break
    for _ in range(3):
        with pytest.raises(StorageError, match=match):
            storage.append(lease, [BIG] * 100, {"count": -1})
    record, recorded = storage.read("job")
    assert len(recorded) == count == record.summary["count"]
    assert not stop_requested(storage.notes("job"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with prerequisites.small_disk(tmp_path / "disk", "size=2m") as place:
        yield place


def test_a_full_disk_refuses_appends_and_nothing_else(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    storage = SQLiteStorage(small_disk / "state")
    storage.create("job", {}, 1.0)
    fill_until_refused(storage, r"job\.sqlite: .*free space")
    before = len(storage.read("job")[1])
    ballast.unlink()
    storage.append(Lease("job", 1), [BIG], {"count": before + 1})
    record, recorded = storage.read("job")
    assert len(recorded) == record.summary["count"] == before + 1
    storage.close()
    assert integrity(small_disk / "state") == "ok"


def test_a_full_disk_refuses_new_jobs_and_the_name_stays_free(small_disk: Path) -> None:
    storage = SQLiteStorage(small_disk / "state")
    storage.create("first", {}, 1.0)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    with pytest.raises(StorageError, match="free space"):
        storage.create("job", {"x": "y" * 5000}, 1.0)
    assert [job.name for job in storage.jobs()] == ["first"]
    ballast.unlink()
    storage.create("job", {}, 1.0)
    storage.append(storage.acquire("job"), events(0, 1), {})


def test_a_full_disk_refuses_notes_and_keeps_those_there_are(small_disk: Path) -> None:
    storage = SQLiteStorage(small_disk / "state")
    storage.create("job", {}, 1.0)
    lease = storage.acquire("job")
    storage.add_note("job", {"n": 0})
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    with contextlib.suppress(StorageError):
        for count in range(1, 2000):
            storage.add_note("job", {"text": "x" * 20_000, "n": count})
    before = [note.body["n"] for note in storage.notes("job")]
    assert before == list(range(len(before)))
    with pytest.raises(StorageError, match="free space"):
        storage.add_note("job", {"text": "x" * 200_000})
    assert [note.body["n"] for note in storage.notes("job")] == before
    ballast.unlink()
    storage.add_note("job", STOP)
    storage.append(lease, events(0, 1), {})
    assert [note.body.get("n") for note in SQLiteStorage(small_disk / "state").notes("job")] == [
        *before,
        None,
    ]


def test_a_limit_on_file_sizes_refuses_appends_and_passes(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        fill_until_refused(storage, r"job\.sqlite: .*file-size limit")
        count = len(storage.read("job")[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, former)
    storage.append(Lease("job", 1), [BIG], {"count": count + 1})
    assert len(storage.read("job")[1]) == count + 1
    storage.close()
    assert integrity(tmp_path) == "ok"
