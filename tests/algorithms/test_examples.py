"""The examples: their data, their scripts, and that job files and scripts agree."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
JOBS = sorted(EXAMPLES.glob("*/job.json"))
CLASSIC = {"eta": ("0", "1"), "alpha": ("0", "2"), "min_child_weight": ("1", "10"), "max_depth": ("1", "10")}
BANK = """"age";"job";"marital";"duration";"campaign";"pdays";"previous";"poutcome";"euribor3m";"y"
56;"housemaid";"married";261;1;999;0;"nonexistent";4.857;"no"
57;"services";"married";149;2;999;0;"nonexistent";4.857;"no"
37;"retired";"single";226;1;3;2;"success";4.857;"yes"
"""


def job(path: Path) -> Any:
    return json.loads(path.read_text())


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, check=False)


def test_there_are_four_jobs() -> None:
    assert [path.parent.name for path in JOBS] == ["allreduce", "breast_cancer", "direct_marketing", "mlp"]
    assert all((path.parent / "README.md").exists() for path in JOBS)


def test_the_breast_cancer_files_are_what_prepare_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prepare = module(EXAMPLES / "breast_cancer" / "prepare.py")
    monkeypatch.setattr(prepare, "__file__", str(tmp_path / "prepare.py"))
    prepare.main()
    for name, rows in (("train", 398), ("validation", 171)):
        committed = EXAMPLES / "breast_cancer" / "data" / f"{name}.csv"
        assert committed.read_text() == (tmp_path / "data" / f"{name}.csv").read_text()
        table = np.loadtxt(committed, delimiter=",")
        assert table.shape == (rows, 31)
        assert set(table[:, 0]) == {0, 1}


def test_the_direct_marketing_job_is_the_classic_one() -> None:
    request = job(EXAMPLES / "direct_marketing" / "job.json")
    config = request["HyperParameterTuningJobConfig"]
    ranges = config["ParameterRanges"]
    found = [*ranges["ContinuousParameterRanges"], *ranges["IntegerParameterRanges"]]
    assert {each["Name"]: (each["MinValue"], each["MaxValue"]) for each in found} == CLASSIC
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "validation:auc"}
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 3}
    assert config["RandomSeed"] == 123
    assert request["TrainingJobDefinition"]["StaticHyperParameters"]["num_round"] == "100"


def test_make_job_takes_the_data_from_anywhere(tmp_path: Path) -> None:
    script = EXAMPLES / "direct_marketing" / "make_job.py"
    (tmp_path / "train.csv.gz").touch()
    missing = run(script, "--data", tmp_path)
    assert missing.returncode != 0
    assert "validation.csv.gz nor validation.csv" in missing.stderr
    (tmp_path / "validation.csv").touch()
    made = json.loads(run(script, "--data", tmp_path).stdout)
    sources = [each.pop("DataSource") for each in made["TrainingJobDefinition"]["InputDataConfig"]]
    assert [Path(each["S3DataSource"]["S3Uri"]).name for each in sources] == [
        "train.csv.gz",
        "validation.csv",
    ]
    original = job(EXAMPLES / "direct_marketing" / "job.json")
    for channel in original["TrainingJobDefinition"]["InputDataConfig"]:
        del channel["DataSource"]
    assert made == original


def test_the_bank_data_is_encoded_label_first(tmp_path: Path) -> None:
    source = tmp_path / "bank.csv"
    source.write_text(BANK)
    done = run(EXAMPLES / "direct_marketing" / "prepare.py", source, "--to", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    rows = []
    for name in ("train", "validation", "test"):
        rows += gzip.decompress((tmp_path / "data" / f"{name}.csv.gz").read_bytes()).decode().split()
    # label, age, campaign, pdays, previous, never contacted, not working, 3 jobs, 2 marital, 2 outcomes
    assert sorted(rows) == [
        "0,56,1,999,0,1,0,1,0,0,1,0,1,0",
        "0,57,2,999,0,1,0,0,0,1,1,0,1,0",
        "1,37,1,3,2,0,1,0,1,0,0,1,0,1",
    ]


def test_the_script_prints_what_its_job_reads() -> None:
    request = job(EXAMPLES / "mlp" / "job.json")
    definition = request["TrainingJobDefinition"]
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    names = {each["Name"] for kind in ranges.values() for each in kind}
    assert names == {"learning_rate", "alpha", "hidden_units", "batch_size", "activation"}
    config = {"learning_rate": "0.01", "alpha": "1e-05", "hidden_units": "32", "batch_size": "64"}
    config |= {"activation": "tanh", "epochs": "5"}
    words = [word for name, value in config.items() for word in (f"--{name}", value)]
    done = run(EXAMPLES / "mlp" / definition["AlgorithmSpecification"]["TrainingImage"], *words)
    assert done.returncode == 0, done.stderr
    [metric] = definition["AlgorithmSpecification"]["MetricDefinitions"]
    found = [float(value) for value in re.findall(metric["Regex"], done.stdout)]
    assert len(found) == 5
    assert 0.9 < found[-1] <= 1


def test_the_library_example_trains_in_its_space() -> None:
    library = module(EXAMPLES / "library.py")
    reported: list[float] = []
    config = {"learning_rate": 0.1, "subsample": 0.8, "max_depth": 3, "max_features": "sqrt"}
    loss = library.train(config, reported.append)
    assert reported[-1] == loss < reported[0]
    assert loss == pytest.approx(0.1318, abs=0.01)  # the observation it tells the tuner beforehand
    tuner = library.hpt.Tuner(library.SPACE, objective="minimize", strategy="Random", seed=1)
    assert set(tuner.ask()[0].config) == set(config)
