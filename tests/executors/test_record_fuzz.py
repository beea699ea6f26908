"""Whatever lies in the records of an attempt, reading them ends in outcomes that are modelled: an end, a loss
with a reason, or nothing new. Nothing is started and nothing waits.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import time
from pathlib import Path

import pytest

from hpt.executors import checked, checkpoint, match, record
from hpt.executors.attempt import Attempt, training_directory
from hpt.executors.attempt_log import AttemptLog
from hpt.executors.base import AttemptKey
from hpt.executors.local import specification
from hpt.host.clock import LATEST, SteadyClock
from tests.executors.conftest import Workshop
from tests.executors.test_match import _submission

RECORDS = (
    record.SPEC,
    record.STARTED,
    record.PHASES,
    record.EXIT,
    record.STOP,
    record.INDEX,
    record.LEADS,
    record.LOG,
)
VALUES = [None, True, -1, 0, 1 << 70, 1e300, "", "x" * 5000, "\ud800", [], {}, [[[]]], {"a": {"b": None}}]
WORDS = [
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"\xff\xfe",
    b"\0",
    b"\n",
    b"{",
    b"[" * 3000,
    b'"',
    b"9" * 5000,
]


MORE = {
    "instance_count": 2,
    "instance_groups": [{"name": "a", "instance_type": "local", "count": 2}],
    "gpus": ["0", "GPU-1"],
    "gpu_variable": "CUDA_VISIBLE_DEVICES",
    "cores": [0, 1],
    "memory_bytes": 1 << 30,
    "memory_group": "/sys/fs/cgroup/a",
    "checkpoints_at": "/checkpoints",
    "entrypoint": ["/bin/true"],
    "arguments": ["a"],
    "own_checkpoints": True,
    "image": "localhost/a:1",
}
"""Members of a specification that only some attempts have."""


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The record with something wrong, most often a little."""
    kind = draw.randrange(7)
    if kind == 0:
        return data[: draw.randrange(len(data) + 1)]
    if kind == 1:
        return draw.randbytes(draw.choice([0, 1, 20, 5000]))
    if kind == 2 and data.startswith(b"{"):
        content = json.loads(data)
        content[draw.choice([*content, "version", "other"])] = draw.choice(VALUES)
        return json.dumps(content).encode()
    if kind == 3 and data.startswith(b"{"):
        content = json.loads(data)
        del content[draw.choice(list(content))]
        return json.dumps(content).encode()
    for _ in range(draw.choice([1, 1, 1, 5])):
        place = draw.randrange(len(data) + 1)
        word = draw.choice(WORDS) if kind < 6 else bytes([draw.randrange(256)])
        data = data[:place] + word + data[place + draw.choice([0, 1, len(word)]) :]
    return data


def put(path: Path, data: bytes, draw: random.Random) -> None:
    """A record, or now and then something that is none."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    match draw.randrange(40):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path.name)
        case 4:
            path.write_bytes(data)
            os.truncate(path, 1 << (18 if path.name == record.LOG else 36))
        case 5 if path.name != record.STARTED:  # without one a program would be started
            pass
        case _:
            path.write_bytes(data)


def damaged(error: checked.DamagedRecordError) -> str:
    assert 10 < len(str(error)) < 400
    return "damaged"


def read_everything(directory: Path, clock: SteadyClock, expected: dict[str, object]) -> str:
    """What each reader makes of the records; the name of the outcome."""
    place, outcome = str(directory), "read"
    for reader in (checked.read_spec, checked.read_marker, checked.read_exit):
        try:
            reader(place)
        except checked.DamagedRecordError as error:
            outcome = damaged(error)
    try:
        entries, offset = checked.read_phases(place, 0)
        assert 0 <= offset <= checked.LARGEST_PHASES
        assert all(phase in checked.PHASES and checked.is_time(time) for phase, time in entries)
    except checked.DamagedRecordError as error:
        outcome = damaged(error)
    chunk, _ = AttemptLog(place, clock, 0).read(1 << 16)
    assert len(chunk.data) <= 1 << 16
    times = [seconds for _, seconds in chunk.times]
    assert times == sorted(times) and all(0 <= seconds <= LATEST for seconds in times)
    try:
        spec = checked.read_spec(place)
    except checked.DamagedRecordError:
        spec = None
    if spec is not None:
        assert len(match.difference(expected, spec)) < 400
        covered = checkpoint.covered_offset(place, training_directory(place), spec)
        assert covered is None or covered >= 0
    return outcome


@pytest.fixture
def attempt(workshop: Workshop) -> Path:
    """The directory of an attempt that ran and kept a checkpoint."""
    script = workshop.script("echo one; touch $SAGEMAKER_BASE_DIR/checkpoints/a; sleep 0.6; echo two; exit 3")
    run = workshop.run(script, hyperparameters={"x": "1"})
    directory = workshop.attempt(run)
    spec = json.loads((directory / record.SPEC).read_text())
    (directory / record.SPEC).write_text(json.dumps(MORE | spec))
    (directory / record.STOP).touch()
    (directory / record.LEADS).write_text("3 0.5\n6 -0.5\n")
    return directory


@pytest.mark.slow
def test_ten_thousand_damaged_records_are_read_or_refused(attempt: Path) -> None:
    draw = random.Random(18)
    whole = {name: (attempt / name).read_bytes() for name in RECORDS}
    clock = SteadyClock.beginning_at(time.time())
    expected = specification(_submission("/bin/true"))
    assert read_everything(attempt, clock, expected) == "read"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = dict.fromkeys(("read", "damaged"), 0)
    slowest = 0.0
    for _ in range(10_000):
        name = draw.choice(RECORDS)
        put(attempt / name, mutated(whole[name], draw), draw)
        begin = time.process_time()
        outcomes[read_everything(attempt, clock, expected)] += 1
        slowest = max(slowest, time.process_time() - begin)
        if draw.random() < 0.7:
            put(attempt / name, whole[name], random.Random(1))
    assert min(outcomes.values()) > 1000, outcomes
    assert slowest < 2.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


@pytest.mark.slow
def test_an_attempt_with_damaged_records_ends_or_waits(attempt: Path) -> None:
    draw = random.Random(19)
    keep = attempt.with_name("whole")
    shutil.copytree(attempt, keep)
    clock = SteadyClock.beginning_at(time.time())
    outcomes: dict[str, int] = {}
    for _ in range(500):
        for name in draw.sample(RECORDS, draw.choice([1, 1, 2, 4])):
            put(attempt / name, mutated((keep / name).read_bytes(), draw), draw)
        found = Attempt(AttemptKey("job-001", 1), attempt, clock)
        end = None
        for _ in range(6):
            update = found.poll(1 << 20)
            if update is not None and update.exit is not None:
                end = update.exit
                break
        assert found._spawns == 0
        assert end is not None
        outcomes[end.outcome] = outcomes.get(end.outcome, 0) + 1
        assert end.outcome == "Exited" or end.reason
        assert all(moment is None or 0 <= moment <= clock() for moment in (end.started, end.ended))
        for name in RECORDS:
            path = attempt / name
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            shutil.copy(keep / name, path)
    assert outcomes.keys() <= {"Exited", "Lost", "Preempted"} and min(outcomes.values()) > 20, outcomes
