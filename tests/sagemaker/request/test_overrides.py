"""What is said beside a request holds in its place, before anything is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.job.warm_start import WarmStart
from hpt.sagemaker.request.parse import Overrides, read_request
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, RANGES, edit, local


def read(changes: dict[str, object], overrides: Overrides):  # type: ignore[no-untyped-def]
    return read_request(edit(local(), changes), base_dir="/", check_paths=False, overrides=overrides)


def test_a_name_stands_for_one_that_is_missing_or_wrong() -> None:
    for value in (GONE, "not a name"):
        found = read({"HyperParameterTuningJobName": value}, Overrides(name="mine"))
        assert found.config.name == found.request["HyperParameterTuningJobName"] == "mine"


def test_a_strategy_decides_over_rules_and_defaults() -> None:
    values = {RANGES: {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}]}}
    changes = {**values, f"{CONFIG}.ResourceLimits": {"MaxParallelTrainingJobs": 1}}
    config, request, _ = read(changes, Overrides(strategy="Grid"))
    assert (config.strategy, config.limits.max_jobs) == ("Grid", 2)
    assert request[CONFIG]["Strategy"] == "Grid"
    with pytest.raises(InputError, match="Grid takes categorical ranges only"):
        read({}, Overrides(strategy="Grid"))


def test_a_warm_start() -> None:
    config, request, _ = read({}, Overrides(warm_start=WarmStart(["a", "b"], "identical")))
    assert config.warm_start == WarmStart(["a", "b"], "identical")
    assert request["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"


def test_autotune_takes_static_hyperparameters_for_hints() -> None:
    statics = {f"{JOB}.StaticHyperParameters": {"hidden": "64", "seed": "1"}}
    config, _, _ = read(statics, Overrides(autotune=["seed"]))
    assert [parameter.name for parameter in config.definition.space.parameters] == ["lr", "hidden"]
    assert config.autotune
    with pytest.raises(InputError, match="keep_static names 'depth', which is not a static"):
        read(statics, Overrides(autotune=["depth"]))


def test_the_request_itself_is_left_alone() -> None:
    request = local()
    read_request(request, base_dir=Path("/"), check_paths=False, overrides=Overrides("a", "Bayesian"))
    assert request == local()
