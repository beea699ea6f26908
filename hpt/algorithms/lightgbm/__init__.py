"""LightGBM as a built-in algorithm: `python -m hpt.algorithms.lightgbm` under the container contract."""
