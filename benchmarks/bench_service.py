"""What the service costs: lists of many jobs of which nothing changed, in CPU time of the process.

python benchmarks/bench_service.py [--jobs 100] [--training-jobs 50] [--reports 5]

Exits with 1 if listing the training jobs of all tuning jobs takes more than 50 ms when nothing changed.
"""

from __future__ import annotations

import argparse
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
from hpt.storage.stamp import SETTLED_SECONDS

MOST_SECONDS = 0.05
"""Of CPU, for listing the training jobs of 100 tuning jobs of which nothing changed."""


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
                session.storage.release(lease)  # the others are run by this very process
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
    return int(spent >= limit)


if __name__ == "__main__":
    sys.exit(main())
