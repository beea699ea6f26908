"""What is shipped: a source archive from which a wheel builds, and what an installation of the wheel can do:
one of `hpt` alone, one of `hpt[jobs]`.
"""

from __future__ import annotations

import json
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hpt.running.dependencies import JOBS
from tests.packaging.conftest import Install
from tests.packaging.environment import ROOT, run, start
from tests.prerequisites import needs

slow = pytest.mark.slow

SEARCH = """
import sys
import hpt
from hpt.search.stopping.median import MedianRule
assert hpt.__file__.startswith(sys.prefix), hpt.__file__
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1), hpt.CategoricalParameter("c", ["a", "b"])])
for strategy in ("Bayesian", "Random"):
    tuner = hpt.Tuner(space, objective="minimize", strategy=strategy, seed=1, stopping_rule=MedianRule())
    for _ in range(15):
        [trial] = tuner.ask()
        value = (trial.config["x"] - 0.3) ** 2 + (trial.config["c"] == "a")
        tuner.report(trial.number, value, 1)
        tuner.tell(trial.number, value)
    assert tuner.best_value < 1e-1, tuner.best_value
assert {"numba", "boto3", "yaml", "rich", "psutil", "cloudpickle"}.isdisjoint(sys.modules)
print("searched")
"""

LAZY = """
import sys
import hpt
heavy = {"numpy", "scipy", "numba", "boto3", "yaml", "rich", "sqlite3", "hpt._core", "hpt._blas"}
assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)
"""

DESCRIBE = """
import hpt
from hpt.job import tuning_job
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
job = tuning_job("described", program="./train.sh", space=space, metric="loss", regex="loss=(.*)", max_jobs=3)
"""

READ = r"""
from hpt.job import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.scanner import MetricScanner
scanner = MetricScanner(CompiledDefinitions([MetricDefinition("loss", r"loss=(\S+)")]))
[match] = [*scanner.feed(b"epoch 1\nloss=0.5\n"), *scanner.finish()]
print(match[1])
"""

REFUSED = """
calls = {
    "hpt.tune": lambda: hpt.tune(len, space, max_jobs=1),
    "hpt.run": lambda: hpt.run(job),
    "hpt.client": lambda: hpt.client("sagemaker"),
}
for name, call in calls.items():
    try:
        call()
    except hpt.MissingDependencyError as error:
        assert isinstance(error, ImportError)
        assert (error.what, error.extra) == (name, "jobs"), error
        print(error)
"""

FUNCTION = """
import hpt

def train(config, report):
    report(config["x"])
    return config["x"] ** 2

if __name__ == "__main__":
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    result = hpt.tune(train, space, objective="minimize", strategy="random", max_jobs=2, seed=1)
    print(result.status, len(result.trials))
"""

JOB = {
    "HyperParameterTuningJobName": "installed",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
    },
    "TrainingJobDefinition": {
        "AlgorithmSpecification": {
            "TrainingImage": "./train.sh",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.e-]+)"}],
        },
    },
}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job file, and the shell script that it names."""
    program = tmp_path / "train.sh"
    program.write_text('#!/bin/sh\necho "loss=0.25"\n')
    program.chmod(0o755)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(JOB))
    return file


@slow
def test_the_source_archive_is_complete(sdist: Path, sources: set[str]) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("cpp/", "src/", "hpt/", "examples/", "tests/")
    wanted = {name for name in sources if name.startswith(folders)}
    wanted |= {"pyproject.toml", "setup.py", "README.md", "LICENSE", "Makefile", ".clang-format"}
    assert wanted - names == set()
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]
    assert not [name for name in names if name.startswith(("build/", "cpp/build/", ".venv/"))]


@slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, sources: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {name for name in names if name.endswith(".so")}
    assert len(modules) == 2
    assert {name.partition(".")[0] for name in modules} == {"hpt/_blas", "hpt/_core"}
    assert names - modules == {name for name in sources if name.startswith("hpt/")}


@slow
def test_no_blas_is_linked(wheel: Path, tmp_path: Path) -> None:
    """SciPy's is used through pointers; a library of the build machine would not be there elsewhere."""
    needs("ldd", "it says what is linked")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                module = Path(archive.extract(name, tmp_path))
                needed = run("ldd", module, cwd=tmp_path).lower()
                assert not [word for word in ("blas", "lapack", "gomp", "mkl") if word in needed], needed


def test_what_is_asked_for_is_what_the_extra_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {Requirement(line).name for line in project["dependencies"]} == {"numpy", "scipy"}
    extras = project["optional-dependencies"]
    assert {Requirement(line).name for line in extras["jobs"]} == {*JOBS, "numba"}
    for algorithm in ("xgboost", "lightgbm", "catboost", "linear_learner", "knn", "kmeans"):
        assert "hpt[jobs]" in extras[algorithm]


@slow
class TestAlone:
    def test_it_searches(self, install: Install, tmp_path: Path) -> None:
        assert run(install(""), "-c", SEARCH, cwd=tmp_path) == "searched\n"

    def test_importing_it_loads_next_to_nothing(self, install: Install, tmp_path: Path) -> None:
        run(install(""), "-c", LAZY, cwd=tmp_path)

    def test_it_describes_jobs_and_reads_metrics(self, install: Install, job: Path) -> None:
        assert (
            run(install(""), "-c", DESCRIBE + "print(job.name, job.limits.max_jobs)", cwd=job.parent)
            == "described 3\n"
        )
        assert run(install(""), "-c", READ, cwd=job.parent) == "0.5\n"

    @pytest.mark.parametrize("words", ["--help", "--version", "tune --help"])
    def test_the_command_explains_itself(self, install: Install, tmp_path: Path, words: str) -> None:
        assert "hpt" in run(install("").with_name("hpt"), *words.split(), cwd=tmp_path)

    @pytest.mark.parametrize("module", [False, True])
    @pytest.mark.parametrize(
        "words", ["tune {}", "tune {} --check", "list", "resume x", "simulate {} --curves {}"]
    )
    def test_a_command_says_in_one_line_what_is_missing(
        self, install: Install, job: Path, words: str, module: bool
    ) -> None:
        python = install("")
        command = [python, "-m", "hpt.cli.main"] if module else [python.with_name("hpt")]
        done = start(
            *command, *words.format(job, job).split(), cwd=job.parent, HPT_HOME=str(job.parent / "state")
        )
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr == (
            f"hpt: hpt {words.split()[0]} needs hpt[jobs], of which {', '.join(JOBS)} are not installed; "
            f"run: {python} -m pip install 'hpt[jobs]'\n"
        )
        assert not (job.parent / "state").exists()

    def test_a_function_says_so_too(self, install: Install, job: Path) -> None:
        lines = run(install(""), "-c", DESCRIBE + REFUSED, cwd=job.parent).splitlines()
        assert [line.split()[0] for line in lines] == ["hpt.tune", "hpt.run", "hpt.client"]
        assert all(line.endswith(" -m pip install 'hpt[jobs]'") for line in lines)


@slow
class TestJobs:
    def test_the_command_runs_a_job(self, install: Install, job: Path) -> None:
        hpt = install("jobs").with_name("hpt")
        state = str(job.parent / "state")
        description = json.loads(run(hpt, "tune", job, "--json", cwd=job.parent, HPT_HOME=state))
        assert description["HyperParameterTuningJobStatus"] == "Completed"
        assert "installed" in run(hpt, "list", cwd=job.parent, HPT_HOME=state)

    def test_a_function_is_tuned(self, install: Install, tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text(FUNCTION)
        assert run(install("jobs"), script, cwd=tmp_path) == "Completed 2\n"

    def test_a_boto3_program_lists_jobs(self, install: Install, tmp_path: Path) -> None:
        code = """import hpt.client as boto3
listed = boto3.client("sagemaker").list_hyper_parameter_tuning_jobs()
print(listed["HyperParameterTuningJobSummaries"])"""
        assert run(install("jobs"), "-c", code, cwd=tmp_path, HPT_HOME=str(tmp_path / "state")) == "[]\n"

    def test_an_algorithm_that_is_missing_is_named(self, install: Install, tmp_path: Path) -> None:
        example = ROOT / "examples" / "breast_cancer" / "job.json"
        python = install("jobs")
        done = start(python.with_name("hpt"), "tune", example, "--check", cwd=tmp_path)
        assert done.returncode == 2
        assert f"{python} -m pip install 'hpt[xgboost]'" in done.stderr
