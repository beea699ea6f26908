"""What Autotune chooses, and what it keeps (behaviour 2.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, ValidationError
from hpt.job.autotune import range_around
from hpt.job.build import tuning_job
from hpt.job.catalog import find_algorithm
from hpt.job.config import JobConfig
from hpt.sagemaker.request.autotune import enable_autotune
from hpt.sagemaker.request.parse import JobRequest, parse_request, read_request, to_request
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, RANGES, edit, multi, single

AUTO = {"Autotune": {"Mode": "Enabled"}}
XGBOOST = find_algorithm("xgboost")


def told(changes: dict[str, Any]) -> JobRequest:
    return read_request(edit(single(), {**AUTO, **changes}), check_paths=False)


def parsed(**changes: Any) -> JobConfig:
    request = edit(single(), {**AUTO, **{name.replace("__", "."): value for name, value in changes.items()}})
    return parse_request(request, check_paths=False)


def changed(changes: dict[str, Any], base: Any = single) -> JobConfig:
    return parse_request(edit(base(), {**AUTO, **changes}), check_paths=False)


@pytest.mark.parametrize(
    ("name", "hint", "kind", "low", "high", "scaling"),
    [
        ("learning_rate", "0.02", "Continuous", 0.002, 0.2, "Logarithmic"),
        ("learning_rate", "3e-4", "Continuous", 3e-5, 3e-3, "Logarithmic"),
        ("weight", "2.5", "Continuous", 0.25, 25.0, "Logarithmic"),
        ("hidden", "64", "Integer", 32, 128, "Logarithmic"),
        ("layers", "1", "Integer", 1, 2, "Logarithmic"),
        ("layers", "3", "Integer", 1, 6, "Logarithmic"),
        ("layers", "4", "Integer", 2, 8, "Logarithmic"),  # the example of the service's guide
        ("dropout", "0.3", "Continuous", 0.05, 0.95, "Linear"),
        ("Feature_Fraction", "0.99", "Continuous", 0.05, 0.99, "Linear"),
        ("dropout", "2.0", "Continuous", 0.2, 20.0, "Logarithmic"),
    ],
)
def test_a_range_is_built_around_a_hint(
    name: str, hint: str, kind: str, low: float, high: float, scaling: str
) -> None:
    found = range_around(name, hint, None)
    assert found is not None
    assert (found.kind, found.min, found.max, found.scaling) == (kind, low, high, scaling)


@pytest.mark.parametrize(
    "hint", ["0", "0.0", "-1", "-0.5", "adam", "true", "", "nan", "inf", "1e400", "0x10"]
)
def test_what_cannot_be_scaled_stays_as_it_is(hint: str) -> None:
    assert range_around("x", hint, None) is None


@pytest.mark.parametrize("name", ["epochs", "n_epochs", "num-epochs".replace("num-", "n-")])
def test_a_number_of_epochs_stays_as_it_is(name: str) -> None:
    assert range_around(name, "10", None) is None


def test_a_range_stays_within_the_one_an_algorithm_recommends() -> None:
    eta = range_around("eta", "0.2", XGBOOST)
    assert eta is not None
    assert (eta.kind, eta.min, eta.max) == ("Continuous", 0.1, 0.5)
    depth = range_around("max_depth", "6", XGBOOST)
    assert depth is not None
    assert (depth.kind, depth.min, depth.max) == ("Integer", 3, 10)
    whole = range_around("min_child_weight", "10", XGBOOST)  # continuous there, whatever the hint looks like
    assert whole is not None
    assert (whole.kind, whole.min, whole.max) == ("Continuous", 1.0, 100.0)
    outside = range_around("eta", "0.001", XGBOOST)  # known to work all the same
    assert outside is not None
    assert (outside.min, outside.max) == (0.0001, 0.01)
    assert range_around("max_depth", "6.5", XGBOOST) is None
    deeper = range_around("max_depth", "12", XGBOOST)
    assert deeper is not None
    assert (deeper.min, deeper.max) == (6, 24)
    assert range_around("num_round", "100", XGBOOST) is None


def test_everything_left_out_is_chosen_and_reported() -> None:
    hints = [{"Name": "eta", "ValueHint": "0.2"}, {"Name": "booster", "ValueHint": "dart"}]
    config, echo, _ = told(
        {f"{RANGES}": {"AutoParameters": hints}, f"{LIMITS}.MaxNumberOfTrainingJobs": GONE}
    )
    assert [parameter.name for parameter in config.definition.space.parameters] == ["eta"]
    assert config.definition.hyperparameters["booster"] == "dart"
    assert config.limits.max_jobs == 20
    assert config.early_stopping is not None
    assert config.completion.complete_on_convergence is True
    assert config.definition.retry_attempts == 3
    assert config.autotune
    assert echo["Autotune"] == {"Mode": "Enabled"}
    assert "AutoParameters" not in echo[CONFIG]["ParameterRanges"]
    assert echo[CONFIG]["ParameterRanges"]["ContinuousParameterRanges"][0]["Name"] == "eta"
    assert echo[CONFIG]["TrainingJobEarlyStoppingType"] == "Auto"
    assert echo[JOB]["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert parse_request(echo, check_paths=False) == config
    assert parse_request(to_request(config), check_paths=False) == config


def test_without_ranges_and_hints_a_built_in_gets_the_ranges_it_recommends() -> None:
    config = changed({RANGES: GONE, f"{LIMITS}.MaxNumberOfTrainingJobs": GONE})
    assert XGBOOST is not None
    names = [parameter.name for parameter in config.definition.space.parameters]
    assert sorted(names) == sorted(r.name for r in XGBOOST.recommended_ranges if r.name != "num_round")
    assert config.limits.max_jobs == 10 * len(names)


def test_what_the_caller_gave_is_kept() -> None:
    config = changed(
        {
            f"{CONFIG}.TrainingJobEarlyStoppingType": "Off",
            f"{CONFIG}.TuningJobCompletionCriteria": {
                "ConvergenceDetected": {"CompleteOnConvergence": "Disabled"}
            },
            f"{JOB}.RetryStrategy": {"MaximumRetryAttempts": 7},
        }
    )
    assert config.limits.max_jobs == 20
    assert config.early_stopping is None
    assert config.completion.complete_on_convergence is False
    assert config.definition.retry_attempts == 7
    assert [parameter.name for parameter in config.definition.space.parameters] == ["eta", "max_depth"]


def test_a_limit_on_time_is_an_end_too() -> None:
    changes = {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE, f"{LIMITS}.MaxRuntimeInSeconds": 3600}
    assert "MaxNumberOfTrainingJobs" not in told(changes).request[CONFIG]["ResourceLimits"]


def test_a_finite_space_bounds_the_number_of_training_jobs() -> None:
    ranges = {"IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "7"}]}
    config = changed({RANGES: ranges, f"{LIMITS}.MaxNumberOfTrainingJobs": GONE})
    assert config.limits.max_jobs == 7


def test_hyperband_and_jobs_of_several_algorithms_are_not_stopped_by_the_median_rule() -> None:
    resources = {"HyperbandStrategyConfig": {"MaxResource": 9}}
    config = changed({f"{CONFIG}.Strategy": "Hyperband", f"{CONFIG}.StrategyConfig": resources})
    assert config.early_stopping is None
    several = changed({f"{LIMITS}.MaxNumberOfTrainingJobs": GONE}, multi)
    assert several.early_stopping is None
    assert several.limits.max_jobs == 10 * sum(len(each.space.parameters) for each in several.all_definitions)


def test_a_grid_takes_categories_only() -> None:
    hints = [{"Name": "lambda", "ValueHint": "0.5"}]
    request = {f"{CONFIG}.Strategy": "Grid", RANGES: {"AutoParameters": hints}}
    with pytest.raises(ValidationError, match="holds no range"):
        changed({**request, f"{LIMITS}.MaxNumberOfTrainingJobs": GONE})


def test_a_hint_beside_a_range_of_that_name_breaks_a_rule() -> None:
    with pytest.raises(ValidationError, match="'eta' has a hint and a range"):
        changed({f"{RANGES}.AutoParameters": [{"Name": "eta", "ValueHint": "0.2"}]})


@pytest.mark.parametrize("value", ["0.2", "deep"])
def test_a_hint_beside_a_static_value_or_another_hint_breaks_a_rule(value: str) -> None:
    hint = {"Name": "gamma", "ValueHint": value}
    path = f"{RANGES}.AutoParameters"
    with pytest.raises(ValidationError) as caught:
        changed({RANGES: {"AutoParameters": [hint]}, f"{JOB}.StaticHyperParameters": {"gamma": value}})
    [broken] = caught.value.violations
    assert (broken.path, broken.rule) == (f"{path}[0].Name", "hints")
    assert broken.message == "'gamma' has a hint and is in StaticHyperParameters as well; keep one of them"
    with pytest.raises(ValidationError) as caught:
        changed({RANGES: {"AutoParameters": [hint, hint]}})
    [broken] = caught.value.violations
    assert (broken.path, broken.message) == (f"{path}[1].Name", "'gamma' has two hints; keep one")


@pytest.mark.parametrize(
    ("name", "hint", "image", "interval"),
    [
        ("eta", "0.6", "xgboost", (0.06, 1.0)),
        ("colsample_bytree", "0.2", "xgboost", (0.05, 0.95)),
        ("learning_rate", "0.3", "lightgbm", (0.03, 1.0)),
        ("depth", "12", "catboost", (6, 16)),
        ("num_leaves", "3", "lightgbm", (2, 6)),
    ],
)
def test_outside_the_recommended_range_the_legal_interval_bounds_it(
    name: str, hint: str, image: str, interval: tuple[float, float]
) -> None:
    found = range_around(name, hint, find_algorithm(image))
    assert found is not None
    assert (found.min, found.max) == interval


@pytest.mark.parametrize(
    ("image", "name", "hint"),
    [("kmeans", "feature_dim", "784"), ("xgboost", "num_class", "3"), ("lightgbm", "seed", "7")],
)
def test_what_a_built_in_does_not_recommend_to_search_stays_static(image: str, name: str, hint: str) -> None:
    assert range_around(name, hint, find_algorithm(image)) is None


def test_hints_that_stay_static_leave_the_recommended_ranges() -> None:
    request = edit(single(), {RANGES: GONE, f"{LIMITS}.MaxNumberOfTrainingJobs": GONE})
    config = parse_request(enable_autotune(request), check_paths=False)
    assert XGBOOST is not None
    names = {parameter.name for parameter in config.definition.space.parameters}
    assert names == {each.name for each in XGBOOST.recommended_ranges} - {"num_round"}
    assert config.definition.hyperparameters == {"num_round": "100", "eval_metric": "auc"}


class TestAJobFile:
    """It may leave out what Autotune chooses, though the model requires it."""

    def read(self, changes: dict[str, Any]) -> JobConfig:
        gone = {f"{CONFIG}.Strategy": GONE, f"{CONFIG}.ResourceLimits": GONE}
        return changed({**gone, **changes})

    def test_strategy_and_limits(self) -> None:
        config = self.read({})
        assert (config.strategy, config.limits.max_parallel_jobs) == ("Bayesian", 1)
        assert config.limits.max_jobs == 20
        assert config.early_stopping is not None

    def test_epochs_call_for_hyperband(self) -> None:
        epochs = {f"{JOB}.StaticHyperParameters": {"num_round": "10", "epochs": "27"}}
        config = self.read(epochs)
        assert (config.strategy, config.early_stopping) == ("Hyperband", None)
        assert self.read({**epochs, f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"}).strategy == "Bayesian"

    def test_without_autotune_they_are_required(self) -> None:
        request = edit(single(), {f"{CONFIG}.Strategy": GONE})
        with pytest.raises(ValidationError, match="Strategy"):
            parse_request(request, check_paths=False)

    def test_strictly_they_are_required(self) -> None:
        request = edit(single(), {**AUTO, f"{CONFIG}.Strategy": GONE})
        with pytest.raises(ValidationError, match="Strategy"):
            parse_request(request, strict=True)

    @pytest.mark.parametrize("config", ["text", {"ResourceLimits": "text"}, {"ParameterRanges": 7}, []])
    def test_any_shape_is_checked(self, config: Any) -> None:
        with pytest.raises(ValidationError):
            parse_request({**single(), **AUTO, CONFIG: config, JOB: {"StaticHyperParameters": 3}})


class TestHandedOver:
    """The friendly way: static hyperparameters become hints, as the service's client library has it."""

    def job(self, tmp_path: Path, **options: Any) -> JobConfig:
        program = tmp_path / "train.py"
        program.write_text("")
        static = {"learning_rate": 0.01, "optimizer": "adam", "hidden": 64}
        arguments: dict[str, Any] = {"static": static, "metric": "loss", "regex": "loss=(.*)", **options}
        return tuning_job("auto", program=program, autotune=True, **arguments)

    def test_static_hyperparameters_become_ranges(self, tmp_path: Path) -> None:
        config = self.job(tmp_path, keep_static=["hidden"])
        assert [each.name for each in config.definition.space.parameters] == ["learning_rate"]
        assert config.definition.hyperparameters == {"optimizer": "adam", "hidden": "64"}
        assert config.strategy == "Bayesian"

    def test_epochs_call_for_hyperband(self, tmp_path: Path) -> None:
        static = {"learning_rate": 0.01, "epochs": 27}
        config = self.job(tmp_path, static=static)
        assert (config.strategy, config.early_stopping) == ("Hyperband", None)
        assert config.hyperband is not None
        assert config.hyperband.max_resource == 27
        assert self.job(tmp_path, static=static, strategy="Random").strategy == "Random"

    def test_the_list_of_what_stays_is_checked(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="names 'hidden' 2 times"):
            self.job(tmp_path, keep_static=["hidden", "hidden"])
        with pytest.raises(
            InputError, match="'depth', which is not a static hyperparameter; they are hidden"
        ):
            self.job(tmp_path, keep_static=["depth"])
        with pytest.raises(InputError, match="keep_static is given without autotune"):
            tuning_job("plain", program="xgboost", space=[], metric="m", keep_static=["a"])

    def test_definitions_of_several_algorithms(self) -> None:
        request = enable_autotune(multi(), ["eval_metric"])
        for body in request["TrainingJobDefinitions"]:
            assert body["StaticHyperParameters"] == {"eval_metric": "auc"}
            [hint] = body["HyperParameterRanges"]["AutoParameters"]
            assert hint == {"Name": "num_round", "ValueHint": "100"}
