from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import hpt
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
        words = ["simulate", "job.json", "--curves", "curves.py", "--json", "--quiet", "--failures", "0.9"]
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


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command prints to standard output."""
    assert main(list(words)) == code
    return capsys.readouterr().out


def test_a_seed_replaces_the_file_s_and_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate = ["simulate", "job.json", "--curves", "curves.py", "--quiet", "--json"]
    of_file, same, other = (
        json.loads(run(capsys, *simulate, *seed)) for seed in ([], ["--seed", "3"], ["--seed", "4"])
    )
    assert of_file == same and other["RandomSeed"] == 4
    assert other["BestTrainingJob"] != same["BestTrainingJob"]
    assert "\nseed        9\n" in run(capsys, *simulate[:-1], "--seed", "9")
    assert main([*simulate, "--seed", "-1"]) == 2
    assert "RandomSeed: -1 is below the minimum 0" in capsys.readouterr().err


def test_its_trials_are_printed_in_every_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate = ["simulate", "job.json", "--curves", "curves.py", "--quiet"]
    printed = run(capsys, *simulate)
    rows = printed[printed.index("TRAINING JOB") :].splitlines()
    assert len(rows) == 22 and rows[-1] == "and 40 more; --csv and --json give all, --name keeps them"
    trials = json.loads(run(capsys, *simulate, "--json"))["TrainingJobs"]
    assert [trial["Number"] for trial in trials] == list(range(1, 61))
    assert trials[0]["Reports"][0]["Value"] == abs(trials[0]["Config"]["x"] - 0.25) + 1
    table = list(csv.DictReader(io.StringIO(run(capsys, *simulate, "--csv"))))
    values = [float(row["value"]) for row in table]
    assert len(values) == 60 and values == sorted(values)
    assert main([*simulate, "--csv", "--json"]) == 2


def test_under_a_name_it_is_kept_and_shown_as_simulated(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate = ["simulate", "job.json", "--curves", "curves.py", "--quiet", "--name", "kept"]
    printed = json.loads(run(capsys, *simulate, "--json"))
    trials = json.loads(run(capsys, "trials", "kept", "--json", "--sort", "number"))
    assert trials == printed["TrainingJobs"]
    assert run(capsys, "list").splitlines()[1].split() == [
        "kept",
        "Completed",
        "60",
        f"{printed['BestTrainingJob']['FinalHyperParameterTuningJobObjectiveMetric']['Value']:.6g}",
        "simulated",
        "-",
    ]
    described = run(capsys, "describe", "kept")
    assert "simulated: no program ran" in described and "model" not in described
    assert json.loads(run(capsys, "describe", "kept", "--json"))["Simulated"] is True
    assert main(simulate) == 2
    assert "a tuning job named 'kept' exists" in capsys.readouterr().err
    assert main(["resume", "kept"]) == 2
    run(capsys, "delete", "kept", "--yes")
    run(capsys, *simulate)
    assert json.loads(run(capsys, "trials", "kept", "--json", "--sort", "number")) == trials
    assert len(hpt.load("KEPT").trials) == 60


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
