"""`hpt.tune` runs real worker processes; scripts run as a user would run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

import hpt
from hpt.errors import InputError
from hpt.job.build import tuning_job
from hpt.job.warm_start import WarmStart
from tests.functions.functions import (
    fails,
    not_a_number,
    only_reports,
    quadratic,
    reports_then_returns,
    returns_text,
    says_nothing,
    some_fail,
)

SPACE = hpt.SearchSpace(
    [hpt.ContinuousParameter("x", -1, 1), hpt.CategoricalParameter("kind", ["good", "bad"])]
)


def test_finds_the_best_of_a_function() -> None:
    result = hpt.tune(
        quadratic, SPACE, metric="score", objective="maximize", max_jobs=12, max_parallel_jobs=2, seed=1
    )
    assert result.status == "Completed"
    assert result.completion_reason == "MaxNumberOfTrainingJobs"
    assert [trial.number for trial in result.trials] == list(range(1, 13))
    assert result.best_trial is not None and result.best_config is not None
    assert result.best_value == max(trial.value for trial in result.trials if trial.value is not None)
    assert result.best_value == quadratic(result.best_config, None)
    assert {type(trial.config["x"]) for trial in result.trials} == {float}


def test_a_returned_value_beats_the_last_report() -> None:
    result = hpt.tune(reports_then_returns, SPACE, max_jobs=1, seed=1)
    assert result.best_value == 5.0
    assert [(r.resource, r.value) for r in result.trials[0].reports] == [(1.0, 1.0), (2.0, 2.0)]


def test_without_a_return_value_the_last_report_counts() -> None:
    result = hpt.tune(only_reports, SPACE, objective="Minimize", max_jobs=1, seed=1)
    assert result.best_value == 0.5


def test_nan_fails_the_trial_and_the_job_goes_on() -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("kind", ["good", "bad"])])
    result = hpt.tune(not_a_number, space, strategy="Grid", seed=1)
    assert result.status == "Completed"
    assert [(t.config["kind"], t.value) for t in result.trials] == [("good", 1.0), ("bad", None)]
    assert result.best_config == {"kind": "good"}


def test_a_trial_that_fails_in_a_job_that_succeeds_says_why() -> None:
    space = hpt.SearchSpace([hpt.CategoricalParameter("kind", ["good", "bad"])])
    result = hpt.tune(some_fail, space, strategy="Grid", seed=1)
    assert (result.status, result.failure_reason) == ("Completed", "")
    good, bad = result.trials
    assert (str(good.status), good.failure_reason) == ("Completed", "")
    assert str(bad.status) == "Failed" and "RuntimeError: out of crackers" in bad.failure_reason
    assert result.best_trial == good


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (fails, "out of cheese"),
        (returns_text, "report a float"),
        (says_nothing, "reported nothing"),
    ],
)
def test_failures_end_the_job_with_a_reason(train: object, words: str) -> None:
    with pytest.raises(hpt.NoTrialSucceededError, match=words) as raised:
        hpt.tune(train, SPACE, max_jobs=20, max_parallel_jobs=2, strategy="Random", seed=1)  # type: ignore[arg-type]
    error, result = raised.value, raised.value.result
    assert result.status == error.status == "Failed"
    assert error.failures == len(result.trials) and words in error.reason and words in error.traceback
    assert 5 <= len(result.trials) <= 6
    assert words in result.failure_reason
    assert result.best_trial is None and result.best_value is None


def test_what_cannot_be_pickled_is_refused_before_anything_starts(tmp_path: Path) -> None:
    lock = threading.Lock()

    def train(config, report):  # type: ignore[no-untyped-def]
        return float(lock.locked())

    with pytest.raises(InputError, match=r"cannot pickle '_thread.lock' object; create what cannot be"):
        hpt.tune(train, SPACE, max_jobs=1, state=tmp_path / "state", name="j")
    assert not (tmp_path / "state").exists()


def test_a_name_with_other_arguments_is_refused_and_nothing_changed(tmp_path: Path) -> None:
    given = {"max_jobs": 2, "strategy": "Random", "name": "taken", "state": tmp_path}
    first = hpt.tune(quadratic, SPACE, seed=1, **given)  # type: ignore[arg-type]
    pickled = (tmp_path / "taken" / "function.pickle").read_bytes()
    assert hpt.tune(quadratic, SPACE, **given) == first  # type: ignore[arg-type]  # a seed left open agrees
    for changes, words in [
        ({"max_jobs": 1}, "limits.max_jobs is 2 there and 1 here"),
        ({"strategy": "Bayesian"}, "strategy is 'Random' there and 'Bayesian' here"),
        ({"seed": 2}, "seed is 1 there and 2 here"),
        ({"objective": "Minimize", "name": "TAKEN"}, "Minimize"),
    ]:
        with pytest.raises(hpt.JobExistsError, match=words):
            hpt.tune(quadratic, SPACE, **{**given, **changes})  # type: ignore[arg-type]
    assert (tmp_path / "taken" / "function.pickle").read_bytes() == pickled


def test_a_second_call_beside_a_living_one_leaves_its_function_alone(tmp_path: Path) -> None:
    given = {"max_jobs": 1, "strategy": "Random", "name": "mine", "state": tmp_path}
    hpt.tune(quadratic, SPACE, seed=1, **given)  # type: ignore[arg-type]
    pickled = (tmp_path / "mine" / "function.pickle").read_bytes()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None and owner.stdout.readline() == "mine\n"
        with pytest.raises(hpt.JobOwnedError):
            hpt.tune(only_reports, SPACE, **given)  # type: ignore[arg-type]
    finally:
        owner.kill()
        owner.communicate()
    assert (tmp_path / "mine" / "function.pickle").read_bytes() == pickled


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"objective": "sideways", "max_jobs": 1}, "Maximize"),
        ({"strategy": "Magic", "max_jobs": 1}, "Magic"),
        ({}, "max_jobs"),
        ({"max_jobs": 0}, "max_jobs"),
        ({"max_jobs": 1, "max_parallel_jobs": 0}, "parallel"),
        ({"max_jobs": 1, "name": "not a name!"}, "not a name!"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        hpt.tune(quadratic, SPACE, state=tmp_path / "state", **{"name": "job", **arguments})  # type: ignore[arg-type]
    assert not (tmp_path / "state" / "job").exists()


OWNER = """
import sys, time
from pathlib import Path
from hpt.storage.sqlite import SQLiteStorage
lease = SQLiteStorage(Path(sys.argv[1])).acquire("mine")
print("mine", flush=True)
time.sleep(600)
"""

SCRIPT = """
import sys, time
import hpt

def train(config, report):
    with open({runs!r}, "a") as runs:
        runs.write(f"{{config['x']!r}}\\n")
    time.sleep(0.3)
    return config["x"]

if __name__ == "__main__":
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    result = hpt.tune(train, space, max_jobs=6, strategy="Random", seed=3, name="script", state={state!r})
    print(result.status, len(result.trials))
"""


def test_a_script_that_is_killed_goes_on_with_the_same_call(tmp_path: Path) -> None:
    script, runs, state = tmp_path / "script.py", tmp_path / "runs", tmp_path / "state"
    script.write_text(SCRIPT.format(runs=str(runs), state=str(state)))
    first = subprocess.Popen([sys.executable, str(script)])
    _wait_until(lambda: runs.exists() and len(runs.read_text().split()) >= 2)
    first.kill()
    first.wait()
    second = subprocess.run(
        [sys.executable, str(script)], text=True, capture_output=True, timeout=60, check=True
    )
    assert second.stdout.split() == ["Completed", "6"]
    seen = runs.read_text().split()
    assert len(seen) == len(set(seen)) == 6


def test_ctrl_c_puts_trials_down(tmp_path: Path) -> None:
    script, runs, state = tmp_path / "script.py", tmp_path / "runs", tmp_path / "state"
    script.write_text(SCRIPT.format(runs=str(runs), state=str(state)))
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: runs.exists() and bool(runs.read_text()))
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    again = subprocess.run(
        [sys.executable, str(script)], text=True, capture_output=True, timeout=60, check=True
    )
    assert again.stdout.split() == ["Completed", "6"]


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script_content = SCRIPT.format(runs=str(tmp_path / "runs"), state=str(tmp_path / "state"))
    script.write_text(script_content.replace('if __name__ == "__main__":', "if True:"))
    done = subprocess.run(
        [sys.executable, str(script)], text=True, capture_output=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["Completed", "6"]


def _wait_until(condition, timeout: float = 30) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_run_takes_a_described_job_to_its_end_and_answers_again_at_once(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("import sys\nprint('loss=', len(sys.argv), ';', sep='')\n")
    config = tuning_job(
        "described",
        program=program,
        space=SPACE,
        metric="loss",
        objective="minimize",
        regex=r"loss=(\d+);",
        max_jobs=3,
        seed=4,
    )
    result = hpt.run(config, state=tmp_path / "state")
    assert result.status == "Completed"
    assert result.best_value == 5.0
    assert len(list((tmp_path / "state" / "described" / "trials").iterdir())) == 3
    assert hpt.run(config, state=tmp_path / "state") == result
    other = tuning_job(
        "described", program=program, space=SPACE, metric="loss", regex=r"loss=(\S+);", max_jobs=3, seed=4
    )
    with pytest.raises(hpt.JobExistsError):
        hpt.run(other, state=tmp_path / "state")


def test_metrics_are_reported_without_a_pattern(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(
        "import os, hpt\nhpt.report(**{'val:loss': 3})\n"
        "print('accuracy=1', file=open(os.environ['HPT_METRICS_FILE'], 'a'))\n"
    )
    config = tuning_job(
        "reported",
        program=program,
        space=SPACE,
        metric="val:loss",
        metrics={"val:loss": None, "accuracy": None},
        objective="minimize",
        max_jobs=1,
    )
    result = hpt.run(config, state=tmp_path / "state")
    assert result.best_value == 3.0
    log = (tmp_path / "state/reported/trials").glob("*/attempts/1/log")
    assert [path.read_text() for path in log] == [
        "[hpt] metrics: val:loss=3.0\n[hpt] metrics: accuracy=1.0\n"
    ]


def test_run_refuses_s3_without_credentials_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
    ]:
        monkeypatch.setenv(name, value)
    program = tmp_path / "train.py"
    program.write_text("print('loss=1;')\n")
    config = tuning_job(
        "far",
        program=program,
        space=SPACE,
        metric="loss",
        regex=r"loss=(\d+);",
        channels={"train": "s3://bucket/data"},
        output="s3://other/models",
        max_jobs=1,
    )
    with pytest.raises(InputError, match="no AWS credentials") as caught:
        hpt.run(config, state=tmp_path / "state")
    assert "definition.channels['train']: 's3://bucket/data': no AWS" in str(caught.value)
    assert "definition.output_path: 's3://other/models': no AWS" in str(caught.value)
    assert not (tmp_path / "state").exists()


def test_training_ends_with_the_process_of_a_job_that_cannot_be_resumed(tmp_path: Path) -> None:
    """Without a name there is nothing to resume, so a killed script leaves no worker behind."""
    script, runs = tmp_path / "script.py", tmp_path / "runs"
    script_content = SCRIPT.format(runs=str(runs), state="").replace(", name=\"script\", state=''", "")
    script.write_text(script_content.replace("time.sleep(0.3)", "time.sleep(600)"))
    process = subprocess.Popen([sys.executable, str(script)])
    _wait_until(lambda: runs.exists() and bool(runs.read_text()))
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("functions/start.py" in word for each in below for word in each.cmdline())
    process.kill()
    process.wait()
    assert psutil.wait_procs(below, timeout=20)[1] == []


def test_a_function_may_be_defined_under_the_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import hpt\n"
        'if __name__ == "__main__":\n'
        "    def train(config, report):\n"
        "        return 1.0\n"
        '    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])\n'
        "    print(hpt.tune(train, space, max_jobs=1).best_value)\n"
    )
    done = subprocess.run([sys.executable, str(script)], text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


def test_a_refused_call_leaves_no_directory_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError, match="sideways"):
        hpt.tune(quadratic, SPACE, objective="sideways", max_jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_job_without_a_name_leaves_no_directory_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    hpt.tune(quadratic, SPACE, max_jobs=1)
    _wait_until(lambda: not any(tmp_path.iterdir()))


def test_a_warm_start_takes_results_of_another_call(tmp_path: Path) -> None:
    common = {"objective": "maximize", "max_jobs": 3, "seed": 1, "state": tmp_path}
    first = hpt.tune(quadratic, SPACE, name="first", **common)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give this job a name"):
        hpt.tune(quadratic, SPACE, warm_start="first", **common)  # type: ignore[arg-type]
    parent = WarmStart("first", "identical")
    second = hpt.tune(quadratic, SPACE, name="second", warm_start=parent, **common)  # type: ignore[arg-type]
    tried = [trial.config for trial in first.trials]
    assert not [trial.config for trial in second.trials if trial.config in tried]
    again = hpt.tune(quadratic, SPACE, name="second", warm_start=parent, **common)  # type: ignore[arg-type]
    assert again == second
