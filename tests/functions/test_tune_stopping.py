"""`hpt.tune` with rules that stop its functions, and criteria that end it."""

from __future__ import annotations

import pytest

import hpt
from hpt.errors import InputError
from hpt.job.completion import CompletionCriteria
from hpt.job.config import EarlyStopping, HyperbandConfig
from hpt.search.trial import TrialStatus
from tests.functions.functions import quick, slow

SPACE = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])


def test_hyperband_stops_functions() -> None:
    rule = HyperbandConfig(27, model_based=False)  # a model would find better ones in turn
    result = hpt.tune(
        slow, SPACE, objective="Minimize", strategy="hyperband", hyperband=rule, max_jobs=6, seed=3
    )
    reports = [len(trial.reports) for trial in result.trials]
    assert len(reports) == 6
    assert min(reports) < 15 and sum(reports) < 6 * 27
    assert any(trial.status is TrialStatus.STOPPED for trial in result.trials)
    assert result.best_trial is not None


def test_a_target_ends_it() -> None:
    result = hpt.tune(quick, SPACE, max_jobs=5, completion=CompletionCriteria(target=0.5))
    assert (len(result.trials), result.completion_reason) == (1, "TargetObjectiveMetricValue")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"strategy": "hyperband"},
            r"hyperband=HyperbandConfig\(max_resource=\.\.\.\): is missing and cannot be",
        ),
        (
            {"hyperband": HyperbandConfig(9)},
            "does not fit strategy Bayesian; leave it out or use Hyperband",
        ),
        (
            {"strategy": "hyperband", "hyperband": HyperbandConfig(9), "early_stopping": EarlyStopping()},
            "early_stopping: it does not go with Hyperband",
        ),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        hpt.tune(quick, SPACE, max_jobs=1, name="a", state=tmp_path / "state", **arguments)
