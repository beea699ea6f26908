"""The growing record and the immutable views of it."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest

from hpt.search.history_log import HistoryLog
from hpt.search.space import CategoricalParameter, ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveStatus, ObjectiveType, Report, Trial, TrialStatus

SPACE = SearchSpace([ContinuousParameter("x", 0, 1), CategoricalParameter("c", ["a", "b"])])


def config(x: float, c: str = "a") -> dict:
    return {"x": x, "c": c}


def new_log(objective: ObjectiveType = ObjectiveType.MINIMIZE) -> HistoryLog:
    return HistoryLog(SPACE, objective)


def test_observations_of_related_searches_are_apart() -> None:
    log = new_log(ObjectiveType.MAXIMIZE)
    log.add(config(0.5), 1.0)
    log.add(config(0.25), 2.0, source="old")
    before = log.snapshot()
    log.add(config(0.75, "b"), 3.0, source="old")
    log.add(config(0.0), 4.0, source="older")
    after = log.snapshot()
    assert (before.y.tolist(), before.distinct, before.added_count) == ([-1.0], 1, 1)
    assert before.related["old"].y.tolist() == [-2.0] and list(before.related) == ["old"]
    assert {name: found.y.tolist() for name, found in after.related.items()} == {
        "old": [-2.0, -3.0],
        "older": [-4.0],
    }
    assert after.related["old"].X.tolist() == [[0.25, 0.0], [0.75, 1.0]]
    assert not after.contains(config(0.25))


def frozen(history) -> dict:
    """Everything a history says, copied."""
    return {
        "trials": [(t.number, t.config, t.status, t.value, tuple(t.reports), t.definition) for t in history],
        "X": history.X.tolist(),
        "y": history.y.tolist(),
        "pending": history.pending.tolist(),
        "failed": history.failed.tolist(),
        "distinct": history.distinct,
        "last": history.last_number,
        "running": [trial.number for trial in history.running],
        "ended": [trial.number for trial in history.ended],
    }


def test_an_empty_history():
    history = new_log().snapshot()
    assert (history.X.shape, history.y.shape) == ((0, 2), (0,))
    assert (history.pending.shape, history.failed.shape) == ((0, 2), (0, 2))
    assert (len(history), history.distinct, history.last_number) == (0, 0, 0)
    assert list(history) == []
    assert not history.contains(config(0.5))


def test_observations_are_in_completion_order_and_pending_in_trial_order():
    log = new_log()
    for number in (1, 2, 3, 4, 5):
        log.create(number, config(number / 10))
    log.end(3, TrialStatus.COMPLETED, 30.0)
    log.end(5, TrialStatus.FAILED, None)
    log.end(1, TrialStatus.STOPPED, 10.0)
    history = log.snapshot()
    assert history.X.tolist() == [[0.3, 0], [0.1, 0]]
    assert history.y.tolist() == [30.0, 10.0]
    assert history.pending.tolist() == [[0.2, 0], [0.4, 0]]
    assert history.failed.tolist() == [[0.5, 0]]
    assert [trial.number for trial in history] == [3, 5, 1, 2, 4]
    assert [trial.number for trial in history.ended] == [3, 5, 1]
    assert [trial.number for trial in history.running] == [2, 4]
    assert history.last_number == 5


def test_the_objective_is_always_minimised():
    log = new_log(ObjectiveType.MAXIMIZE)
    log.add(config(0.1), 5.0)
    log.create(1, config(0.2))
    log.end(1, TrialStatus.COMPLETED, -7.0)
    history = log.snapshot()
    assert history.y.tolist() == [-5.0, 7.0]
    assert history.trial(1).value == -7.0  # in the user's own sign


@pytest.mark.parametrize(
    ("status", "value"),
    [
        (TrialStatus.FAILED, None),
        (TrialStatus.FAILED, 0.5),
        (TrialStatus.COMPLETED, None),
        (TrialStatus.COMPLETED, float("nan")),
        (TrialStatus.STOPPED, float("inf")),
    ],
)
def test_trials_without_a_usable_objective_are_known_as_failed(status, value):
    log = new_log()
    log.create(1, config(0.25, "b"))
    log.end(1, status, value)
    history = log.snapshot()
    assert (len(history.y), history.failed.tolist(), len(history.pending)) == (0, [[0.25, 1.0]], 0)
    assert history[0].value is None
    assert history[0].status is status
    assert history[0].objective_status is ObjectiveStatus.FAILED
    assert history.contains(config(0.25, "b"))


def test_added_observations_take_no_number():
    log = new_log()
    log.add(config(0.5), 1.0)
    history = log.snapshot()
    assert (len(history), history.last_number, history.distinct) == (0, 0, 1)
    assert history.X.tolist() == [[0.5, 0]]
    assert history.contains(config(0.5))


def test_views_stay_true_while_the_log_grows():
    """Random histories: every view taken on the way says at the end what it said at first."""
    rng = np.random.default_rng(7)
    log = new_log(ObjectiveType.MAXIMIZE)
    views = [(log.snapshot(), frozen(log.snapshot()))]
    running: list[int] = []
    for number in range(1, 120):
        log.create(number, config(float(rng.random()), str(rng.choice(["a", "b"]))))
        running.append(number)
        for _ in range(rng.integers(3)):
            some = int(rng.choice(running))
            log.report(some, Report(len(log.reports[some]) + 1.0, float(rng.random())))
        if rng.random() < 0.1:
            log.mark_stopping(running[0])
        if rng.random() < 0.2:
            log.add(config(float(rng.random())), float(rng.random()))
        while running and rng.random() < 0.45:
            ended = running.pop(int(rng.integers(len(running))))
            status = TrialStatus.FAILED if rng.random() < 0.3 else TrialStatus.COMPLETED
            log.end(ended, status, float(rng.random()))
        views.append((log.snapshot(), frozen(log.snapshot())))
    for view, said in views:
        assert frozen(view) == said
        assert [view[i].number for i in range(len(view))] == [entry[0] for entry in said["trials"]]
    counts = [(len(view.y), len(view.failed), len(view.pending)) for view, _ in views]
    assert max(n for n, _, _ in counts) > 32, "the matrices must have grown for this test to mean anything"
    for view, _ in views:
        numbers = {trial.number for trial in view}
        assert numbers == set(range(1, view.last_number + 1))
        assert all(view.trial(number).number == number for number in numbers)


def test_a_view_does_not_know_what_came_later():
    log = new_log()
    log.create(1, config(0.1))
    before = log.snapshot()
    log.create(2, config(0.2))
    log.report(1, Report(1.0, 0.5))
    log.end(1, TrialStatus.COMPLETED, 0.5)
    assert before.trial(1).status is TrialStatus.IN_PROGRESS
    assert list(before.trial(1).reports) == []
    assert not before.contains(config(0.2))
    assert not before.contains_key(SPACE.key(config(0.2)))
    for number in (2, 3):
        with pytest.raises(KeyError):
            before.trial(number)
    log.end(2, TrialStatus.COMPLETED, 0.5)
    with pytest.raises(KeyError):
        before.trial(2)


def test_arrays_cannot_be_written():
    log = new_log()
    log.add(config(0.5), 1.0)
    log.create(1, config(0.1))
    log.end(1, TrialStatus.FAILED, None)
    history = log.snapshot()
    for array in (history.X, history.y, history.failed):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3.0


def test_reports_are_a_sequence_of_their_moment():
    log = new_log()
    log.create(1, config(0.1))
    log.report(1, Report(1.0, 0.5))
    log.report(1, Report(2.0, 0.4))
    reports = log.snapshot().trial(1).reports
    log.report(1, Report(3.0, 0.3))
    assert reports == (Report(1.0, 0.5), Report(2.0, 0.4))
    assert (len(reports), reports[-1], reports[0].value) == (2, Report(2.0, 0.4), 0.5)
    assert reports[:5] == [Report(1.0, 0.5), Report(2.0, 0.4)]
    assert reports[::-1] == [Report(2.0, 0.4), Report(1.0, 0.5)]
    assert reports != (Report(1.0, 0.5),)
    for index in (2, -3):
        with pytest.raises(IndexError):
            reports[index]
    assert repr(reports) == repr((Report(1.0, 0.5), Report(2.0, 0.4)))


def test_indexing():
    log = new_log()
    for number in (1, 2, 3):
        log.create(number, config(number / 10))
    log.end(2, TrialStatus.COMPLETED, 1.0)
    history = log.snapshot()
    assert [history[i].number for i in (0, 1, 2, -1, -2, -3)] == [2, 1, 3, 3, 1, 2]
    assert [trial.number for trial in history[1:]] == [1, 3]
    for index in (3, -4):
        with pytest.raises(IndexError):
            history[index]


def test_contains_and_distinct_count_configurations_once():
    log = new_log()
    log.add(config(0.5), 1.0)
    log.create(1, config(0.5))
    log.create(2, config(0.5, "b"))
    log.end(1, TrialStatus.FAILED, None)
    history = log.snapshot()
    assert history.distinct == 2
    assert history.contains(config(0.5))
    assert history.contains(config(0.5, "b"))
    assert not history.contains(config(0.25))


def test_with_pending_is_a_view_with_more_running_trials():
    log = new_log()
    log.add(config(0.1), 1.0)
    log.create(1, config(0.2))
    history = log.snapshot()
    said = frozen(history)
    more = history.with_pending([config(0.3), config(0.1)])
    assert frozen(history) == said
    assert more.pending.tolist() == [[0.2, 0], [0.3, 0], [0.1, 0]]
    assert more.last_number == 3
    assert more.distinct == 3, "0.1 was known already"
    assert more.contains(config(0.3))
    assert not history.contains(config(0.3))
    assert more.trial(3) == Trial(3, config(0.1))
    assert [trial.number for trial in more] == [1, 2, 3]
    assert more.y.tolist() == history.y.tolist()
    again = more.with_pending([config(0.4)])
    assert (again.last_number, again.distinct, len(again.pending)) == (4, 4, 4)
    log.create(2, config(0.9))
    assert again.trial(2).config == config(0.3)
    assert not again.contains(config(0.9))


def test_with_pending_equals_what_the_log_says_once_they_are_created():
    log = new_log()
    log.create(1, config(0.2))
    ahead = log.snapshot().with_pending([config(0.3)]).with_pending([config(0.4, "b")])
    log.create(2, config(0.3))
    log.create(3, config(0.4, "b"))
    assert frozen(ahead) == frozen(log.snapshot())


@pytest.mark.parametrize("copy", [deepcopy, lambda history: pickle.loads(pickle.dumps(history))])
def test_a_history_can_be_copied_and_pickled(copy):
    log = new_log()
    log.create(1, config(0.2))
    log.report(1, Report(1.0, 2.0))
    log.create(2, config(0.4))
    log.end(2, TrialStatus.COMPLETED, 3.0)
    history = log.snapshot()
    assert frozen(copy(history)) == frozen(history)
