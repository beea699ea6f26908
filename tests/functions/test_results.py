"""What is kept of a tuning job for a program in Python: results, reasons, tracebacks, tables."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest

import hpt
from hpt.errors import InputError
from hpt.job.build import tuning_job
from hpt.running import tables
from hpt.search.trial import TrialStatus
from tests.functions.functions import fails, only_reports, quadratic, some_fail

SPACE = hpt.SearchSpace(
    [
        hpt.ContinuousParameter("x", -1, 1),
        hpt.CategoricalParameter("kind", ["good", "bad"]),
        hpt.IntegerParameter("value", 1, 9),
        hpt.CategoricalParameter("flag", [True, False]),
    ]
)
GRID = hpt.SearchSpace([hpt.CategoricalParameter("kind", ["good", "bad"])])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> hpt.TuningResult:
    """A job of which some trials fail, kept as `mixed`."""
    state = tmp_path_factory.mktemp("state")
    return hpt.tune(some_fail, SPACE, strategy="Random", max_jobs=6, seed=1, name="mixed", state=state)


def state_of(result: hpt.TuningResult) -> Path:
    assert result.directory is not None
    return result.directory.parent


def test_a_trial_keeps_what_became_of_it(tmp_path: Path) -> None:
    before = time.time()
    result = hpt.tune(only_reports, GRID, strategy="Grid", state=tmp_path, name="kept")
    for trial in result.trials:
        assert trial.status is TrialStatus.COMPLETED and trial.traceback == trial.stop_reason == ""
        assert [(each.number, each.resource, each.value) for each in trial.reports] == [
            (1, 1, 1.0),
            (2, 2, 0.5),
        ]
        assert trial.start is not None and trial.end is not None and trial.duration is not None
        assert before - 0.01 <= trial.start <= trial.end <= time.time()
        assert trial.start - 0.01 <= trial.reports[0].time <= trial.end + 0.01  # of a log, to milliseconds
        assert trial.duration == trial.end - trial.start
        [attempt] = trial.attempts
        assert (attempt.number, attempt.outcome) == (1, "Completed")
        assert trial.metrics == {"objective": 0.5}
        assert [point.value for point in trial.curves["objective"]] == [1.0, 0.5]
        assert trial.name.startswith(f"kept-00{trial.number}-")


def test_a_failed_trial_keeps_its_traceback_and_a_stored_job_is_loaded_equal(mixed: hpt.TuningResult) -> None:
    failed = [trial for trial in mixed.trials if trial.status is TrialStatus.FAILED]
    assert 0 < len(failed) < 6
    for trial in failed:
        assert trial.traceback.startswith("Traceback (most recent call last):\n")
        assert 'raise RuntimeError("out of crackers")' in trial.traceback
        assert trial.traceback.endswith("RuntimeError: out of crackers")
    assert hpt.load("MIXED", state_of(mixed)) == mixed
    assert pickle.loads(pickle.dumps(mixed)) == mixed


def test_an_unknown_name_suggests_those_that_look_like_it(mixed: hpt.TuningResult) -> None:
    with pytest.raises(hpt.JobNotFoundError, match=r"did you mean 'mixed'\?") as raised:
        hpt.load("mixd", state_of(mixed))
    assert raised.value.name == "mixd"
    with pytest.raises(hpt.JobNotFoundError) as raised:
        hpt.load("other", state_of(mixed))
    assert "did you mean" not in str(raised.value)
    with pytest.raises(hpt.JobNotFoundError, match="did you mean 'mixed'"):
        hpt.delete("mix", state_of(mixed))
    for function in (hpt.load, hpt.delete):
        with pytest.raises(InputError, match=r"takes the name of a tuning job, not <tuning job 'mixed'"):
            function(mixed, state_of(mixed))  # type: ignore[arg-type]


def test_reprs_are_short(mixed: hpt.TuningResult) -> None:
    assert repr(mixed).startswith("<tuning job 'mixed': Completed, 6 trials, best objective 1 by trial ")
    assert all(len(repr(trial)) < 160 for trial in mixed.trials)
    html = mixed._repr_html_()
    assert html.count("<tr>") == 7 and "mixed" in html
    assert "<script>" not in tables.html(hpt.TuningResult("<script>", "Completed", None, (), ""))


def test_a_data_frame_has_typed_columns(mixed: hpt.TuningResult) -> None:
    frame = mixed.to_dataframe()
    assert frame["number"].tolist() == [1, 2, 3, 4, 5, 6]
    kinds = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert kinds["number"] == kinds["config.value"] == kinds["attempts"] == "int64"
    assert kinds["value"] == kinds["x"] == kinds["duration"] == "float64"
    assert kinds["start"] == kinds["end"] == "datetime64[ns, UTC]" and kinds["flag"] == "bool"
    for trial, row in zip(mixed.trials, frame.to_dict("records"), strict=True):
        config = {"x": row["x"], "kind": row["kind"], "value": row["config.value"], "flag": row["flag"]}
        assert config == trial.config
        assert row["status"] == trial.status and row["traceback"] == trial.traceback
        assert row["value"] == trial.value or (trial.value is None and pd.isna(row["value"]))
        assert row["start"].timestamp() == pytest.approx(trial.start)
    empty = hpt.TuningResult("none", "InProgress", None, (), "").to_dataframe()
    assert len(empty) == 0 and "value" in empty


def test_without_pandas_it_says_what_to_install(
    mixed: hpt.TuningResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(hpt.MissingDependencyError, match=r"pandas is not installed.*hpt\[dataframe\]"):
        mixed.to_dataframe()


def test_pandas_is_loaded_by_nothing_else() -> None:
    program = "import sys, hpt; hpt.load, hpt.TuningResult, hpt.tune; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_job_without_success_raises_each_time_with_the_last_traceback(tmp_path: Path) -> None:
    given = {"strategy": "Random", "max_jobs": 2, "seed": 1, "name": "bad", "state": tmp_path}
    for _ in range(2):  # the second call finds a job that has ended
        with pytest.raises(hpt.NoTrialSucceededError, match="none of its 2 trials succeeded") as raised:
            hpt.tune(fails, SPACE, **given)  # type: ignore[arg-type]
        error = raised.value
        assert (error.name, error.status, error.failures) == ("bad", "Failed", 2)
        assert "out of cheese" in error.reason and error.traceback.endswith("RuntimeError: out of cheese")
        assert error.result.trials[1].traceback == error.traceback
        assert any(error.traceback in note for note in error.__notes__)
        assert isinstance(error, RuntimeError) and not isinstance(error, InputError)
        again = pickle.loads(pickle.dumps(error))
        assert (again.result, again.__notes__) == (error.result, error.__notes__)
    assert hpt.load("bad", tmp_path) == error.result  # which is no error


def test_or_warns_and_returns(tmp_path: Path) -> None:
    with pytest.warns(
        RuntimeWarning, match=r"did not succeed[\s\S]*out of cheese\n\Z|RuntimeError: out of"
    ) as w:
        result = hpt.tune(fails, SPACE, strategy="Random", max_jobs=1, seed=1, on_failure="warn")
    assert w[0].filename == __file__
    assert result.status == "Failed" and result.best_value is None and result.directory is None
    assert "out of cheese" in result.trials[0].traceback
    with pytest.raises(InputError, match="on_failure is 'ignore'; use 'raise' or 'warn'"):
        hpt.tune(fails, SPACE, max_jobs=1, on_failure="ignore", name="n", state=tmp_path)
    assert not list(tmp_path.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hpt.tune(some_fail, GRID, strategy="Grid", on_failure="warn")


@pytest.mark.parametrize(
    ("program", "reason", "traceback"),
    [
        ("raise ValueError('no data')", "no data", "ValueError: no data"),
        ("print('nothing')", "printed no value", ""),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL", ""),
        ("exec('def f(:')", "invalid syntax", "SyntaxError: invalid syntax"),
    ],
)
def test_programs_behave_the_same(tmp_path: Path, program: str, reason: str, traceback: str) -> None:
    (tmp_path / "train.py").write_text(program)
    job = tuning_job(
        "job", program=tmp_path / "train.py", space=GRID, metric="m", regex="m=(.*)", strategy="Grid"
    )
    with pytest.raises(hpt.NoTrialSucceededError, match=reason) as raised:
        hpt.run(job, state=tmp_path / "state")
    assert raised.value.traceback.endswith(traceback)
    with pytest.warns(RuntimeWarning, match=reason):
        assert len(hpt.run(job, state=tmp_path / "state", on_failure="warn").trials) == 2


def test_a_job_that_is_stopped_before_a_value_raises_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time; time.sleep(60)")
    job = tuning_job(
        "job",
        program=tmp_path / "train.py",
        space=GRID,
        metric="m",
        regex="m=(.*)",
        strategy="Grid",
        max_runtime_seconds=1,
    )
    with pytest.raises(hpt.NoTrialSucceededError, match=r"\(MaxRuntimeInSeconds\)") as raised:
        hpt.run(job, state=tmp_path / "state")
    assert raised.value.status == "Completed"


def test_a_job_of_another_process_is_loaded_as_it_stands(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "print('m=1', flush=True)\n"
        f"if os.path.exists({str(tmp_path / 'first')!r}): time.sleep(60)\n"
        f"open({str(tmp_path / 'first')!r}, 'w').close()\n"
    )
    (tmp_path / "train.py").write_text(program)
    runner = (
        "import hpt\nfrom hpt.job import tuning_job\n"
        f"job = tuning_job('job', program={str(tmp_path / 'train.py')!r}, "
        "space=[hpt.CategoricalParameter('kind', ['a', 'b'])], metric='m', regex='m=(.*)', strategy='Grid')\n"
        f"hpt.run(job, state={str(tmp_path / 'state')!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", runner], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline
            try:
                result = hpt.load("job", tmp_path / "state")
            except hpt.JobNotFoundError:
                continue
            if len(result.trials) == 2 and result.trials[1].metrics:
                break
            time.sleep(0.05)
        assert (result.status, result.best_value, result.interrupted) == ("InProgress", 1.0, False)
        assert result.trials[1].end is None and result.trials[1].duration is None
        assert result.to_dataframe()["end"].isna().tolist() == [False, True]
        with pytest.raises(hpt.JobOwnedError):
            hpt.delete("job", tmp_path / "state")
        os.kill(process.pid, 2)
        process.communicate(timeout=60)
        result = hpt.load("job", tmp_path / "state")
        assert result.interrupted and "interrupted" in repr(result)
        hpt.delete("job", tmp_path / "state")
        with pytest.raises(hpt.JobNotFoundError):
            hpt.load("job", tmp_path / "state")
        assert not (tmp_path / "state" / "job").exists()
    finally:
        process.kill()
        process.communicate()


def test_the_best_is_one_of_the_trials() -> None:
    result = hpt.tune(quadratic, SPACE, strategy="Random", max_jobs=3, seed=1)
    assert result.best_trial in result.trials and (result.metric, result.objective) == (
        "objective",
        "Maximize",
    )
    assert isinstance(result.best_trial, hpt.Trial)
