"""k-NN: its search against an obvious one, its settings, its program as a process."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpt.algorithms.channels import Table
from hpt.algorithms.container import StopRequest, UserError
from hpt.algorithms.knn import training
from hpt.algorithms.knn.hyperparameters import read

from .conftest import DATA, Box, rows, text

REQUIRED = {"feature_dim": "4", "k": "3", "predictor_type": "classifier", "sample_size": "1000"}


def table(seed: int, count: int = 80) -> Table:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 4)).astype(np.float32)
    return Table("train", (X[:, 0] + X[:, 1] > 0).astype(np.float32) + (X[:, 2] > 1), dense=X)


def nearest(X: Any, q: Any, metric: str) -> Any:
    """Rows of X by distance from q, one q after the other."""
    for row in q.astype(float):
        distance = {
            "L2": ((X - row) ** 2).sum(axis=1),
            "INNER_PRODUCT": -(X @ row),
            "COSINE": -(X @ row) / np.sqrt((X**2).sum(axis=1)),
        }[metric]
        yield np.argsort(distance, kind="stable")


@pytest.mark.parametrize("metric", ["L2", "INNER_PRODUCT", "COSINE"])
def test_the_neighbours_are_those_of_an_obvious_search(metric: str) -> None:
    train, test = table(0), table(1, 30)
    settings = read({**REQUIRED, "k": "1", "index_metric": metric})
    index = training.build(settings, {"train": train, "test": test})
    X = train.dense.astype(float)
    expected = [train.labels[order[0]] for order in nearest(X, test.dense, metric)]
    np.testing.assert_array_equal(index.predict(test.dense), expected)
    settings = read({**REQUIRED, "k": "5", "index_metric": metric, "predictor_type": "regressor"})
    index = training.build(settings, {"train": train, "test": test})
    expected = [train.labels[order[:5]].mean() for order in nearest(X, test.dense, metric)]
    np.testing.assert_allclose(index.predict(test.dense), expected, rtol=1e-6)


def test_classes_are_voted_on_and_the_metric_is_their_share() -> None:
    train, test = table(0), table(1, 30)
    settings = read({**REQUIRED, "mini_batch_size": "7"})
    index = training.build(settings, {"train": train, "test": test})
    printed: list[str] = []
    index.evaluate(test, StopRequest(), printed.append)
    hits = 0
    for order, label in zip(nearest(train.dense.astype(float), test.dense, "L2"), test.labels, strict=True):
        votes = Counter(train.labels[order[:3]].tolist())
        hits += min(votes, key=lambda each: (-votes[each], each)) == label
    assert printed == [f"#quality_metric: host=algo-1, test accuracy <score>={hits / 30:.9g}"]


def test_rows_are_drawn_and_projected() -> None:
    tables = {"train": table(0)}
    small = training.build(read({**REQUIRED, "sample_size": "10"}), tables)
    assert small.X.shape == (10, 4)
    again = training.build(read({**REQUIRED, "sample_size": "10"}), tables)
    np.testing.assert_array_equal(small.X, again.X)
    other = training.build(read({**REQUIRED, "sample_size": "10", "seed": "5"}), tables)
    assert not np.array_equal(small.X, other.X)
    settings = read({**REQUIRED, "dimension_reduction_type": "sign", "dimension_reduction_target": "2"})
    reduced = training.build(settings, tables)
    assert reduced.X.shape == (80, 2)
    np.testing.assert_array_equal(np.abs(reduced.projection), np.float32(1 / np.sqrt(2)))
    assert reduced.predict(tables["train"].dense).shape == (80,)


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"k": "0", "feature_dim": "x"}, "2 hyperparameter errors"),
        ({"dimension_reduction_target": "4"}, "below feature_dim"),
        ({"dimension_reduction_type": "sign"}, "needs dimension_reduction_target"),
        ({"_tuning_objective_metric": "test:mse"}, "not printed by a classifier"),
    ],
)
def test_broken_rules_are_named(texts: dict[str, str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        read({**REQUIRED, **texts})
    assert part in str(caught.value)


def test_every_required_name_is_missed_at_once() -> None:
    with pytest.raises(UserError, match="4 hyperparameter errors") as caught:
        read({})
    assert all(f"{name}: is required" in str(caught.value) for name in REQUIRED)


def test_approximations_are_said() -> None:
    [warning] = read({**REQUIRED, "index_type": "faiss.IVFPQ"}).warnings
    assert "exact" in warning


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"k": "81"}, "only 80 rows"),
        ({"k": "9", "sample_size": "8"}, "only 8"),
        ({"feature_dim": "5"}, "is 5"),
    ],
)
def test_data_that_do_not_suffice(texts: dict[str, str], part: str) -> None:
    with pytest.raises(UserError, match=part):
        training.build(read({**REQUIRED, **texts}), {"train": table(0)})


def test_the_program(tmp_path: Path) -> None:
    box = Box(tmp_path / "ml", "knn")
    box.channel("train")
    box.channel("test", (DATA / "validation.csv").read_text())
    box.hyperparameters(**{**REQUIRED, "feature_dim": "30"}, _tuning_objective_metric="test:accuracy")
    code, printed = box.run()
    assert (code, box.failure) == (0, ""), printed
    value = float(printed.split("test accuracy <score>=")[1].split()[0])
    assert 0.85 < value <= 1
    with np.load(box.model) as model:
        assert model["X"].shape == (398, 30)
    box.channel("train", text([row[1:2] + row[1:] for row in rows()]))  # measurements where labels should be
    assert box.run()[0] == 1
    assert "integer labels" in box.failure
