from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.executors.base import AttemptKey, Submission, Update
from hpt.executors.curves import CurveTable, load_curves
from hpt.executors.simulated import Curve, Faults, SimulatedExecutor, VirtualClock
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType

SPACE = SearchSpace(
    [
        ContinuousParameter("lr", 0.001, 1, "Logarithmic"),
        IntegerParameter("depth", 1, 9),
        CategoricalParameter("kind", ["a", "b"]),
    ]
)
STRINGS = {"lr": "0.1", "depth": "3", "kind": "a", "_tuning_objective_metric": "m", "static": "1"}

KEY = AttemptKey("job-001", 1)


def submission(name: str = "job-001", **changes: object) -> Submission:
    definition = TrainingJobDefinition(
        "train.py", SPACE, Objective("m", ObjectiveType.MAXIMIZE), hyperparameters={"static": "1"}, **changes
    )  # type: ignore[arg-type]
    return Submission(name, 1, STRINGS, definition)


def make(curve: Curve, faults: Faults | None = None) -> tuple[SimulatedExecutor, VirtualClock]:
    clock = VirtualClock(100.0)
    return SimulatedExecutor(lambda config: curve, clock, faults=faults or Faults()), clock


def look(executor: SimulatedExecutor) -> Update:
    [update] = executor.poll()
    return update


def test_values_come_when_their_time_has_come() -> None:
    executor, clock = make(Curve([0.5, 0.25], [10.0, 5.0]))
    executor.submit(submission())
    update = look(executor)
    assert (update.phase, update.log.data, update.exit) == ("Training", b"", None)
    assert executor.poll() == []
    executor.sleep(1.0)
    assert clock() == 110.0
    update = look(executor)
    assert (update.key, update.phase) == (("job-001", 1), "Training")
    assert (update.log.data, update.log.times) == (b"simulated: 0.5\n", [(15, 110.0)])
    executor.sleep(1.0)
    update = look(executor)
    assert (update.log.start, update.log.data) == (15, b"simulated: 0.25\n")
    assert update.phase == "Ended" and update.exit is not None
    assert (update.exit.exit_code, update.exit.started, update.exit.ended) == (0, 100.0, 115.0)
    assert executor.poll() == []
    executor.sleep(7.0)  # nothing is to come: an ordinary pause
    assert clock() == 122.0
    executor.submit(submission())  # found again, and reported from the start
    again = look(executor)
    assert (again.log.data, again.exit) == (b"simulated: 0.5\nsimulated: 0.25\n", update.exit)


def test_submitting_twice_starts_once() -> None:
    executor, clock = make(Curve([1.0], 10.0))
    executor.submit(submission())
    clock.now += 5
    executor.submit(submission())
    clock.now += 5
    assert look(executor).phase == "Ended"
    executor.submit(replace(submission(), log_offset=4))
    update = look(executor)
    assert (update.phase, update.log.start, update.log.data) == ("Ended", 4, b"lated: 1.0\n")


def test_only_attempts_with_updates_are_reported_in_the_order_of_submission() -> None:
    clock = VirtualClock()
    seconds = {0.1: 10.0, 0.2: 20.0, 0.4: 10.0}
    executor = SimulatedExecutor(lambda config: Curve([1.0] * 3, seconds[config["lr"]]), clock)
    for number, lr in enumerate((0.4, 0.2, 0.1)):
        executor.submit(replace(submission(f"job-{number}"), hyperparameters={**STRINGS, "lr": repr(lr)}))
    assert [update.key.name for update in executor.poll()] == ["job-0", "job-1", "job-2"]
    reported = []
    for _ in range(4):
        executor.sleep(1.0)
        reported.append((clock(), [update.key.name for update in executor.poll()]))
    everybody = ["job-0", "job-1", "job-2"]
    assert reported == [
        (10.0, ["job-0", "job-2"]),
        (20.0, everybody),
        (30.0, ["job-0", "job-2"]),
        (40.0, ["job-1"]),
    ]


def test_a_stop_is_followed_by_what_is_printed_until_it_is_over() -> None:
    executor, clock = make(Curve([1.0, 2.0, 3.0, 4.0], 10.0), Faults(shutdown=12.0))
    executor.submit(submission(grace_seconds=60.0))
    clock.now = 110.0
    log = look(executor).log.data
    executor.stop(KEY)
    executor.stop(KEY)
    executor.sleep(1.0)
    assert clock() == 120.0
    log += look(executor).log.data
    executor.sleep(1.0)
    assert clock() == 122.0
    update = look(executor)
    assert (log + update.log.data).count(b"\n") == 2
    assert update.exit is not None and update.exit.stopped and update.exit.ended == 122.0
    executor.stop(KEY)  # too late, and harmless
    executor.sleep(3.0)  # what it would have printed later does not stop the clock
    assert clock() == 125.0


def test_a_stop_at_once_and_one_whose_grace_is_shorter() -> None:
    executor, clock = make(Curve([1.0] * 9, 10.0), Faults(shutdown=12.0))
    executor.submit(submission("hurried"))
    executor.submit(submission("short", grace_seconds=3.0))
    executor.stop(AttemptKey("hurried", 1), now=True)
    executor.stop(AttemptKey("short", 1))
    hurried, short = executor.poll()
    assert hurried.phase == "Ended"
    assert short.exit is None
    clock.now += 3.0
    assert look(executor).phase == "Ended"


def test_what_has_happened_is_waited_for_once() -> None:
    executor, clock = make(Curve([1.0, 2.0], 10.0))
    executor.submit(submission())
    clock.now += 10.0
    executor.sleep(1.0)
    assert clock() == 110.0  # the first value is still to be seen
    executor.sleep(1.0)
    assert clock() == 120.0  # nobody looks: time goes on all the same
    assert look(executor).log.data.count(b"\n") == 2


def test_programs_with_checkpoints_go_on_where_they_were() -> None:
    for uri, checkpoint, rest in (("/tmp/c", 30, [3.0, 4.0]), (None, None, [1.0, 2.0, 3.0, 4.0])):
        executor, clock = make(Curve([1.0, 2.0, 3.0, 4.0], 10.0))
        first = submission(checkpoint_uri=uri)
        executor.submit(first)
        clock.now += 25.0
        executor.stop(first.key)
        update = look(executor)
        assert update.exit is not None and update.exit.checkpoint == checkpoint
        executor.submit(replace(first, attempt=2))
        clock.now += 100.0
        update = look(executor)
        assert update.log.data == b"".join(b"simulated: %r\n" % value for value in rest)
        assert update.exit is not None and update.exit.exit_code == 0


def test_alarms_are_not_slept_through() -> None:
    clock = VirtualClock()
    executor = SimulatedExecutor(lambda config: Curve([1.0], 100.0), clock, alarms=(30.0, 20.0))
    executor.submit(submission())
    times = []
    for _ in range(3):
        executor.sleep(1.0)
        times.append(clock())
    assert times == [20.0, 30.0, 100.0]


@pytest.mark.parametrize(
    ("faults", "outcome", "code"),
    [(Faults(losses=1.0), "Lost", None), (Faults(failures=1.0), "Exited", 1)],
)
def test_what_goes_wrong(faults: Faults, outcome: str, code: int | None) -> None:
    executor, clock = make(Curve([1.0] * 10, 10.0), faults)
    for i in range(20):
        executor.submit(submission(f"job-{i:03d}"))
    clock.now = 1000.0
    exits = [update.exit for update in executor.poll()]
    assert {(end.outcome, end.exit_code) for end in exits if end is not None} == {(outcome, code)}
    assert len({end.ended for end in exits if end is not None}) == 20


def test_stragglers_are_slower() -> None:
    executor, clock = make(Curve([1.0], 10.0), Faults(stragglers=1.0, slowdown=4.0))
    executor.submit(submission())
    executor.sleep(0.0)
    assert clock() == 140.0


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: Curve([1.0], [1.0, 2.0]), "1 values and 2 durations"),
        (lambda: Curve([1.0], -1.0), "a duration of -1.0"),
        (lambda: Faults(failures=1.5), "failures 1.5 is not a share from 0 to 1"),
        (lambda: Faults(slowdown=0.5), "slowdown 0.5 is not a number of 1 or more"),
        (lambda: CurveTable(SPACE, []), "the table of curves is empty"),
    ],
)
def test_bad_descriptions(make_it, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_it()


CONFIG = {"lr": 0.01, "depth": 2, "kind": "a"}


def test_a_table_answers_with_the_nearest_curve() -> None:
    other = {**CONFIG, "kind": "b"}
    table = CurveTable(SPACE, [(CONFIG, Curve([1.0])), (other, Curve([2.0]))])
    assert table(CONFIG).values == [1.0]
    assert table({"lr": 1.0, "depth": 2, "kind": "b"}).values == [2.0]  # a category is further than any scale
    assert table({"lr": 0.02, "depth": 3, "kind": "a"}).values == [1.0]


def test_files(tmp_path: Path) -> None:
    entries = [{"hyperparameters": {**CONFIG, "epochs": 2}, "values": [0.5, 0.75], "seconds": [1, 2.5]}]
    (tmp_path / "c.json").write_text(json.dumps(entries))
    (tmp_path / "c.csv").write_text(
        "kind,lr,depth,step,value,seconds\na,0.01,2,2,0.75,2.5\na,0.01,2,1,0.5,1\nb,1,9,1,nan,\n"
    )
    (tmp_path / "c.py").write_text(
        "import numpy as np\n"
        "def curve(h):\n    assert h == {'lr': 0.01, 'depth': 2, 'kind': 'a'}\n"
        "    return np.array([0.5, 0.75]), (1, 2.5)\n"
    )
    for name in ("c.json", "c.csv", "c.py"):
        curve = load_curves(tmp_path / name, SPACE)(CONFIG)
        assert (list(curve.values), list(curve.durations)) == ([0.5, 0.75], [1.0, 2.5]), name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.txt", "", "is no file of curves; use one that ends in .json, .csv, .py"),
        ("c.json", "[", "is not JSON"),
        ("c.json", "{}", "holds no list"),
        ("c.json", "[]", "table of curves is empty"),
        ("c.json", "[1]", "curve 1 has no hyperparameters"),
        ("c.json", '[{"hyperparameters": {"lr": 2}, "values": []}]', "curve 1: "),
        (
            "c.json",
            json.dumps([{"hyperparameters": CONFIG, "values": "0.5"}]),
            "curve 1: there is no list of values; give values and seconds as numbers",
        ),
        ("c.csv", "lr,depth,step\n", "has no column kind, value"),
        (
            "c.csv",
            "lr,depth,kind,step,value\n0.1,1,a,1,x\n",
            "line 2: could not convert string to float: 'x'",
        ),
        ("c.py", "1/0", "fails with ZeroDivisionError"),
        ("c.py", "def curves(h): pass", "defines no function curve"),
        ("c.py", "def curve(h): return h['nope']", "fails with KeyError"),
        ("c.py", "def curve(h): return 3", "there is no list of values"),
        ("gone.csv", None, "cannot be read: No such file"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_curves(path, SPACE)(CONFIG)
