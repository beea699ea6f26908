"""Writes data/train.csv and data/validation.csv from scikit-learn's breast-cancer data.

The files are part of the example, so this is only needed to make them again (needs scikit-learn):

    python prepare.py

Layout, as XGBoost on SageMaker takes it: no header, the label first (1 = benign), then the 30 features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

VALIDATION_SHARE = 0.3


def main() -> None:
    features, labels = load_breast_cancer(return_X_y=True)  # (569, 30), (569,)
    split = train_test_split(features, labels, test_size=VALIDATION_SHARE, stratify=labels, random_state=0)
    train_x, validation_x, train_y, validation_y = split
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    for name, x, y in (("train", train_x, train_y), ("validation", validation_x, validation_y)):
        rows = [
            ",".join([str(label), *(np.format_float_positional(v, trim="-") for v in row)])
            for label, row in zip(y, x, strict=True)
        ]
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
