"""`python -m hpt.algorithms.linear_learner`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels `train` (required), `validation` and `test`, label first; the model goes to
`model/linear-learner-model.npz`, checkpoints to `checkpoints/linear-learner-checkpoint.<n>`.
"""

from __future__ import annotations

from hpt.algorithms import program
from hpt.algorithms.channels import read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Folders, StopRequest
from hpt.algorithms.linear_learner import hyperparameters
from hpt.algorithms.loop import Loop
from hpt.job.catalog.linear_learner import LINEAR_LEARNER

MODEL = "linear-learner-model.npz"
CHECKPOINT = "linear-learner-checkpoint"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    names = ("train", "validation", "test")
    tables = program.open_scikit_learn(
        LINEAR_LEARNER,
        "a linear model",
        "sklearn.linear_model",
        folders,
        names,
        settings.target,
        read_channel,
    )
    from hpt.algorithms.linear_learner import training

    loop = Loop(Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log, "epoch", "epochs")
    model = training.train(training.prepare(settings, tables), loop)
    program.finish(folders, stop, MODEL, model, unit="epoch")


if __name__ == "__main__":
    program.start(main)
