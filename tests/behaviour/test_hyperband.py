"""behaviour 4.4: Hyperband, and the rules V17 to V20 about it."""

from __future__ import annotations

from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.job.config import HyperbandConfig
from hpt.sagemaker.request.parse import parse_request, read_request, to_request
from hpt.search.stopping.successive_halving import SuccessiveHalving, bracket_starts, quantile, rung_levels
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
from hpt.search.trial import Decision, ObjectiveStatus, TrialStatus
from hpt.search.tuner import Tuner
from tests.sagemaker.request.samples import CONFIG, JOB, edit, single
from tests.search.stopping.courses import SPACE

RESOURCES = f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig"
HYPERBAND = {f"{CONFIG}.Strategy": "Hyperband"}
STATICS = f"{JOB}.StaticHyperParameters"


def at_a_rung(values: list[float], value: float, objective: str = "Minimize") -> Decision:
    """What becomes of a trial that reports `value` at the first rung, where those values stand already."""
    tuner = Tuner(SPACE, objective, "Random", seed=1)
    tuner.ask(len(values) + 1)
    for number, each in enumerate([*values, value], 1):
        tuner.report(number, each, 1)
    return SuccessiveHalving(81).decide(tuner.history, len(values) + 1)


@pytest.mark.parametrize(
    ("value", "threshold", "decision"),
    [(0.45, 0.44, Decision.STOP), (0.43, 0.4267, Decision.STOP), (0.41, 0.4167, Decision.CONTINUE)],
)
def test_worked_example_minimize(value: float, threshold: float, decision: Decision) -> None:
    rung = [0.40, 0.42, 0.50, 0.55, 0.61]
    assert quantile(sorted([*rung, value]), 3) == pytest.approx(threshold, abs=5e-5)
    assert at_a_rung(rung, value) is decision


def test_worked_example_maximize() -> None:
    assert at_a_rung([0.70, 0.80, 0.75], 0.90, "Maximize") is Decision.CONTINUE
    assert at_a_rung([0.70, 0.80, 0.75], 0.80, "Maximize") is Decision.CONTINUE  # equal to the quantile
    assert at_a_rung([0.70, 0.80, 0.75], 0.74, "Maximize") is Decision.STOP


def test_fewer_than_eta_values_stop_nobody() -> None:
    assert at_a_rung([0.1], 9.0) is Decision.CONTINUE
    assert at_a_rung([0.1, 0.2], 9.0) is Decision.STOP


def test_rungs_of_81() -> None:
    assert rung_levels(81, 1, 3) == (1, 3, 9, 27)


def test_configurations_that_the_original_starts_in_each_bracket() -> None:
    assert bracket_starts(4, 3) == (81, 34, 15, 8, 5)


def test_no_job_is_stopped_before_min_resource_and_every_job_at_max_resource() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(8, 4)), seed=1)
    tuner.ask(9)
    for number in range(1, 10):
        for step in range(1, 9):
            decision = tuner.report(number, float(number), step)
            if step < 4:
                assert decision is Decision.CONTINUE
            if decision is Decision.STOP:
                assert step == 8 or (step == 4 and number >= 3)
                break
        else:
            pytest.fail("went on at MaxResource")
        tuner.tell(number, status="Stopped")
    trial = tuner.history.trial(1)
    assert (trial.status, trial.objective_status) == (TrialStatus.STOPPED, ObjectiveStatus.SUCCEEDED)
    assert len(trial.reports) == 8


def test_a_model_gives_up_no_job_before_three_reached_their_end() -> None:
    """Random proposals are judged by their rank from the first on."""
    went_on = {}
    for model_based in (True, False):
        config = HyperbandConfig(9, model_based=model_based)
        make = ModelHyperbandStrategy if model_based else HyperbandStrategy
        tuner = Tuner(SPACE, "Minimize", make(rule=config.rule(0)), seed=1)
        tuner.ask(8)
        decisions = [tuner.report(number, float(number), 1) for number in range(1, 9)]
        went_on[model_based] = [n for n, decision in enumerate(decisions, 1) if decision == "Continue"]
    assert went_on == {True: [1, 2, 3, 4, 5, 6, 7, 8], False: [1, 3]}


def test_entries_of_a_job_that_fails_later_stay() -> None:
    tuner = Tuner(SPACE, "Minimize", HyperbandStrategy(rule=SuccessiveHalving(81)), seed=1)
    tuner.ask(3)
    tuner.report(1, 0.1, 1)
    tuner.report(2, 0.2, 1)
    tuner.tell(1, status="Failed")
    tuner.tell(2, status="Failed")
    assert tuner.report(3, 0.3, 1) is Decision.STOP


@pytest.mark.parametrize(
    ("statics", "expected"),
    [
        ({"epochs": "9"}, 9),
        ({"numepochs": "10"}, 10),
        ({"n-epochs": "11"}, 11),
        ({"n_epochs": "12"}, 12),
        ({"num_epochs": "13"}, 13),
        ({"num_epochs": "13", "n_epochs": "12", "epochs": "9"}, 9),
    ],
)
def test_max_resource_is_read_from_the_first_epoch_key(statics: dict[str, str], expected: int) -> None:
    request = edit(single(), {**HYPERBAND, STATICS: {"num_round": "9", **statics}})
    config, echo, _ = read_request(request, strict=True)
    assert config.hyperband is not None
    assert config.hyperband == HyperbandConfig(expected, 1, model_based=False, stops_at_max=False)
    told = echo[CONFIG]["StrategyConfig"]
    assert told == {"HyperbandStrategyConfig": {"MinResource": 1}}
    for same, strict in ((echo, True), (to_request(config), False)):  # given, it would stop who reaches it
        assert parse_request(same, strict=strict).hyperband == config.hyperband


def test_a_given_max_resource_beats_the_epoch_keys() -> None:
    changes = {
        **HYPERBAND,
        f"{STATICS}.epochs": "9",
        f"{RESOURCES}.MaxResource": 20,
        f"{RESOURCES}.MinResource": 2,
    }
    config = parse_request(edit(single(), changes), strict=True)
    assert config.hyperband is not None
    assert config.hyperband == HyperbandConfig(20, 2, model_based=False, stops_at_max=True)
    assert parse_request(to_request(config)).hyperband == config.hyperband


@pytest.mark.parametrize(
    ("word", "strict", "model_based"),
    [
        ("Hyperband", False, True),
        ("RandomHyperband", False, False),
        ("randomhyperband", False, False),
        ("Hyperband", True, False),
    ],
)
def test_a_model_proposes_unless_random_is_asked_for_or_the_mode_is_strict(
    word: str, strict: bool, model_based: bool
) -> None:
    request = edit(single(), {f"{CONFIG}.Strategy": word, f"{STATICS}.epochs": "9"})
    config = parse_request(request, strict=strict)
    assert (config.strategy, config.hyperband is not None) == ("Hyperband", True)
    assert config.hyperband is not None and config.hyperband.model_based is model_based
    assert parse_request(to_request(config)).hyperband == config.hyperband


def test_the_service_does_not_know_random_hyperband() -> None:
    request = edit(single(), {f"{CONFIG}.Strategy": "RandomHyperband", f"{STATICS}.epochs": "9"})
    with pytest.raises(ValidationError, match="RandomHyperband"):
        parse_request(request, strict=True)


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "V17",
        {**HYPERBAND, f"{RESOURCES}.MaxResource": 9, f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
        f"{CONFIG}.TrainingJobEarlyStoppingType",
        "'Auto' does not go with Hyperband, which stops training jobs itself; use Off",
    ),
    (
        "V18",
        HYPERBAND,
        f"{RESOURCES}.MaxResource",
        "is missing and cannot be inferred; give it, or one of epochs, numepochs, n-epochs, n_epochs, "
        f"num_epochs in {STATICS}",
    ),
    (
        "V18",
        {**HYPERBAND, f"{STATICS}.epochs": "many"},
        f"{RESOURCES}.MaxResource",
        "is missing and cannot be inferred: the static epochs is 'many', which is not an integer of "
        "at least 1; give it",
    ),
    (
        "V18",
        {**HYPERBAND, f"{STATICS}.epochs": "0"},
        f"{RESOURCES}.MaxResource",
        "is missing and cannot be inferred: the static epochs is '0', which is not an integer of "
        "at least 1; give it",
    ),
    (
        "V19",
        {**HYPERBAND, f"{RESOURCES}.MaxResource": 9, f"{RESOURCES}.MinResource": 10},
        f"{RESOURCES}.MinResource",
        "10 is above MaxResource 9; swap them",
    ),
    (
        "V19",
        {**HYPERBAND, f"{STATICS}.epochs": "5", f"{RESOURCES}.MinResource": 10},
        f"{RESOURCES}.MinResource",
        "10 is above MaxResource 5; swap them",
    ),
    (
        "V19",
        {**HYPERBAND, f"{RESOURCES}.MaxResource": 20_001},
        f"{RESOURCES}.MaxResource",
        "20001 is above the maximum 20000; lower it",
    ),
    (
        "V19",
        {**HYPERBAND, f"{STATICS}.epochs": "20001"},
        f"{RESOURCES}.MaxResource",
        "20001, read from the static hyperparameters, is above the maximum 20000; lower it",
    ),
    (
        "V20",
        {f"{RESOURCES}.MaxResource": 9},
        RESOURCES,
        "does not fit strategy Bayesian; leave it out or use Hyperband",
    ),
]


@pytest.mark.parametrize(("rule", "changes", "path", "message"), REFUSED)
def test_refused(rule: str, changes: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_request(edit(single(), changes), strict=True)
    [violation] = caught.value.violations
    assert (violation.code, violation.rule) == ("ValidationException", rule)
    assert (violation.path, violation.message) == (path, message)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (
            "V17",
            {**HYPERBAND, f"{RESOURCES}.MaxResource": 9, f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"},
        ),
        ("V18", {**HYPERBAND, f"{STATICS}.n_epochs": "9"}),
        ("V19", {**HYPERBAND, f"{RESOURCES}.MaxResource": 20_000, f"{RESOURCES}.MinResource": 20_000}),
        ("V20", {f"{CONFIG}.StrategyConfig": {}}),
    ],
)
def test_accepted(rule: str, changes: dict[str, Any]) -> None:
    config = parse_request(edit(single(), changes), strict=True)
    assert (config.hyperband is not None) == (config.strategy == "Hyperband")
