"""`python -m hpt.algorithms.linear_learner`: trains in `$SAGEMAKER_BASE_DIR` (AMT 16, 17.3).

Channels `train` (required), `validation` and `test`, label first; the model goes to
`model/linear-learner-model.npz`, checkpoints to `checkpoints/linear-learner-checkpoint.<n>`.
"""

from __future__ import annotations

from hpt.algorithms import container, program
from hpt.algorithms.channels import read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Folders, StopRequest
from hpt.algorithms.linear_learner import hyperparameters
from hpt.job.catalog.linear_learner import LINEAR_LEARNER

MODEL = "linear-learner-model.npz"
CHECKPOINT = "linear-learner-checkpoint"


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = hyperparameters.read(container.read_hyperparameters(folders))
    program.warn(settings.warnings)
    tables = program.open_scikit_learn(
        LINEAR_LEARNER,
        "a linear model",
        "sklearn.linear_model",
        folders,
        ("train", "validation", "test"),
        settings.target,
        read_channel,
    )
    from hpt.algorithms.linear_learner import training

    trainer = training.prepare(settings, tables)
    model = training.train(trainer, Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log)
    if stop:
        program.log_stop(model is not None, "epoch")
    if model is not None:
        program.write_model(folders, MODEL, model)


if __name__ == "__main__":
    program.start(main)
