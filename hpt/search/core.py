"""The only interface to the C++ core: validates, converts, calls.

    n   observations            X: (n, d)   encoded points      y: (n,)   targets, minimised
    m   points in question      P: (m, d)   of running trials   d         coordinates of the space

Numbers are encoded in [0, 1], a categorical as its index (`SearchSpace.encode`). Arrays cross as
C-contiguous float64; NaN and infinity are refused here, shapes there. The GIL is released inside, and SciPy's
BLAS runs on one thread while any call is under way, since a result's bits depend on that count. Same inputs,
same seed, same machine and BLAS build: the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpt.errors import InputError

if TYPE_CHECKING:
    from hpt import _core
    from hpt.search.space import Coordinate

Float64Array = NDArray[np.float64]
MODEL_LIMIT = 1000
"""How many observations an exact model is made of at most: a fit costs their number cubed."""

TAIL_LIMIT = 2.0
"""How far the worse half of the transformed targets reaches at most, in spreads of the better half."""

ACQUISITIONS = {
    "LogEI": "improvement",
    "AugmentedLogEI": "augmented_improvement",
    "NoisyLogEI": "noisy_improvement",
    "UCB": "confidence_bound",
    "Thompson": "thompson",
}
"""What a proposal maximises: the log of the expected improvement, the same less where one more noisy
observation would teach little (Huang, Allen, Notz and Zeng 2006) or averaged over what the best value may be
under noise, a confidence bound two deviations off, or a draw of the function (ignoring labels)."""

DOUBLING = 50.0
"""Observations by which the search sees variances doubled: its square root of 1 + log2(1 + n / 50) widens the
deviations, since an amplitude learned from a crowd about the best is too small for what has not been seen."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Of the kernel, in the units of standardised targets.

    length_scales: one a coordinate. amplitude: variance of the function. noise: variance of an observation
    about it. mean: the constant mean. mixing: weight of the product against the sum of the numeric and the
    categorical kernel, in [0, 1]; without effect in a space of one kind. warping: exponents (a, b) of each
    number's Kumaraswamy warping, in the order of the coordinates; empty where numbers enter as they are.
    tail_limit: of the targets' transform (`TAIL_LIMIT`).
    density: of a fit, log p(y, hyperparameters | X) of the targets as they were given, to compare fits of the
    same targets by; NaN otherwise.
    """

    length_scales: tuple[float, ...]
    amplitude: float = 1.0
    noise: float = 1e-3
    mean: float = 0.0
    mixing: float = 0.5
    warping: tuple[tuple[float, float], ...] = ()
    tail_limit: float = TAIL_LIMIT
    density: float = field(default=nan, compare=False)


class Model:
    """A Gaussian process given observations; immutable."""

    __slots__ = ("_gp", "_others", "_threads")

    def __init__(
        self,
        coordinates: Sequence[Coordinate],
        X: ArrayLike,
        y: ArrayLike,
        at: Hyperparameters,
        threads: int = 1,
    ) -> None:
        """The posterior at given hyperparameters.

        Of more than `MODEL_LIMIT` observations it keeps as many: the best, those nearest to them, and others
        that together cover the space.

        Parameters
        ----------
        coordinates
            The d coordinates of the space.
        X, y
            Observations, (n, d) and (n,).
        at
            Hyperparameters of the kernel.
        threads
            How many threads the core uses; they change the run time and no bit.

        Raises
        ------
        ValueError
            Shapes differ, there is no observation, a number is not finite or not a legal code.
        NotPositiveDefiniteError
            The covariance cannot be factored.
        """
        from hpt import _core

        self._threads = threads
        typed = _typed(coordinates)
        points, targets, self._others = _representative(typed, X, y)
        self._gp = _core.GaussianProcess(typed, points, targets, _crossing(at), threads)

    def condition_on(self, X: ArrayLike, y: ArrayLike) -> Model:
        """The same hyperparameters and units with further observations, X: (k, d), y: (k,)."""
        grown = Model.__new__(Model)
        grown._others, grown._threads = self._others, self._threads
        grown._gp = self._gp.condition_on(_array(X, "X"), _array(y, "y"))
        return grown

    def predict(self, X: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Mean and variance of the function at X: (m, d), each (m,), in the units of y, without its noise."""
        return self._gp.predict(_array(X, "X"))

    def predict_band(self, X: ArrayLike, width: float) -> tuple[Float64Array, Float64Array]:
        """Lower and upper confidence bounds at X: (m, d), each (m,), in the units of y: `width` standard
        deviations to either side where the model sees the targets, mapped back by their transform."""
        return self._gp.predict_band(_array(X, "X"), float(width))

    def log_expected_improvement(self, X: ArrayLike) -> Float64Array:
        """log EI at X: (m, d), (m,), standardised, over the lowest mean among the observed points."""
        from hpt import _core

        return _core.log_improvement(self._gp, _array(X, "X"))

    def propose(
        self,
        pending: ArrayLike,
        tried: ArrayLike,
        seed: int,
        number: int,
        incumbent: float = inf,
        doubling: float = DOUBLING,
        labels: Model | None = None,
        acquisition: str = "LogEI",
        samples: int = 0,
    ) -> Float64Array | None:
        """The point to try in trial `number`.

        Parameters
        ----------
        pending
            Running trials in order, (m, d); the improvement is averaged over outcomes imagined for them.
        tried
            Points to skip besides the observed and the pending ones, (t, d).
        seed, number
            Decide the randomness.
        incumbent
            A value from elsewhere, in the units of y, that is to be improved on as well.
        doubling
            Observations by which the improvement sees the model's variances doubled; infinity leaves them as
            they are.
        labels
            A model of 0 for trials that succeeded and 1 for those that failed, with an infinite `tail_limit`;
            the improvement is then that of trials that may fail.
        acquisition
            One of `ACQUISITIONS`.
        samples
            Above 0: the improvement is averaged over models at this many hyperparameters, drawn from their
            density by slice sampling from those of this model. If those cannot be factored, this model is
            used alone.

        Returns
        -------
        array or None
            The point, (d,); None when every point of a finite space was tried.

        Raises
        ------
        InputError
            The acquisition is not known, or a number is not finite.
        ValueError
            Shapes differ.
        """
        from hpt import _core

        options = _core.SearchOptions()
        options.incumbent, options.doubling, options.threads = incumbent, doubling, self._threads
        skip = _array(tried, "tried")
        if len(self._others):
            skip = np.concatenate([self._others, skip])
        options.criterion = getattr(_core.Criterion, ACQUISITIONS[check_acquisition(acquisition)])
        options.samples = samples
        success = None if labels is None else labels._gp
        return _core.propose(self._gp, _array(pending, "pending"), skip, seed, number, options, success)


def check_acquisition(name: str) -> str:
    """The name of an acquisition, if it is one of `ACQUISITIONS`."""
    if not isinstance(name, str) or name not in ACQUISITIONS:
        raise InputError(f"acquisition {name!r} is not known; choose one of {', '.join(ACQUISITIONS)}")
    return name


def fit(
    coordinates: Sequence[Coordinate],
    X: ArrayLike,
    y: ArrayLike,
    start: Hyperparameters | None = None,
    *,
    warping: bool = True,
    threads: int = 1,
    tail_limit: float = TAIL_LIMIT,
) -> Hyperparameters:
    """Maximum a posteriori hyperparameters: a pure function of the arguments but `threads`.

    Parameters
    ----------
    coordinates
        The d coordinates of the space.
    X, y
        Observations, (n, d) and (n,).
    start
        An earlier fit, such as one of a prefix of the observations, from which to begin besides the prior's
        mode.
    warping
        Whether numbers may be warped once there are two observations a coordinate.
    threads
        How many threads the core uses; they change no bit.
    tail_limit
        Of the targets' transform (`TAIL_LIMIT`); infinity only standardises.

    Returns
    -------
    Hyperparameters
        With their `density`.

    Raises
    ------
    ValueError
        Shapes differ, there is no observation, a number is not finite or not a legal code.
    NotPositiveDefiniteError
        The covariance cannot be factored.
    """
    from hpt import _core

    earlier = None if start is None else _crossing(start)
    typed = _typed(coordinates)
    points, targets, _ = _representative(typed, X, y)
    fitted = _core.GaussianProcess.fit(
        typed, points, targets, start=earlier, warping=warping, threads=threads, tail_limit=tail_limit
    )
    at = fitted.hyperparameters
    exponents = tuple(zip(at.warp_a.tolist(), at.warp_b.tolist(), strict=True))
    return Hyperparameters(
        tuple(at.length_scales.tolist()),
        at.amplitude,
        at.noise,
        at.mean,
        at.mixing,
        exponents,
        at.tail_limit,
        fitted.density,
    )


@dataclass(frozen=True, slots=True)
class Contender:
    """A model and what is to be ranked of its space: candidates (m, d) and running trials (p, d), in order.

    seed, number: the outcomes imagined for the running trials depend on them.
    """

    model: Model
    candidates: ArrayLike
    pending: ArrayLike
    seed: int
    number: int


def common_incumbent(models: Sequence[Model]) -> float:
    """The lowest posterior mean at any observed point of any model, in the units of their targets.

    Raises:
        ValueError: there is no model, or one compresses its targets: its `tail_limit` must be infinite.
    """
    from hpt import _core

    return _core.common_incumbent([model._gp for model in models])


def score(contenders: Sequence[Contender]) -> list[Float64Array]:
    """log EI of the candidates of multiple models over their common incumbent, (m,) for each: one scale.

    The targets of all models must be transformed together (`target_transform`), and the models shift and
    stretch them at most: hyperparameters with an infinite `tail_limit`. Then each model's means and
    deviations are in the same units, whatever its space and its number of coordinates. The improvement is
    averaged over outcomes imagined for the running trials of all models together.

    Raises:
        ValueError: there is nothing to rank, shapes differ, or a model compresses its targets.
    """
    from hpt import _core

    return _core.score(
        [contender.model._gp for contender in contenders],
        [_array(contender.pending, "pending") for contender in contenders],
        [_array(contender.candidates, "candidates") for contender in contenders],
        [contender.seed for contender in contenders],
        [contender.number for contender in contenders],
    )


def target_transform(y: ArrayLike, tail_limit: float = TAIL_LIMIT) -> _core.TargetTransform:
    """The monotone map that a fit of all targets y, (n,), would apply: the better half stays linear."""
    from hpt import _core

    return _core.TargetTransform(_array(y, "y"), tail_limit)


def design_point(
    coordinates: Sequence[Coordinate], tried: ArrayLike, seed: int, number: int
) -> Float64Array | None:
    """A first point of a search.

    Trial 1 gets the middle of every range, the others scrambled Sobol' points keyed by the seed; a point
    tried before is replaced by another.

    Parameters
    ----------
    coordinates
        The d coordinates of the space.
    tried
        Points to skip, (t, d).
    seed, number
        The search's seed and the trial's number.

    Returns
    -------
    array or None
        The point, (d,); None when every point of a finite space was tried.
    """
    from hpt import _core

    return _core.design_point(_typed(coordinates), _array(tried, "tried"), seed, number)


def _typed(coordinates: Sequence[Coordinate]) -> list[_core.Coordinate]:
    from hpt import _core

    out = []
    for coordinate in coordinates:
        if coordinate.kind == "continuous":
            out.append(_core.Coordinate.continuous(coordinate.scale))
        elif coordinate.kind == "categorical":
            out.append(_core.Coordinate.categorical(coordinate.count))
        else:
            # A linear scale depends on the count alone, which is exact where the bounds as floats are not.
            low = int(coordinate.min) if coordinate.scale == "logarithmic" else 0
            out.append(_core.Coordinate.integer(low, low + coordinate.count - 1, coordinate.scale))
    return out


def _representative(
    space: list[_core.Coordinate], X: ArrayLike, y: ArrayLike
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The observations an exact model is made of, X: (k, d) and y: (k,), and the points left out."""
    from hpt import _core

    points, targets = _array(X, "X"), _array(y, "y")
    if len(points) <= MODEL_LIMIT:
        return points, targets, points[:0]
    rows = _core.representative(space, points, targets, MODEL_LIMIT)
    return points[rows], targets[rows], np.delete(points, rows, axis=0)


def representative(coordinates: Sequence[Coordinate], X: ArrayLike, y: ArrayLike, limit: int) -> list[int]:
    """Observations that represent all: the best, those nearest to them, and others that together cover the
    space.

    Parameters
    ----------
    coordinates
        The d coordinates of the space.
    X, y
        Observations, (n, d) and (n,).
    limit
        How many are kept at most.

    Returns
    -------
    list
        The rows that are kept.
    """
    from hpt import _core

    points = _array(X, "X")
    if len(points) <= limit:
        return list(range(len(points)))
    return _core.representative(_typed(coordinates), points, _array(y, "y"), limit)


def _crossing(at: Hyperparameters) -> _core.Hyperparameters:
    from hpt import _core

    scales = np.asarray(at.length_scales, dtype=np.float64)
    exponents = np.asarray(at.warping, dtype=np.float64).reshape(-1, 2)
    a, b = np.ascontiguousarray(exponents.T)
    return _core.Hyperparameters(scales, at.amplitude, at.noise, at.mean, at.mixing, a, b, at.tail_limit)


def _array(values: ArrayLike, name: str) -> Float64Array:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise InputError(f"{name}[{', '.join(map(str, where))}] is {array[where]}; give finite numbers")
    return array
