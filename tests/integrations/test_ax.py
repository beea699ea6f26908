"""Experiments of Ax: batches, failures, pending trials, steps, fixed parameters, saved clients."""

from __future__ import annotations

import json
import logging
import math

import pytest

pytest.importorskip("ax", minversion="1.3")

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
from ax.exceptions.core import AxError
from ax.generation_strategy.generation_strategy import GenerationStrategy

from hpt.integrations.ax import HptNode

pytestmark = pytest.mark.filterwarnings("ignore")
logging.getLogger("ax").setLevel(logging.ERROR)

PARAMETERS = [
    RangeParameterConfig(name="x", parameter_type="float", bounds=(-5, 10)),
    RangeParameterConfig(name="rate", parameter_type="float", bounds=(1e-4, 1), scaling="log"),
    RangeParameterConfig(name="units", parameter_type="int", bounds=(1, 64)),
    ChoiceParameterConfig(name="kind", parameter_type="str", values=["a", "b", "c"], is_ordered=False),
    ChoiceParameterConfig(name="size", parameter_type="int", values=[1, 2, 4], is_ordered=True),
    ChoiceParameterConfig(name="only", parameter_type="bool", values=[True]),
]


def loss(config):
    return (
        ((config["x"] - 2) / 5) ** 2
        + math.log10(config["rate"] / 0.01) ** 2
        + abs(config["units"] - 20) / 20
        + (config["kind"] != "b")
        + config["size"] / 4
    )


def client(parameters=PARAMETERS, objective="-loss", **node):
    made = Client(random_seed=1)
    made.configure_experiment(parameters=parameters)
    made.configure_optimization(objective=objective)
    made.set_generation_strategy(GenerationStrategy(nodes=[HptNode(seed=1, **node)]))
    return made


def run(ax, trials, batch=3):
    """Trials in batches; every seventh fails, every eleventh is abandoned, and the last one stays pending."""
    seen = []
    while len(seen) < trials:
        for index, config in ax.get_next_trials(max_trials=batch).items():
            seen.append(config)
            if index % 7 == 6:
                ax.mark_trial_failed(index)
            elif index % 11 == 10:
                ax.mark_trial_abandoned(index)
            elif len(seen) < trials:
                ax.complete_trial(index, raw_data={"loss": loss(config)})
    return seen


def test_thirty_trials_in_batches_with_failures_and_pending_trials():
    ax = client()
    seen = run(ax, 30)
    assert len({json.dumps(config) for config in seen}) == 30
    assert all(set(config) == {"x", "rate", "units", "kind", "size", "only"} for config in seen)
    assert all(type(config["units"]) is int and config["only"] is True for config in seen)
    _, outcome, _, _ = ax.get_best_parameterization(use_model_predictions=False)
    assert outcome["loss"][0] < 1.0 if isinstance(outcome["loss"], tuple) else outcome["loss"] < 1.0
    assert seen == run(client(), 30)


def test_maximisation_and_standard_errors():
    ax = client(PARAMETERS[:1], "score")
    best = -math.inf
    for _ in range(15):
        for index, config in ax.get_next_trials(max_trials=1).items():
            value = -((config["x"] - 2) ** 2)
            best = max(best, value)
            ax.complete_trial(index, raw_data={"score": (value, 0.01)})
    assert best > -0.01


def test_a_saved_client_goes_on_with_the_same_candidates(tmp_path):
    ax = client()
    run(ax, 12)
    ax.save_to_json_file(str(tmp_path / "client.json"))
    again = Client.load_from_json_file(str(tmp_path / "client.json"))
    for (index, kept), (other, loaded) in zip(
        *(each.get_next_trials(max_trials=3).items() for each in (ax, again)), strict=True
    ):
        assert index == other and kept.keys() == loaded.keys()
        for name, value in kept.items():  # of values Ax saves ten digits
            assert loaded[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)


def test_parameters_may_be_fixed_for_the_next_trials():
    ax = client()
    run(ax, 12)
    for config in ax.get_next_trials(max_trials=3, fixed_parameters={"kind": "c", "rate": 0.1}).values():
        assert config["kind"] == "c" and config["rate"] == pytest.approx(0.1, abs=0)


def test_values_at_steps_and_trials_that_stop_early():
    ax = client()
    for _ in range(10):
        for index, config in ax.get_next_trials(max_trials=2).items():
            for step in range(3):
                ax.attach_data(index, raw_data={"loss": loss(config) + 1 / (step + 1)}, progression=step)
                if index % 3 == 2:
                    break
            if index % 3 == 2:
                ax.mark_trial_early_stopped(index)
            else:
                ax.complete_trial(index)
    assert len(ax.get_next_trials(max_trials=2)) == 2


def test_dependent_parameters_are_one_flat_space():
    parameters = [
        ChoiceParameterConfig(
            name="model",
            parameter_type="str",
            values=["linear", "forest"],
            is_ordered=False,
            dependent_parameters={"linear": ["penalty"], "forest": ["depth"]},
        ),
        RangeParameterConfig(name="penalty", parameter_type="float", bounds=(1e-3, 10), scaling="log"),
        RangeParameterConfig(name="depth", parameter_type="int", bounds=(1, 12)),
    ]
    ax = client(parameters)
    for _ in range(15):
        for index, config in ax.get_next_trials(max_trials=1).items():
            assert set(config) == (
                {"model", "penalty"} if config["model"] == "linear" else {"model", "depth"}
            )
            value = config["penalty"] if config["model"] == "linear" else abs(config["depth"] - 7) / 10
            ax.complete_trial(index, raw_data={"loss": value})
    best, *_ = ax.get_best_parameterization(use_model_predictions=False)
    assert best.get("depth") == 7 or best.get("penalty", 1) < 0.01


@pytest.mark.parametrize(
    ("objective", "outcomes", "constraints"),
    [("-loss, other", [], []), ("-loss", ["other >= 0"], []), ("-loss", [], ["x + units <= 30"])],
)
def test_what_cannot_be_searched(objective, outcomes, constraints):
    ax = Client()
    ax.configure_experiment(parameters=PARAMETERS, parameter_constraints=constraints)
    ax.configure_optimization(objective=objective, outcome_constraints=outcomes)
    ax.set_generation_strategy(GenerationStrategy(nodes=[HptNode()]))
    with pytest.raises(AxError, match="hpt searches"):
        ax.get_next_trials(max_trials=1)


def test_a_finite_space_ends():
    ax = client([ChoiceParameterConfig(name="n", parameter_type="int", values=[1, 2, 3], is_ordered=True)])
    for _ in range(3):
        for index, config in ax.get_next_trials(max_trials=1).items():
            ax.complete_trial(index, raw_data={"loss": config["n"]})
    with pytest.raises(AxError, match="every configuration"):
        ax.get_next_trials(max_trials=1)
