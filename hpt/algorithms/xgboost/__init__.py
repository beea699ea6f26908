"""XGBoost as a built-in algorithm: `python -m hpt.algorithms.xgboost` trains under the container contract."""
