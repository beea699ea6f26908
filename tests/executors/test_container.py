"""Images in containers of a real Podman: what they find, what they leave, and that none is left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpt.executors import match
from hpt.executors.local import LocalExecutor
from hpt.host import container_engine
from hpt.job.config import Channel
from hpt.job.resources import SlotResources
from tests.executors.conftest import Run, Workshop, supervisor_of
from tests.executors.podman import IMAGE, USER_IMAGE, Podman, podman

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def any_engine() -> Iterator[Podman]:
    with podman() as found:
        yield found


@pytest.fixture
def engine(any_engine: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    for name, value in any_engine.variables.items():
        monkeypatch.setenv(name, value)
    yield any_engine
    assert any_engine.containers() == []


LITTLE = SlotResources(memory_bytes=64 << 20)


def run(workshop: Workshop, program: str, image: str = IMAGE, **changes: object) -> Run:
    return workshop.finish(start(workshop, program, image, **changes), within=60)


def start(workshop: Workshop, program: str, image: str = IMAGE, **changes: object) -> Run:
    environment = {"PROGRAM": program, **changes.pop("environment", {})}  # type: ignore[dict-item]
    return workshop.start(image, environment=environment, **changes)


def test_a_container_finds_what_the_service_gives_it(
    engine: Podman, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    monkeypatch.setenv("http_proxy", "http://of-the-host:1")
    data = workshop.directory / "data, with a comma"
    data.mkdir()
    (data / "a.csv").write_text("1,2\n")
    for number in range(3):
        (workshop.directory / f"part-{number}").write_text(f"part {number}\n")
    ended = run(
        workshop,
        "env; echo arguments=$0 $*; hostname; cat /opt/ml/input/config/*.json /opt/ml/input/data/train/a.csv"
        " /opt/ml/input/data/parts/part-*; touch /opt/ml/input/data/train/b /opt/ml/input/data/parts/part-0",
        hyperparameters={"lr": "0.1"},
        channels=(Channel("train", str(data)), Channel("parts", str(workshop.directory / "part-"))),
        environment={"PATH": "/bin", "TWO": "lines\nof it=1", "HOME": "/tmp", "A=B": "odd"},
    )
    assert ended.exit is not None
    assert (ended.exit.outcome, ended.exit.exit_code) == ("Exited", 1)
    said = ended.log.decode()
    assert "arguments=/bin/train\n" in said
    assert "algo-1\n" in said
    assert "TRAINING_JOB_NAME=job-001\n" in said
    assert "TRAINING_JOB_ARN=arn:aws:sagemaker:" in said
    assert "TWO=lines\nof it=1\n" in said
    assert "HOME=/tmp\n" in said
    assert "secret" not in said
    assert "of-the-host" not in said
    assert "SM_" not in said
    assert '{"lr": "0.1"}' in said
    assert '{"LocalPath": "/opt/ml/checkpoints"}' in said
    assert "1,2\npart 0\npart 1\npart 2\n" in said
    assert said.count("Read-only file system") == 2
    assert sorted(path.name for path in data.iterdir()) == ["a.csv"]
    assert ended.exit.reason.startswith("exit code 1; the last line of its log: touch")


def test_what_a_container_leaves_can_be_removed_and_its_model_is_stored(
    engine: Podman, workshop: Workshop
) -> None:
    program = (
        "id -u; echo model > /opt/ml/model/m; mkdir /opt/ml/output/data/d; echo 1 > /opt/ml/checkpoints/c"
    )
    for number, image in enumerate((IMAGE, USER_IMAGE)):
        name = f"job-00{number}"
        ended = run(workshop, program, image, name=name, output_path=str(workshop.directory / "out"))
        assert ended.exit is not None
        assert (ended.exit.exit_code, ended.log.decode()) == (0, f"{(0, 1234)[number]}\n")
        assert (workshop.directory / "out" / name / "output/model.tar.gz").is_file()
        more = "cat /opt/ml/checkpoints/c; echo 2 > /opt/ml/checkpoints/c; ls /opt/ml/model"
        again = run(workshop, more, image, name=name, attempt=2)
        assert again.log == b"1\n"


def test_a_program_of_another_user_reads_every_epoch(engine: Podman, workshop: Workshop) -> None:
    (workshop.directory / "rows").write_text("1\n2\n")
    place = "/opt/ml/input/data/train"
    given = Channel("train", str(workshop.directory / "rows"), input_mode="Pipe")
    program = f"set -e; id -u; cat {place}_0; cat {place}_1; cat {place}_2"
    ended = run(workshop, program, USER_IMAGE, channels=(given,))
    assert ended.exit is not None and ended.exit.exit_code == 0, ended.log
    assert ended.log.split() == [b"1234", *[b"1", b"2"] * 3]


def test_checkpoints_lie_where_the_job_has_them(engine: Podman, workshop: Workshop) -> None:
    kept = workshop.directory / "kept"
    for attempt, at in enumerate(("/opt/ml/checkpoints/", "/opt/ml/deep/er", "/elsewhere/for/them"), 1):
        ended = run(
            workshop,
            f"ls {at}; echo {attempt} > {at}/{attempt}; cat /opt/ml/input/config/checkpointconfig.json",
            attempt=attempt,
            checkpoint_uri=str(kept),
            checkpoint_local_path=at,
        )
        assert ended.exit is not None
        assert ended.exit.exit_code == 0, ended.log
        assert (kept / "job-001" / str(attempt)).read_text() == f"{attempt}\n"
        before = "".join(f"{number}\n" for number in range(1, attempt))
        assert ended.log.decode() == before + json.dumps({"LocalPath": os.path.normpath(at)})


def test_a_failure_is_the_programs_or_the_engines(
    engine: Podman, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason(program: str, image: str = IMAGE, **changes: object) -> tuple[str, int | None, str]:
        ended = run(workshop, program, image, name=f"job-{len(workshop.runs):03}", **changes)
        assert ended.exit is not None
        return ended.exit.outcome, ended.exit.exit_code, ended.exit.reason

    assert reason("echo no such column; exit 125") == (
        "Exited",
        125,
        "exit code 125; the last line of its log: no such column",
    )
    assert reason("echo Out of patience. > /opt/ml/output/failure; exit 3") == (
        "Exited",
        3,
        "Out of patience.",
    )
    absent = reason("", "localhost/hpt-tests/absent:1")
    assert absent[:2] == ("Exited", None)
    assert "localhost/hpt-tests/absent:1: image not known" in absent[2]
    unstartable = reason("", environment={"PATH": "/nowhere"})
    assert unstartable[:2] == ("Exited", None)
    assert "executable file" in unstartable[2]
    monkeypatch.setenv("HPT_CONTAINER_OPTIONS", "--no-such-option")
    assert "unknown flag: --no-such-option" in reason("")[2]
    monkeypatch.setenv("HPT_CONTAINER_ENGINE", "no-such-engine --x")
    assert reason("")[2].startswith("HPT_CONTAINER_ENGINE names 'no-such-engine', which is not installed")


@pytest.mark.parametrize("handles", [True, False])
def test_a_stop_reaches_the_program_and_ends_after_the_grace(
    engine: Podman, workshop: Workshop, handles: bool
) -> None:
    trap = "trap 'echo saved; exit 0' TERM; " if handles else ""
    begun = start(
        workshop, f"{trap}echo ready; while true; do sleep 0.1; done", grace_seconds=20 if handles else 1
    )
    workshop.says(begun, b"ready", within=60)
    assert len(engine.containers()) == 1
    begun.executor.stop(begun.key)
    ended = workshop.finish(begun, within=60)
    assert ended.exit is not None
    assert ended.exit.stopped
    assert (b"saved" in ended.log) is handles
    assert ("it did not end within 1 s of grace" in ended.exit.reason) is not handles


def test_a_stop_at_once_and_a_stop_during_the_start_leave_nothing(engine: Podman, workshop: Workshop) -> None:
    begun = start(workshop, "trap '' TERM; echo ready; sleep 100 & wait; sleep 100", grace_seconds=50)
    workshop.says(begun, b"ready", within=60)
    begun.executor.stop(begun.key, now=True)
    assert workshop.finish(begun, within=60).exit is not None
    for number, pause in enumerate((0.0, 0.1, 0.2, 0.3)):
        early = start(workshop, "sleep 100", name=f"early-{number}", grace_seconds=1)
        time.sleep(pause)
        early.executor.stop(early.key)
        ended = workshop.finish(early, within=60)
        assert ended.exit is not None
        assert ended.exit.stopped
        assert engine.containers() == []


def test_a_limit_on_time_and_one_on_memory_are_reasons_of_their_own(
    engine: Podman, workshop: Workshop
) -> None:
    ended = run(workshop, "sleep 100", max_runtime_seconds=1.0, grace_seconds=0.5)
    assert ended.exit is not None
    assert ended.exit.timed_out
    ended = run(workshop, "echo begin; exec tail /dev/zero", name="hungry", resources=LITTLE)
    assert ended.exit is not None
    if ended.exit.exit_code is None or "cgroup" in ended.exit.reason:
        pytest.skip(f"memory cannot be limited here: {ended.exit.reason}")
    killed = "it went over its memory limit of 64 MiB, and the kernel killed it; raise the limit, or let "
    assert ended.exit.reason == f"{killed}the program use less"
    assert (ended.exit.outcome, ended.exit.exit_code) == ("Exited", 137)
    program = "tail /dev/zero; ls -A /opt/ml/code; exit 7"  # its child is killed
    ended = run(workshop, program, name="shell", resources=LITTLE)
    assert ended.exit is not None
    assert (ended.exit.exit_code, ended.exit.reason) == (7, f"{killed}the program use less")
    assert ended.log.splitlines() == [b"Killed"]  # and the engine leaves nothing in the program's directory
    assert not (workshop.attempt(ended) / "container").exists()
    ended = run(workshop, "exit 4", name="modest", resources=LITTLE)
    assert ended.exit is not None
    assert ended.exit.exit_code == 4


def test_nothing_is_left_when_the_supervisor_is_killed(engine: Podman, workshop: Workshop) -> None:
    begun = start(
        workshop,
        "echo ready; while true; do date > /opt/ml/checkpoints/c; sleep 0.1; done",
        checkpoint_uri=str(workshop.directory / "kept"),
    )
    workshop.says(begun, b"ready", within=60)
    supervisor = json.loads((workshop.attempt(begun) / "started.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    ended = workshop.finish(begun, within=60)
    assert ended.exit is not None
    assert (ended.exit.outcome, ended.exit.checkpoint is not None) == ("Lost", True)
    assert not _processes_naming("echo ready; while true")
    assert not (workshop.attempt(begun) / "container.json").exists()


def test_a_container_ends_with_its_supervisor_though_no_tuner_looks(
    engine: Podman, workshop: Workshop
) -> None:
    begun = start(workshop, "echo ready; trap '' TERM; sleep 1000 & wait; sleep 1000")
    workshop.says(begun, b"ready", within=60)
    os.kill(json.loads((workshop.attempt(begun) / "started.json").read_text())["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while engine.containers():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ended = workshop.finish(begun, within=60)
    assert ended.exit is not None
    assert ended.exit.outcome == "Lost"


def test_the_next_tuner_removes_the_container_of_a_whole_tree_that_was_killed(
    engine: Podman, workshop: Workshop
) -> None:
    begun = start(workshop, "echo ready; sleep 1000")
    workshop.says(begun, b"ready", within=60)
    supervisor = psutil.Process(json.loads((workshop.attempt(begun) / "started.json").read_text())["pid"])
    [watcher] = [child for child in supervisor.children() if child.name() == "sh"]
    for each in (watcher, supervisor):
        each.kill()
    time.sleep(0.5)
    assert len(engine.containers()) == 1  # nobody has looked
    begun.executor.close()
    begun.updates.clear()
    later = LocalExecutor(workshop.root)
    found = workshop.finish(workshop.again(begun, later), within=60)
    assert found.exit is not None
    assert found.exit.outcome == "Lost"
    workshop.runs.remove(begun)


def test_an_attempt_of_another_configuration_loses_its_container_too(
    engine: Podman, workshop: Workshop
) -> None:
    begun = start(workshop, "echo ready; sleep 1000")
    workshop.says(begun, b"ready", within=60)
    match.end_attempt(str(workshop.attempt(begun)))
    assert engine.containers() == []
    assert workshop.finish(begun, within=60).exit is not None


def test_a_script_runs_in_its_image_where_that_is_here(engine: Podman, workshop: Workshop) -> None:
    source = workshop.directory / "source"
    source.mkdir()
    (source / "train.sh").write_text("echo here\n")
    (source / "train.sh").chmod(0o600)  # as under a private umask
    static = {"sagemaker_program": '"train.sh"', "sagemaker_submit_directory": json.dumps(str(source))}
    show = "cat /opt/ml/input/config/hyperparameters.json /opt/ml/code/train.sh"
    for number, (image, containers, said) in enumerate(
        (
            (IMAGE, "always", ['"sagemaker_submit_directory": "\\"/opt/ml/code\\""', "echo here"]),
            (USER_IMAGE, "always", ["echo here"]),
            (IMAGE, "auto", ["here\n"]),
            ("localhost/hpt-tests/absent:1", "always", ["here\n"]),
        )
    ):
        ended = run(
            workshop, show, image, name=f"job-{number}", containers=containers, hyperparameters=static
        )
        assert all(each in ended.log.decode() for each in said), ended.log


def test_an_engine_that_is_no_podman_is_told_what_docker_understands(
    engine: Podman, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers is Podman, as with Debian's `podman-docker`."""
    docker = workshop.directory / "docker"
    docker.write_text(f'#!/bin/sh\nexec {engine.engine} "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("HPT_CONTAINER_ENGINE", str(docker))
    assert container_engine.cannot_run(IMAGE, os.environ) is None
    ended = run(workshop, "echo model > /opt/ml/model/m; env", environment={"A": "1"})
    assert ended.exit is not None
    assert (ended.exit.exit_code, b"A=1\n" in ended.log) == (0, True)
    absent = run(workshop, "", "localhost/hpt-tests/absent:1", name="absent")
    assert absent.exit is not None
    assert "image not known" in absent.exit.reason
    begun = start(workshop, "trap 'exit 3' TERM; echo ready; while true; do sleep 0.1; done", name="killed")
    workshop.says(begun, b"ready", within=60)
    os.kill(json.loads((workshop.attempt(begun) / "started.json").read_text())["pid"], signal.SIGKILL)
    assert workshop.finish(begun, within=60).exit is not None


def test_a_check_says_whether_an_image_can_run(engine: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    assert container_engine.cannot_run(IMAGE, os.environ) is None
    found = container_engine.cannot_run("localhost/hpt-tests/absent:1", os.environ)
    assert found is not None
    assert found[0] == "podman has no such image here; pull it, or correct the name"
    assert found[1]["pull"].startswith("podman --root=")
    assert found[1]["pull"].endswith(" pull localhost/hpt-tests/absent:1")
    monkeypatch.setenv("HPT_CONTAINER_ENGINE", f"{engine.engine} --runtime /bin/false")
    found = container_engine.cannot_run(IMAGE, os.environ)
    assert found is not None
    assert "cannot start a container here: " in found[0]
    monkeypatch.setenv("HPT_CONTAINER_ENGINE", engine.engine)
    monkeypatch.setenv("HPT_CONTAINER_OPTIONS", f"{engine.options} --no-such-option")
    found = container_engine.cannot_run(IMAGE, os.environ)
    assert found is not None
    assert "cannot start a container here: unknown flag: --no-such-option; correct" in found[0]


def _processes_naming(string: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if string.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return [each for each in found if each != str(os.getpid())]


def test_containers_are_the_hosts_of_a_training_job(engine: Podman, workshop: Workshop) -> None:
    ended = run(
        workshop,
        "cat /opt/ml/input/config/resourceconfig.json; echo; hostname; grep algo- /etc/hosts;"
        " echo of $(hostname) > /opt/ml/model/$(hostname); touch /opt/ml/checkpoints/$(hostname)",
        instance_count=2,
        checkpoint_uri=str(workshop.directory / "kept"),
    )
    assert ended.exit is not None and (ended.exit.exit_code, ended.exit.reason) == (0, "")
    logs = [(workshop.attempt(ended) / f"log-algo-{number}").read_text() for number in (1, 2)]
    for number, log in enumerate(logs, 1):
        config, name, *addresses = log.splitlines()
        assert json.loads(config)["current_host"] == name == f"algo-{number}"
        assert {line.split()[1] for line in addresses} >= {"algo-1", "algo-2"}
    model = workshop.base(ended) / "model"
    assert {path.name: path.read_text() for path in model.iterdir()} == {
        f"algo-{number}": f"of algo-{number}\n" for number in (1, 2)
    }
    kept = workshop.directory / "kept" / "job-001"
    assert sorted(path.name for path in kept.iterdir()) == ["algo-1", "algo-2"]


def test_containers_share_a_memory_limit_which_their_engine_keeps(engine: Podman, workshop: Workshop) -> None:
    begun = time.monotonic()
    # the engine's clients hold more than the limit
    ended = run(workshop, "sleep 1", instance_count=3, resources=LITTLE)
    assert ended.exit is not None
    if ended.exit.exit_code is None or "cgroup" in ended.exit.reason:
        pytest.skip(f"memory cannot be limited here: {ended.exit.reason}")
    assert (ended.exit.exit_code, ended.exit.reason) == (0, "")
    assert time.monotonic() - begun < 10  # the end of one does not wait for the others' watchers, 5 s each
    program = "[ $(hostname) = algo-1 ] || tail /dev/zero"
    ended = run(workshop, program, name="hungry", instance_count=2, resources=LITTLE)
    assert ended.exit is not None
    assert ended.exit.reason.startswith(
        "algo-2: it went over its memory limit of 32 MiB, its share of that of 2 instances, and the kernel"
    )


def test_the_failure_of_one_container_ends_the_others(engine: Podman, workshop: Workshop) -> None:
    fails = "if [ $(hostname) = algo-2 ]; then echo no such column; exit 7; fi"
    program = f"{fails}; trap 'exit 0' TERM; sleep 60 & wait"
    ended = run(workshop, program, instance_count=3, grace_seconds=5)
    assert ended.exit is not None and ended.exit.exit_code == 7
    assert ended.exit.reason == "algo-2: exit code 7; the last line of its log: no such column"


def test_a_supervisor_that_is_killed_leaves_no_container_of_any_host(
    engine: Podman, workshop: Workshop
) -> None:
    started = start(workshop, "echo runs; sleep 300", instance_count=2)
    workshop.until(started, lambda run: run.log.count(b"runs\n") == 2, within=60)
    os.kill(supervisor_of(workshop, started), signal.SIGKILL)
    workshop.finish(started, within=60)
    assert started.exit is not None and started.exit.outcome == "Lost"
    assert engine.containers() == []
