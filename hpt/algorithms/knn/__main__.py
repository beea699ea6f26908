"""`python -m hpt.algorithms.knn`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels `train` (required) and `test`, label first; the model goes to `model/knn-model.npz`: the rows
searched, their labels and how to search. Nothing is iterated, so there are no checkpoints.
"""

from __future__ import annotations

from hpt.algorithms import program
from hpt.algorithms.channels import read_channel
from hpt.algorithms.container import Folders, StopRequest
from hpt.algorithms.knn import hyperparameters
from hpt.job.catalog.knn import KNN

MODEL = "knn-model.npz"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    names = ("train", "test")
    tables = program.open_scikit_learn(
        KNN, "nearest neighbours", "sklearn.neighbors", folders, names, settings.target, read_channel
    )
    from hpt.algorithms.knn import training

    index = training.build(settings, tables)
    if "test" in tables and not stop:
        index.evaluate(tables["test"], stop, program.log)
    program.finish(folders, stop, MODEL, index.content(), unit="row")


if __name__ == "__main__":
    program.start(main)
