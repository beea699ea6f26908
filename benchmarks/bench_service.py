"""What the service costs: CPU time of lists of many jobs of which nothing changed, and of the process that
takes up a job whose runner was killed.

python benchmarks/bench_service.py [--jobs 100] [--training-jobs 50] [--reports 5]

Exits with 1 if listing the training jobs of all tuning jobs takes more than 50 ms when nothing changed, or if
a new runner spends more than 2 s before it has taken the job up.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.search.trial import TrialStatus
from hpt.service.api import Service
from hpt.storage.sqlite import SQLiteStorage
from hpt.storage.stamp import SETTLED_SECONDS

MOST_SECONDS = 0.05
"""Of CPU, for listing the training jobs of 100 tuning jobs of which nothing changed."""

MOST_TAKE_UP = 2.0
"""Seconds of CPU until a job whose runner was killed is run again."""


def request(name: str) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 100, "MaxParallelTrainingJobs": 4},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "/bin/true",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            }
        },
    }


def history(job: int, count: int, reports: int) -> list[ev.Event]:
    """The events of `count` training jobs, of which the last one goes on."""
    events: list[ev.Event] = []
    for number in range(1, count + 1):
        now = 1.7e9 + 100.0 * number + job
        name = f"job-{job}-{number:03d}-{number:08x}"
        events += [ev.TrialCreated(now, number, {"x": number / count}, name)]
        events += [ev.AttemptCreated(now, number, 1), ev.StatusChanged(now + 1, number, "Training")]
        for report in range(reports):
            value = 1.0 / (1 + report + number)
            events += [ev.MetricLogged(now + 2 + report, number, 1, "loss", value, 100 * report)]
            events += [ev.Reported(now + 2 + report, number, value, report + 1.0)]
        if number < count:
            events += [ev.TrialEnded(now + 50, number, TrialStatus.COMPLETED, 1.0 / number, "Completed")]
    return events


def cpu(call: Callable[[], Any], rounds: int = 10) -> float:
    """The median CPU time of a call in seconds."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        spent.append(time.process_time() - began)
    return sorted(spent)[rounds // 2]


def take_up(directory: Path) -> tuple[float, float]:
    """Seconds from a call that looks at a job whose runner was killed until another one runs it, and its CPU
    time.
    """
    program = directory / "program.py"
    program.write_text("import time\nprint('loss=1;', flush=True)\ntime.sleep(60)\n")
    service = Service(directory / "state")
    name = {"HyperParameterTuningJobName": "killed"}
    asked = request("killed")
    asked["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = str(program)
    service.call("CreateHyperParameterTuningJob", asked)
    storage = SQLiteStorage(directory / "state")

    def owner(but: int | None = None) -> int:
        while (pid := storage.record("killed").owner_pid) is None or pid == but:
            time.sleep(0.01)
        return pid

    killed = owner()
    while (
        service.call("DescribeHyperParameterTuningJob", name)["TrainingJobStatusCounters"]["InProgress"] < 4
    ):
        time.sleep(0.05)
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    service.call("DescribeHyperParameterTuningJob", name)
    pid = owner(but=killed)
    waited = time.monotonic() - began
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    service.call("StopHyperParameterTuningJob", name)
    while storage.record("killed").owner_pid is not None:
        time.sleep(0.05)
    service.close()
    storage.close()
    return waited, spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--training-jobs", type=int, default=50, help="of each tuning job")
    parser.add_argument("--reports", type=int, default=5, help="of each training job")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        session = Session(Path(directory) / "state")
        for job in range(options.jobs):
            name = session.create(parse_request(request(f"job-{job}"))).name
            lease = session.storage.acquire(name)
            events = history(job, options.training_jobs, options.reports)
            session.storage.append(lease, events, {})
            if job % 2:
                session.storage.release(lease)  # this process runs the others
        service = Service(session.root)

        def ask(operation: str, **more: Any) -> dict[str, Any]:
            return service.call(operation, {"MaxResults": 100, **more})

        print(f"{options.jobs} tuning jobs of {options.training_jobs} training jobs, CPU time of a request:")
        first = cpu(lambda: ask("ListTrainingJobs"), rounds=1)
        print(f"  ListTrainingJobs, the first time     {first * 1e3:8.1f} ms")
        print(f"  ListTrainingJobs, just written       {cpu(lambda: ask('ListTrainingJobs')) * 1e3:8.1f} ms")
        time.sleep(SETTLED_SECONDS + 0.5)
        ask("ListTrainingJobs")
        spent = cpu(lambda: ask("ListTrainingJobs"))
        print(f"  ListTrainingJobs, nothing changed    {spent * 1e3:8.1f} ms")
        filtered = cpu(lambda: ask("ListTrainingJobs", NameContains="7-0", StatusEquals="Completed"))
        print(f"  the same with filters                {filtered * 1e3:8.1f} ms")
        tuning = cpu(lambda: ask("ListHyperParameterTuningJobs"))
        print(f"  ListHyperParameterTuningJobs         {tuning * 1e3:8.1f} ms")
        describe = cpu(
            lambda: service.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "job-0"})
        )
        print(f"  DescribeHyperParameterTuningJob      {describe * 1e3:8.1f} ms")
        service.close()
        session.close()
    limit = MOST_SECONDS * max(1.0, options.jobs / 100)
    outcome = "kept" if spent < limit else "MISSED"
    print(f"limit of the list with nothing changed: {limit * 1e3:.0f} ms; {outcome}")
    with tempfile.TemporaryDirectory() as directory:
        waited, used = take_up(Path(directory))
    outcome = "kept" if used < MOST_TAKE_UP else "MISSED"
    print(
        f"a killed runner is replaced after {waited:.2f} s, {used:.2f} s of CPU; limit {MOST_TAKE_UP:.0f} s; "
        f"{outcome}"
    )
    return int(spent >= limit or used >= MOST_TAKE_UP)


if __name__ == "__main__":
    sys.exit(main())
