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
from copy import copy
from dataclasses import dataclass, field
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpt.errors import InputError

if TYPE_CHECKING:
    from hpt import _core
    from hpt._core import TargetTransform as TargetTransform
    from hpt.search.space import Coordinate

Float64Array = NDArray[np.float64]
MODEL_LIMIT, SPARE = 1000, 64
"""How many observations a model is made of at most, as a factor costs their number cubed, and how many of
them are left to those that come after the others were chosen."""

FIT_LIMIT = 256
"""How many observations decide the hyperparameters at most: a fit takes dozens of factors."""

PENDING_LIMIT, NEWEST, FANTASIES = 256, 32, 8
"""How many running trials enter a model at most, how many of them are left to those that start after the
others were chosen, and how many sets of outcomes are imagined."""

TAIL_LIMIT = 2.0
"""How far the worse half of the transformed targets reaches, in spreads of the better half, unless its own
differences would be lost."""

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

    __slots__ = ("_base", "_count", "_gp", "_imagined", "_known", "_rows", "_threads", "_typed")

    def __init__(
        self,
        coordinates: Sequence[Coordinate],
        X: ArrayLike,
        y: ArrayLike,
        at: Hyperparameters,
        threads: int = 1,
        base: int | None = None,
    ) -> None:
        """The posterior at given hyperparameters.

        Of more than `MODEL_LIMIT` observations it keeps as many: the best, those nearest to them, and others
        that together cover the space. With a base these are chosen among its observations, and all later
        ones are kept besides.

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
        base
            How many observations are factored together, the later ones being appended one by one: what
            `extended` makes of a model of fewer observations has the same base. None: all.

        Raises
        ------
        ValueError
            Shapes differ, there is no observation, a number is not finite or not a legal code.
        NotPositiveDefiniteError
            The covariance cannot be factored.
        """
        from hpt import _core

        self._threads, self._typed = threads, _typed(coordinates)
        points, targets = _array(X, "X"), _array(y, "y")
        self._count = len(points)
        self._base = self._count if base is None else base
        self._rows: NDArray[np.intp] | None = None
        self._known: _core.KnownPoints | None = None
        self._imagined: _Imagined | None = None
        factored = self._base
        if self._count > MODEL_LIMIT:
            limit = MODEL_LIMIT if base is None else MODEL_LIMIT - SPARE
            chosen = _core.representative(self._typed, points[: self._base], targets[: self._base], limit)
            self._rows, factored = np.array(chosen, dtype=np.intp), len(chosen)
            self._known = _core.KnownPoints(self._typed, points[: self._base])
            points = np.concatenate([points[self._rows], points[self._base :]])
        kept = self._kept(targets)
        self._gp = _core.GaussianProcess(self._typed, points, kept, _crossing(at), threads, factored)

    def _kept(self, targets: Float64Array) -> Float64Array:
        """The targets of the observations that the model is made of."""
        if self._rows is None:
            return targets
        return np.concatenate([targets[self._rows], targets[self._base :]])

    @property
    def observations(self) -> int:
        """How many observations it is made of."""
        return self._gp.observed

    def extended(self, X: ArrayLike, y: ArrayLike) -> Model:
        """The model of further observations, X: (k, d), and of new targets for all, y: (n + k,).

        Hyperparameters and base, which is below their number, stay: it is what the constructor makes of all
        observations, at the price of the new ones.
        """
        self._imagined = None  # so that the factor grows in place
        points = _array(X, "X")
        assert (self._rows is None) == (self._count + len(points) <= MODEL_LIMIT), "a model of others"
        return self._grown(self._gp.extend(points, self._kept(_array(y, "y"))), len(points))

    def _grown(self, gp: _core.GaussianProcess, more: int) -> Model:
        grown = copy(self)
        grown._gp, grown._count, grown._imagined = gp, self._count + more, None
        return grown

    def condition_on(self, X: ArrayLike, y: ArrayLike) -> Model:
        """The same hyperparameters and units with further observations, X: (k, d), y: (k,)."""
        points = _array(X, "X")
        return self._grown(self._gp.condition_on(points, _array(y, "y")), len(points))

    def predict(self, X: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Mean and variance of the function at X: (m, d), each (m,), in the units of y, without its noise."""
        return self._gp.predict(_array(X, "X"))

    @property
    def units(self) -> tuple[float, float]:
        """Where standardised targets of the better half, which the transform keeps linear, have their 0, and
        how far apart they lie there, in the units of y."""
        low, units = np.array([-1.0]), self._gp.transform
        slope = float(units.slope(low)[0])
        return float(units.inverse(low)[0]) + slope, slope

    def standardized_means(self, X: ArrayLike) -> Float64Array:
        """Means at X: (m, d), (m,), in standardised units: cheap, to rank points by."""
        return self._gp.standardized_means(_array(X, "X"))

    def joint(self, X: ArrayLike, pending: ArrayLike, seed: int) -> tuple[Float64Array, Float64Array]:
        """Means (m,) and covariance (m, m) of the function at X: (m, d), in standardised units, as they are
        expected to be once the running trials, (p, d), have ended. seed: of the imagined outcomes."""
        points, running = _array(X, "X"), _array(pending, "pending")
        gp = self._imagine(running, seed) if len(running) else self._gp
        return gp.standardized_means(points), gp.covariance(points)

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
            Running trials in order, (m, d); the improvement is averaged over outcomes imagined for them. Of
            more than `PENDING_LIMIT` that many count, the latest among them.
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
        running, skip, gp = _array(pending, "pending"), _array(tried, "tried"), self._gp
        options.criterion = getattr(_core.Criterion, ACQUISITIONS[check_acquisition(acquisition)])
        options.samples = samples
        success = None if labels is None else labels._gp
        if len(running) and samples == 0:
            gp = self._imagine(running, seed)
            if len(running) > PENDING_LIMIT:
                skip = np.concatenate([running, skip])
            running = running[:0]
        return _core.propose(gp, running, skip, seed, number, options, success, self._known)

    def _imagine(self, pending: Float64Array, seed: int) -> _core.GaussianProcess:
        """The model with outcomes imagined for running trials, (m, d), the draws keyed by the seed and the
        number of observations: those of one batch are imagined one after the other."""
        from hpt import _core

        m = len(pending)
        start = 0 if m <= PENDING_LIMIT else m - (m - PENDING_LIMIT) % NEWEST
        kept = self._imagined
        if (
            kept is not None
            and (kept.seed, kept.start) == (seed, start)
            and len(kept.pending) <= m
            and np.array_equal(kept.pending, pending[: len(kept.pending)])
        ):
            gp, new = kept.gp, pending[len(kept.pending) :]
            if len(new):
                self._imagined = None
                gp = gp.imagine_further(new)
        else:
            self._imagined, kept_pending = None, pending
            if start:
                head, limit = pending[:start], PENDING_LIMIT - NEWEST
                rows = _core.representative(self._typed, head, self._gp.standardized_means(head), limit)
                kept_pending = np.concatenate([head[rows], pending[start:]])
            gp = self._gp.imagine(kept_pending, FANTASIES, seed, self._count)
        self._imagined = _Imagined(seed, start, pending, gp)
        return gp


@dataclass(frozen=True, slots=True)
class _Imagined:
    """A model that imagines outcomes of `pending`, (m, d), of which the first `start` are represented by a
    part; 0: by all."""

    seed: int
    start: int
    pending: Float64Array
    gp: _core.GaussianProcess


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
    points, targets = _array(X, "X"), _array(y, "y")
    if len(points) > MODEL_LIMIT:  # in the units of a model
        rows = _core.representative(typed, points, targets, MODEL_LIMIT - SPARE)
        points, targets = points[rows], targets[rows]
    at, density = _core.fit_targets(typed, points, targets, earlier, warping, threads, tail_limit, FIT_LIMIT)
    exponents = tuple(zip(at.warp_a.tolist(), at.warp_b.tolist(), strict=True))
    return Hyperparameters(
        tuple(at.length_scales.tolist()),
        at.amplitude,
        at.noise,
        at.mean,
        at.mixing,
        exponents,
        at.tail_limit,
        density,
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
