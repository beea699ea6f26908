"""`python -m hpt.algorithms.kmeans`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels `train` (required) and `test`: rows of features, without labels; the model goes to
`model/kmeans-model.npz` (`centers`: (k, d)), checkpoints to `checkpoints/kmeans-checkpoint.<n>`.
"""

from __future__ import annotations

from hpt.algorithms import program
from hpt.algorithms.channels import Table, read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Channel, Folders, StopRequest
from hpt.algorithms.kmeans import hyperparameters
from hpt.algorithms.loop import Loop
from hpt.job.catalog.kmeans import KMEANS

MODEL = "kmeans-model.npz"
CHECKPOINT = "kmeans-checkpoint"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    tables = program.open_scikit_learn(
        KMEANS, "k-means", "sklearn.cluster", folders, ("train", "test"), settings.target, _read_unlabelled
    )
    from hpt.algorithms.kmeans import training

    loop = Loop(Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log, "epoch", "epochs")
    centers = training.train(settings, tables, loop)
    program.finish(folders, stop, MODEL, program.pack(centers=centers), unit="epoch")


def _read_unlabelled(channel: Channel) -> Table:
    return read_channel(channel, labelled=False)


if __name__ == "__main__":
    program.start(main)
