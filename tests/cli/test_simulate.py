from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.cli.main import main

JOB = {
    "HyperParameterTuningJobName": "sim",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 27}},
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 60, "MaxParallelTrainingJobs": 6},
        "RandomSeed": 3,
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
    },
    "TrainingJobDefinition": {
        "AlgorithmSpecification": {
            "TrainingImage": "there-is-no-such-program.py",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        }
    },
}
CURVES = "def curve(h):\n    return [abs(h['x'] - 0.25) + 1 / e for e in range(1, 40)], 60\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    (tmp_path / "curves.py").write_text(CURVES)
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_would_come_of_the_job_and_that_it_simulates(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "job.json", "--curves", "curves.py"]) == 0
    out, err = capsys.readouterr()
    assert "this is a simulation: no program runs" in err
    assert err.count("  started  x=") == 60
    assert out.startswith("simulated   sim  Completed (MaxNumberOfTrainingJobs)\n")
    assert "would train 60 training jobs, " in out
    assert "\n  loss = 0." in out
    assert not (folder / "state").exists()


def test_json_is_marked_and_repeats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for _ in range(2):
        words = ["simulate", "job.json", "--curves", "curves.py", "--json", "--quiet", "--failures", "0.5"]
        assert main(words) == 0
        out, err = capsys.readouterr()
        assert "simulation" in err
        documents.append(json.loads(out))
    first, second = documents
    assert first == second
    assert first["Simulated"] is True
    assert first["TrainingJobStatusCounters"]["NonRetryableError"] > 3
    assert sum(first["TrainingJobStatusCounters"].values()) == 60
    assert first["SimulatedSeconds"] >= 60
    assert first["BestTrainingJob"]["Value"] < 0.5


def test_a_job_that_would_fail_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "curves.py").write_text("def curve(h):\n    return []\n")
    assert main(["simulate", "job.json", "--curves", "curves.py"]) == 1
    assert "reason      no training job succeeded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--curves", "gone.csv"], "gone.csv cannot be read: No such file"),
        (["--curves", "curves.py", "--losses", "2"], "losses 2.0 is not a share from 0 to 1; give one"),
    ],
)
def test_bad_input(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(["simulate", "job.json", *words]) == 2
    assert message in capsys.readouterr().err


def test_tune_takes_another_strategy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "there-is-no-such-program.py").write_text("print('loss=1')")
    for word in ("hyperband", "HYPERBAND"):
        assert main(["tune", "job.json", "--check", "--json", "--strategy", word]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["strategy"] == "Hyperband"
        assert document["hyperband"]["max_resource"] == 27
    assert (
        main(["tune", "job.json", "--check", "--strategy", "random"]) == 2
    )  # with Hyperband's StrategyConfig
    assert "does not fit strategy Random" in capsys.readouterr().err
    assert main(["tune", "job.json", "--check", "--strategy", "best"]) == 2
    assert "strategy 'best' is not known; use one of" in capsys.readouterr().err
