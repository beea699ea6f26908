"""The command, run as a user runs it: in processes of its own, on real training programs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpt.cli.main import parser
from tests import prerequisites

COUNTED = Path(__file__).parent.parent / "programs" / "counted.py"


def _heed_interrupts() -> None:
    """As in a terminal: what a shell runs in the background ignores Ctrl-C, with all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Command:
    """`hpt` with a state directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.state, self.runs = root, root / "state", root / "runs"

    def start(self, *words: str, **options: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "HPT_HOME": str(self.state)}
        command = [sys.executable, "-m", "hpt.cli.main", *words]
        pipes = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "preexec_fn": _heed_interrupts,
            **options,
        }
        return subprocess.Popen(command, env=environment, text=True, cwd=self.root, **pipes)  # type: ignore[call-overload, no-any-return]

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=90)
        assert process.returncode == code, (process.returncode, out, err)
        assert "Traceback" not in err
        return out, err

    def job(self, name: str = "job", **changes: object) -> Path:
        """A job file beside its program; `changes` replace members of the tuning job's configuration."""
        request = {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
                "RandomSeed": 11,
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
                    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}],
                    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
                },
                **changes,
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": "counted.py",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
                },
                "StaticHyperParameters": {"pause": "0.02"},
                "Environment": {"RUNS": str(self.runs)},
            },
        }
        (self.root / "counted.py").write_text(COUNTED.read_text())
        path = self.root / f"{name}.json"
        path.write_text(json.dumps(request))
        return path

    def slow(self, path: Path, pause: float) -> Path:
        request = json.loads(path.read_text())
        request["TrainingJobDefinition"]["StaticHyperParameters"]["pause"] = str(pause)
        path.write_text(json.dumps(request))
        return path

    def describe(self, name: str) -> dict[str, object]:
        return json.loads(self("describe", name, "--json")[0])  # type: ignore[no-any-return]


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_from_file_to_best_model(hpt: Command) -> None:
    out, err = hpt("tune", str(hpt.job()))
    assert "tuning job  job  Completed (MaxNumberOfTrainingJobs)" in out
    assert "best        job-00" in out and "x = 0." in out and "model" in out
    assert err.count("started") == 4 and "(best so far)" in err
    assert "\x1b" not in err + out  # plain when piped
    listing, _ = hpt("list")
    assert listing.splitlines()[1].split()[:3] == ["job", "Completed", "4"]
    rows, _ = hpt("trials", "JOB")
    values = [float(row.split()[2]) for row in rows.splitlines()[1:]]
    assert values == sorted(values) and len(values) == 4
    described = hpt.describe("job")
    assert described["TrainingJobStatusCounters"]["Completed"] == 4  # type: ignore[index]
    best = described["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(values[0], rel=1e-5)  # type: ignore[index]


def test_json_goes_to_stdout_alone(hpt: Command) -> None:
    out, err = hpt("tune", str(hpt.job()), "--json")
    assert json.loads(out)["HyperParameterTuningJobStatus"] == "Completed"
    assert "started" in err
    assert len(json.loads(hpt("trials", "job", "--json")[0])) == 4
    assert json.loads(hpt("list", "--json")[0])[0]["HyperParameterTuningJobName"] == "job"


def test_a_taken_name_and_again(hpt: Command) -> None:
    path = str(hpt.job())
    hpt("tune", path, "--quiet")
    _, err = hpt("tune", path, code=2)
    assert "--name" in err and "--again" in err
    assert "resume" not in err  # it has ended
    out, _ = hpt("tune", path, "--again", "--quiet")
    assert "tuning job  job-2  Completed" in out
    hpt("tune", path, "--name", "other", "--quiet")
    assert len(hpt("list")[0].splitlines()) == 4


def test_again_goes_on_with_an_unfinished_job_only_if_the_file_is_the_same(hpt: Command) -> None:
    path = hpt.slow(hpt.job(RandomSeed=11), 0.5)
    process = hpt.start("tune", str(path))
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    original = path.read_text()
    request = json.loads(original)
    tuning = request["HyperParameterTuningJobConfig"]
    tuning["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 5
    tuning["ParameterRanges"]["ContinuousParameterRanges"][0]["MaxValue"] = "2"
    del tuning["RandomSeed"]  # left open, it agrees with any
    path.write_text(json.dumps(request))
    _, err = hpt("tune", str(path), "--again", code=2)
    tuning_path = "HyperParameterTuningJobConfig"
    assert err == (
        "hpt: tuning job 'job' is unfinished and has another description: "
        f"{tuning_path}.ParameterRanges.ContinuousParameterRanges[0].MaxValue is '1.0' there and '2.0' here; "
        f"{tuning_path}.ResourceLimits.MaxNumberOfTrainingJobs is 4 there and 5 here. "
        "Go on with it unchanged by `hpt resume job`, end it by `hpt stop job`, or choose another name with "
        "--name\n"
    )
    assert hpt.describe("job")["HyperParameterTuningJobStatus"] == "InProgress"
    path.write_text(original)
    out, err = hpt("tune", str(path), "--again")
    assert "attempt 2" in err and "tuning job  job  Completed" in out


def test_interrupted_and_resumed(hpt: Command) -> None:
    """Ctrl-C puts trials down; a resume goes on with the same numbers and configurations."""
    path = hpt.slow(hpt.job(), 0.5)
    process = hpt.start("tune", str(path))
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "hpt resume job" in err
    described = hpt.describe("job")
    assert described["HyperParameterTuningJobStatus"] == "InProgress" and "OwnerPid" not in described
    waiting = json.loads(hpt("trials", "job", "--status", "interrupted", "--json")[0])
    assert [trial["SecondaryStatus"] for trial in waiting] == ["Interrupted"] * 2
    before = {
        t["TrainingJobName"]: t["TunedHyperParameters"] for t in json.loads(hpt("trials", "job", "--json")[0])
    }
    out, err = hpt("resume", "job")
    assert "attempt 2" in err and "Completed" in out
    after = {
        t["TrainingJobName"]: t["TunedHyperParameters"] for t in json.loads(hpt("trials", "job", "--json")[0])
    }
    assert len(after) == 4 and before.items() <= after.items()


def test_trials_of_a_status_by_every_word_that_is_shown(hpt: Command) -> None:
    path = hpt.job()
    (hpt.root / "counted.py").write_text(
        "import os, sys\nn = int(os.environ['TRAINING_JOB_NAME'].split('-')[1])\n"
        "print(f'loss={n};')\nsys.exit(n % 2)\n"
    )
    hpt("tune", str(path), "--quiet")
    for word, count in (
        *(("NonRetryableError", 2), ("failed", 2), ("COMPLETED", 2)),
        *(("Interrupted", 0), ("RetryableError", 0), ("MaxRuntimeExceeded", 0), ("InProgress", 0)),
    ):
        assert len(json.loads(hpt("trials", "job", "--status", word, "--json")[0])) == count
    _, err = hpt("trials", "job", "--status", "Broken", code=2)
    assert "'Broken' is not known; use one of Completed, " in err and "MaxRuntimeExceeded" in err


def test_two_interrupts_end_at_once(hpt: Command) -> None:
    path = hpt.job()
    (hpt.root / "counted.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(os.environ['RUNS'], 'a').write('run\\n')\ntime.sleep(100)\n"
    )
    told = hpt.root / "told"
    with told.open("w") as file:
        process = hpt.start("tune", str(path), stderr=file)
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C again" in told.read_text())
    with pytest.raises(subprocess.TimeoutExpired):  # the grace period of 120 s is running
        process.wait(timeout=0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)
    assert process.returncode == 130
    assert told.read_text().count("Ctrl-C again") == 1


@pytest.mark.slow
def test_a_living_owner_is_named(hpt: Command) -> None:
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 6.0)))
    wait_until(lambda: hpt.runs.exists())
    _, err = hpt("resume", "job", code=2)
    assert str(process.pid) in err
    process.kill()
    process.communicate()
    out, _ = hpt("resume", "job")
    assert "Completed" in out
    assert len(set(hpt.runs.read_text().split())) == len(hpt.runs.read_text().split()) == 4
    _, err = hpt("resume", "job", code=2)
    assert "nothing to resume" in err


def test_a_job_that_has_ended_goes_on_with_a_larger_budget(hpt: Command) -> None:
    hpt("tune", str(hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1})))
    _, err = hpt("extend", "job", "--max-jobs", "2", code=2)
    assert "max_jobs 2 leaves nothing to run: the job has launched 2 training jobs; give more" in err
    out, err = hpt("extend", "JOB", "--max-jobs", "5", "--max-parallel", "2")
    assert "5 training jobs, 2 at a time" in err
    assert "Completed (MaxNumberOfTrainingJobs)" in out
    assert "extended    from 2 to 5 training jobs, from 1 to 2 at a time at 2" in out
    described = hpt.describe("job")
    [extension] = described["Extensions"]  # type: ignore[misc]
    assert extension["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2}
    assert described["TrainingJobStatusCounters"]["Completed"] == 5  # type: ignore[index]
    assert len(set(hpt.runs.read_text().split())) == 5


def test_a_metric_that_never_matches_names_the_log_and_the_command_that_looks_into_it(hpt: Command) -> None:
    path = hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1})
    path.write_text(path.read_text().replace("loss=(.*?);", "'loss' = (.*?);"))
    out, _ = hpt("tune", str(path), "--quiet", code=1)
    assert f"directory   {hpt.state / 'job' / 'trials'}\n" in out
    [trial] = json.loads(hpt("trials", "job", "--json")[0])
    words, command = trial["FailureReason"].split("; try: hpt ")
    assert words == "printed no value of the objective metric 'loss'"
    log = hpt.state / "job" / "trials" / trial["TrainingJobName"] / "attempts" / "1" / "log"
    assert str(log) in command and command in out
    out, _ = hpt(*shlex.split(command), code=1)
    assert "values    none" in out and "'loss' = (.*?);" in out


@pytest.mark.parametrize("owner", ["living", "dead"])
def test_stop_is_final(hpt: Command, owner: str) -> None:
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 3.0)))
    wait_until(lambda: hpt.runs.exists() and len(hpt.runs.read_text().split()) == 2)
    if owner == "dead":
        process.kill()
    out, _ = hpt("stop", "job")
    assert "Stopped" in out
    process.communicate(timeout=30)
    assert process.returncode == (3 if owner == "living" else -signal.SIGKILL)
    assert hpt.describe("job")["TrainingJobStatusCounters"]["Stopped"] == 2  # type: ignore[index]
    hpt("stop", "job", code=2)
    hpt("resume", "job", code=2)


def test_check_starts_nothing(hpt: Command) -> None:
    out, _ = hpt("tune", str(hpt.job()), "--check")
    assert "is a valid tuning job" in out and "depth" in out
    assert not hpt.state.exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("print('hello')", "no value of the objective metric 'loss'"),
        ("print('loss=nan;')", "nan"),
    ],
)
def test_failing_programs_end_the_job_with_a_reason(hpt: Command, program: str, reason: str) -> None:
    path = hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2})
    (hpt.root / "counted.py").write_text(program)
    out, _ = hpt("tune", str(path), "--quiet", code=1)
    assert "Failed (NoTrainingJobSucceeded)" in out and reason in out
    assert 5 <= hpt.describe("job")["ObjectiveStatusCounters"]["Failed"] <= 6  # type: ignore[index]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tune", "nowhere.json"], "nowhere.json"),
        (["describe", "nothing"], "nothing"),
        (["trials", "nothing"], "nothing"),
        (["resume", "nothing"], "nothing"),
        (["stop", "nothing"], "nothing"),
        (["tune", "job.json", "--max-jobs", "3"], "usage: hpt tune"),
        (
            ["tune", "job.json", "--kep-static", "x"],
            "unknown arguments: --kep-static x; did you mean --keep-static?",
        ),
        (["list", "job"], "unknown arguments: job"),
        (["tun", "job.json"], "'tune'"),
    ],
)
def test_bad_words_are_answered_in_one_message(hpt: Command, words: list[str], expected: str) -> None:
    out, err = hpt(*words, code=2)
    assert expected in err and out == ""


def test_a_bad_job_file_names_every_shape_error_and_stores_nothing(hpt: Command) -> None:
    path = hpt.job()
    request = json.loads(path.read_text())
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Psychic"
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"] = 0
    request["Surprise"] = 1
    path.write_text(json.dumps(request))
    _, err = hpt("tune", str(path), code=2)
    for words in ("Psychic", "axParallelTrainingJobs", "Surprise"):
        assert words in err
    assert hpt("list")[0].startswith("no tuning jobs")


def test_live_progress_on_a_terminal(hpt: Command) -> None:
    leader, follower = prerequisites.terminal()
    process = hpt.start("tune", str(hpt.slow(hpt.job(), 0.3)), stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"\x1b[" in shown and b"best" in shown and b"running" in shown
    assert "Completed" in out


def test_help_teaches(hpt: Command, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = hpt("--help")
    assert "exit codes" in out and "Ctrl-C" in out
    for command in ("tune", "resume", "extend", "list", "describe", "trials", "stop"):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([command, "--help"])
        assert ended.value.code == 0
        assert "--json" in capsys.readouterr().out


def test_looking_makes_no_state_directory(hpt: Command) -> None:
    out, _ = hpt("list")
    assert f"no tuning jobs in {hpt.state}, which does not exist yet; start one" in out
    for word in ("describe", "trials", "stop", "resume"):
        hpt(word, "nothing", code=2)
    assert not hpt.state.exists()
    _, err = hpt("list", "--state", "", code=2)
    assert "state directory" in err
    _, err = hpt("list", "--state", str(hpt.job()), code=2)
    assert "is a file" in err
    hpt.job().rename(hpt.root / "broken.json")
    (hpt.root / "broken.json").write_text("{}")
    hpt("tune", "broken.json", code=2)
    assert not hpt.state.exists()


def test_an_unreadable_job_is_listed_as_such(hpt: Command) -> None:
    hpt("tune", str(hpt.job()), "--quiet")
    (hpt.state / "job" / "job.sqlite").write_bytes(b"this is not a database, but it is long enough\n" * 100)
    out, _ = hpt("list")
    assert "unreadable" in out and "InProgress" not in out
    [listed] = json.loads(hpt("list", "--json")[0])
    assert listed["HyperParameterTuningJobName"] == "job" and listed["Problem"]


def test_check_says_the_ranges_in_words(hpt: Command) -> None:
    out, _ = hpt("tune", str(hpt.job()), "--check")
    assert "x: 0.0 to 1.0, Auto" in out
    assert "depth: integers 1 to 9, Auto" in out
    assert "kind: one of a, b" in out
    assert not hpt.state.exists()


def test_check_says_what_stops_ends_and_limits_the_job(hpt: Command) -> None:
    path = hpt.job(
        TrainingJobEarlyStoppingType="Auto",
        ResourceLimits={
            "MaxNumberOfTrainingJobs": 30,
            "MaxParallelTrainingJobs": 2,
            "MaxRuntimeInSeconds": 3600,
        },
        TuningJobCompletionCriteria={
            "TargetObjectiveMetricValue": 0.25,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 7},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        },
    )
    request = json.loads(path.read_text())
    definition = request["TrainingJobDefinition"]
    definition["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": str(hpt.root)}}}
    ]
    definition["StoppingCondition"] = {"MaxRuntimeInSeconds": 600}
    definition["RetryStrategy"] = {"MaximumRetryAttempts": 3}
    path.write_text(json.dumps(request))
    out, _ = hpt("tune", str(path), "--check")
    for line in (
        "strategy    Random, 30 jobs, 2 at a time, seed 11",
        "stops early jobs worse than the median, once 10 have ended",
        "ends        after 1:00:00",
        "ends        at an objective of at most 0.25",
        "ends        when 7 jobs in a row do not improve the best",
        "ends        when the search has converged",
        "metric      loss: loss=(.*?);",
        f"channel     train: {hpt.root}",
        "static      pause: 0.02",
        "each job    runs for 10:00 at most, again up to 3 times if its machine is lost",
    ):
        assert f"  {line}\n" in out


def test_check_says_what_hyperband_and_autotune_chose(hpt: Command) -> None:
    path = hpt.job(Strategy="Hyperband", ResourceLimits={"MaxParallelTrainingJobs": 2})
    request = json.loads(path.read_text())
    request["TrainingJobDefinition"]["StaticHyperParameters"]["epochs"] = "9"
    path.write_text(json.dumps(request))
    out, _ = hpt("tune", str(path), "--check", "--autotune")
    assert (
        "hyperband   configurations proposed by a model of configuration and epoch; 1 to 9 reports a job"
        in out
    )
    assert "autotune    what the file leaves out is chosen" in out
    assert "40 jobs" in out and "tunes       pause: 0.002 to 0.2" in out
    assert "ends        when the search has converged" in out
    assert "static      epochs: 9" in out
