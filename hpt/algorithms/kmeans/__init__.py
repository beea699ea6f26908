"""k-means clustering as a built-in algorithm: `python -m hpt.algorithms.kmeans`, on scikit-learn."""
