"""k-means over mini-batches, then Lloyd's algorithm on the centres found, as SageMaker's k-means does.

Notation: n rows, d features, K = k times the extra factor; X: (n, d), C: (K, d) centres, w: (K,) rows that
each centre stands for. A centre moves to the mean of its rows, old and new (Sculley 2010, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hpt.algorithms import program
from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import Checkpoints, Pace
from hpt.algorithms.container import StopRequest, UserError
from hpt.algorithms.kmeans.hyperparameters import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Log = Callable[[str], None]


def train(
    settings: Settings, tables: Mapping[str, Table], checkpoints: Checkpoints, stop: StopRequest, log: Log
) -> Floats:
    """(k, d) centres, after the epochs asked for or those done when it was stopped.

    Raises:
        UserError: fewer rows than k, a missing value or another number of features.
    """
    import numpy as np

    width = program.check_width(tables, settings.feature_dim)
    program.check_complete(tables)
    rows = {name: _dense(table, width) for name, table in tables.items()}
    X = rows["train"]
    if len(X) < settings.k:
        raise UserError(f"k is {settings.k}, but channel 'train' has {len(X)} rows; lower k or add rows")
    C, w, done = _resume(settings, checkpoints, log)
    if C is None or w is None or C.shape[1] != width:
        C, done = _start(settings, X), 0
        w = np.zeros(len(C))
    state = {"centers": C, "weights": w}  # changed in place, epoch by epoch
    pace = Pace(lambda epochs: checkpoints.save(epochs - 1, program.pack(**state)), done)
    while done < settings.epochs and not stop:
        order = np.random.default_rng((settings.seed, done)).permutation(len(X))
        for start in range(0, len(X), settings.batch):
            if stop:
                break
            _move(settings, C, w, X[order[start : start + settings.batch]])
        else:
            done += 1
            log(f"#progress_metric: host=algo-1, completed {100 * done / settings.epochs:.4g} %")
            pace.reached(done)
    if not stop:  # else the centres may be in the middle of an epoch
        pace.finish(done)
    centers = _reduce(settings, C, w)
    for name in tables:
        _print(settings, name, rows[name], centers, log)
    return centers


def _dense(table: Table, width: int) -> Floats:
    import numpy as np

    features = table.features(width)
    dense = features if isinstance(features, np.ndarray) else features.toarray()
    return dense.astype(np.float64)


def _resume(settings: Settings, checkpoints: Checkpoints, log: Log) -> tuple[Any, Any, int]:
    for number, content in checkpoints.usable(settings.epochs, "epochs", log):
        log(f"hpt: resuming after epoch {number} from {checkpoints.stem}.{number}")
        arrays = program.unpack(content)
        return arrays["centers"], arrays["weights"], number + 1
    return None, None, 0


def _start(settings: Settings, X: Floats) -> Floats:
    """K rows to start from, at most as many as there are."""
    import numpy as np
    from sklearn.cluster import kmeans_plusplus

    rng = np.random.default_rng((settings.seed, settings.epochs + 1))
    count = min(len(X), settings.k * settings.factor)
    if settings.start == "kmeans++":
        # As many rows as a batch, or enough: a start from all rows would cost more than an epoch.
        pool = rng.choice(len(X), min(len(X), max(settings.batch, 2 * count)), replace=False)
        centers: Floats = kmeans_plusplus(X[pool], count, random_state=settings.seed)[0]
        return centers.copy()
    return X[rng.choice(len(X), count, replace=False)]


def _move(settings: Settings, C: Floats, w: Floats, batch: Floats) -> None:
    """Moves the centres by one batch, in place."""
    import numpy as np
    from sklearn.metrics import pairwise_distances_argmin

    if settings.half_life:
        w *= 0.5 ** (len(batch) / settings.half_life)
    nearest = pairwise_distances_argmin(batch, C)  # (r,)
    counts = np.bincount(nearest, minlength=len(C)).astype(np.float64)
    sums = np.zeros_like(C)
    np.add.at(sums, nearest, batch)
    hit = counts > 0
    w[hit] += counts[hit]
    C[hit] += (sums[hit] - counts[hit, None] * C[hit]) / w[hit, None]


def _reduce(settings: Settings, C: Floats, w: Floats) -> Floats:
    """(k, d) centres of the K centres, each weighted by the rows it stands for."""
    import numpy as np
    from sklearn.cluster import KMeans

    used = w > 0
    if used.sum() < settings.k:  # stopped before the first batch, or rows that repeat
        used = np.ones(len(C), dtype=bool)
        w = np.maximum(w, 1e-6)
    if used.sum() == settings.k:
        return C[used]
    model = KMeans(
        settings.k,
        init="k-means++" if settings.lloyd_start == "kmeans++" else "random",
        n_init=settings.lloyd_trials,
        max_iter=settings.lloyd_iterations,
        tol=settings.lloyd_tolerance,
        random_state=settings.seed,
    )
    centers: Floats = model.fit(C[used], sample_weight=w[used]).cluster_centers_
    return centers


def _print(settings: Settings, channel: str, X: Floats, centers: Floats, log: Log) -> None:
    from sklearn.metrics import pairwise_distances_argmin_min

    distances = pairwise_distances_argmin_min(X, centers, metric="sqeuclidean")[1]
    values = {"msd": float(distances.mean()), "ssd": float(distances.sum())}
    for name in settings.metrics:
        log(f"#quality_metric: host=algo-1, {channel} {name} <loss>={values[name]:.9g}")
