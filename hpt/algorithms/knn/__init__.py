"""k nearest neighbours as a built-in algorithm: `python -m hpt.algorithms.knn`, on scikit-learn."""
