"""k-means over mini-batches, then Lloyd's algorithm on the centres found, as SageMaker's k-means does.

Notation: n rows, d features, K = k times the extra factor; X: (n, d), C: (K, d) centres, w: (K,) rows that
each centre stands for. A centre moves to the mean of its rows, old and new (Sculley 2010, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_argmin_min

from hpt.algorithms import log_lines, program
from hpt.algorithms.channels import Table
from hpt.algorithms.container import Log, StopRequest, UserError
from hpt.algorithms.kmeans.hyperparameters import Settings
from hpt.algorithms.loop import Loop, Steps, UnsuitableError

Floats = NDArray[np.float64]


def train(settings: Settings, tables: Mapping[str, Table], loop: Loop) -> Floats:
    """(k, d) centres, after the epochs asked for or those done when it was stopped.

    Raises:
        UserError: fewer rows than k, a missing value or another number of features.
    """
    width = program.check_width(tables, settings.feature_dim)
    program.check_complete(tables)
    rows = {name: _dense(table, width) for name, table in tables.items()}
    X = rows["train"]
    if len(X) < settings.k:
        raise UserError(f"k is {settings.k}, but channel 'train' has {len(X)} rows; lower k or add rows")

    def load(number: int, content: bytes) -> tuple[Floats, Floats, int]:
        arrays = program.unpack(content)
        C = arrays["centers"]
        if C.shape[1] != width:
            raise UnsuitableError(f"has {C.shape[1]} features")
        return C, arrays["weights"], number + 1

    resumed = loop.resume(settings.epochs, load)
    C, w, done = resumed or (start := _start(settings, X), np.zeros(len(start)), 0)
    for number in Steps(loop, done, settings.epochs, lambda: program.pack(centers=C, weights=w)):
        if not _epoch(settings, C, w, X, number, loop.stop):
            break  # in the middle of an epoch: nothing to go on from
        loop.log(log_lines.progress(number + 1, settings.epochs))
    centers = _reduce(settings, C, w)
    for name in tables:
        _print(settings, name, rows[name], centers, loop.log)
    return centers


def _dense(table: Table, width: int) -> Floats:
    features = table.features(width)
    dense = features if isinstance(features, np.ndarray) else features.toarray()
    return dense.astype(np.float64)


def _epoch(settings: Settings, C: Floats, w: Floats, X: Floats, number: int, stop: StopRequest) -> bool:
    """Moves the centres by all rows, in place; False if it was stopped between two batches."""
    order = np.random.default_rng((settings.seed, number)).permutation(len(X))
    for start in range(0, len(X), settings.mini_batch_size):
        if stop:
            return False
        _move(settings, C, w, X[order[start : start + settings.mini_batch_size]])
    return True


def _start(settings: Settings, X: Floats) -> Floats:
    """K rows to start from, at most as many as there are."""
    rng = np.random.default_rng((settings.seed, settings.epochs + 1))
    count = min(len(X), settings.k * settings.extra_center_factor)
    if settings.init_method == "kmeans++":
        # As many rows as a batch, or enough: a start from all rows would cost more than an epoch.
        pool = rng.choice(len(X), min(len(X), max(settings.mini_batch_size, 2 * count)), replace=False)
        centers: Floats = kmeans_plusplus(X[pool], count, random_state=settings.seed)[0]
        return centers.copy()
    return X[rng.choice(len(X), count, replace=False)]


def _move(settings: Settings, C: Floats, w: Floats, batch: Floats) -> None:
    """Moves the centres by one batch, in place."""
    if settings.half_life_time_size:
        w *= 0.5 ** (len(batch) / settings.half_life_time_size)
    nearest = pairwise_distances_argmin(batch, C)  # (r,)
    counts = np.bincount(nearest, minlength=len(C)).astype(np.float64)
    sums = np.zeros_like(C)
    np.add.at(sums, nearest, batch)
    hit = counts > 0
    w[hit] += counts[hit]
    C[hit] += (sums[hit] - counts[hit, None] * C[hit]) / w[hit, None]


def _reduce(settings: Settings, C: Floats, w: Floats) -> Floats:
    """(k, d) centres of the K centres, each weighted by the rows it stands for."""
    used = w > 0
    if used.sum() < settings.k:  # stopped before the first batch, or rows that repeat
        used = np.ones(len(C), dtype=bool)
        w = np.maximum(w, 1e-6)
    if used.sum() == settings.k:
        return C[used]
    model = KMeans(
        settings.k,
        init="k-means++" if settings.local_lloyd_init_method == "kmeans++" else "random",
        n_init=settings.local_lloyd_num_trials,
        max_iter=settings.local_lloyd_max_iter,
        tol=settings.local_lloyd_tol,
        random_state=settings.seed,
    )
    centers: Floats = model.fit(C[used], sample_weight=w[used]).cluster_centers_
    return centers


def _print(settings: Settings, channel: str, X: Floats, centers: Floats, log: Log) -> None:

    distances = pairwise_distances_argmin_min(X, centers, metric="sqeuclidean")[1]
    values = {"msd": float(distances.mean()), "ssd": float(distances.sum())}
    for name in settings.eval_metrics:
        log(log_lines.quality(channel, name, values[name], score=False))
