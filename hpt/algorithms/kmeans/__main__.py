"""`python -m hpt.algorithms.kmeans`: trains in `$SAGEMAKER_BASE_DIR` (AMT 16, 17.3).

Channels `train` (required) and `test`: rows of features, without labels; the model goes to
`model/kmeans-model.npz` (`centers`: (k, d)), checkpoints to `checkpoints/kmeans-checkpoint.<n>`.
"""

from __future__ import annotations

from hpt.algorithms import container, program
from hpt.algorithms.channels import Table, read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Channel, Folders, StopRequest
from hpt.algorithms.kmeans import hyperparameters
from hpt.job.catalog.kmeans import KMEANS

MODEL = "kmeans-model.npz"
CHECKPOINT = "kmeans-checkpoint"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = hyperparameters.read(container.read_hyperparameters(folders))
    program.warn(settings.warnings)
    tables = program.open_scikit_learn(
        KMEANS, "k-means", "sklearn.cluster", folders, ("train", "test"), settings.target, _read_unlabelled
    )
    from hpt.algorithms.kmeans import training

    checkpoints = Checkpoints(folders.checkpoints, CHECKPOINT)
    centers = training.train(settings, tables, checkpoints, stop, program.log)
    if stop:
        program.log_stop(True, "epoch")
    program.write_model(folders, MODEL, program.pack(centers=centers))


def _read_unlabelled(channel: Channel) -> Table:
    return read_channel(channel, labelled=False)


if __name__ == "__main__":
    program.start(main)
