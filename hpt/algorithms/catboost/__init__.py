"""CatBoost as a built-in algorithm: `python -m hpt.algorithms.catboost` under the container contract."""
