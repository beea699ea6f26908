"""Random numbers and Sobol' points against NumPy's and SciPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt import _core


@pytest.mark.parametrize("seed", [0, 1, 123, 2**63 + 5, 2**64 - 1])
def test_philox_is_numpys(seed: int) -> None:
    generator = np.random.Philox(key=np.array([seed, 7], dtype=np.uint64), counter=[9, 0, 0, 0])
    expected = generator.random_raw(8).tolist()
    blocks = _core.philox([10, 0, 0, 0], [seed, 7]) + _core.philox([11, 0, 0, 0], [seed, 7])
    assert blocks == expected


def test_uniform_draws_are_keyed_and_uniform() -> None:
    draws = _core.draws("uniform", 20_000, 5, 3, 1)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 1e-4
    assert np.array_equal(draws, _core.draws("uniform", 20_000, 5, 3, 1))
    for other in [(6, 3, 1), (5, 4, 1), (5, 3, 2)]:
        assert not np.isin(draws[:100], _core.draws("uniform", 20_000, *other)).any()


def test_normal_draws_are_quantiles_of_their_bits() -> None:
    draws = _core.draws("normal", 1000, 5, 3, 1)
    words = [word for block in range(250) for word in _core.philox([block, 3, 0, 0], [5, 1])]
    uniform = (np.array([word >> 12 for word in words], dtype=np.float64) + 0.5) * 2.0**-52
    np.testing.assert_allclose(draws, stats.norm.ppf(uniform), rtol=1e-14, atol=1e-15)


def test_plain_sobol_points_are_scipys() -> None:
    expected = stats.qmc.Sobol(256, scramble=False, bits=53).random(1024)
    assert np.array_equal(_core.sobol(1024, 256), expected)


def test_scrambled_points_keep_their_balance() -> None:
    points = _core.sobol(256, 2, seed=3)
    assert not np.array_equal(points, _core.sobol(256, 2, seed=4))
    assert np.array_equal(points, _core.sobol(256, 2, seed=3))
    for columns in range(9):  # every elementary interval of a (0, 8, 2)-net holds exactly one point
        cells = np.floor(points * [2**columns, 2 ** (8 - columns)]).astype(int)
        assert len({tuple(cell) for cell in cells.tolist()}) == 256


def test_scrambling_makes_each_point_uniform() -> None:
    points = np.array([_core.sobol(4, 3, seed=seed) for seed in range(1500)])  # (seeds, 4, 3)
    for point in range(4):
        for dimension in range(3):
            assert stats.kstest(points[:, point, dimension], "uniform").pvalue > 1e-4


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="256 dimensions"):
        _core.sobol(4, 257)
    with pytest.raises(ValueError, match="negative"):
        _core.sobol(-1, 2)
    with pytest.raises(ValueError, match="uniform or normal"):
        _core.draws("cauchy", 1, 0, 0, 1)
    with pytest.raises(TypeError):
        _core.draws("uniform", 1, -1, 0, 1)
