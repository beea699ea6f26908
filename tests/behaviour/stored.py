"""Tuning jobs stored without a program having run: to be parents of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt.job.config import JobConfig
from hpt.job.state import JobState
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.search.trial import Config, TrialStatus
from tests.sagemaker.request.samples import CONFIG, JOB, RANGES, edit

PROGRAM = Path(__file__).parent.parent / "programs" / "counted.py"
STATICS = f"{JOB}.StaticHyperParameters"
CONTINUOUS = f"{RANGES}.ContinuousParameterRanges"
CATEGORICAL = f"{RANGES}.CategoricalParameterRanges"
INTEGER = f"{RANGES}.IntegerParameterRanges"
NAME = "HyperParameterTuningJobName"


def request(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Minimizes `loss` over x in [0, 1] and kind, with the static momentum."""
    body = {
        NAME: name,
        CONFIG: {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}
                ],
                "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
            },
        },
        JOB: {
            "AlgorithmSpecification": {
                "TrainingImage": str(PROGRAM),
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "StaticHyperParameters": {"momentum": "0.9"},
        },
    }
    return edit(body, changes or {})


def warm(*parents: str, kind: str = "TransferLearning") -> dict[str, Any]:
    """The change of a request that names parents."""
    named = [{NAME: name} for name in parents]
    return {"WarmStartConfig": {"ParentHyperParameterTuningJobs": named, "WarmStartType": kind}}


RESULTS: tuple[tuple[Config, float | None], ...] = (
    ({"x": 0.25, "kind": "a"}, 0.5),
    ({"x": 0.5, "kind": "b"}, 0.25),
    ({"x": 0.75, "kind": "a"}, None),
)
"""Configurations and final objectives, of a failed training job None."""


def store(
    root: Path,
    name: str,
    changes: dict[str, Any] | None = None,
    *,
    results: Sequence[tuple[Config, float | None]] = RESULTS,
    end: str | None = "Completed",
) -> JobConfig:
    """A tuning job with these results; end: its status, None if it goes on."""
    session = Session(root)
    config = session.create(parse_request(request(name, changes)))
    lease = session.storage.acquire(name)
    recorded = session.storage.read(name)[1]
    events: list[ev.Event] = []
    for number, (values, value) in enumerate(results, 1):
        status = TrialStatus.FAILED if value is None else TrialStatus.COMPLETED
        events += [
            ev.TrialCreated(float(number), number, values, f"{name}-{number:03d}-00000000"),
            ev.AttemptCreated(float(number), number, 1),
            ev.TrialEnded(number + 0.5, number, status, value),
        ]
    if end is not None:
        if end == "Stopped":
            events.append(ev.JobStopRequested(99.0, "StopRequested"))
        events.append(ev.JobEnded(100.0, end, "MaxNumberOfTrainingJobs"))
    state = JobState.fold(config.objective_type, 0.0, [*recorded, *events])
    session.storage.append(lease, events, state.summary())
    session.storage.release(lease)
    session.close()
    return config
