from __future__ import annotations

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
