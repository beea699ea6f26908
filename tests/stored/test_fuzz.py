"""Ten thousand damaged rows of events: each is read, or is the error of damaged or newer data."""

from __future__ import annotations

import json
import random
import resource
import time
from typing import Any

import pytest

from hpt.errors import StorageError
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.recorded import read_state
from hpt.job.view import JobView
from hpt.search import events as ev
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType, TrialStatus
from hpt.testing.storage import EVERY_EVENT

CONFIG = JobConfig(
    "job",
    "Random",
    TrainingJobDefinition(
        "train.py",
        SearchSpace(
            [
                ContinuousParameter("x", 0, 1),
                IntegerParameter("n", 1, 9),
                CategoricalParameter("c", ["a", "b"]),
            ]
        ),
        Objective("loss", ObjectiveType.MINIMIZE),
    ),
    ResourceLimits(4, 2),
    seed=1,
)
POINT = {"x": 0.5, "n": 3, "c": "a"}
LOG: tuple[ev.Event, ...] = (
    ev.ParentResult(1.0, "old", "old-1", 0.1, POINT, False, {"x": "0.5"}, TrialStatus.COMPLETED, 0.5),
    ev.TrialCreated(2.0, 1, POINT, "job-001-abc"),
    ev.AttemptCreated(2.0, 1, 1),
    ev.StatusChanged(3.0, 1, "Downloading"),
    ev.StatusChanged(3.5, 1, "Training"),
    ev.MetricLogged(4.0, 1, 1, "loss", 0.5, 100),
    ev.Reported(4.0, 1, 0.5, 1.0),
    ev.AttemptEnded(5.0, 1, 1, ev.AttemptOutcome.LOST, None, "gone"),
    ev.AttemptCreated(6.0, 1, 2),
    ev.StopDecided(7.0, 1, ev.StopReason.RULE),
    ev.TrialEnded(8.0, 1, TrialStatus.STOPPED, 0.5, "Stopped"),
    ev.TrialCreated(9.0, 2, POINT, "job-002-abc"),
    ev.AttemptCreated(9.0, 2, 1),
    ev.TrialEnded(10.0, 2, TrialStatus.FAILED, None, "Failed", "no"),
    ev.JobStopRequested(11.0, "StopRequested"),
    ev.JobEnded(12.0, "Stopped", "StopRequested"),
)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        1.5,
        -0.0,
        1e308,
        -1e308,
        float("inf"),
        float("nan"),
        2**53,
        2**63,
        10**400,
    ),
    *("", "x", "\x00", "\ud800", "NaN", "1", "Completed", "Training", "x" * 10_000),
    *([], {}, [1], [[]], {"x": 1}, {"x": None}, {"x": {"x": 1}}, {"": 1}),
)
TEXTS = (
    "[" * 5000,
    '{"a":' * 5000,
    "NaN",
    "1" * 5000,
    "1e999",
    '"',
    "\\",
    "}",
    "{",
    ",",
    "null",
    "\x00",
    "é",
)


def damaged_row(random: random.Random, kind: str, body: str) -> tuple[Any, Any]:
    """One row with one to three kinds of damage."""
    row: list[Any] = [kind, body]
    for _ in range(random.randint(1, 3)):
        if not isinstance(row[1], str):
            break
        match random.randrange(7):
            case 0:
                row[0] = random.choice([*ev._KINDS, "", "Teleported", None, 5, b"x", kind.lower()])
            case 1:
                row[1] = random.choice([None, 5, 1.5, b"\xff\x00", body.encode(), *TEXTS])
            case 2 | 3:
                try:
                    fields = json.loads(row[1])
                    name = random.choice([*fields, "time", "number", "v", "extra"])
                    if random.random() < 0.15:
                        fields.pop(name, None)
                    else:
                        fields[name] = random.choice(ODD)
                    row[1] = json.dumps(fields, separators=random.choice([(",", ":"), (", ", ": ")]))
                except (ValueError, AttributeError, TypeError, RecursionError):
                    pass
            case 4:
                at = random.randrange(len(row[1]) + 1)
                row[1] = row[1][:at]
            case _:
                at, end = sorted(random.randrange(len(row[1]) + 1) for _ in range(2))
                row[1] = row[1][:at] + random.choice(TEXTS) + row[1][min(end, at + random.randrange(4)) :]
    return row[0], row[1]


@pytest.mark.slow
def test_rows_of_events() -> None:
    random_ = random.Random(18)
    rows = [ev.to_json(event) for event in (*EVERY_EVENT, *LOG)]
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {"read": 0, "refused": 0}
    for _ in range(10_000):
        kind, body = damaged_row(random_, *random_.choice(rows))
        try:
            event = ev.from_json(kind, body)
        except StorageError as error:
            message = str(error)
            outcomes["refused"] += 1
            assert len(message) < 1000 and "\n" not in message
            with pytest.raises(StorageError):
                ev.check_json(kind, body)
            continue
        outcomes["read"] += 1
        ev.check_json(kind, body)
        assert repr(ev.from_json(*ev.to_json(event))) == repr(event)
    assert min(outcomes.values()) > 200
    assert time.process_time() - began < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


@pytest.mark.slow
def test_logs_with_damaged_rows() -> None:
    random_ = random.Random(19)
    rows = [ev.to_json(event) for event in LOG]
    began = time.process_time()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(10_000):
        log: list[tuple[Any, Any]] = list(rows)
        match random_.randrange(4):
            case 0:
                del log[random_.randrange(len(log))]
            case 1:
                log.insert(random_.randrange(len(log)), random_.choice(log))
            case 2:
                a, b = random_.randrange(len(log)), random_.randrange(len(log))
                log[a], log[b] = log[b], log[a]
            case _:
                at = random_.randrange(len(log))
                log[at] = damaged_row(random_, *log[at])
        try:
            state = read_state(CONFIG, 1.0, [ev.from_json(kind, body) for kind, body in log])
        except StorageError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        json.dumps(state.summary())
        view = JobView(CONFIG, state)
        assert len(view.trials) == state.launched
    assert min(outcomes.values()) > 500
    assert time.process_time() - began < 60
