"""Workers run trial after trial, each as if it had the process to itself, and end with their job."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import hpt
from hpt.errors import JobExistsError
from hpt.job.config import HyperbandConfig

NUMBERS = hpt.SearchSpace([hpt.CategoricalParameter("n", [1, 2, 3, 4])])
SPACE = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Any, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def values(train: Any, space: hpt.SearchSpace = NUMBERS, **arguments: Any) -> list[Any]:
    result = hpt.tune(train, space, **{"strategy": "Grid", "seed": 1, **arguments})
    assert [t.failure_reason for t in result.trials] == [""] * len(result.trials)
    return [t.value for t in result.trials]


# -- one worker, many trials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("isolation", "processes"), [("worker", 1), ("trial", 4)])
def test_a_worker_runs_many_trials_unless_each_is_to_have_its_own(isolation: str, processes: int) -> None:
    assert len(set(values(lambda c, r: os.getpid(), isolation=isolation))) == processes


def test_two_trials_at_a_time_take_two_workers() -> None:
    def train(config: Any, report: Any) -> float:
        time.sleep(0.2)
        return float(os.getpid())

    assert len(set(values(train, max_parallel_jobs=2))) == 2


def test_what_a_function_keeps_in_memory_stays() -> None:
    kept: list[int] = []

    def train(config: Any, report: Any) -> float:
        kept.append(config["n"])
        return float(len(kept))

    assert values(train) == [1.0, 2.0, 3.0, 4.0]
    assert kept == []


def test_what_a_trial_changes_around_it_is_put_back(tmp_path: Path) -> None:
    def train(config: Any, report: Any) -> float:
        folder = Path.cwd()
        state = (
            "LEFT" not in os.environ and "PATH" in os.environ and os.environ["GIVEN"] == "yes",
            not any(folder.iterdir()) and folder.name == "code",
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL,
            signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0),
            "/left" not in sys.path,
            "left" not in sys.argv,
            sys.stdout is sys.__stdout__ and not sys.stdout.closed,
            os.umask(0o22) != 0o11,
            signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(),
            sys.getrecursionlimit() < 5000,
            os.read(0, 1) == b"",
            Path(os.environ["SM_MODEL_DIR"]).is_dir()
            and os.environ["SM_MODEL_DIR"].startswith(str(tmp_path)),
        )
        os.environ["LEFT"] = "1"
        os.environ["GIVEN"] = "no"
        del os.environ["PATH"]
        Path("left").touch()
        os.chdir("/")
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        signal.setitimer(signal.ITIMER_REAL, 600)
        sys.path.insert(0, "/left")
        sys.argv.append("left")
        sys.setrecursionlimit(9999)
        os.umask(0o11)
        os.close(0)
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        print(state, file=sys.stderr)
        return float(all(state))

    got = values(train, name="tidy", state=tmp_path, environment={"GIVEN": "yes"})
    logs = sorted(path.read_text() for path in tmp_path.glob("tidy/trials/*/attempts/1/log"))
    assert got == [1.0] * 4, logs


def test_a_thread_that_outlives_its_trial_reports_to_nobody() -> None:
    def train(config: Any, report: Any) -> float:
        def late() -> None:
            time.sleep(0.3)
            report(1000.0)

        if config["n"] == 1:
            threading.Thread(target=late, daemon=True).start()
        else:
            time.sleep(0.3)
        report(1.0)
        return 2.0

    result = hpt.tune(train, NUMBERS, strategy="Grid", seed=1)
    assert [[r.value for r in t.reports] for t in result.trials] == [[1.0]] * 4


def test_a_trial_ends_with_the_threads_that_a_process_waits_for() -> None:
    def train(config: Any, report: Any) -> None:
        def late() -> None:
            time.sleep(0.3)
            report(float(config["n"]))

        threading.Thread(target=late).start()
        report(0.0)

    result = hpt.tune(train, NUMBERS, strategy="Grid", seed=1)
    assert [[r.value for r in t.reports] for t in result.trials if t.config["n"] < 3] == [[0, 1], [0, 2]]


def test_a_leak_gets_a_fresh_worker() -> None:
    leaked: list[bytearray] = []

    def train(config: Any, report: Any) -> float:
        if config["n"] == 2:
            leaked.append(bytearray(os.urandom(1)) * (600 * 2**20))
        return float(len(leaked))

    assert values(train) == [0.0, 1.0, 0.0, 0.0]


def test_joblib_s_processes_end_with_a_trial_and_the_worker_goes_on() -> None:
    joblib = pytest.importorskip("joblib")

    def train(config: Any, report: Any) -> float:
        pids = joblib.Parallel(n_jobs=2)(joblib.delayed(os.getpid)() for _ in range(2))
        others = [pid for pid in seen if psutil.pid_exists(pid)]
        seen.extend(pids)
        report(float(len(others)))
        return float(os.getpid())

    seen: list[int] = []
    result = hpt.tune(train, NUMBERS, strategy="Grid", seed=1)
    assert [[r.value for r in t.reports] for t in result.trials] == [[0.0]] * 4
    assert len({t.value for t in result.trials}) == 1


def test_random_numbers_of_workers_differ() -> None:
    def train(config: Any, report: Any) -> float:
        time.sleep(0.1)
        return random.random()

    assert len(set(values(train, max_parallel_jobs=2))) == 4


# -- stops ---------------------------------------------------------------------------------------------------


def test_a_deadline_ends_a_trial_and_the_job_goes_on() -> None:
    def train(config: Any, report: Any) -> float:
        report(1.0)
        if config["n"] == 2:
            time.sleep(600)
        return 2.0

    result = hpt.tune(train, NUMBERS, strategy="Grid", seed=1, max_trial_seconds=3)
    assert [str(t.status) for t in result.trials] == ["Completed", "Stopped", "Completed", "Completed"]


@pytest.mark.parametrize("isolation", ["worker", "trial"])
def test_the_grace_of_the_environment_counts(isolation: str) -> None:
    def train(config: Any, report: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        report(1.0)
        time.sleep(600)

    began = time.monotonic()
    result = hpt.tune(
        train,
        SPACE,
        max_jobs=1,
        max_trial_seconds=1.0,
        environment={"HPT_GRACE_SECONDS": "0.5"},
        isolation=isolation,
    )
    assert str(result.trials[0].status) == "Stopped"
    assert time.monotonic() - began < 30


def test_rules_stop_functions_in_a_worker_that_goes_on(tmp_path: Path) -> None:
    def train(config: Any, report: Any) -> None:
        for epoch in range(27):
            report(config["x"] + 1 / (1 + epoch))
            time.sleep(0.03)
        with Path(os.environ["PIDS"]).open("a") as file:
            file.write(f"{os.getpid()}\n")

    result = hpt.tune(
        train,
        SPACE,
        strategy="Hyperband",
        hyperband=HyperbandConfig(27),
        objective="Minimize",
        max_jobs=10,
        seed=3,
        environment={"PIDS": str(tmp_path / "pids")},
    )
    assert any(str(t.status) == "Stopped" for t in result.trials)
    assert len(set((tmp_path / "pids").read_text().split())) == 1


# -- kills ---------------------------------------------------------------------------------------------------

SCRIPT = """
import os, time, hpt
def train(config, report):
    with open({runs!r}, "a") as runs:
        runs.write(f"{{config['x']!r}} {{os.getpid()}} {{os.getppid()}}\\n")
    for _ in range(4):
        report(config["x"])
        time.sleep(0.1)
    return config["x"]
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
result = hpt.tune(train, space, max_jobs=6, max_parallel_jobs={parallel}, strategy="Random", seed=3{where})
print(result.status, [(t.value, len(t.reports)) for t in result.trials])
"""


class Script:
    def __init__(self, tmp_path: Path, parallel: int, *, named: bool = True) -> None:
        self.path, self.runs = tmp_path / "script.py", tmp_path / "runs"
        where = f", name='job', state={str(tmp_path / 'state')!r}" if named else ""
        self.path.write_text(SCRIPT.format(runs=str(self.runs), parallel=parallel, where=where))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, str(self.path)], stdout=subprocess.PIPE, text=True)

    def finish(self) -> str:
        said, _ = self.start().communicate(timeout=60)
        return said

    def started(self) -> list[list[str]]:
        lines = self.runs.read_text().split("\n")[:-1] if self.runs.exists() else []
        return [line.split() for line in lines]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return Script(tmp_path_factory.mktemp("undisturbed"), 1).finish()


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_killed_tuner_goes_on_exactly(tmp_path: Path, undisturbed: str, parallel: int, after: int) -> None:
    script = Script(tmp_path, parallel)
    first = script.start()
    wait_until(lambda: len(script.started()) >= after)
    time.sleep(0.05 * after)
    first.kill()
    first.wait()
    assert script.finish() == undisturbed
    runs = [words[0] for words in script.started()]
    assert len(runs) == len(set(runs)) == 6, "a running trial goes on and is not called again"
    wait_until(lambda: not any(lives(int(pid)) for words in script.started() for pid in words[1:]), 10)


AT_A_BOUNDARY = """
import signal
from hpt.running.session import Session
left, take = {count}, Session.take
def boundary(passed):
    global left
    left -= passed == {boundary!r}
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Session.take = lambda self, name, **given: take(self, name, boundary=boundary, **given)
"""


@pytest.mark.parametrize(
    ("boundary", "count"),
    [
        ("after-commit", 3),
        ("after-submit", 2),
        *(
            pytest.param(boundary, count, marks=pytest.mark.faults)
            for boundary in ("before-commit", "after-commit", "before-submit", "after-submit", "mid-scan")
            for count in (1, 2, 4)
        ),
    ],
)
def test_a_tuner_killed_at_a_boundary_goes_on_exactly(
    tmp_path: Path, undisturbed: str, boundary: str, count: int
) -> None:
    script = Script(tmp_path, 1)
    code = script.path.read_text()
    kills = AT_A_BOUNDARY.format(boundary=boundary, count=count)
    script.path.write_text(code.replace("def train", f"{kills}\ndef train", 1))
    assert script.start().wait(60) == -signal.SIGKILL
    script.path.write_text(code)
    assert script.finish() == undisturbed
    runs = [words[0] for words in script.started()]
    assert len(runs) == len(set(runs)) == 6


@pytest.mark.parametrize("victim", [1, 2], ids=["worker", "supervisor"])
def test_a_killed_worker_or_supervisor(tmp_path: Path, undisturbed: str, victim: int) -> None:
    script = Script(tmp_path, 1)
    tuner = script.start()
    wait_until(lambda: len(script.started()) >= 2)
    os.kill(int(script.started()[1][victim]), signal.SIGKILL)
    said, _ = tuner.communicate(timeout=60)
    if victim == 2:  # lost, and run again
        assert "(None, " not in said and said.count("(") == 6
        assert len(script.started()) == 7
    else:
        assert said.startswith("Completed") and "(None, " in said and len(script.started()) == 6
    wait_until(lambda: not any(lives(int(pid)) for words in script.started() for pid in words[1:]), 10)


def test_a_killed_script_without_a_name_leaves_nothing_running(tmp_path: Path) -> None:
    script = Script(tmp_path, 2, named=False)
    tuner = script.start()
    wait_until(lambda: len(script.started()) >= 2)
    tuner.kill()
    tuner.wait()
    wait_until(lambda: not any(lives(int(pid)) for words in script.started() for pid in words[1:]), 20)
    assert len(script.started()) <= 3


# -- one name, two functions ---------------------------------------------------------------------------------

RACE = """
import sys, time, hpt
import hpt.running.session, hpt.running.runner, hpt.search.strategies
def one(config, report): time.sleep(0.1); return 1.0
def two(config, report): time.sleep(0.1); return 2.0
space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
which, at, state = sys.argv[1], float(sys.argv[2]), sys.argv[3]
function = {"one": one, "two": two}[which]
time.sleep(max(0, at - time.time()))
try:
    result = hpt.tune(function, space, max_jobs=3, seed=1, name="race", state=state)
except (hpt.JobExistsError, hpt.JobOwnedError) as error:
    print("refused")
else:
    print(which, [t.value for t in result.trials])
"""


@pytest.mark.parametrize("round", range(3))
def test_of_two_calls_at_one_instant_one_wins_with_its_own_function(tmp_path: Path, round: int) -> None:
    (tmp_path / "race.py").write_text(RACE)
    at = str(time.time() + 2)
    calls = [
        subprocess.Popen(
            [sys.executable, "race.py", which, at, str(tmp_path / "state")],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for which in ("one", "two")
    ]
    said = sorted(call.communicate(timeout=60)[0] for call in calls)
    assert said in (["one [1.0, 1.0, 1.0]\n", "refused\n"], ["refused\n", "two [2.0, 2.0, 2.0]\n"])


def first(config: Any, report: Any) -> float:
    return 1.0


def test_a_job_keeps_the_name_of_its_function_and_says_when_its_code_changed(tmp_path: Path) -> None:
    given: dict[str, Any] = {"max_jobs": 2, "seed": 1, "name": "kept", "state": tmp_path}
    begun = hpt.tune(first, SPACE, **given)
    stored = (tmp_path / "kept/function.pickle").read_bytes()
    with pytest.raises(JobExistsError, match="begun with the function 'first' and not 'lives'"):
        hpt.tune(lives, SPACE, **given)  # type: ignore[arg-type]
    assert (tmp_path / "kept/function.pickle").read_bytes() == stored

    def changed(config: Any, report: Any) -> float:
        return 2.0

    changed.__qualname__ = "first"
    with pytest.warns(UserWarning, match="the function 'first' has changed since tuning job 'kept' began"):
        assert hpt.tune(changed, SPACE, **given).trials == begun.trials


def test_a_copy_that_the_function_forked_has_no_part_in_the_trial() -> None:
    def train(config: Any, report: Any) -> float:
        if os.fork() == 0:
            if config["n"] == 2:
                raise ValueError("in the copy")
            return 1000.0
        os.wait()
        return float(config["n"])

    assert values(train) == [1.0, 2.0, 3.0, 4.0]


def test_a_function_finds_the_arguments_of_its_script(tmp_path: Path) -> None:
    code = (
        "import sys, hpt\nspace = hpt.SearchSpace([hpt.CategoricalParameter('n', [1, 2])])\n"
        "def train(config, report):\n    found = sys.argv[1:]\n    sys.argv.append('left')\n"
        "    return float(found == ['--fast', '3'])\n"
        "print([t.value for t in hpt.tune(train, space, strategy='Grid').trials])\n"
    )
    command = [sys.executable, "-c", code, "--fast", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[1.0, 1.0]\n"


def test_other_limits_of_a_process_get_a_fresh_worker() -> None:
    def train(config: Any, report: Any) -> float:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        if config["n"] == 2:
            os.nice(1)
        return float(nice)

    first, *others = values(train)
    assert others == [first] * 3
