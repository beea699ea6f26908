"""The quotas of each way of reading a request: one set for each, and a switch between them (behaviour 15)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import hpt.client
from hpt.errors import HptError, InputError, ValidationError
from hpt.job.limits import DEFAULT_LIMITS, LOCAL_LIMITS, STRICT_LIMITS, find_limits
from hpt.sagemaker.request.parse import parse_request
from hpt.service.api import Service
from hpt.service.errors import ServiceError
from tests.sagemaker.request.samples import CONFIG, JOB, LIMITS, RANGES, edit, local

METRICS = f"{JOB}.AlgorithmSpecification.MetricDefinitions"


def metrics(count: int) -> dict[str, Any]:
    names = ["auc", *(f"m{i}" for i in range(count - 1))]
    return {METRICS: [{"Name": name, "Regex": rf"{name}=(\S+)"} for name in names]}


def ranges(count: int) -> dict[str, Any]:
    listed = [{"Name": f"x{i}", "MinValue": "0", "MaxValue": "1"} for i in range(count)]
    return {f"{RANGES}.ContinuousParameterRanges": listed}


def values(count: int) -> dict[str, Any]:
    return {f"{RANGES}.CategoricalParameterRanges": [{"Name": "k", "Values": [str(i) for i in range(count)]}]}


def jobs(count: int, strategy: str = "Random") -> dict[str, Any]:
    return {f"{LIMITS}.MaxNumberOfTrainingJobs": count, f"{CONFIG}.Strategy": strategy}


def parallel(count: int) -> dict[str, Any]:
    return {f"{LIMITS}.MaxParallelTrainingJobs": count, f"{LIMITS}.MaxNumberOfTrainingJobs": 700}


def seconds(count: int) -> dict[str, Any]:
    return {f"{LIMITS}.MaxRuntimeInSeconds": count}


BEYOND = {  # what the service refuses, and the most or least that it takes
    "metrics": (metrics(41), metrics(40)),
    "ranges": (ranges(31), ranges(30)),
    "values": (values(31), values(30)),
    "Random jobs": (jobs(751), jobs(750)),
    "Bayesian jobs": (jobs(751, "Bayesian"), jobs(750, "Bayesian")),
    "at once": (parallel(11), parallel(10)),
    "run time": (seconds(119), seconds(120)),
}


@pytest.mark.parametrize("what", BEYOND)
def test_local_mode_is_wide_in_every_respect_and_a_switch_gives_the_service_s_limits(what: str) -> None:
    beyond, within = (edit(local(), changes) for changes in BEYOND[what])
    parse_request(beyond, check_paths=False)
    parse_request(beyond, check_paths=False, limits="local")
    parse_request(within, check_paths=False, limits="amt")
    with pytest.raises(ValidationError):
        parse_request(beyond, check_paths=False, limits="amt")


LIMIT = re.compile(r"allowed|the limit on|below the minimum")


@pytest.mark.parametrize("what", BEYOND)
def test_a_client_has_the_same_choice(tmp_path: Path, what: str) -> None:
    """The program is not there either, so nothing is started."""
    beyond, within = (edit(local(), changes) for changes in BEYOND[what])
    for limits, request, refused in ((None, beyond, False), ("AMT", within, False), ("amt", beyond, True)):
        service = Service(tmp_path, limits=limits)
        with pytest.raises(ServiceError, match=r"train\.py does not exist") as raised:
            service.call("CreateHyperParameterTuningJob", request)
        assert (LIMIT.search(str(raised.value)) is not None) == refused
        service.close()


def test_the_defaults(tmp_path: Path) -> None:
    assert Service(tmp_path)._context.limits is LOCAL_LIMITS
    assert Service(tmp_path, strict=True)._context.limits is DEFAULT_LIMITS
    assert STRICT_LIMITS.jobs == DEFAULT_LIMITS.jobs == dict.fromkeys(LOCAL_LIMITS.jobs, 750)
    assert (DEFAULT_LIMITS.parallel, DEFAULT_LIMITS.parameters) == (10, 30)


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="limits 'aws' are not known; use local or amt"):
        find_limits("aws")
    with pytest.raises(HptError, match="'aws'"):
        hpt.client.client("sagemaker", state=tmp_path, limits="aws")
