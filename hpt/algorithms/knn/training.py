"""Exact nearest neighbours with scikit-learn.

Notation: n rows searched, d features, m dimensions after the projection; X: (n, m), q: (r, m) rows looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from hpt.algorithms import log_lines, program
from hpt.algorithms.channels import Table
from hpt.algorithms.container import Log, StopRequest, UserError
from hpt.algorithms.knn.hyperparameters import Settings
from hpt.algorithms.scores import accuracy, mse


@dataclass(frozen=True, slots=True)
class Index:
    """The rows to search. projection: (d, m) or None. X: (n, m). y: (n,). longest: length of the longest."""

    settings: Settings
    projection: Any
    X: Any
    y: Any
    longest: float
    predictor: Any

    def predict(self, rows: Any) -> Any:
        """(r,) the most frequent class or the mean label among the k nearest."""
        q = rows if self.projection is None else rows @ self.projection
        return self.predictor.predict(_lift(q, None) if self.settings.index_metric == "INNER_PRODUCT" else q)

    def content(self) -> bytes:

        dense = self.X if isinstance(self.X, np.ndarray) else self.X.toarray()
        projection = {} if self.projection is None else {"projection": self.projection}
        settings = self.settings
        return program.pack(
            X=dense,
            y=self.y,
            k=settings.k,
            metric=settings.index_metric,
            classify=settings.classify,
            **projection,
        )

    def evaluate(self, test: Table, stop: StopRequest, log: Log) -> None:
        """Prints the metric of the test rows, unless it is stopped between two batches."""
        batch = self.settings.mini_batch_size
        rows = test.features(self.settings.feature_dim)
        parts = []
        for start in range(0, len(test.labels), batch):
            if stop:
                return
            parts.append(self.predict(rows[start : start + batch]))
        predicted = np.concatenate(parts)
        if self.settings.classify:
            log(log_lines.quality("test", "accuracy", accuracy(test.labels, predicted), score=True))
        else:
            log(log_lines.quality("test", "mse", mse(predicted, test.labels), score=False))


def build(settings: Settings, tables: Mapping[str, Table]) -> Index:
    """Draws the rows, projects them and builds the index.

    Raises:
        UserError: fewer rows than k, a missing value, a wrong label or another number of features.
    """
    width = program.check_width(tables, settings.feature_dim)
    program.check_complete(tables)
    if settings.classify:
        program.class_count(tables, "predictor_type classifier")
    train = tables["train"]
    X, y = train.features(width), train.labels
    rng = np.random.default_rng(settings.seed)
    if settings.sample_size < len(y):
        drawn = np.sort(rng.choice(len(y), settings.sample_size, replace=False))
        X, y = X[drawn], y[drawn]
    if settings.k > len(y):
        raise UserError(
            f"k is {settings.k}, but only {len(y)} rows are searched; lower k or raise sample_size"
        )
    projection = None
    if settings.dimension_reduction_target is not None:
        signs = rng.integers(0, 2, (width, settings.dimension_reduction_target)) * 2 - 1
        projection = (signs / np.sqrt(settings.dimension_reduction_target)).astype(np.float32)
        X = X @ projection
    kind = KNeighborsClassifier if settings.classify else KNeighborsRegressor
    predictor = kind(
        n_neighbors=settings.k, metric="cosine" if settings.index_metric == "COSINE" else "euclidean"
    )
    longest = float(np.sqrt(_squares(X).max()))
    predictor.fit(_lift(X, longest) if settings.index_metric == "INNER_PRODUCT" else X, y)
    return Index(settings, projection, X, y, longest, predictor)


def _squares(X: Any) -> Any:
    """(n,) squared length of each row."""
    if isinstance(X, np.ndarray):
        return np.einsum("ij,ij->i", X, X)
    return np.asarray(X.multiply(X).sum(axis=1)).ravel()


def _lift(X: Any, longest: float | None) -> Any:
    """One more dimension, in which the nearest by distance are those with the largest inner product.

    Searched rows all get the length `longest`, rows looked up (None) a 0. Bachrach et al. 2014, theorem 1.
    """
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    last = np.zeros(len(dense)) if longest is None else np.sqrt(np.maximum(0, longest**2 - _squares(dense)))
    return np.column_stack([dense, last])
