"""The linear learner: its metrics against scikit-learn's, its training in process, its program as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model
from sklearn import metrics as reference

from hpt.algorithms import program
from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import StopRequest, UserError
from hpt.algorithms.linear_learner import metrics, training
from hpt.algorithms.linear_learner.hyperparameters import LOSSES, Settings, read
from hpt.algorithms.loop import Loop
from hpt.job.catalog import find_algorithm

from .conftest import DATA, Box

BINARY = {"predictor_type": "binary_classifier"}
CLASSES = {"predictor_type": "multiclass_classifier", "num_classes": "4", "accuracy_top_k": "2"}


def table(name: str, label: Any = None) -> Table:
    numbers = np.loadtxt(DATA / f"{name}.csv", delimiter=",", dtype=np.float32)
    labels = numbers[:, 0] if label is None else label(numbers)
    return Table(name, labels.astype(np.float32), dense=numbers[:, 1:])


def tables(label: Any = None) -> dict[str, Table]:
    return {name: table(name, label) for name in ("train", "validation")}


def fit(
    texts: Mapping[str, str], data: dict[str, Table], folder: Path, stop_after: int = 10**9
) -> tuple[dict[str, Any], list[str]]:
    """(the arrays of the model, the log); stopped after epoch `stop_after`."""
    trainer = training.prepare(read(texts), data)
    stop, printed = StopRequest(), []

    def log(line: str) -> None:
        printed.append(line)
        stop.received = stop.received or f"epoch={stop_after}," in line

    model = training.train(trainer, Loop(Checkpoints(folder, "c"), stop, log, "epoch", "epochs"))
    assert model is not None
    return program.unpack(model), printed


def found(name: str, printed: list[str]) -> list[float]:
    regex = find_algorithm("linear-learner").metric(name).regex
    return [float(match[1]) for line in printed if (match := re.search(regex, line))]


@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, s = rng.integers(0, 2, 50).astype(float), rng.normal(size=50).round(1)
    got = {v.name: v.value for v in metrics.evaluate(read({**BINARY, "f_beta": "2"}), y, s, 0.25)}
    p = s > 0.25
    assert got == pytest.approx(
        {
            "binary_classification_accuracy": reference.accuracy_score(y, p),
            "binary_f_beta": reference.fbeta_score(y, p, beta=2),
            "precision": reference.precision_score(y, p),
            "recall": reference.recall_score(y, p),
            "roc_auc_score": reference.roc_auc_score(y, s),
        }
    )
    loss = metrics.objective(read(BINARY), y, s)
    assert loss.spelt == "binary_classification_cross_entropy_objective"
    assert loss.value == pytest.approx(reference.log_loss(y, 1 / (1 + np.exp(-s))))
    hinge = metrics.objective(read({**BINARY, "loss": "hinge_loss"}), y, s)
    assert hinge.value == pytest.approx(reference.hinge_loss(y, s))


def test_class_metrics_equal_the_reference() -> None:
    rng = np.random.default_rng(0)
    y, s = rng.integers(0, 4, 60).astype(float), rng.normal(size=(60, 4))
    settings = read(CLASSES)
    got = {v.name: v.value for v in metrics.evaluate(settings, y, s, 0)}
    p = s.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    assert got == pytest.approx(
        {
            "multiclass_accuracy": reference.accuracy_score(y, p),
            "multiclass_top_k_accuracy": reference.top_k_accuracy_score(y, s, k=2),
            "dcg": reference.dcg_score(np.eye(4)[y.astype(int)], s),
            "macro_recall": reference.recall_score(y, p, **macro),
            "macro_precision": reference.precision_score(y, p, **macro),
            "macro_f_beta": reference.f1_score(y, p, **macro),
        }
    )
    shares = 1 / (1 + np.exp(-s))
    shares /= shares.sum(axis=1, keepdims=True)
    assert metrics.objective(settings, y, s).value == pytest.approx(reference.log_loss(y, shares))
    hinge = read({**CLASSES, "loss": "hinge_loss"})
    assert metrics.objective(hinge, y, s).value == pytest.approx(reference.hinge_loss(y, s))


def test_value_metrics_and_losses() -> None:
    y, s = np.array([0.0, 1.0, 4.0]), np.array([0.0, 3.0, 3.5])  # gaps 0, 2, 0.5

    def loss(name: str, scale: float = 1) -> float:
        return metrics.objective(read({"predictor_type": "regressor", "loss": name}), y, s, scale).value

    got = {v.name: v.value for v in metrics.evaluate(read({"predictor_type": "regressor"}), y, s, 0)}
    assert got == pytest.approx({"mse": 4.25 / 3, "rmse": (4.25 / 3) ** 0.5, "absolute_loss": 2.5 / 3})
    assert loss("squared_loss") == pytest.approx(4.25 / 3)
    assert loss("absolute_loss") == pytest.approx(2.5 / 3)
    assert loss("huber_loss") == pytest.approx((1.5 + 0.125) / 3)
    assert loss("huber_loss", scale=4) == pytest.approx((2 + 0.125) / 3)
    assert loss("eps_insensitive_absolute_loss") == pytest.approx((1.99 + 0.49) / 3)
    assert loss("eps_insensitive_squared_loss") == pytest.approx((1.99**2 + 0.49**2) / 3)


@pytest.mark.parametrize(
    ("criterion", "score"),
    [
        ("accuracy", lambda y, p: reference.accuracy_score(y, p)),
        ("f_beta", lambda y, p: reference.f1_score(y, p, zero_division=0)),
        (
            "precision_at_target_recall",
            lambda y, p: (
                reference.precision_score(y, p, zero_division=0)
                if reference.recall_score(y, p) >= 0.8
                else -1
            ),
        ),
        (
            "recall_at_target_precision",
            lambda y, p: (
                reference.recall_score(y, p)
                if reference.precision_score(y, p, zero_division=0) >= 0.8
                else -1
            ),
        ),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_threshold_is_the_best_of_all(criterion: str, score: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 40).astype(float)
    s = (y + rng.normal(size=40)).round(1)
    settings = read({**BINARY, "binary_classifier_model_selection_criteria": criterion})
    t = metrics.threshold(settings, y, s)
    every = [score(y, s > cut) for cut in np.append(np.unique(s), s.min() - 1)]
    assert score(y, s > t) == pytest.approx(max(every))


def test_it_trains_a_good_model_in_the_units_of_the_data(tmp_path: Path) -> None:
    model, printed = fit({**BINARY, "epochs": "30"}, tables(), tmp_path)
    validation = table("validation")
    s = validation.dense.astype(float) @ model["weights"][0] + model["bias"][0]
    auc = reference.roc_auc_score(validation.labels, s)
    assert found("validation:roc_auc_score", printed)[-1] == pytest.approx(auc)
    share = reference.accuracy_score(validation.labels, s > model["threshold"])
    assert found("validation:binary_classification_accuracy", printed)[-1] == pytest.approx(share)
    assert auc > 0.98
    assert found("validation:objective_loss", printed)[-1] < 0.12
    assert found("test:objective_loss", printed) == []


def test_it_nears_ridge_regression(tmp_path: Path) -> None:
    def label(numbers: Any) -> Any:
        return 50 + numbers[:, 1] * 3 - numbers[:, 5] * 100

    data = tables(label)
    texts = {"predictor_type": "regressor", "epochs": "60", "early_stopping_patience": "60", "wd": "0"}
    model, printed = fit(texts, data, tmp_path)
    exact = linear_model.LinearRegression().fit(data["train"].dense[:, [0, 4]], data["train"].labels)
    assert exact.coef_ == pytest.approx([3, -100], rel=1e-2)
    spread = float(data["validation"].labels.std())
    assert found("validation:rmse", printed)[-1] < 0.1 * spread
    s = data["validation"].dense.astype(float) @ model["weights"][0] + model["bias"][0]
    gap = s - data["validation"].labels
    assert found("validation:mse", printed)[-1] == pytest.approx(float((gap**2).mean()), rel=1e-4)


@pytest.mark.parametrize(
    "texts",
    [
        BINARY,
        {**BINARY, "learning_rate": "0.5", "mini_batch_size": "100", "use_bias": "False", "l1": "1e-3"},
        {**BINARY, "loss": "hinge_loss", "positive_example_weight_mult": "balanced"},
        {**CLASSES, "balance_multiclass_weights": "true"},
        *({"predictor_type": "regressor", "loss": loss} for loss in LOSSES["regressor"]),
    ],
)
def test_it_resumes_to_the_bit(tmp_path: Path, texts: dict[str, str]) -> None:
    def label(numbers: Any) -> Any:
        return numbers[:, 0] + 2 * (numbers[:, 1] > 14)  # four classes

    data = tables(label if texts["predictor_type"] != "binary_classifier" else None)
    texts = {**texts, "epochs": "8", "early_stopping_patience": "8"}
    whole, _ = fit(texts, data, tmp_path / "whole")
    _, printed = fit(texts, data, tmp_path / "stopped", stop_after=4)
    assert not any("epoch=5," in line for line in printed)
    resumed, printed = fit(texts, data, tmp_path / "stopped")
    assert printed[0].startswith("hpt: resuming after epoch 4")
    for name in whole:
        np.testing.assert_array_equal(whole[name], resumed[name])


def test_rates_batches_and_weights_act(tmp_path: Path) -> None:
    def loss(name: str, **texts: str) -> float:
        return found(
            "validation:objective_loss", fit({**BINARY, "epochs": "2", **texts}, tables(), tmp_path / name)[1]
        )[-1]

    slow = loss("slow", learning_rate="1e-5")
    assert slow == pytest.approx(np.log(2), abs=0.01)  # hardly a step from weights of 0
    assert loss("fast", learning_rate="1") < 0.6 * slow
    assert loss("large", learning_rate="1", mini_batch_size="100") < loss(
        "small", learning_rate="1", mini_batch_size="5000"
    )
    assert loss("shrunk", wd="1") > loss("free", wd="0")

    def recall(weight: str) -> float:
        texts = {**BINARY, "positive_example_weight_mult": weight}
        texts["binary_classifier_model_selection_criteria"] = "loss_function"
        return found("validation:recall", fit(texts, tables(), tmp_path / weight)[1])[-1]

    assert recall("100") > recall("0.01")


def test_it_stops_when_the_objective_stays(tmp_path: Path) -> None:
    texts = {**BINARY, "epochs": "200", "early_stopping_tolerance": "0.05", "early_stopping_patience": "2"}
    _, printed = fit(texts, tables(), tmp_path)
    assert any("stopped early after epoch" in line for line in printed)
    epochs = [line for line in printed if re.search(r"epoch=\d+, validation", line)]
    assert 3 <= len(epochs) < 50


def test_sparse_rows_give_the_model_of_dense_ones_with_zeros(tmp_path: Path) -> None:
    dense = tables()
    for each in dense.values():
        each.dense[:, ::2] = 0
    sparse = {}
    for name, each in dense.items():
        where = np.nonzero(each.dense)
        ends = np.searchsorted(where[0], np.arange(len(each.labels) + 1))
        sparse[name] = Table(name, each.labels, values=each.dense[where], columns=where[1], row_ends=ends)
    texts = {**BINARY, "normalize_data": "false", "learning_rate": "1e-5", "epochs": "3"}
    first, second = (fit(texts, data, tmp_path / str(i))[0] for i, data in enumerate((dense, sparse)))
    np.testing.assert_allclose(
        first["weights"], second["weights"], rtol=1e-3
    )  # sparse rows move the bias less


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({}, "predictor_type: is required"),
        ({"predictor_type": "multiclass_classifier"}, "num_classes: is required"),
        ({**BINARY, "loss": "squared_loss"}, "logistic, hinge_loss"),
        ({**BINARY, "_tuning_objective_metric": "test:mse"}, "is for a regressor"),
        ({**BINARY, "wd": "-1"}, "or auto"),
        ({**BINARY, "use_bias": "maybe"}, "true or false"),
        ({**BINARY, "learning_rate": "0", "epochs": "0"}, "2 hyperparameter errors"),
    ],
)
def test_broken_rules_are_named(texts: dict[str, str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        read(texts)
    assert part in str(caught.value)


def test_what_cannot_be_is_said() -> None:
    settings: Settings = read({**BINARY, "optimizer": "adam", "num_models": "32", "momentum": "0.9"})
    assert any("sgd runs" in warning for warning in settings.warnings)
    assert any("num_models 32" in warning for warning in settings.warnings)
    assert any("momentum" in warning for warning in settings.warnings)
    with pytest.raises(UserError, match="feature_dim is 7, but the data has 30"):
        training.prepare(read({**BINARY, "feature_dim": "7"}), tables())
    missing = tables()
    missing["validation"].dense[3, 4] = np.nan
    with pytest.raises(UserError, match=r"'validation': 1 value.* row 4, feature 5"):
        training.prepare(read(BINARY), missing)


def test_weights_beyond_bounds_are_said(tmp_path: Path) -> None:
    texts = {"predictor_type": "regressor", "learning_rate": "1e300", "mini_batch_size": "1"}
    with pytest.raises(UserError, match="lower learning_rate"):
        fit(texts, tables(), tmp_path)


def test_the_program(tmp_path: Path) -> None:
    box = Box(tmp_path / "ml", "linear_learner")
    for name in ("train", "validation"):
        box.channel(name)
    box.channel("test", (DATA / "validation.csv").read_text())
    box.hyperparameters(**BINARY, epochs="3", _tuning_objective_metric="validation:binary_f_beta")
    code, printed = box.run(HPT_REQUESTED_IMAGE="linear-learner:1")
    assert (code, box.failure) == (0, ""), printed
    assert re.match(r"hpt: training with a linear model of scikit-learn \S+ \(requested 1\)\n", printed)
    lines = printed.splitlines()
    assert len(found("validation:binary_f_beta", lines)) == 4  # each epoch and at the end
    assert found("test:recall", lines) == found("validation:recall", lines)
    assert box.checkpoints() == [0, 1, 2]
    with np.load(box.model) as model:
        assert model["weights"].shape == (1, 30)
    box.hyperparameters(**BINARY, _tuning_objective_metric="test:recall")
    (box.base / "input/config/inputdataconfig.json").write_text('{"train": {}}')
    assert box.run()[0] == 1
    assert "test:recall needs a channel 'test'" in box.failure
