"""What is kept of training jobs, as `hpt trials` shows it: tables, single ones in full, JSON and CSV."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from hpt.cli.main import main
from hpt.cli.show import print_table
from tests import prerequisites
from tests.cli.test_cli import Command, wait_until
from tests.cli.test_json_output import refuse

HOSTILE = """
import os, sys
n = int(os.environ["TRAINING_JOB_NAME"].split("-")[1])
print(f"extra={[float('nan'), float('inf'), float('-inf')][n % 3]};")
print(f"loss={n};" if n < 4 else "loss=nan;", flush=True)
if n % 2:
    raise ValueError("[Errno 2] a, \\"b\\"\\x1b[2J\\r\\nsecond; [/bold]")
"""


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A job of five training jobs whose values and reasons hold everything that is hard to print. Tests only
    look at it.
    """
    hpt = Command(tmp_path_factory.mktemp("hostile"))
    job = hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 1})
    request = json.loads(job.read_text())
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["CategoricalParameterRanges"][0]["Values"] = ['a,"b" ' + "long " * 40 + "end", "[red]", "=1+1"]
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"].append(
        {"Name": "extra", "Regex": "extra=(.*?);"}
    )
    (hpt.root / "counted.py").write_text(HOSTILE)
    job.write_text(json.dumps(request))
    hpt("tune", str(job), "--quiet")
    return hpt


def test_every_document_is_json_and_nothing_reaches_the_terminal(hostile: Command) -> None:
    documents = {}
    for words in (
        ["trials", "job"],
        ["trials", "job", "1", "2"],
        ["describe", "job"],
        ["list"],
        ["tune", "job.json", "--check"],
    ):
        out, _ = hostile(*words, "--json")
        documents[" ".join(words)] = json.loads(out, parse_constant=refuse)
        out, err = hostile(*words)
        assert "\x1b" not in out + err and "\r" not in out
    trials = {trial["Number"]: trial for trial in documents["trials job"]}
    assert {trials[n]["Metrics"]["extra"] for n in trials} == {"NaN", "Infinity", "-Infinity"}
    assert trials[4]["Reports"][0]["Value"] == "NaN" and trials[2]["Reports"][0]["Value"] == 2.0
    assert trials[1]["Traceback"].endswith('ValueError: [Errno 2] a, "b"\x1b[2J\nsecond; [/bold]')
    assert "Traceback" not in trials[2]
    assert type(trials[1]["Config"]["x"]) is float and type(trials[1]["Config"]["depth"]) is int
    assert trials[2]["DurationInSeconds"] > 0
    assert [each["Outcome"] for each in trials[1]["AttemptHistory"]] == ["Failed"]
    assert {trial["Number"] for trial in documents["trials job 1 2"]} == {1, 2}


def test_pandas_reads_the_csv_as_it_was(hostile: Command) -> None:
    out, _ = hostile("trials", "job", "--csv", "--sort", "number")
    frame = pd.read_csv(io.StringIO(out), parse_dates=["start", "end"])
    trials = json.loads(hostile("trials", "job", "--json", "--sort", "number")[0])
    assert frame["number"].tolist() == [1, 2, 3, 4, 5]
    assert frame["x"].tolist() == [trial["Config"]["x"] for trial in trials]
    assert frame["depth"].tolist() == [trial["Config"]["depth"] for trial in trials]
    assert frame["kind"].tolist() == [trial["Config"]["kind"] for trial in trials]
    assert frame["value"].isna().tolist() == [True, False, True, True, True]
    assert frame["metric.extra"].tolist()[0] == float("inf")
    assert str(frame["start"].dtype).endswith("UTC]") and frame["duration"].min() > 0
    assert frame["traceback"][0].splitlines()[-1] == "second; [/bold]"
    assert "," not in hostile("trials", "job", "--csv", "--status", "stopped")[0].splitlines()[1:]
    assert hostile("trials", "job", "--csv", "--json", code=2)[1].count("give one of them") == 1


def test_one_training_job_in_full(hostile: Command) -> None:
    out, _ = hostile("trials", "JOB", "3")
    assert "Failed (number 3 of 5)" in out and "loss = no value" in out and "  extra = nan" in out
    assert "ran for 0:0" in out and "1 report\n      1  20" in out
    assert "traceback\n  Traceback (most recent call last):\n" in out and "attempts/1/log" in out
    name = out.split()[2]
    assert hostile("trials", "job", name.upper()) == (out, "")
    for words, message in (
        (["trials", "job", "9"], "tuning job 'job' has no training job '9'; there are numbers 1 to 5"),
        (["trials", "jbo"], "did you mean job? `hpt list` shows those there are"),
        (["describe", "jobb"], "did you mean job? `hpt list`"),
        (["delete", "jo", "--yes"], "did you mean job? `hpt list`"),
        (["describe", "quite-another"], "; `hpt list` shows those there are"),
    ):
        assert message in hostile(*words, code=2)[1]


def test_a_terminal_gets_the_same_without_markup(hostile: Command) -> None:
    for words in (["trials", "job"], ["trials", "job", "1"], ["trials", "job", "--csv"], ["list"]):
        leader, follower = prerequisites.terminal()
        process = hostile.start(*words, stdout=follower)
        os.close(follower)
        shown = b""
        while True:
            try:
                block = os.read(leader, 65536)
            except OSError:
                break
            if not block:
                break
            shown += block
        os.close(leader)
        assert process.wait(timeout=60) == 0
        assert b"\x1b[2J" not in shown
        assert words[0] == "list" or b"[/bold]" in shown
        if words == ["trials", "job"]:
            assert max(map(len, shown.decode().splitlines())) < 100  # of 80 columns, with colours


def test_a_thousand_rows_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"job-{i:04d}", "Completed", "x" * (5000 if i == 7 else 3), "end") for i in range(1000)]
    print_table(("NAME", "STATUS", "HYPERPARAMETERS", "NOTE"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1001 and "x" * 5000 in lines[8]
    assert {len(line) for i, line in enumerate(lines) if i not in (0, 8)} == {9 + 2 + 9 + 2 + 48 - 1 + 2 + 3}


@pytest.mark.slow
def test_after_ctrl_c_a_job_is_interrupted_and_says_how_to_go_on(hpt: Command) -> None:
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 60)))
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    running = hpt("describe", "job")[0]
    assert "job  InProgress" in running and "Interrupted" not in running + hpt("list")[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert hpt("list")[0].splitlines()[1].split()[:2] == ["job", "Interrupted"]
    described, _ = hpt("describe", "job")
    assert "tuning job  job  Interrupted\n" in described and "InProgress" not in described
    assert "no process runs it; go on with: hpt resume job" in described
    rows, note = hpt("trials", "job")
    assert "InProgress" not in rows and "no process runs this tuning job; go on with: hpt resume job" in note
    times = [row.split()[5] for row in rows.splitlines()[1:]]
    assert times == [row.split()[5] for row in hpt("trials", "job")[0].splitlines()[1:]]  # they stand still
    assert json.loads(hpt("list", "--json")[0])[0]["Interrupted"] is True
    assert hpt.describe("job")["Interrupted"] is True
    hpt("stop", "job", "--quiet")
    assert "Interrupted" not in hpt.describe("job")
    assert hpt("trials", "job")[1] == ""


def test_after_a_kill_too(hpt: Command) -> None:
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 60)))
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    process.kill()
    process.communicate()
    assert hpt("list")[0].splitlines()[1].split()[:2] == ["job", "Interrupted"]
    assert "no process runs it" in hpt("describe", "job")[0]
    hpt("stop", "job", "--quiet")


@pytest.mark.slow
def test_delete_asks_first_and_refuses_what_runs(hpt: Command) -> None:
    hpt("tune", str(hpt.job("one")), "--quiet")
    hpt("tune", str(hpt.job("two")), "--quiet")
    unasked = hpt.start("delete", "one", stdin=subprocess.DEVNULL)
    assert "nobody answered, and nothing was deleted; add --yes" in unasked.communicate(timeout=60)[1]
    assert unasked.returncode == 2
    assert "no tuning job named 'three'" in hpt("delete", "one", "three", "--yes", code=2)[1]
    for answer, code in (("n", 2), ("", 2), ("Y", 0)):
        leader, follower = prerequisites.terminal()
        process = hpt.start("delete", "One", stdin=follower)
        os.write(leader, f"{answer}\n".encode())
        _, err = process.communicate(timeout=60)
        os.close(leader)
        os.close(follower)
        assert process.returncode == code and "delete 1 tuning job with logs and models for good?" in err
        assert (hpt.state / "one").exists() == (code != 0)
    job = hpt.slow(hpt.job("three"), 20.0)
    hpt.runs.unlink()
    running = hpt.start("tune", str(job))
    wait_until(lambda: hpt.runs.exists())
    for words in (["delete", "three", "--yes"], ["delete", "three"]):
        refused = hpt(*words, code=2)[1]
        assert "is run by process" in refused and "hpt stop three" in refused and "[y/N]" not in refused
    running.kill()
    running.communicate()
    assert "still run" in hpt("delete", "three", "--yes", code=2)[1]  # its training programs do
    hpt("stop", "three", "--quiet")
    (hpt.state / "damaged").mkdir()
    (hpt.state / "damaged" / "job.sqlite").write_text("nonsense " * 1000)
    hpt("delete", "Damaged", "--yes")
    assert not (hpt.state / "damaged").exists()
    assert json.loads(hpt("delete", "TWO", "three", "two", "--yes", "--json")[0]) == {
        "Deleted": ["two", "three"]
    }
    assert "no tuning jobs" in hpt("list")[0]


def test_exit_codes_and_exceptions_agree_where_nothing_succeeded(hpt: Command) -> None:
    job = hpt.job()
    (hpt.root / "counted.py").write_text("print('done')")
    assert "reason      no training job succeeded" in hpt("tune", str(job), "--quiet", code=1)[0]
    (hpt.root / "counted.py").write_text("import time; time.sleep(60)")
    limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 1}
    request = json.loads(job.read_text())
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = limits
    job.write_text(json.dumps(request))
    out, _ = hpt("tune", str(job), "--quiet", "--name", "short", code=1)
    assert "short  Completed (MaxRuntimeInSeconds)" in out
    assert "reason      no training job has a usable objective" in out


def test_json_of_a_simulation_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cli.test_simulate import JOB

    (tmp_path / "job.json").write_text(json.dumps(JOB))
    (tmp_path / "curves.py").write_text(
        "def curve(h):\n    return [float('nan') if h['x'] > .5 else 1, float('inf'), -float('inf')]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    words = [sys.executable, "-m", "hpt.cli.main", "simulate", "job.json", "--curves", "curves.py", "--json"]
    done = subprocess.run([*words, "--name", "sim"], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    document = json.loads(done.stdout, parse_constant=refuse)
    assert document["TrainingJobs"][0]["Metrics"] in ({"loss": "-Infinity"}, {"loss": "NaN"})
    assert main(["list", "--json"]) == 0
