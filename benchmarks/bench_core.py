"""What the core's parts cost beside what their arithmetic would cost at the speed of the BLAS.

    OMP_NUM_THREADS=1 python benchmarks/bench_core.py [--n 100 300 1000] [--repeats 5]

The limit is the rate at which `dgemm` multiplies matrices of order 1,000 in the same run on one thread, in
floating-point operations a second. Counted are the operations that no method could spare:

    kernel       an array of n^2 entries, each 3 d for the distance and about 30 for the exponential
    posterior    a density and its gradient: n^3 / 3 for the factor and 2 n^3 / 3 for the inverse, n^2 / 2
                 entries of the kernel
    fit          as many posteriors as its clock holds: the number of evaluations it could afford at most
    predict      one point: n entries of the kernel and n^2 for the solve
    maximise     one proposal with its default budget: points screened by their means and by the acquisition,
                 and two solves for each start and step

Times are CPU seconds, the median of the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from hpt import _core
from hpt.search import core
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace

OF_AN_EXPONENTIAL = 30


def seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def spaces() -> dict[str, SearchSpace]:
    numbers = [ContinuousParameter(f"x{i}", 0, 1, "Linear") for i in range(10)]
    mixed = [
        *numbers[:8],
        *(IntegerParameter(f"n{i}", 1, 20, "Linear") for i in range(4)),
        *(CategoricalParameter(f"c{i}", list("abcde")) for i in range(4)),
    ]
    return {"10": SearchSpace(numbers), "mixed": SearchSpace(mixed)}


class Table:
    """Rows of what was measured beside its limit."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats
        A = np.random.default_rng(0).normal(size=(1000, 1000))
        self.rate = 2e9 / seconds(lambda: A @ A, 4 * repeats)
        print(f"dgemm: {self.rate / 1e9:.1f} GFlop/s")
        print(f"{'part':<10} {'space':>6} {'n':>6} {'ms':>11} {'limit, ms':>11} {'share':>6}")

    def row(self, what: str, space: str, n: int, time_: float, operations: float, note: str = "") -> None:
        limit = operations / self.rate
        share = limit / time_
        print(f"{what:<10} {space:>6} {n:>6} {1e3 * time_:>11.3f} {1e3 * limit:>11.3f} {share:>6.0%}  {note}")

    def measure(self, name: str, space: SearchSpace, n: int) -> None:
        """The rows of one space and number of observations."""
        coordinates, d = space.coordinates, len(space.parameters)
        typed, entry = core._typed(coordinates), 3 * d + OF_AN_EXPONENTIAL
        rng = np.random.default_rng(n)
        X, points = space.encode(space.sample(n, rng)), space.encode(space.sample(1000, rng))
        y = ((X - 0.4) ** 2).sum(1) + 0.01 * rng.normal(size=n)
        at = core.fit(coordinates, X, y)
        model, crossing, none = core.Model(coordinates, X, y, at), core._crossing(at), X[:0]
        theta, z = _core.pack(typed, crossing), (y - y.mean()) / y.std()
        kernel = seconds(lambda: _core.kernel(typed, crossing, X, X), self.repeats)
        posterior = seconds(lambda: _core.negative_log_posterior(typed, X, z, theta), self.repeats)
        fit = seconds(lambda: core.fit(coordinates, X, y), self.repeats)
        predict = seconds(lambda: model.predict(points), self.repeats)
        maximise = seconds(lambda: model.propose(none, none, 1, 1), self.repeats)
        search = _core.SearchOptions()
        many = n > search.many
        variances = search.exact + search.many_starts if many else search.candidates + search.local
        means = search.means + search.local if many else 0
        steps = search.many_starts * search.many_steps if many else search.starts * search.steps
        solved = variances if many else variances + 2 * steps  # an ascent with many solves for a few of them
        of_posterior = n**3 + n * n / 2 * entry
        self.row("kernel", name, n, kernel, n * n * entry, f"{1e9 * kernel / n**2:.1f} ns an entry")
        self.row("posterior", name, n, posterior, of_posterior)
        if n <= core.FIT_LIMIT:
            note = f"{fit / posterior:.0f} posteriors"
            self.row("fit", name, n, fit, of_posterior * fit / posterior, note)
        else:  # of the observations that decide
            print(f"{'fit':<10} {name:>6} {n:>6} {1e3 * fit:>11.3f}")
        self.row("predict", name, n, predict, 1000 * (n * entry + n * n), "1,000 points")
        entries = (means + variances + steps) * n
        self.row("maximise", name, n, maximise, entries * entry + solved * n * n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    table = Table(options.repeats)
    for name, space in spaces().items():
        for n in options.n:
            table.measure(name, space, n)


if __name__ == "__main__":
    main()
