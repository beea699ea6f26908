from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from hpt.job.catalog import ALGORITHMS, BuiltInAlgorithm, find_algorithm
from hpt.job.config import MetricDefinition
from hpt.running.differences import differences
from hpt.sagemaker.request.parse import read_request
from hpt.sagemaker.request.rules import check_rules
from hpt.search.trial import ObjectiveType
from tests.sagemaker.request.samples import CONFIG, JOB, edit, facts, single

LINE = "[12]\ttrain-auc:0.99\ttrain-logloss:0.05\tvalidation-auc:0.975\tvalidation-logloss:-3.25e-05"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("xgboost", None),
        ("xgboost:1.7-1", "1.7-1"),
        ("sagemaker-xgboost:1.5-1", "1.5-1"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "1.7-1"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", "1"),
        (
            "387376663083.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:0.90-2-cpu-py3",
            "0.90-2-cpu-py3",
        ),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost@sha256:" + "a" * 64, None),
    ],
)
def test_finds_xgboost_by_name_and_image(image: str, version: str | None) -> None:
    algorithm = find_algorithm(image)
    assert algorithm is not None
    assert (algorithm.name, algorithm.module) == ("xgboost", "hpt.algorithms.xgboost")
    assert algorithm.requested_version == version


@pytest.mark.parametrize(
    "image",
    [
        "",
        "./xgboost",
        "train/xgboost",
        "docker.io/library/xgboost:1",
        "my-xgboost",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost-neuron:1",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/team/xgboost:1",
    ],
)
def test_leaves_other_images_alone(image: str) -> None:
    assert find_algorithm(image) is None


def test_metrics_are_the_published_ones() -> None:
    xgboost = ALGORITHMS[0]
    directions = [metric.direction for metric in xgboost.metric_definitions]
    assert (directions.count(ObjectiveType.MAXIMIZE), directions.count(ObjectiveType.MINIMIZE)) == (16, 17)
    assert xgboost.metric("validation:auc").direction is ObjectiveType.MAXIMIZE
    assert xgboost.metric("validation:logloss").direction is ObjectiveType.MINIMIZE
    assert xgboost.metric("auc") is None


@pytest.mark.parametrize("line", [LINE, LINE.replace("\t", "#011"), "[2026-01-01:00:00:00:INFO] " + LINE])
def test_patterns_read_the_log_line_with_tab_or_its_escape(line: str) -> None:
    xgboost = ALGORITHMS[0]
    found = {
        metric.name: match[1]
        for metric in xgboost.metric_definitions
        if (match := re.search(metric.regex, line)) is not None
    }
    assert found == {"validation:auc": "0.975", "validation:logloss": "-3.25e-05"}


def test_recommended_ranges_and_requirements() -> None:
    xgboost = ALGORITHMS[0]
    ranges = {each.name: (each.kind, each.min, each.max) for each in xgboost.recommended_ranges}
    assert len(ranges) == 12
    assert ranges["eta"] == ("Continuous", 0.1, 0.5)
    assert ranges["num_round"] == ("Integer", 1, 4000)
    assert xgboost.required_hyperparameters == ("num_round",)
    assert xgboost.epoch_resource == "num_round"
    assert xgboost.checkpoint_support


def test_the_registry_loads_nothing_heavy() -> None:
    heavy = ("numpy", "scipy", "sklearn", "xgboost", "lightgbm", "catboost")
    code = f"import sys, hpt.algorithms; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


ACCOUNT = "382416733822.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "module"),
    [
        ("lightgbm", "lightgbm"),
        ("lightgbm-regression-model", "lightgbm"),
        ("catboost", "catboost"),
        ("catboost-classification-model", "catboost"),
        ("linear-learner", "linear_learner"),
        (f"{ACCOUNT}/linear-learner:1", "linear_learner"),
        (f"{ACCOUNT}/knn:1", "knn"),
        (f"{ACCOUNT}/kmeans:latest", "kmeans"),
    ],
)
def test_finds_the_others_by_name_and_image(image: str, module: str) -> None:
    algorithm = find_algorithm(image)
    assert algorithm is not None
    assert algorithm.module == f"hpt.algorithms.{module}"
    assert algorithm.extra == module


def best(algorithm: str, *names: str) -> list[str]:
    """The directions of metrics, as the registry has them."""
    found = find_algorithm(algorithm)
    return [str(found.metric(name).direction) for name in names]


def test_directions_are_the_published_ones_and_losses_are_minimised() -> None:
    """behaviour 17.1; its table marks the four losses "Maximize" that are minimised here."""
    assert best("lightgbm", "auc", "average_precision", "auc_mu") == ["Maximize"] * 3
    assert (
        best("lightgbm", "rmse", "l1", "l2", "huber", "fair", "binary_error", "multi_error")
        == ["Minimize"] * 7
    )
    assert best("catboost", "R2", "Precision", "Recall", "F1", "AUC", "Accuracy") == ["Maximize"] * 6
    assert best("catboost", "RMSE", "MAE", "MedianAbsoluteError") == ["Minimize"] * 3
    assert best("lightgbm", "binary_logloss", "multi_logloss", "cross_entropy") == ["Minimize"] * 3
    assert best("catboost", "Logloss", "MultiClass") == ["Minimize"] * 2
    assert (
        best("linear-learner", "test:mse", "validation:rmse", "validation:objective_loss") == ["Minimize"] * 3
    )
    assert best("linear-learner", "test:dcg", "validation:precision", "test:macro_f_beta") == ["Maximize"] * 3
    assert best("knn", "test:accuracy", "test:mse") == ["Maximize", "Minimize"]
    assert best("kmeans", "test:msd", "test:ssd") == ["Minimize", "Minimize"]
    assert [len(each.metric_definitions) for each in ALGORITHMS] == [33, 13, 12, 29, 2, 2]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda each: each.name)
def test_what_a_request_may_hold(algorithm: BuiltInAlgorithm) -> None:
    """At most 40 definitions with patterns of at most 500 characters (behaviour 2.8), one group each."""
    assert len(algorithm.metric_definitions) <= 40
    assert all(len(metric.regex) <= 500 for metric in algorithm.metric_definitions)
    assert all(re.compile(metric.regex).groups == 1 for metric in algorithm.metric_definitions)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda each: each.name)
def test_recommended_values_are_values_the_program_takes(algorithm: BuiltInAlgorithm) -> None:
    read = importlib.import_module(f"{algorithm.module}.hyperparameters").read
    plain = {
        "num_round": "1", "predictor_type": "binary_classifier", "feature_dim": "9", "k": "1",
        "sample_size": "9", "_": "",
    }  # fmt: skip
    required = {name: plain[name] for name in algorithm.required_hyperparameters}
    if algorithm.name == "knn":
        required["predictor_type"] = "regressor"
    for each in algorithm.recommended_ranges:
        ends = each.values or (f"{each.min:.17g}", f"{each.max:.17g}")
        for end in ends:
            assert read({**required, each.name: end}).warnings == (), each.name


def test_published_ranges() -> None:
    """behaviour 17.2."""

    def ranges(name: str) -> dict[str, tuple[float, float] | tuple[str, ...]]:
        found = find_algorithm(name).recommended_ranges
        return {each.name: each.values or (each.min, each.max) for each in found}

    assert ranges("lightgbm") == {
        "learning_rate": (0.001, 0.01), "feature_fraction": (0.1, 1), "bagging_fraction": (0.1, 1),
        "num_leaves": (10, 100), "bagging_freq": (0, 10), "max_depth": (15, 100),
        "min_data_in_leaf": (10, 200),
    }  # fmt: skip
    assert ranges("catboost") == {
        "learning_rate": (0.001, 0.01), "random_strength": (0, 10), "depth": (4, 10), "l2_leaf_reg": (2, 10),
    }  # fmt: skip
    assert ranges("linear-learner") == {
        "wd": (1e-7, 1), "l1": (1e-7, 1), "learning_rate": (1e-5, 1), "mini_batch_size": (100, 5000),
        "positive_example_weight_mult": (1e-5, 1e5), "use_bias": ("True", "False"),
    }  # fmt: skip
    assert ranges("knn") == {"k": (1, 1024), "sample_size": (256, 20_000_000)}
    assert ranges("kmeans") == {
        "epochs": (1, 10), "extra_center_factor": (4, 10), "mini_batch_size": (3000, 15000),
        "init_method": ("kmeans++", "random"),
    }  # fmt: skip


def test_what_saves_checkpoints() -> None:
    """Decides how long a request may wait for Spot capacity (behaviour 2.9, V24)."""
    assert {each.name: each.checkpoint_support for each in ALGORITHMS} == {
        "xgboost": True, "lightgbm": True, "catboost": True, "linear-learner": True, "knn": False,
        "kmeans": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("image", "wait", "kept"), [("knn", 3600, True), ("knn", 3601, False), ("kmeans", 3601, True)]
)
def test_waiting_for_spot_capacity_follows_from_it(image: str, wait: int, kept: bool) -> None:
    metric = {"knn": "test:mse", "kmeans": "test:msd"}[image]
    request = edit(
        single(),
        {
            f"{JOB}.AlgorithmSpecification.TrainingImage": f"{ACCOUNT}/{image}:1",
            f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": metric},
            f"{JOB}.StaticHyperParameters": dict.fromkeys(
                ("feature_dim", "k", "predictor_type", "sample_size"), "2"
            ),
            f"{JOB}.EnableManagedSpotTraining": True,
            f"{JOB}.StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": wait},
        },
    )
    found = check_rules(facts(request))
    assert (found is None) is kept
    if found is not None:
        assert found.rule == "V24"
        assert "maximum for knn, which saves no checkpoints" in found.message


@pytest.mark.parametrize(
    ("image", "metric"),
    [
        ("lightgbm", "binary_logloss"),
        ("lightgbm", "multi_logloss"),
        ("catboost", "Logloss"),
        ("catboost", "MultiClass"),
    ],
)
def test_maximising_a_loss_as_the_published_table_says_is_warned_of(image: str, metric: str) -> None:
    request = edit(
        single(),
        {
            f"{JOB}.AlgorithmSpecification.TrainingImage": image,
            f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": metric},
        },
    )
    request[JOB].pop("InputDataConfig", None)
    [warning] = [text for text in read_request(request, check_paths=False).warnings if "better" in text]
    assert warning.endswith(f"but {metric} is better when it is smaller; check the direction")


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda each: each.name)
def test_legal_intervals_are_what_the_program_takes(algorithm: BuiltInAlgorithm) -> None:
    """Each end is taken by the program's own rule; nothing twice as far is where the interval has an end."""
    schema = importlib.import_module(f"{algorithm.module}.hyperparameters").SCHEMA
    rules = {getattr(rule, "rule", rule).name: getattr(rule, "rule", rule) for rule in schema.rules}
    recommended = {each.name for each in algorithm.recommended_ranges}
    assert algorithm.legal_intervals.keys() <= recommended
    for name, (low, high) in algorithm.legal_intervals.items():
        for end in (low, high):
            if end != math.inf:
                rules[name].read(f"{end:g}")
        if high != math.inf:
            with pytest.raises(ValueError, match="must be"):
                rules[name].read(f"{2 * high + 1:g}")
    for name in recommended - algorithm.legal_intervals.keys():
        rule = rules[name]
        assert getattr(rule, "low", 0) <= 1 and getattr(rule, "high", math.inf) in (None, math.inf, 2**31 - 1)


@pytest.mark.parametrize("line", [LINE, LINE.replace("\t", "#011")])
def test_xgboost_has_metrics_on_the_training_data(line: str) -> None:
    xgboost = ALGORITHMS[0]
    assert [each.name.replace("train:", "validation:") for each in xgboost.training_metrics] == [
        each.name for each in xgboost.metric_definitions
    ]
    metric = xgboost.metric("train:logloss")
    assert metric is not None and metric.direction is ObjectiveType.MINIMIZE
    match = re.search(metric.regex, line)
    assert match is not None and match[1] == "0.05"


@pytest.mark.parametrize(
    ("eval_metric", "objective", "names"),
    [
        ("auc", "validation:auc", ["train:auc"]),
        ("auc,logloss", "validation:error", ["train:auc", "train:error", "train:logloss"]),
        ("['mae', 'rmse']", "train:rmse", ["train:mae", "train:rmse"]),
        ("", "validation:rmse", ["train:rmse"]),
    ],
)
def test_they_are_predefined_where_they_are_evaluated(
    eval_metric: str, objective: str, names: list[str]
) -> None:
    statics = {"num_round": "9", "eval_metric": eval_metric}
    changes = {
        f"{JOB}.StaticHyperParameters": statics if eval_metric else {"num_round": "9"},
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": objective,
    }
    read = read_request(edit(single(), changes))
    found = [each.name for each in read.config.definition.metric_definitions]
    assert sorted(name for name in found if name.startswith("train:")) == names
    assert len(found) <= 40


def test_metrics_of_the_user_s_own_are_noted_where_the_service_refuses_them() -> None:
    own = [{"Name": "speed", "Regex": r"speed=(\S+)"}]
    read = read_request(edit(single(), {f"{JOB}.AlgorithmSpecification.MetricDefinitions": own}))
    [warning] = [each for each in read.warnings if "metric definitions" in each]
    assert warning == (
        "the metric definitions of 'speed' are read beside those of xgboost; SageMaker refuses definitions "
        "for its own algorithms"
    )
    assert read_request(read.request).warnings == read.warnings  # not of those that Describe shows


def test_metrics_that_a_version_did_not_know_yet_make_no_difference() -> None:
    config = read_request(single()).config
    earlier = tuple(each for each in config.definition.metric_definitions if each.name != "train:auc")
    stored = replace(config, definition=replace(config.definition, metric_definitions=earlier))
    assert differences(stored, config) == differences(stored, config, in_request=True) == []
    own = replace(config.definition, metric_definitions=(*earlier, MetricDefinition("speed", "s=(.)")))
    assert differences(stored, replace(config, definition=own))
