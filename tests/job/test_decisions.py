from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hpt.errors import InputError
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.decisions import make_search
from hpt.job.document import from_document, to_document
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.median import MedianRule
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_hyperband import ModelHyperbandStrategy
from hpt.search.trial import ObjectiveType
from hpt.search.tuner import Tuner

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


def config(strategy: str = "Random", **changes: object) -> JobConfig:
    definition = TrainingJobDefinition("train.py", SPACE, Objective("m", ObjectiveType.MAXIMIZE))
    return JobConfig("job", strategy, definition, ResourceLimits(30, 2), seed=9, **changes)  # type: ignore[arg-type]


FULL = [
    config("hyperband", hyperband=HyperbandConfig(81, 2, 4, 3, model_based=True)),
    config(early_stopping=EarlyStopping(min_trials=3, min_steps=4, step_fraction=0.5)),
    config(early_stopping=EarlyStopping()),
    config(completion=CompletionCriteria(0.5, 4, False)),
    config("Bayesian"),
    config("Bayesian", repeats=True),
]


@pytest.mark.parametrize("job", FULL)
def test_a_stored_job_is_rebuilt_with_what_no_request_can_say(job: JobConfig) -> None:
    assert from_document(json.loads(json.dumps(to_document(job)))) == job


def test_a_job_stored_before_rungs_learned_goes_on_as_it_was() -> None:
    job = config("Hyperband", hyperband=HyperbandConfig(9, model_based=False))
    document = to_document(job)
    del document["hyperband"]["adaptive"]
    assert from_document(document).hyperband == HyperbandConfig(9, model_based=False, adaptive=False)


def test_a_document_from_before_these_parts_is_read() -> None:
    document = to_document(config())
    for part in ("hyperband", "early_stopping", "completion"):
        document.pop(part, None)
    assert from_document(document) == config()


def test_what_decides() -> None:
    strategy, rule = make_search(FULL[0])
    assert isinstance(strategy, ModelHyperbandStrategy) and rule is None
    halving = strategy.rule
    assert (halving.max_resource, halving.min_resource, halving.eta, halving.brackets) == (81, 2, 4, 3)
    assert halving.seed == 9
    assert Tuner(SPACE, strategy=strategy)._stopping_rule is strategy
    strategy, rule = make_search(config("Hyperband", hyperband=HyperbandConfig(9)))
    assert type(strategy) is ModelHyperbandStrategy and type(strategy.rule) is AdaptiveHalving
    plain = HyperbandConfig(9, model_based=False, adaptive=False)
    strategy, rule = make_search(config("Hyperband", hyperband=plain))
    assert type(strategy) is HyperbandStrategy and rule is None
    assert type(strategy.rule) is SuccessiveHalving
    _, rule = make_search(FULL[1])
    assert isinstance(rule, MedianRule)
    assert (rule.min_trials, rule.min_steps, rule.step_fraction) == (3, 4, 0.5)
    _, rule = make_search(FULL[2])
    assert isinstance(rule, MedianRule) and rule.min_trials == 10
    assert make_search(config())[1] is None
    strategies = [make_search(config("Bayesian", repeats=repeats))[0] for repeats in (False, True)]
    assert [strategy._search.repeats for strategy in strategies] == [False, True]  # type: ignore[attr-defined]
    assert "repeats" not in to_document(config("Bayesian")), "which earlier versions do not know"


def test_brackets_depend_on_the_seed_of_the_job() -> None:
    first, second = (make_search(replace(FULL[0], seed=seed))[0] for seed in (9, 10))
    drawn = [[strategy.rule.bracket(n) for n in range(1, 40)] for strategy in (first, second)]  # type: ignore[attr-defined]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: config("Hyperband"), "hyperband is None with strategy 'Hyperband'; give it"),
        (lambda: config(hyperband=HyperbandConfig(9)), "leave it out, or use Hyperband"),
        (lambda: config(repeats=True), "repeats does not go with strategy 'Random'; use Bayesian"),
        (lambda: config("Bayesian", repeats=1), "repeats 1 is not a boolean; give True or False"),
        (
            lambda: config("Hyperband", hyperband=HyperbandConfig(9), early_stopping=EarlyStopping()),
            "does not go with Hyperband",
        ),
        (lambda: HyperbandConfig(9, 10), "min_resource 10 is above max_resource 9"),
        (lambda: HyperbandConfig(2.5), "max_resource 2.5 is not an integer of at least 1"),
        (lambda: HyperbandConfig(9, eta=1), "eta 1 is not a number of 2 or more"),
        (lambda: HyperbandConfig(9, brackets=9), "brackets 9 is not an integer from 1 to 3"),
        (lambda: EarlyStopping(min_trials=0), "min_trials 0 is not an integer of at least 1"),
        (lambda: CompletionCriteria(target=float("nan")), "target nan is not a finite 64-bit float"),
        (
            lambda: CompletionCriteria(max_not_improving=2),
            "max_not_improving 2 is not an integer of at least 3",
        ),
        (lambda: CompletionCriteria(complete_on_convergence="yes"), "'yes' is not True, False or None"),
    ],
)
def test_bad_descriptions(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
