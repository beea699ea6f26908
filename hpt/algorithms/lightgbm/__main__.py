"""`python -m hpt.algorithms.lightgbm`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels: see `hpt.algorithms.boosting`. The model goes to `model/lightgbm-model.txt`, checkpoints to
`checkpoints/lightgbm-checkpoint.<n>`. `$HPT_REQUESTED_IMAGE`: the image the job named (a model id
fixes the task).
"""

from __future__ import annotations

import os

from hpt.algorithms import boosting, container, program
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Folders, StopRequest, UserError
from hpt.algorithms.lightgbm import hyperparameters
from hpt.algorithms.loop import Loop
from hpt.job.catalog.lightgbm import LIGHTGBM

MODEL = "lightgbm-model.txt"
CHECKPOINT = "lightgbm-checkpoint"

# LightGBM imports these if it finds them, for interfaces not used here.
_NOT_NEEDED = ("sklearn", "pandas", "matplotlib", "pyarrow", "polars", "dask", "cffi", "graphviz")


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    lightgbm = program.import_library("lightgbm", LIGHTGBM, "LightGBM", without=_NOT_NEEDED)
    from hpt.algorithms.lightgbm import training

    loop = Loop(Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log, "round", "num_boost_round")
    image = os.environ.get("HPT_REQUESTED_IMAGE", "")
    data = boosting.read_data(container.read_channels(folders), "LightGBM", settings.seed, image)
    try:
        chosen = training.plan(settings, data, program.log)
        if not chosen.resumable:
            program.log(f"hpt: boosting {chosen.parameters['boosting']} cannot resume: no checkpoints")
        model = training.train(chosen, data, loop)
    except lightgbm.basic.LightGBMError as error:
        raise UserError(f"LightGBM: {error}") from None
    program.finish(folders, stop, MODEL, model.encode() if model is not None else None, unit="round")


if __name__ == "__main__":
    program.start(main)
