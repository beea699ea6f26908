"""`python -m hpt.algorithms.catboost`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels: see `hpt.algorithms.boosting`. The model goes to `model/catboost-model.cbm`, the snapshot to
`checkpoints/catboost-snapshot`. `$HPT_REQUESTED_IMAGE`: the image the job named; a model id fixes the task.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from hpt.algorithms import boosting, container, program
from hpt.algorithms.catboost import hyperparameters
from hpt.algorithms.container import Folders, StopRequest, UserError
from hpt.job.catalog.catboost import CATBOOST

MODEL = "catboost-model.cbm"
SNAPSHOT = "catboost-snapshot"

# CatBoost imports these if it finds them, for interfaces not used here.
_NOT_NEEDED = ("matplotlib", "plotly", "graphviz", "IPython", "ipywidgets")


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    sys.modules.setdefault("pandas", _no_frames())
    catboost = program.import_library("catboost", CATBOOST, "CatBoost", without=_NOT_NEEDED)
    from hpt.algorithms.catboost import training

    image = os.environ.get("HPT_REQUESTED_IMAGE", "")
    data = boosting.read_data(container.read_channels(folders), "CatBoost", settings.random_seed, image)
    try:
        model = training.train(settings, data, folders.checkpoints / SNAPSHOT, stop, program.log)
    except catboost.CatBoostError as error:
        raise UserError(f"CatBoost: {program.message_without_source(str(error))}") from None
    program.finish(folders, stop, MODEL, model, unit="round")


def _no_frames() -> ModuleType:
    """Stands for pandas, which costs as much to import as CatBoost and of which it only knows the types."""
    module = ModuleType("pandas")
    for name in ("DataFrame", "Series", "Categorical", "SparseDtype"):
        setattr(module, name, type(name, (), {}))
    return module


if __name__ == "__main__":
    program.start(main)
