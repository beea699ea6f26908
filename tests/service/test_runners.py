"""Who runs the jobs of a service: one process each, whatever dies, and however many see that it did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import hpt.client
from hpt.host.identity import ProcessIdentity
from hpt.running import detached
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.service.api import Service
from hpt.service.launcher import FREE_RESTARTS, LOG, RUNNER, Runner
from tests.client.conftest import Desk

NAME = "HyperParameterTuningJobName"
LONG: dict[str, Any] = {"jobs": 4, "pause": 600.0}
"""A job that nothing but a stop ends."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for name in desk.client._service._context.storage.names():
        if desk.describe(name)["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
            desk.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            desk.wait(name)
    desk.client.close()
    until(lambda: runners(desk.state) == [])


def runners(state: Path) -> list[int]:
    """Every living process that runs a job in a state directory."""
    words = [str(detached.__file__).encode(), str(state).encode()]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and ProcessIdentity.of(int(entry.name)) is not None:
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if all(word in command for word in words):
                found.append(int(entry.name))
    return found


def until(condition: Callable[[], Any], timeout: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def owner(state: Path, name: str) -> int | None:
    session = Session(state)
    try:
        return session.storage.record(name).owner_pid
    finally:
        session.close()


def begin(desk: Desk, name: str = "job", **options: Any) -> int:
    """Create a job; the process that runs it, once its first training jobs do."""
    desk.create(name, **options)
    desk.wait(name, until=lambda reply: reply["TrainingJobStatusCounters"]["InProgress"] == 2)
    return int(until(lambda: owner(desk.state, name)))


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: ProcessIdentity.of(pid) is None)


def quiet(desk: Desk, name: str = "job") -> None:
    assert (desk.state / name / LOG).read_text() == ""


LOOKS: dict[str, Callable[[Desk], Any]] = {
    "describe": lambda desk: desk.describe("job"),
    "describe a training job": lambda desk: desk.client.describe_training_job(
        TrainingJobName=Session(desk.state).load("job")[2].jobs[1].name
    ),
    "list": lambda desk: desk.client.list_hyper_parameter_tuning_jobs(),
    "list training jobs": lambda desk: desk.client.list_training_jobs(),
    "list its training jobs": lambda desk: desk.trials("job"),
    "search": lambda desk: desk.client.search(Resource="TrainingJob"),
    "a client starts": lambda desk: hpt.client.SageMakerClient(desk.state).close(),
    "a service starts": lambda desk: Service(desk.state).close(),
}


@pytest.mark.parametrize(
    ("look", "settled"), [*((look, True) for look in LOOKS), ("describe", False), ("list", False)]
)
def test_a_killed_runner_is_replaced_at_the_first_look(
    desk: Desk, look: str, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:  # nothing is read again that looks the same
        monkeypatch.setattr("hpt.storage.stamp.SETTLED_SECONDS", -1e9)
    pid = begin(desk, **LONG)
    LOOKS[look](desk)
    kill(pid)
    LOOKS[look](desk)
    [successor] = runners(desk.state)  # it is on its way, and nothing more is waited for
    assert until(lambda: owner(desk.state, "job")) == successor != pid
    assert desk.describe("job")["TrainingJobStatusCounters"]["InProgress"] == 2
    quiet(desk)


def test_two_services_and_many_threads_start_one_runner(desk: Desk) -> None:
    pid = begin(desk, **LONG)
    services = [Service(desk.state) for _ in range(2)]
    other = subprocess.Popen(
        [sys.executable, "-c", LOOKING, str(desk.state)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdin is not None
    assert other.stdout.readline() == "ready\n"
    kill(pid)
    seen: set[int] = set()
    problems: list[BaseException] = []
    barrier = threading.Barrier(9)

    def look(service: Service) -> None:
        try:
            barrier.wait()
            for _ in range(20):
                service.call("DescribeHyperParameterTuningJob", {NAME: "job"})
                service.call("ListHyperParameterTuningJobs", {})
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=look, args=(services[i % 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    other.stdin.write("go\n")
    other.stdin.flush()
    barrier.wait()
    while any(thread.is_alive() for thread in threads):
        seen.update(runners(desk.state))
    assert other.wait(timeout=60) == 0
    seen.update(runners(desk.state))
    assert not problems and len(seen) == 1 and pid not in seen
    assert until(lambda: owner(desk.state, "job")) in seen
    quiet(desk)
    for service in services:
        service.close()


LOOKING = """
import sys
from hpt.service.api import Service
service = Service(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    service.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "job"})
"""


@pytest.mark.slow
def test_two_runners_of_one_job_are_one_in_effect(desk: Desk) -> None:
    """As after a service that was killed between starting a runner and saying so."""
    pid = begin(desk, jobs=2, pause=3.0)
    words = [sys.executable, "-P", str(detached.__file__), str(desk.state), "job"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    kill(pid)
    pair = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    for process in pair:
        assert process.communicate(timeout=60)[0] == b"" and process.returncode == 0
    assert desk.describe("job")["TrainingJobStatusCounters"]["Completed"] == 2
    runs = (desk.root / "runs").read_text().split()
    assert len(runs) == len(set(runs)) == 2


def test_a_job_that_is_gone_or_has_ended_is_left_alone(desk: Desk) -> None:
    desk.create("job", jobs=1)
    desk.wait("job")
    until(lambda: owner(desk.state, "job") is None)
    for name in ("job", "none"):
        words = [sys.executable, "-P", str(detached.__file__), str(desk.state), name]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_job_of_the_command_is_left_to_its_user(desk: Desk) -> None:
    """Also where an earlier job of that name was the service's."""
    desk.create("job", jobs=1)
    desk.wait("job")
    desk.client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="job")
    assert (desk.state / "job" / RUNNER).exists()
    session = Session(desk.state)
    session.create(parse_request(desk.request("job")))
    session.close()
    for look in ("describe", "list", "a client starts"):
        LOOKS[look](desk)
    assert runners(desk.state) == []


@pytest.mark.slow
def test_runners_that_fail_are_not_started_without_end(desk: Desk) -> None:
    desk.create("job", jobs=1)
    desk.wait("job")
    session = Session(desk.state)
    session.create(parse_request(desk.request("broken")))
    record = session.storage.record("broken")
    directory = session.job_directory("broken")
    session.close()
    (directory / RUNNER).write_text(
        json.dumps({"created": record.created, "identity": "", "started": 0.0, "modified": 0.0, "idle": 0})
    )
    (directory / "trials").write_text("in the way")  # of every training job
    began = time.monotonic()
    while time.monotonic() - began < 12.0:
        desk.describe("broken")
        until(lambda: runners(desk.state) == [])
    last = Runner(**json.loads((directory / RUNNER).read_text()))
    assert last.idle <= FREE_RESTARTS + 4
    (directory / "trials").unlink()


def test_identities_of_dead_processes_do_not_live() -> None:
    alive = str(ProcessIdentity.current())
    assert Runner(1.0, alive, 1.0, 1.0).lives and not Runner(1.0, "", 1.0, 1.0).lives
    boot, namespace, pid, start = alive.split("/")
    assert not Runner(1.0, f"{boot}/{namespace}/{pid}/{int(start) + 1}", 1.0, 1.0).lives
    assert [Runner(1.0, "", 1.0, 1.0, idle).pause for idle in (0, 2, 3, 5, 50)] == [0.0, 0.0, 1.0, 4.0, 60.0]
