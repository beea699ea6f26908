"""Numbered rules that no request breaks by itself: they need what is stored, or how often one asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.client import DEFAULT_LIMITS
from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from hpt.service import tuning
from hpt.service.api import Service
from hpt.service.errors import ServiceError
from tests.sagemaker.request.samples import CONFIG, JOB

PROGRAM = Path(__file__).parent.parent / "programs" / "counted.py"


def request(name: str) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        CONFIG: {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        JOB: {
            "AlgorithmSpecification": {
                "TrainingImage": str(PROGRAM),
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            }
        },
    }


def store(root: Path, name: str) -> None:
    """A tuning job that nobody runs."""
    session = Session(root)
    session.create(parse_request(request(name)))
    session.close()


def answer(service: Service, operation: str, body: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        service.call(operation, body)
    return raised.value.code, str(raised.value)


class TestV01:
    """A name is taken by a tuning job, in any case."""

    def test_rejects(self, tmp_path: Path) -> None:
        store(tmp_path, "Mlp-1")
        code, message = answer(Service(tmp_path), "CreateHyperParameterTuningJob", request("mLP-1"))
        assert code == "ResourceInUse"
        assert message == (
            "Hyper parameter tuning job names must be unique, and 'Mlp-1' exists; choose another name"
        )
        assert [path.name for path in tmp_path.glob("*/job.sqlite")] == ["job.sqlite"]

    def test_accepts(self, tmp_path: Path) -> None:
        store(tmp_path, "Mlp-1")
        tuning._refuse_taken(Service(tmp_path)._context, "Mlp-10")  # no exception
        store(tmp_path, "Mlp-10")

    def test_without_the_rule(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The storage still keeps two jobs out of one place, if later: the check comes before limits."""
        store(tmp_path, "Mlp-1")
        monkeypatch.setattr(tuning, "_refuse_taken", lambda context, name: None)
        limits = replace(DEFAULT_LIMITS, open_jobs=1)
        code, _ = answer(Service(tmp_path, limits=limits), "CreateHyperParameterTuningJob", request("mLP-1"))
        assert code == "ResourceLimitExceeded"
        code, _ = answer(Service(tmp_path), "CreateHyperParameterTuningJob", request("mLP-1"))
        assert code == "ResourceInUse"
        assert [path.name for path in tmp_path.glob("*/job.sqlite")] == ["job.sqlite"]


class TestV32:
    """Requests come too often."""

    @staticmethod
    def service(root: Path, rate: float | None, now: list[float]) -> Service:
        limits = replace(DEFAULT_LIMITS, requests_per_second=rate)
        return Service(root, limits=limits, clock=lambda: now[0])

    def test_rejects(self, tmp_path: Path) -> None:
        service = self.service(tmp_path, 2, [0.0])
        for _ in range(2):
            service.call("ListHyperParameterTuningJobs", {})
        code, message = answer(service, "ListHyperParameterTuningJobs", {})
        assert code == "ThrottlingException"
        assert message == (
            "Rate exceeded: ListHyperParameterTuningJobs came when more than 2 requests a second had come; "
            "wait and send it again, or raise requests_per_second"
        )

    def test_accepts(self, tmp_path: Path) -> None:
        now = [0.0]
        service = self.service(tmp_path, 2, now)
        for _ in range(20):
            service.call("ListHyperParameterTuningJobs", {})
            now[0] += 0.5
        now[0] += 3600  # a long rest saves up no more than one second's requests
        for _ in range(2):
            service.call("ListHyperParameterTuningJobs", {})
        assert answer(service, "ListHyperParameterTuningJobs", {})[0] == "ThrottlingException"

    def test_without_the_rule(self, tmp_path: Path) -> None:
        service = self.service(tmp_path, None, [0.0])
        for _ in range(100):
            service.call("ListHyperParameterTuningJobs", {})
