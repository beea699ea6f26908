from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

class Coordinate:
    @staticmethod
    def continuous(scale: str = "linear") -> Coordinate: ...
    @staticmethod
    def integer(low: int, high: int, scale: str = "linear") -> Coordinate: ...
    @staticmethod
    def categorical(count: int) -> Coordinate: ...
    def snap(self, x: float) -> float: ...
    def level(self, x: float) -> int: ...

class Hyperparameters:
    def __init__(
        self,
        length_scales: _Array,
        amplitude: float = 1.0,
        noise: float = 1e-3,
        mean: float = 0.0,
        mixing: float = 0.5,
        warp_a: _Array | None = None,
        warp_b: _Array | None = None,
        tail_limit: float = 2.0,
    ) -> None: ...
    @property
    def length_scales(self) -> _Array: ...
    @property
    def amplitude(self) -> float: ...
    @property
    def noise(self) -> float: ...
    @property
    def mean(self) -> float: ...
    @property
    def mixing(self) -> float: ...
    @property
    def tail_limit(self) -> float: ...
    @property
    def warp_a(self) -> _Array: ...
    @property
    def warp_b(self) -> _Array: ...

class GaussianProcess:
    def __init__(
        self,
        space: Sequence[Coordinate],
        X: _Array,
        y: _Array,
        hyperparameters: Hyperparameters,
        threads: int = 1,
        base: int | None = None,
    ) -> None: ...
    @staticmethod
    def fit(
        space: Sequence[Coordinate],
        X: _Array,
        y: _Array,
        iterations: int = 25,
        start: Hyperparameters | None = None,
        warping: bool = True,
        threads: int = 1,
        tail_limit: float = 2.0,
    ) -> GaussianProcess: ...
    def extend(self, X: _Array, y: _Array) -> GaussianProcess: ...
    def imagine(self, pending: _Array, draws: int, seed: int, trial: int) -> GaussianProcess: ...
    def imagine_further(self, pending: _Array) -> GaussianProcess: ...
    def standardized_means(self, X: _Array) -> _Array: ...
    def covariance(self, X: _Array) -> _Array: ...
    def condition_on(self, X: _Array, y: _Array) -> GaussianProcess: ...
    def predict(self, X: _Array) -> tuple[_Array, _Array]: ...
    def predict_band(self, X: _Array, width: float) -> tuple[_Array, _Array]: ...
    def predict_with_slopes(self, x: _Array) -> tuple[_Array, float, _Array, _Array]: ...
    def log_marginal_likelihood(self) -> float: ...
    @property
    def hyperparameters(self) -> Hyperparameters: ...
    @property
    def transform(self) -> TargetTransform: ...
    @property
    def observed(self) -> int: ...
    @property
    def jitter(self) -> float: ...
    @property
    def density(self) -> float: ...

class TargetTransform:
    def __init__(self, y: _Array, tail_limit: float = 2.0) -> None: ...
    def forward(self, y: _Array) -> _Array: ...
    def inverse(self, z: _Array) -> _Array: ...
    def slope(self, z: _Array) -> _Array: ...
    @property
    def power(self) -> float: ...

class Criterion:
    improvement: Criterion
    augmented_improvement: Criterion
    noisy_improvement: Criterion
    confidence_bound: Criterion
    thompson: Criterion

class KnownPoints:
    def __init__(self, space: Sequence[Coordinate], X: _Array) -> None: ...

class SearchOptions:
    candidates: int
    local: int
    starts: int
    steps: int
    rounds: int
    fantasies: int
    enumerable: int
    many: int
    means: int
    variances: int
    landmarks: int
    exact: int
    nearest: int
    many_starts: int
    many_steps: int
    many_rounds: int
    finalists: int
    doubling: float
    incumbent: float
    criterion: Criterion
    beta: float
    incumbent_points: int
    incumbent_draws: int
    samples: int
    held: _Array
    threads: int
    def __init__(self) -> None: ...

def sobol(count: int, dimension: int, seed: int | None = None, trial: int = 0) -> _Array: ...
def draws(kind: str, count: int, seed: int, trial: int, use: int) -> _Array: ...
def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def kumaraswamy(x: float, a: float, b: float) -> float: ...
def prior_mode(space: Sequence[Coordinate]) -> Hyperparameters: ...
def pack(space: Sequence[Coordinate], hyperparameters: Hyperparameters) -> _Array: ...
def negative_log_posterior(
    space: Sequence[Coordinate], X: _Array, y: _Array, theta: _Array
) -> tuple[float, _Array]: ...
def fit_targets(
    space: Sequence[Coordinate],
    X: _Array,
    y: _Array,
    start: Hyperparameters | None,
    warping: bool,
    threads: int,
    tail_limit: float,
    limit: int,
) -> tuple[Hyperparameters, float]: ...
def representative(space: Sequence[Coordinate], X: _Array, y: _Array, limit: int) -> list[int]: ...
def kernel(space: Sequence[Coordinate], hyperparameters: Hyperparameters, A: _Array, B: _Array) -> _Array: ...
def expected_improvement(
    mean: _Array | float, deviation: _Array | float, incumbent: _Array | float
) -> _Array: ...
def log_expected_improvement(
    mean: _Array | float, deviation: _Array | float, incumbent: _Array | float
) -> _Array: ...
def log_improvement(model: GaussianProcess, X: _Array) -> _Array: ...
def log_improvement_slopes(
    model: GaussianProcess, x: _Array, labels: GaussianProcess | None = None
) -> tuple[float, _Array]: ...
def design_point(space: Sequence[Coordinate], tried: _Array, seed: int, trial: int) -> _Array | None: ...
def propose(
    model: GaussianProcess,
    pending: _Array,
    tried: _Array,
    seed: int,
    trial: int,
    options: SearchOptions,
    labels: GaussianProcess | None = None,
    known: KnownPoints | None = None,
    away: _Array | None = None,
    correlation: float = 1.0,
) -> _Array | None: ...
def common_incumbent(models: Sequence[GaussianProcess]) -> float: ...
def score(
    models: Sequence[GaussianProcess],
    pending: Sequence[_Array],
    candidates: Sequence[_Array],
    seeds: Sequence[int],
    trials: Sequence[int],
    fantasies: int = 8,
) -> list[_Array]: ...
