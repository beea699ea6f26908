from __future__ import annotations

import pytest

from hpt.algorithms.container import UserError
from hpt.algorithms.xgboost.hyperparameters import read


def test_reads_strings_into_values() -> None:
    settings = read(
        {
            "num_round": "100",
            "eta": "0.2",
            "max_depth": "6.0",
            "min_child_weight": "2.5",
            "reg_alpha": "1e-3",
            "booster": "dart",
            "objective": "reg:linear",
            "csv_weights": "1",
            "monotone_constraints": "(1, 0, -1)",
        }
    )
    assert settings.num_round == 100
    assert settings.booster["eta"] == 0.2
    assert settings.booster["max_depth"] == 6
    assert settings.booster["alpha"] == 1e-3
    assert settings.booster["objective"] == "reg:squarederror"
    assert settings.booster["monotone_constraints"] == "(1, 0, -1)"
    assert settings.csv_weights
    assert (settings.native_metrics, settings.own_metrics, settings.warnings) == ((), (), ())


def test_the_tuning_objective_is_printed_too() -> None:
    texts = {"num_round": "1", "objective": "binary:logistic", "eval_metric": "error,f1"}
    settings = read({**texts, "_tuning_objective_metric": "validation:auc", "early_stopping_rounds": "3"})
    assert settings.native_metrics == ("error", "auc")
    assert settings.own_metrics == ("f1",)
    assert settings.target == "validation:auc"
    assert settings.early_stopping_metric == "auc"
    assert read({**texts, "_tuning_objective_metric": "train:f1"}).target == "train:f1"
    [warning] = read({**texts, "_tuning_objective_metric": "loss"}).warnings
    assert "'loss'" in warning


@pytest.mark.parametrize("text", ["auc,error@0.7", "['auc', 'error@0.7']", " auc , error@0.7 "])
def test_metric_lists_and_thresholds(text: str) -> None:
    settings = read({"num_round": "1", "objective": "binary:logistic", "eval_metric": text})
    assert settings.native_metrics == ("auc", "error@0.7")


def test_unknown_names_are_warned_of_in_one_line() -> None:
    [warning] = read({"num_round": "1", "foo": "1", "bar": "2"}).warnings
    assert "foo, bar" in warning
    [warning] = read({"num_round": "1", "predictor": "cpu_predictor"}).warnings
    assert "predictor" in warning


def test_every_error_is_reported_at_once() -> None:
    with pytest.raises(UserError) as caught:
        read({"eta": "2", "max_depth": "deep", "subsample": "0", "learning_rate": "0.1", "_kfold": "5"})
    message = str(caught.value)
    assert message.startswith("6 hyperparameter errors:")
    for part in (
        "eta: '2'",
        "max_depth: 'deep'",
        "subsample: '0'",
        "learning_rate: is another",
        "_kfold",
        "num_round",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"num_round": "0"}, "at least 1"),
        ({"num_round": "1.5"}, "an integer of at least 1"),
        ({"num_round": "inf"}, "an integer of at least 1"),
        ({"eta": "nan"}, "[0, 1]"),
        ({"eta": ""}, "[0, 1]"),
        ({"tweedie_variance_power": "2"}, "(1, 2)"),
        ({"subsample": "0"}, "(0, 1]"),
        ({"lambda": "-1"}, "[0, inf)"),
        ({"booster": "forest"}, "gbtree, gblinear, dart"),
        ({"objective": "multi:softmax"}, "num_class: is required"),
        ({"num_class": "3"}, "drop it"),
        ({"eval_metric": "auk"}, "'auk'"),
        ({"eval_metric": "auc@0.5"}, "threshold"),
        ({"eval_metric": "error@x"}, "number"),
        ({"eval_metric": ","}, "at least one"),
        ({"eval_metric": "accuracy"}, "classification objective"),
        ({"objective": "multi:softprob", "num_class": "3", "eval_metric": "f1_binary"}, "use f1_macro"),
        (
            {"objective": "multi:softprob", "num_class": "3", "eval_metric": "precision"},
            "use precision_macro",
        ),
        ({"eval_metric": "aft-nloglik"}, "survival:aft"),
        ({"tree_method": "gpu_hist"}, "auto, exact, approx, hist"),
        ({"predictor": "gpu_predictor"}, "GPUs"),
        ({"monotone_constraints": "up"}, "(1, 0, -1)"),
        ({"updater": "prune,magic"}, "'magic'"),
        ({"csv_weights": "2"}, "from 0 to 1"),
    ],
)
def test_broken_rules_name_value_and_rule(texts: dict[str, str], part: str) -> None:
    with pytest.raises(UserError, match="1 hyperparameter error:") as caught:
        read({"num_round": "1", **texts})
    assert part in str(caught.value)
