"""Trains a small neural network on scikit-learn's digits: a plain script that knows nothing of tuning.

It takes its hyperparameters as `--name value` and prints one line per epoch. Try it by hand:

    python train.py --hidden_units 32 --learning_rate 0.01 --activation relu
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden_units", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=0.001)
    parser.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="relu")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    images, digits = load_digits(return_X_y=True)  # (1797, 64), (1797,)
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits, test_size=0.3, stratify=digits, random_state=0
    )
    scaler = StandardScaler().fit(train_x)
    train_x, test_x = scaler.transform(train_x), scaler.transform(test_x)
    network = MLPClassifier(
        hidden_layer_sizes=(options.hidden_units,),
        learning_rate_init=options.learning_rate,
        alpha=options.alpha,
        batch_size=options.batch_size,
        activation=options.activation,
        random_state=0,
    )
    for epoch in range(1, options.epochs + 1):
        network.partial_fit(train_x, train_y, classes=np.arange(10))
        print(f"epoch {epoch} validation accuracy: {network.score(test_x, test_y):.4f}", flush=True)


if __name__ == "__main__":
    main()
