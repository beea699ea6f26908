"""Ask, report, tell, add and apply."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpt.errors import InputError, TrialStateError, UnknownTrialError
from hpt.search.history import History
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.strategies import STRATEGIES, canonical_name, make_strategy
from hpt.search.strategies.base import Suggestion
from hpt.search.strategies.random import RandomStrategy
from hpt.search.trial import Decision, ObjectiveStatus, Report, TrialStatus
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


# -- construction


@pytest.mark.parametrize("name", ["random", "RANDOM", "Random"])
@pytest.mark.parametrize("objective", ["maximize", "MINIMIZE", "Maximize"])
def test_names_in_any_case(name, objective):
    tuner = Tuner(SPACE, objective=objective, strategy=name, seed=5)
    assert tuner.objective == objective.capitalize()
    assert len(tuner.ask()) == 1


def test_a_seed_is_drawn_and_shown():
    tuner = Tuner(SPACE, strategy="Random")
    assert tuner.seed != Tuner(SPACE, strategy="Random").seed
    assert [t.config for t in tuner.ask(3)] == [
        t.config for t in Tuner(SPACE, strategy="Random", seed=tuner.seed).ask(3)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": [1]}, "space is a list; make an hpt.SearchSpace"),
        ({"objective": "best"}, "objective 'best' is not known; use one of Maximize, Minimize"),
        ({"strategy": "Simplex"}, "strategy 'Simplex' is not known; use one of Grid, Random, Bayesian"),
        (
            {"strategy": "hyperband"},
            "strategy 'Hyperband' needs to know the most reports a trial makes; give it as max_resource",
        ),
        ({"strategy": object()}, "has no method suggest"),
        (
            {"strategy": RandomStrategy},
            r"strategy RandomStrategy is a class; give an instance, RandomStrategy\(...\)",
        ),
        (
            {"strategy": "grid"},
            "'Grid' takes categorical parameters only, and 'eta' is a ContinuousParameter",
        ),
        ({"seed": -1}, "seed -1 is not an integer from 0 to"),
        ({"seed": "123"}, "seed '123' is not an integer"),
        ({"stopping_rule": 3}, "stopping_rule 3 has no method decide"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        Tuner(**{"space": SPACE, "strategy": "Random", **arguments})


def test_registry():
    assert list(STRATEGIES) == ["Grid", "Random", "Bayesian", "Hyperband", "RandomHyperband"]
    assert canonical_name("bayesian") == "Bayesian"
    assert type(make_strategy("gRID")).__name__ == "GridStrategy"
    assert make_strategy("Random") is not make_strategy("Random")
    with pytest.raises(InputError, match="strategy None is not known"):
        make_strategy(None)


# -- ask


def test_ask_gives_running_trials_numbered_from_one():
    tuner = new_tuner()
    [first] = tuner.ask()
    second, third = tuner.ask(2)
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.status is TrialStatus.IN_PROGRESS
    assert first.objective_status is ObjectiveStatus.PENDING
    assert SPACE.validate(first.config) == first.config
    assert [type(value) for value in first.config.values()] == [float, float, int, str]
    assert tuner.trials == [first, second, third]
    assert len(tuner.history.pending) == 3


def test_asking_for_eight_is_asking_eight_times():
    one = new_tuner()
    assert new_tuner().ask(8) == [trial for _ in range(8) for trial in one.ask()]


def test_ask_is_empty_when_the_space_is_used_up():
    tuner = new_tuner(GRID, strategy="Grid")
    assert [tuple(t.config.values()) for t in tuner.ask(3)] == [(1, "x"), (1, "y"), (2, "x")]
    assert [t.number for t in tuner.ask(3)] == [4]
    assert tuner.ask() == []
    tuner.tell(1, status="Failed")
    assert tuner.ask() == [], "a failed configuration is not tried again"


@pytest.mark.parametrize("count", [0, -1, 1.0, "2", True, None])
def test_bad_counts(count):
    tuner = new_tuner()
    with pytest.raises(InputError, match="is not an integer of at least 1"):
        tuner.ask(count)
    assert tuner.trials == []


def test_a_changed_configuration_does_not_change_the_history():
    tuner = new_tuner()
    [trial] = tuner.ask()
    kept = dict(trial.config)
    trial.config["eta"] = 99
    tuner.trials[0].config.pop("booster")
    tuner.tell(1, 0.5)
    tuner.best_config.clear()
    tuner.best_trial.config.clear()
    assert tuner.trials[0].config == tuner.best_config == kept


class Fixed:
    """Suggests what it is given."""

    def __init__(self, *configs) -> None:
        self.configs = configs

    def suggest(self, history: History, count: int, seed: int) -> list[Suggestion]:
        return [Suggestion(config) for config in self.configs]


def test_a_strategy_may_be_an_object():
    tuner = new_tuner(strategy=Fixed({**CONFIG, "eta": np.float64(0.5), "max_depth": np.int64(3)}))
    [trial] = tuner.ask()
    assert trial.config == {**CONFIG, "eta": 0.5, "max_depth": 3}
    assert type(trial.config["max_depth"]) is int


def test_a_strategy_that_breaks_its_contract_changes_nothing():
    for strategy, message in (
        (Fixed(CONFIG, CONFIG), "made 2 suggestions where 1 were asked for"),
        (Fixed({**CONFIG, "eta": 2}), "'eta': 2.0 is out of range"),
    ):
        tuner = new_tuner(strategy=strategy)
        with pytest.raises(InputError, match=message):
            tuner.ask()
        assert tuner.trials == []


# -- tell


def test_told_trials_are_observations_in_completion_order():
    tuner = new_tuner()
    trials = tuner.ask(3)
    tuner.tell(3, 0.3)
    tuner.tell(np.int64(1), np.float32(0.5))
    history = tuner.history
    assert history.y.tolist() == [-0.3, -0.5]
    assert history.X.tolist() == SPACE.encode([trials[2].config, trials[0].config]).tolist()
    assert type(tuner.trials[0].value) is float
    assert tuner.trials[0].status is TrialStatus.COMPLETED
    assert tuner.trials[0].objective_status is ObjectiveStatus.SUCCEEDED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_nan_means_failed(value):
    tuner = new_tuner()
    [trial] = tuner.ask()
    tuner.tell(1, value)
    assert tuner.trials[0].objective_status is ObjectiveStatus.FAILED
    assert tuner.trials[0].value is None
    assert tuner.best_trial is tuner.best_config is tuner.best_value is None
    assert tuner.history.failed.tolist() == SPACE.encode([trial.config]).tolist()
    assert len(tuner.history.y) == 0


def test_without_a_value_the_last_report_counts():
    tuner = new_tuner()
    tuner.ask(4)
    for value in (0.71, 0.78, 0.76):
        tuner.report(1, value, 1)
    tuner.tell(1)
    assert tuner.trials[0].value == 0.76, "the last, not the best (behaviour 6.3)"
    tuner.tell(2)
    assert tuner.trials[1].objective_status is ObjectiveStatus.FAILED
    tuner.report(3, 0.9, 1)
    tuner.report(3, math.nan, 2)
    tuner.tell(3, status="stopped")
    assert tuner.trials[2].value is None
    tuner.report(4, 0.1, 1)
    tuner.tell(4, 0.2)
    assert tuner.trials[3].value == 0.2
    assert tuner.best_value == 0.76


def test_status_of_the_end():
    tuner = new_tuner()
    tuner.ask(3)
    tuner.tell(1, 0.4, status=TrialStatus.STOPPED)
    tuner.report(2, 0.9, 1)
    tuner.tell(2, 0.9, status="FAILED")
    tuner.tell(3, 0.5)
    assert [t.status for t in tuner.trials] == ["Stopped", "Failed", "Completed"]
    assert [t.value for t in tuner.trials] == [0.4, None, 0.5]
    assert len(tuner.history.failed) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 0.5), TrialStateError, "trial 1 has ended as Completed"),
        ((9, 0.5), UnknownTrialError, "trial 9 is unknown; trials 1 to 2 were asked for"),
        ((0, 0.5), UnknownTrialError, "trial 0 is unknown"),
        ((True, 0.5), UnknownTrialError, "trial True is unknown"),
        (("1", 0.5), UnknownTrialError, "trial '1' is unknown"),
        ((None, 0.5), UnknownTrialError, "trial None is unknown"),
        ((2, "0.5"), InputError, "value '0.5' is not a number"),
        ((2, True), InputError, "value True is not a number"),
        ((2, [0.5]), InputError, r"value \[0.5\] is not a number"),
        ((2, 10**400), InputError, "does not fit a 64-bit float"),
    ],
)
def test_a_wrong_tell_changes_nothing(arguments, error, message):
    tuner = new_tuner()
    tuner.ask(2)
    tuner.tell(1, 0.5)
    before = state(tuner)
    with pytest.raises(error, match=message):
        tuner.tell(*arguments)
    assert state(tuner) == before
    tuner.tell(2, 0.6)
    assert tuner.best_trial.number == 2


@pytest.mark.parametrize("status", ["InProgress", "Stopping", "Done", None])
def test_a_trial_ends_in_a_terminal_status(status):
    tuner = new_tuner()
    tuner.ask()
    with pytest.raises(InputError, match="status"):
        tuner.tell(1, 0.5, status=status)
    assert tuner.trials[0].status is TrialStatus.IN_PROGRESS


def test_before_anything_was_asked():
    with pytest.raises(UnknownTrialError, match="trial 1 is unknown; ask for a trial first"):
        new_tuner().tell(1, 0.5)


@pytest.mark.parametrize(("objective", "best"), [("Maximize", 3), ("Minimize", 2)])
def test_best_trial_and_ties(objective, best):
    tuner = new_tuner(objective=objective)
    assert tuner.best_trial is None
    tuner.ask(5)
    for number, value in ((5, 0.9), (4, 0.1), (3, 0.9), (2, 0.1), (1, 0.5)):
        tuner.tell(number, value)
    assert tuner.best_trial.number == best, "of equals the one launched earlier"
    assert tuner.best_config == tuner.trials[best - 1].config
    assert tuner.best_value == tuner.trials[best - 1].value


# -- add


def test_an_added_observation_takes_no_number_and_shifts_no_seed():
    plain, tuner = new_tuner(), new_tuner()
    tuner.add({**CONFIG, "max_depth": np.int64(6)}, np.float64(0.9))
    assert tuner.trials == []
    assert tuner.history.y.tolist() == [-0.9]
    assert tuner.history.contains(CONFIG)
    assert tuner.best_trial is None
    assert tuner.ask(3) == plain.ask(3)


@pytest.mark.parametrize(
    ("config", "value", "message"),
    [
        ({**CONFIG, "eta": 1.5}, 0.5, "'eta': 1.5 is out of range"),
        ({"eta": 0.5}, 0.5, "the configuration lacks 'lambda'"),
        ({**CONFIG, "gamma": 1}, 0.5, "has 'gamma', which the space does not know"),
        (CONFIG, math.nan, "value nan is not finite"),
        (CONFIG, math.inf, "value inf is not finite"),
        (CONFIG, None, "value None is not a number"),
        (None, 0.5, "None is not a configuration"),
    ],
)
def test_what_cannot_be_added(config, value, message):
    tuner = new_tuner()
    before = state(tuner)
    with pytest.raises(InputError, match=message):
        tuner.add(config, value)
    assert state(tuner) == before


def test_added_configurations_are_not_tried_again():
    tuner = new_tuner(GRID, strategy="Random")
    tuner.add({"a": 1, "b": "y"}, 1.0)
    assert sorted(tuple(t.config.values()) for t in tuner.ask(9)) == [(1, "x"), (2, "x"), (2, "y")]


# -- report and stopping


def test_reports_are_kept_in_order():
    tuner = new_tuner()
    tuner.ask()
    assert tuner.report(1, np.float32(0.5), np.int64(1)) is Decision.CONTINUE
    assert tuner.report(1, math.nan, 2.5) is Decision.CONTINUE
    assert tuner.trials[0].reports[0] == Report(1.0, 0.5)
    assert math.isnan(tuner.trials[0].reports[1].value)
    assert len(tuner.history.y) == 0


def test_a_stopping_rule_is_asked_at_every_report_until_it_says_stop():
    rule = WorseThan()
    tuner = new_tuner(stopping_rule=rule)
    tuner.ask(2)
    assert tuner.report(1, 0.8, 1) is Decision.CONTINUE
    assert tuner.report(2, 0.7, 1) is Decision.STOP
    assert tuner.trials[1].status is TrialStatus.STOPPING
    assert tuner.report(2, 0.99, 2) is Decision.STOP, "a decision stands"
    assert rule.asked == [1, 2]
    assert tuner.report(1, 1.0, 2) is Decision.CONTINUE
    tuner.tell(2, status="Stopped")
    assert tuner.trials[1].value == 0.99, "values after the decision still make the final objective"
    assert tuner.trials[1].objective_status is ObjectiveStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 0.5, 1), TrialStateError, "trial 1 has ended as Completed"),
        ((7, 0.5, 1), UnknownTrialError, "trial 7 is unknown"),
        ((2, None, 1), InputError, "value None is not a number"),
        ((2, 0.5, 0), InputError, "resource 0 is not a positive number; count units of progress from 1"),
        ((2, 0.5, -1), InputError, "resource -1 is not a positive number"),
        ((2, 0.5, math.nan), InputError, "resource nan is not a positive number"),
        ((2, 0.5, math.inf), InputError, "resource inf is not a positive number"),
        ((2, 0.5, "1"), InputError, "resource '1' is not a number"),
    ],
)
def test_a_wrong_report_changes_nothing(arguments, error, message):
    tuner = new_tuner()
    tuner.ask(2)
    tuner.tell(1, 0.5)
    before = state(tuner)
    with pytest.raises(error, match=message):
        tuner.report(*arguments)
    assert state(tuner) == before
