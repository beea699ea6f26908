"""Linear models as a built-in algorithm: `python -m hpt.algorithms.linear_learner`, on scikit-learn."""
