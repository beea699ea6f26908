"""`python -m hpt.algorithms.kmeans`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels `train` (required) and `test`: rows of features. A row of `text/csv` begins with a label, which is
ignored, unless `label_size=0`; where no content type is given, `feature_dim` tells. The model goes to
`model/kmeans-model.npz` (`centers`: (k, d)), checkpoints to `checkpoints/kmeans-checkpoint.<n>`.
"""

from __future__ import annotations

from dataclasses import replace

from hpt.algorithms import program
from hpt.algorithms.channels import Table, label_size, read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Channel, Folders, StopRequest, UserError
from hpt.algorithms.kmeans import hyperparameters
from hpt.algorithms.loop import Loop
from hpt.job.catalog.kmeans import KMEANS

MODEL = "kmeans-model.npz"
CHECKPOINT = "kmeans-checkpoint"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)

    def read(channel: Channel) -> Table:
        return read_rows(channel, settings.feature_dim)

    tables = program.open_scikit_learn(
        KMEANS, "k-means", "sklearn.cluster", folders, ("train", "test"), settings.target, read
    )
    from hpt.algorithms.kmeans import training

    loop = Loop(Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log, "epoch", "epochs")
    centers = training.train(settings, tables, loop)
    program.finish(folders, stop, MODEL, program.pack(centers=centers), unit="epoch")


def read_rows(channel: Channel, feature_dim: int) -> Table:
    """The features of a channel, without labels.

    Raises:
        UserError: as `read_channel`; or its rows have no label though their content type says so.
    """
    table, labels = read_channel(channel, labelled=False), label_size(channel)
    if table.dense is None:
        return table
    if labels is None:
        labels = int(table.width == feature_dim + 1)
    elif labels and table.width == feature_dim:
        raise UserError(
            f"channel {channel.name!r}: rows of ContentType {channel.content_type!r} are a label and "
            f"{feature_dim} features, and they have {feature_dim} columns; if there is no label, give "
            "text/csv;label_size=0"
        )
    return replace(table, dense=table.dense[:, labels:])


if __name__ == "__main__":
    program.start(main)
