from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from hpt.running.session import Session
from hpt.sagemaker.request.parse import parse_request
from tests.client.conftest import Desk


def test_a_job_with_a_parent(desk: Desk) -> None:
    warm_start = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "done-1"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    desk.create("Done-1", jobs=5)
    desk.wait("done-1")
    desk.create("Warm-1", jobs=2, WarmStartConfig=warm_start)
    reply = desk.wait("warm-1")
    assert reply["WarmStartConfig"] == warm_start
    assert reply["TrainingJobStatusCounters"]["Completed"] == 2
    bests = [desk.describe("done-1")["BestTrainingJob"], reply["BestTrainingJob"]]
    best = min(bests, key=lambda each: each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    overall = reply["OverallBestTrainingJob"]
    assert overall.pop("TuningJobName") == ("Done-1" if best is bests[0] else "Warm-1")
    assert overall == best
    parent = [trial["TunedHyperParameters"] for trial in desk.trials("done-1")]
    assert not [each for each in desk.trials("warm-1") if each["TunedHyperParameters"] in parent]


def finite(desk: Desk, name: str, jobs: int, *parents: str) -> dict[str, Any]:
    """A space of three combinations."""
    request = desk.request(name, jobs=jobs, parallel=1)
    kinds = [{"Name": "kind", "Values": ["a", "b", "c"]}]
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {"CategoricalParameterRanges": kinds}
    request["TrainingJobDefinition"]["StaticHyperParameters"] |= {"x": "0.5", "depth": "4"}
    if parents:
        request["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": each} for each in parents],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        }
    return request


def test_parents_leave_fewer_combinations_of_a_finite_space(desk: Desk) -> None:
    """What is left of it is what can be enough, or not, for the training jobs that are asked for."""
    create = desk.client.create_hyper_parameter_tuning_job
    create(**finite(desk, "old", 2))
    desk.wait("old")
    words = r"leave 1\.0 combinations .* not enough for 2 .* lower it to 1"
    with pytest.raises(ClientError, match=words) as raised:
        create(**finite(desk, "more", 2, "old"))
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    create(**finite(desk, "rest", 1, "old"))
    assert desk.wait("rest")["TrainingJobStatusCounters"]["Completed"] == 1
    kinds = [each["TunedHyperParameters"]["kind"] for name in ("old", "rest") for each in desk.trials(name)]
    assert sorted(kinds) == ["a", "b", "c"]

    session = Session(desk.state)  # a job file is told, and runs what is left
    _, notes = session.inherit(parse_request(finite(desk, "local", 3, "old")), 0.0)
    assert [each for each in notes if "ends early" in each] == [
        "the job ends early: the results of the parents leave 1.0 combinations of the ranges, not enough for "
        "3 training jobs; lower it to 1, or widen the ranges"
    ]
    related = finite(desk, "related", 3, "old")
    related["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    assert not [each for each in session.inherit(parse_request(related), 0.0)[1] if "ends early" in each]
    session.close()
