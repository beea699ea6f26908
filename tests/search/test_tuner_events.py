"""The tuner as a fold of events: decide, record, apply, resume and copy."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from hpt.errors import InputError, TrialStateError, UnknownTrialError
from hpt.search.events import (
    AttemptCreated,
    JobEnded,
    MetricLogged,
    ObservationAdded,
    Reported,
    StopDecided,
    StopReason,
    TrialCreated,
    TrialEnded,
)
from hpt.search.history import History
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies.base import Suggestion
from hpt.search.trial import Decision, TrialStatus
from hpt.search.tuner import Tuner

SPACE = SearchSpace(
    [
        ContinuousParameter("eta", 0, 1),
        ContinuousParameter("lambda", 1e-5, 1, "Logarithmic"),
        IntegerParameter("max_depth", 1, 10),
        CategoricalParameter("booster", ["gbtree", "dart"]),
    ]
)
GRID = SearchSpace([CategoricalParameter("a", [1, 2]), CategoricalParameter("b", ["x", "y"])])
CONFIG = {"eta": 0.3, "lambda": 0.1, "max_depth": 6, "booster": "dart"}


def new_tuner(space: SearchSpace = SPACE, objective: str = "maximize", **options) -> Tuner:
    return Tuner(space, objective=objective, strategy=options.pop("strategy", "Random"), seed=1, **options)


def state(tuner: Tuner) -> tuple:
    """Everything that a failed call must leave alone."""
    history = tuner.history
    return (
        [(t.number, dict(t.config), t.status, t.value, tuple(t.reports)) for t in history],
        history.X.tolist(),
        history.y.tolist(),
        history.pending.tolist(),
        history.failed.tolist(),
        history.distinct,
        tuner.best_trial,
    )


class WorseThan:
    """Stops a trial whose latest report is below the best report of the others."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def decide(self, history: History, number: int) -> Decision:
        self.asked.append(number)
        others = [t.reports[-1].value for t in history if t.number != number and t.reports]
        worse = others and history.trial(number).reports[-1].value < max(others)
        return Decision.STOP if worse else Decision.CONTINUE


class Fixed:
    """Suggests what it is given."""

    def __init__(self, *configs) -> None:
        self.configs = configs

    def suggest(self, history: History, count: int, seed: int) -> list[Suggestion]:
        return [Suggestion(config) for config in self.configs]


def test_propose_and_judge_apply_nothing():
    tuner = new_tuner(stopping_rule=WorseThan())
    before = state(tuner)
    proposed = tuner.propose(2)
    assert state(tuner) == before
    assert [event.number for event in proposed] == [1, 2]
    assert proposed == tuner.propose(2)
    for event in proposed:
        tuner.apply(event)
    assert [t.config for t in tuner.trials] == [event.config for event in proposed]
    tuner.apply(Reported(1.0, 1, 0.8, 1.0))
    tuner.apply(Reported(1.0, 2, 0.7, 1.0))
    before = state(tuner)
    assert (tuner.judge(1), tuner.judge(2)) == (Decision.CONTINUE, Decision.STOP)
    assert state(tuner) == before
    with pytest.raises(UnknownTrialError):
        tuner.judge(3)


def record() -> list:
    """A history with everything in it, as events."""
    created = Tuner(SPACE, "Minimize", "Random", seed=4).propose(4)
    return [
        ObservationAdded(0.0, CONFIG, 0.7),
        *created[:3],
        Reported(1.0, 2, 0.5, 1.0),
        MetricLogged(1.0, 2, 1, "auc", 0.5, 17),
        Reported(1.5, 1, math.nan, 1.0),
        StopDecided(2.0, 2, StopReason.RULE),
        TrialEnded(3.0, 2, TrialStatus.STOPPED, 0.5),
        created[3],
        AttemptCreated(3.5, 4, 1),
        StopDecided(4.0, 3, StopReason.INTERRUPTED),
        TrialEnded(5.0, 1, TrialStatus.COMPLETED, None),
        TrialEnded(6.0, 3, TrialStatus.FAILED, None),
        JobEnded(7.0, "Completed", "MaxNumberOfTrainingJobs"),
    ]


def replay(events) -> Tuner:
    tuner = Tuner(SPACE, "Minimize", "Random", seed=4)
    for event in events:
        tuner.apply(event)
    return tuner


def test_recorded_events_rebuild_the_state():
    tuner = replay(record())
    assert [t.status for t in tuner.trials] == ["Completed", "Stopped", "Failed", "InProgress"]
    assert tuner.history.y.tolist() == [0.7, 0.5]
    assert tuner.best_trial.number == 2
    assert len(tuner.history.failed) == 2


def test_an_interrupted_trial_goes_on():
    events = record()
    tuner = replay(
        events[
            : 1 + next(i for i, e in enumerate(events) if getattr(e, "reason", "") == StopReason.INTERRUPTED)
        ]
    )
    assert tuner.trials[2].status is TrialStatus.IN_PROGRESS


def test_a_resumed_tuner_suggests_as_the_undisturbed_one_at_every_cut():
    events = record()
    live = Tuner(SPACE, "Minimize", "Random", seed=4)
    for i, event in enumerate(events):
        live.apply(event)
        resumed = replay(events[: i + 1])
        assert repr(state(resumed)) == repr(state(live))  # repr: NaN is not equal to itself
        assert resumed.propose(3) == live.propose(3)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (TrialCreated(0.0, 7, CONFIG), TrialStateError),
        (TrialCreated(0.0, 1, CONFIG), TrialStateError),
        (TrialCreated(0.0, 3, {**CONFIG, "eta": 2.0}), InputError),
        (Reported(0.0, 3, 0.5, 1.0), UnknownTrialError),
        (Reported(0.0, 1, 0.5, 1.0), TrialStateError),
        (StopDecided(0.0, 1, StopReason.RULE), TrialStateError),
        (TrialEnded(0.0, 1, TrialStatus.COMPLETED, 0.5), TrialStateError),
        (TrialEnded(0.0, 8, TrialStatus.COMPLETED, 0.5), UnknownTrialError),
        (ObservationAdded(0.0, CONFIG, math.nan), InputError),
        (ObservationAdded(0.0, {}, 1.0), InputError),
    ],
)
def test_events_that_do_not_fit_change_nothing(event, error):
    tuner = new_tuner()
    tuner.ask(2)
    tuner.tell(1, 0.5)
    before = state(tuner)
    with pytest.raises(error):
        tuner.apply(event)
    assert state(tuner) == before


# -- copies


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda tuner: pickle.loads(pickle.dumps(tuner))],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("strategy", ["Random", Fixed(CONFIG)], ids=["named", "object"])
def test_copies_go_their_own_way(duplicate, strategy):
    tuner = new_tuner(strategy=strategy)
    tuner.ask()
    tuner.report(1, 0.3, 1)
    twin = duplicate(tuner)
    assert state(twin) == state(tuner)
    assert twin.propose(1) == tuner.propose(1)
    before = state(tuner)
    twin.report(1, 0.4, 2)
    twin.tell(1, 0.5)
    twin.ask()
    assert state(tuner) == before
    assert twin.best_value == 0.5
