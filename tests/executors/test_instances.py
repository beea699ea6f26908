"""Training jobs of several hosts: each is a process on this machine, under one supervisor."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.executors import hosts, instances_told
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor, specification
from hpt.job.config import Channel
from hpt.job.instances import InstanceGroup, processes
from tests.executors.conftest import (
    PYTHON,
    REPOSITORY,
    Run,
    Workshop,
    definition,
    pids_in,
    supervisor_of,
    vanish,
)
from tests.prerequisites import needs_host_names

WHO = PYTHON + textwrap.dedent("""
    import json, os, socket, sys
    base = os.environ["SAGEMAKER_BASE_DIR"]
    config = json.load(open(f"{base}/input/config/resourceconfig.json"))
    print(json.dumps({
        "config": config,
        "addresses": [socket.gethostbyname(name) for name in config["hosts"]],
        "hyperparameters": json.load(open(f"{base}/input/config/hyperparameters.json")),
        "arguments": sys.argv[1:],
        "channels": sorted(os.listdir(f"{base}/input/data")),
        "variables": {n: v for n, v in os.environ.items() if n.startswith(("SM_", "MASTER_", "OMP_"))},
    }), flush=True)
    """)


def told(run: Run) -> list[dict[str, object]]:
    """What the hosts said of themselves, sorted by their names."""
    return sorted(map(json.loads, run.log.splitlines()), key=lambda each: each["config"]["current_host"])


@needs_host_names
def test_every_host_is_told_who_it_is_and_finds_the_others_by_name(workshop: Workshop) -> None:
    run = workshop.run(
        workshop.script(WHO, "who.py"),
        hyperparameters={"x": "0.25"},
        instance_count=3,
        instance_type="ml.m5.large",
    )
    assert run.exit is not None and (run.exit.exit_code, run.exit.reason) == (0, "")
    names = ["algo-1", "algo-2", "algo-3"]
    said = told(run)
    assert [each["config"]["current_host"] for each in said] == names
    for rank, each in enumerate(said):
        variables = each["variables"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": names}
        assert each["config"]["hosts"] == names and each["config"]["instance_groups"] == [group]
        assert json.loads(variables["SM_HOSTS"]) == names
        assert variables["SM_CURRENT_HOST"] == names[rank] and variables["SM_CURRENT_HOST_RANK"] == str(rank)
        assert json.loads(variables["SM_RESOURCE_CONFIG"]) == each["config"]
        assert json.loads(variables["SM_INSTANCE_GROUPS_DICT"]) == {"homogeneousCluster": group}
        assert (variables["SM_HOST_COUNT"], variables["SM_MASTER_ADDR"]) == ("3", "algo-1")
        assert (
            variables["MASTER_ADDR"] == "algo-1" and variables["MASTER_PORT"] == variables["SM_MASTER_PORT"]
        )
        directory = "ml" if rank == 0 else f"ml-{names[rank]}"
        assert variables["SM_MODEL_DIR"] == str(workshop.base(run).parent / directory / "model")
        assert each["hyperparameters"] == {"x": "0.25"} and each["arguments"] == ["-x", "0.25"]
    assert len({each["variables"]["MASTER_PORT"] for each in said}) == 1
    [addresses] = {tuple(each["addresses"]) for each in said}
    assert len(set(addresses)) == 3 and all(re.fullmatch(r"127(\.\d+){3}", each) for each in addresses)


def test_threads_are_shared_by_the_hosts_of_all_training_jobs(workshop: Workshop) -> None:
    cores = len(os.sched_getaffinity(0))
    run = workshop.run(workshop.script(WHO, "who.py"), instance_count=2, parallel=2)
    for each in told(run):
        assert each["variables"]["OMP_NUM_THREADS"] == str(max(1, cores // 4))


@needs_host_names
def test_groups_have_hosts_types_and_channels_of_their_own(workshop: Workshop) -> None:
    data = workshop.directory / "data"
    data.mkdir()
    run = workshop.run(
        workshop.script(WHO, "who.py"),
        instance_count=3,
        instance_type="ml.c5.large",
        instance_groups=(InstanceGroup("data", "ml.c5.large", 2), InstanceGroup("net", "ml.g5.xlarge", 1)),
        channels=(
            Channel("all", str(data)),
            Channel("some", str(data), instance_group_names=("net",)),
            Channel("both", str(data), instance_group_names=("net", "data")),
        ),
    )
    first, second, third = told(run)
    for each, group, members, kind in (
        (first, "data", ["algo-1", "algo-2"], "ml.c5.large"),
        (second, "data", ["algo-1", "algo-2"], "ml.c5.large"),
        (third, "net", ["algo-3"], "ml.g5.xlarge"),
    ):
        variables = each["variables"]
        assert each["config"]["current_group_name"] == variables["SM_CURRENT_INSTANCE_GROUP"] == group
        assert json.loads(variables["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == members
        assert each["config"]["current_instance_type"] == variables["SM_CURRENT_INSTANCE_TYPE"] == kind
        assert json.loads(variables["SM_INSTANCE_GROUPS"]) == ["data", "net"]
        assert variables["SM_IS_HETERO"] == "true"
        assert each["channels"] == sorted(json.loads(variables["SM_CHANNELS"]))
    assert first["channels"] == second["channels"] == ["all", "both"]
    assert third["channels"] == ["all", "both", "some"]


def test_names_of_ten_hosts_and_more_are_sorted_as_the_service_does(workshop: Workshop) -> None:
    spec = specification(Submission("job", 1, {}, definition("/bin/true", instance_count=11)))
    host = hosts.as_host(spec, 11)["host"]
    assert host["hosts"][:3] == ["algo-1", "algo-10", "algo-11"]
    assert (host["name"], host["rank"], host["master"]) == ("algo-11", 2, "algo-1")


@needs_host_names
def test_training_jobs_beside_each_other_use_the_same_port(workshop: Workshop) -> None:
    go = workshop.directory / "go"
    script = workshop.script(
        PYTHON
        + textwrap.dedent(f"""
        import json, os, socket, time
        me = os.environ["SM_CURRENT_HOST"]
        with socket.create_server((me, 29400)) as server:
            print("listens", flush=True)
            while not os.path.exists({str(go)!r}):
                time.sleep(0.01)
            for other in json.loads(os.environ["SM_HOSTS"]):
                if other != me:
                    socket.create_connection((other, 29400)).sendall(me.encode())
            print(server.accept()[0].recv(100).decode(), flush=True)
        """),
        "listen.py",
    )
    runs = [workshop.start(script, name=f"job-{i}", instance_count=2) for i in range(2)]
    for run in runs:
        workshop.until(run, lambda run: run.log.count(b"listens\n") == 2)
    go.touch()
    for run in runs:
        workshop.finish(run)
        assert run.exit is not None and run.exit.exit_code == 0, run.exit
        assert sorted(run.log.split()[2:]) == [b"algo-1", b"algo-2"]


@needs_host_names
def test_what_the_hosts_leave_is_put_together_in_their_order(workshop: Workshop) -> None:
    script = workshop.script(
        """
        for place in $SM_MODEL_DIR $SM_OUTPUT_DATA_DIR; do
            mkdir -p $place/deep/own-$SM_CURRENT_HOST
            echo $SM_CURRENT_HOST > $place/same
            echo $SM_CURRENT_HOST > $place/deep/same
            echo $SM_CURRENT_HOST > $place/only-$SM_CURRENT_HOST
            ln -s nowhere $place/deep/link
        done
        if [ $SM_CURRENT_HOST = algo-2 ]; then mkdir $SM_MODEL_DIR/odd; else echo > $SM_MODEL_DIR/odd; fi
        """
    )
    store = workshop.directory / "store"
    run = workshop.run(script, instance_count=3, output_path=str(store))
    assert run.exit is not None and run.exit.exit_code == 0
    for part, place in (("model", "model"), ("output", "output/data")):
        directory = workshop.base(run) / place
        assert (directory / "same").read_text() == (directory / "deep/same").read_text() == "algo-3\n"
        assert sorted(path.name for path in directory.glob("only-*")) == [f"only-algo-{i}" for i in (1, 2, 3)]
        assert sorted(path.name for path in (directory / "deep").glob("own-*")) == [
            f"own-algo-{i}" for i in (1, 2, 3)
        ]
        archive = store / "job-001" / "output" / f"{part}.tar.gz"
        names = subprocess.check_output(["tar", "tzf", archive], text=True).split()
        assert {"same", "deep/same", "only-algo-2"} <= set(names)
    assert (workshop.base(run) / "model/odd").is_file()


@needs_host_names
def test_the_checkpoints_of_all_hosts_are_in_one_directory_and_outlive_the_attempt(
    workshop: Workshop,
) -> None:
    script = workshop.script(
        """
        ls $SAGEMAKER_BASE_DIR/checkpoints
        echo > $SAGEMAKER_BASE_DIR/checkpoints/$SM_HP_MARK-$SM_CURRENT_HOST
        """
    )
    for attempt, changes in ((1, {}), (2, {}), (3, {"checkpoint_uri": str(workshop.directory / "kept")})):
        run = workshop.run(
            script, attempt=attempt, instance_count=2, hyperparameters={"mark": "m"}, **changes
        )
        assert run.exit is not None and run.exit.exit_code == 0
    first = workshop.attempt(run).with_name("1")
    assert b"m-algo-1" in workshop.runs[1].log and b"m-algo-2" in workshop.runs[1].log
    assert first.is_dir()
    kept = workshop.directory / "kept" / "job-001"
    assert sorted(path.name for path in kept.iterdir()) == ["m-algo-1", "m-algo-2"]


# -- the log ------------------------------------------------------------------------------------------------


@needs_host_names
def test_lines_of_hosts_never_lie_within_each_other(workshop: Workshop) -> None:
    script = workshop.script(
        PYTHON
        + textwrap.dedent("""
        import os, sys
        me = os.environ["SM_CURRENT_HOST"]
        for i in range(300):
            for part in (f"{me} ", "a" * 50, f" loss={i}", ";\\n" if i % 3 else "\\rdone;\\n"):
                os.write(1 + i % 2, part.encode())
        os.write(1, f"{me} without an end".encode())
        """),
        "parts.py",
    )
    run = workshop.run(script, instance_count=3)
    whole = re.compile(rb"(algo-\d) a{50} loss=\d+(;|\rdone;)|(algo-\d) without an end")
    lines = run.log.split(b"\n")
    assert len(lines) == 3 * 301
    assert all(whole.fullmatch(line) for line in lines)
    for number in (1, 2, 3):
        own = [line for line in lines if line.startswith(b"algo-%d" % number)]
        kept = (workshop.attempt(run) / f"log-algo-{number}").read_bytes()
        assert kept == b"\n".join(own)


@needs_host_names
def test_what_one_host_prints_is_read_while_another_is_in_the_middle_of_a_line(workshop: Workshop) -> None:
    go = workshop.directory / "go"
    script = workshop.script(
        f"""
        if [ $SM_CURRENT_HOST = algo-1 ]; then printf 'begun'; else echo loss=0.5; fi
        until [ -e {go} ]; do sleep 0.01; done
        if [ $SM_CURRENT_HOST = algo-1 ]; then echo ' ended'; fi
        """
    )
    run = workshop.says(workshop.start(script, instance_count=2), b"loss=0.5\n")
    assert run.log == b"loss=0.5\n"
    go.touch()
    assert workshop.finish(run).log == b"loss=0.5\nbegun ended\n"


def test_the_metrics_files_of_all_hosts_are_read(workshop: Workshop) -> None:
    script = workshop.script("echo rank=$SM_CURRENT_HOST_RANK >> $HPT_METRICS_FILE")
    run = workshop.run(script, instance_count=2)
    assert sorted(re.findall(rb"rank=\d", run.log)) == [b"rank=0", b"rank=1"]


# -- how they end -------------------------------------------------------------------------------------------

ENDS = """
    trap 'echo $SM_CURRENT_HOST saves > $SM_OUTPUT_DATA_DIR/$SM_CURRENT_HOST; exit 0' TERM
    echo $$ >> $SM_HP_PIDS
    echo $SM_CURRENT_HOST runs
    if [ $SM_CURRENT_HOST = algo-2 ]; then
        until [ $(wc -l < $SM_HP_PIDS) = 3 ]; do sleep 0.01; done
        echo no such column >&2
        exit 7
    fi
    while :; do sleep 0.02; done
    """


@needs_host_names
def test_the_failure_of_one_host_ends_all_with_grace(workshop: Workshop) -> None:
    pids = workshop.directory / "pids"
    run = workshop.run(workshop.script(ENDS), instance_count=3, hyperparameters={"pids": str(pids)})
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code) == ("Exited", 7)
    assert run.exit.reason == "algo-2: exit code 7; the last line of its log: no such column"
    assert (run.exit.stopped, run.exit.timed_out, run.exit.model) == (False, False, None)
    saved = workshop.base(run) / "output/data"
    assert sorted(path.name for path in saved.iterdir()) == ["algo-1", "algo-3"]
    assert "Stopping" not in run.updates[-1].times
    assert all(vanish(pid) for pid in pids_in(pids))


@needs_host_names
def test_a_host_that_ignores_the_failure_of_another_is_killed_after_the_grace(workshop: Workshop) -> None:
    script = workshop.script(
        """
        trap '' TERM
        echo $$ >> $SM_HP_PIDS
        if [ $SM_CURRENT_HOST = algo-1 ]; then
            until [ $(wc -l < $SM_HP_PIDS) = 2 ]; do sleep 0.01; done
            kill -SEGV $$
        fi
        while :; do sleep 0.02; done
        """
    )
    pids = workshop.directory / "pids"
    run = workshop.run(script, instance_count=2, hyperparameters={"pids": str(pids)}, grace_seconds=0.2)
    assert run.exit is not None and run.exit.exit_code == -11
    assert run.exit.reason.startswith("algo-1: killed by signal 11 (SIGSEGV); a crash in native code")
    assert all(vanish(pid) for pid in pids_in(pids))


@needs_host_names
def test_the_failure_file_of_the_host_that_failed_is_the_reason(workshop: Workshop) -> None:
    script = workshop.script(
        """
        echo $SM_CURRENT_HOST is out of patience > $SM_OUTPUT_DIR/failure
        [ $SM_CURRENT_HOST = algo-1 ] || exit 1
        sleep 5
        """
    )
    run = workshop.run(script, instance_count=2, grace_seconds=1)
    assert run.exit is not None and run.exit.reason == "algo-2: algo-2 is out of patience"


@needs_host_names
def test_a_host_that_hangs_after_the_others_runs_into_the_limit(workshop: Workshop) -> None:
    script = workshop.script("[ $SM_CURRENT_HOST = algo-2 ] || exit 0\nsleep 60")
    run = workshop.run(script, instance_count=3, max_runtime_seconds=0.6, grace_seconds=1)
    assert run.exit is not None and run.exit.timed_out and run.exit.exit_code == -15
    assert run.exit.reason == (
        "algo-2: ran into its limit of 0.6 s: killed by signal 15 (SIGTERM); algo-1, algo-3 had ended before"
    )


@needs_host_names
@pytest.mark.parametrize("now", [False, True])
def test_a_stop_reaches_every_host(workshop: Workshop, now: bool) -> None:
    script = workshop.script(
        """
        trap 'echo $SM_CURRENT_HOST > $SM_MODEL_DIR/$SM_CURRENT_HOST; exit 0' TERM
        echo $$ >> $SM_HP_PIDS
        echo runs
        while :; do sleep 0.02; done
        """
    )
    pids = workshop.directory / "pids"
    run = workshop.start(script, instance_count=3, hyperparameters={"pids": str(pids)}, grace_seconds=5)
    workshop.until(run, lambda run: run.log.count(b"runs\n") == 3)
    workshop.executor.stop(run.key, now=now)
    workshop.finish(run)
    assert run.exit is not None and run.exit.stopped
    saved = sorted(path.name for path in (workshop.base(run) / "model").iterdir())
    assert saved == ([] if now else ["algo-1", "algo-2", "algo-3"])
    assert all(vanish(pid) for pid in pids_in(pids))


@needs_host_names
def test_children_of_shells_get_the_rest_of_the_grace(workshop: Workshop) -> None:
    child = workshop.script(
        "trap 'touch $SM_MODEL_DIR/$SM_CURRENT_HOST; exit 0' TERM\necho runs\nwhile :; do sleep 0.02; done",
        "child",
    )
    run = workshop.start(workshop.script(f"{child}\nexit 3"), instance_count=2, grace_seconds=5)
    workshop.until(run, lambda run: run.log.count(b"runs\n") == 2)
    workshop.executor.stop(run.key)
    workshop.finish(run)
    saved = sorted(path.name for path in (workshop.base(run) / "model").iterdir())
    assert saved == ["algo-1", "algo-2"]


def test_a_program_that_cannot_run_runs_nowhere(workshop: Workshop) -> None:
    run = workshop.run(workshop.directory / "programs/absent", instance_count=2)
    assert run.exit is not None and run.exit.exit_code is None
    assert "is not found" in run.exit.reason


def test_a_port_that_another_host_has_is_a_failure_of_the_second(workshop: Workshop) -> None:
    script = workshop.script(
        PYTHON
        + textwrap.dedent("""
        import os, socket, time
        server = socket.create_server(("", int(os.environ["MASTER_PORT"])))
        time.sleep(5)
        """),
        "wide.py",
    )
    run = workshop.run(script, instance_count=2, grace_seconds=1)
    assert run.exit is not None and run.exit.exit_code == 1
    assert re.match(r"algo-[12]: exit code 1; .*Address already in use", run.exit.reason)
    assert run.exit.reason.endswith("on this machine: bind to the host's name, not to all addresses")


def test_a_killed_supervisor_leaves_no_host(workshop: Workshop) -> None:
    pids = workshop.directory / "pids"
    script = workshop.script("echo $$ >> $SM_HP_PIDS\nsleep 60 & echo $! >> $SM_HP_PIDS\nwait")
    run = workshop.start(script, instance_count=3, hyperparameters={"pids": str(pids)})
    workshop.until(run, lambda run: pids.exists() and len(pids_in(pids)) == 6)
    os.kill(supervisor_of(workshop, run), signal.SIGKILL)
    workshop.finish(run)
    assert run.exit is not None and run.exit.outcome == "Lost"
    assert all(vanish(pid) for pid in pids_in(pids))
    again = workshop.finish(workshop.start(workshop.script("exit 0", "next.sh"), attempt=2, instance_count=3))
    assert again.exit is not None and again.exit.exit_code == 0


# -- names --------------------------------------------------------------------------------------------------

FORBIDDEN = """
echo 0 > /proc/sys/user/max_mnt_namespaces && echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"
"""


def confined(tmp_path: Path, code: str) -> str:
    """What a program prints where the kernel gives no further namespaces."""
    command = ["unshare", "-Ur", "sh", "-c", FORBIDDEN, "sh", sys.executable, "-c", textwrap.dedent(code)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "max_mnt_namespaces" in done.stderr:
        pytest.skip(f"no namespace can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_namespaces_hosts_are_called_by_their_addresses(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from hpt.executors import instances_told
        from tests.executors.conftest import Workshop, definition
        workshop = Workshop(Path({str(tmp_path)!r}))
        script = workshop.script({WHO!r}, "who.py")
        run = workshop.run(script, instance_count=2)
        sys.stderr.write(repr(run.exit))
        print(run.log.decode(), end="")
        print(*instances_told.told(definition(script, instance_count=2)), sep="\\n")
        """
    first, second, *lines = confined(tmp_path, code).splitlines()
    said = sorted(map(json.loads, (first, second)), key=lambda each: each["config"]["current_host"])
    for rank, each in enumerate(said):
        assert each["addresses"] == each["config"]["hosts"] == json.loads(each["variables"]["SM_HOSTS"])
        assert each["config"]["current_host"] == each["addresses"][rank]
        assert each["variables"]["MASTER_ADDR"] == each["addresses"][0]
    assert lines[-1].startswith("no private /etc/hosts is possible here")


def test_what_an_instance_is_is_told() -> None:
    program = definition("/bin/true", instance_count=3)
    first, *rest = instances_told.told(program, parallel=10**6)
    assert first == "3 processes of the program on this machine, algo-1 to algo-3, of 1 core each"
    assert len(rest) == 1
    groups = (InstanceGroup("a", "local", 2), InstanceGroup("b", "local", 1))
    lines = list(instances_told.told(replace(program, instance_groups=groups)))
    assert lines[1:3] == ["group a: algo-1 to algo-2", "group b: algo-3"]
    assert list(instances_told.told(definition("/bin/true"))) == []
    [line] = instances_told.told(definition("xgboost", instance_count=2))
    assert line == "2 asked for; the program runs as one process, with all data and its share of the cores"


# -- the configuration --------------------------------------------------------------------------------------


def test_a_built_in_algorithm_and_a_function_are_one_process() -> None:
    assert processes(definition("xgboost", instance_count=2)) == 1
    assert processes(definition("module:hpt.functions.start?x", instance_count=2)) == 1
    assert processes(definition("/bin/true", instance_count=2)) == 2
    script = definition("xgboost", instance_count=2, hyperparameters={"sagemaker_program": "train.py"})
    assert processes(script) == 2
    assert "instance_count" not in specification(
        Submission("job", 1, {}, definition("xgboost", instance_count=2))
    )


def test_instances_and_groups_must_agree() -> None:
    groups = (InstanceGroup("a", "local", 2),)
    with pytest.raises(InputError, match="instance_count 1 is not the 2 instances of the groups"):
        definition("/bin/true", instance_groups=groups)
    with pytest.raises(InputError, match="two of the instance groups are named 'a'"):
        definition("/bin/true", instance_count=4, instance_groups=groups * 2)
    with pytest.raises(InputError, match="name of an instance group is ''"):
        InstanceGroup("", "local", 1)


def test_the_specification_of_one_instance_is_as_in_earlier_versions(tmp_path: Path) -> None:
    spec = specification(
        Submission("job", 1, {}, definition("/bin/true", channels=(Channel("a", str(tmp_path)),)))
    )
    assert not {"instance_count", "instance_groups"} & spec.keys()
    assert "instance_group_names" not in spec["channels"][0]


def test_all_hosts_end_where_the_record_of_their_supervisor_is_damaged(workshop: Workshop) -> None:
    """Then they are found by their training directories alone."""
    pids = workshop.directory / "pids"
    script = workshop.script("(setsid sleep 60 & echo $! >> $SM_HP_PIDS)\nsleep 60")
    run = workshop.start(script, instance_count=2, hyperparameters={"pids": str(pids)})
    workshop.until(run, lambda run: pids.exists() and len(pids_in(pids)) == 2)
    supervisor = supervisor_of(workshop, run)
    (workshop.attempt(run) / "started.json").write_text("{}")
    os.kill(supervisor, signal.SIGKILL)
    again = workshop.again(run, LocalExecutor(workshop.root))
    workshop.finish(again, within=30)
    assert again.exit is not None and again.exit.outcome == "Lost"
    assert all(vanish(pid) for pid in pids_in(pids))
    workshop.runs.remove(run)
